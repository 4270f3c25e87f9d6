# SPDX-License-Identifier: Apache-2.0
"""
The questions of somebody who is woken at three in the morning, each answered by the command, the page's
data and the task log: which job, how old, when asked last and next, until when, where, what can be done.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_async_provider.__main__ import main
from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._cli import api
from airflow_async_provider._page.hint import hint_for
from airflow_async_provider._polling.policy import PollPolicy, Sleep, Wait
from airflow_async_provider._polling.wait_log import FIRST_HEARTBEAT, WaitLogger
from airflow_async_provider.errors import TransientError
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus
from tests.support.callback_world import Waiting
from tests.support.page_world import PageWorld, facts, page_world_fixture  # noqa: F401 - fixtures

JOB = {"protocol": "automic", "job_id": "7", "submitted_at": 1.0, "options": {"client": "100"}}

#: Question -> what the command prints, and what the page is told.
QUESTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "which job": (r"^job +job-7 \(/exports\)$", lambda j: (j["job_id"], j["label"]) == ("job-7", "/exports")),
    "which system": (r"^system +HTTP API$", lambda j: (j["system"], j["conn_id"]) == ("HTTP API", "api")),
    "how old": (r"^waiting +\d+ s$", lambda j: 50 < j["now"] - j["waiting_since"] < 600),
    "how is it": (
        r"^state +IN_PROGRESS 25%$",
        lambda j: (j["remote_status"], j["progress"]) == ("IN_PROGRESS", 0.25),
    ),
    "asked when last": (
        r"^last poll +\d+ s ago, failed \(2 in a row\)$",
        lambda j: 0 < j["now"] - j["last_poll_at"] < 500 and j["failures_in_row"] == 2,
    ),
    "what went wrong": (r"^last failure +TransientError: HTTP 503$", lambda j: "HTTP 503" in j["last_error"]),
    "asked when next": (r"^next poll +(in \d+ (s|min)|due)$", lambda j: j["next_poll_at"] > j["now"] - 600),
    "until when": (r"^deadline +in (1 h \d+ min|2 h)$", lambda j: 6000 < j["deadline"] - j["now"] < 7201),
    "where": (
        r"^address +https://api\.example\.com/exports/7$",
        lambda j: j["remote_url"] == "https://api.example.com/exports/7" and j["remote_link"],
    ),
    "what can I do": (
        r"^may be +poll, cancel$",
        lambda j: j["may_act"] and j["actions"] == ["poll", "cancel"],
    ),
}


@pytest.fixture(scope="module", name="waiting")
def waiting_fixture(page: PageWorld) -> Waiting:
    waiting = page.task()
    page.trigger(waiting, job=JOB)
    bad = {"failures": 2, "failures_in_row": 2, "last_error": "TransientError: HTTP 503"}
    assert page.report(facts(waiting, **bad, next_poll_at=120)).status_code == 204
    return waiting


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_command_answers(
    page: PageWorld, waiting: Waiting, question: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv(api.URL, page.url)
    monkeypatch.setenv(api.TOKEN, page.token())
    key = waiting.key
    assert main(["show", key.dag_id, key.run_id, key.task_id]) == 0
    shown = capsys.readouterr().out
    assert re.search(QUESTIONS[question][0], shown, re.MULTILINE), shown


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_page_has_the_answer(page: PageWorld, waiting: Waiting, question: str) -> None:
    job = page.job(waiting).json()
    assert QUESTIONS[question][1](job), job


class Lines(list[str]):
    """A task log."""

    def info(self, event: str, /, *args: Any) -> None:
        self.append(event % args)

    warning = info


#: What a waiting task's last sign of life says, and the line below the first one.
LOG = {
    "which job": r"^Job 7: still IN_PROGRESS",
    "how old": r"after 2 h 1\d min; ",
    "how is it": r"still IN_PROGRESS, 25%",
    "asked how often, and what went wrong": r"3 polls, 2 failed \(2 x HTTP 503\)",
    "asked when last and next": r"last poll 11 min ago, next poll in 4 min",
    "until when": r"deadline in 1 h 4\d min",
    "where": r"; https://api\.example\.com/exports/7$",
}


@pytest.fixture(scope="module", name="log")
def log_fixture() -> Lines:
    log, now, begun = Lines(), [time.time()], time.monotonic()
    clock = time.monotonic
    handle, wait = JobHandle("http_api", "7", now[0] - 7200), Wait(PollPolicy(), now[0] + 7200)
    job = JobHandle.from_dict(JOB)
    hint = hint_for(job, TaskKey("nightly", "r 1", "export"), callback=False, cancel_on_kill=True)
    logger = WaitLogger(log, handle, wait, lambda: now[0], hint)
    logger.location = "https://api.example.com/exports/7"
    for _ in range(2):
        error = TransientError("HTTP 503", http_status=503)
        wait.failed(now[0], error)
        logger.failed(error, Sleep(45))
    wait.answered(now[0], ended=False, remote_status="IN_PROGRESS")
    logger.status(JobStatus(JobState.RUNNING, "IN_PROGRESS", progress=0.25), Sleep(900))
    now[0] += 660
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: begun + FIRST_HEARTBEAT + 660 + (clock() - begun))
        logger.alive()
    return log


@pytest.mark.parametrize("question", LOG)
def test_each_sign_of_life_in_the_log_answers(question: str, log: Lines) -> None:
    assert re.search(LOG[question], log[-1]), (question, log[-1])


def test_the_log_says_what_can_be_done(log: Lines) -> None:
    (line,) = [line for line in log if "Remote jobs" in line]
    assert "polled now or cancelled" in line
    assert line.endswith("show|poll|cancel nightly 'r 1' export")
