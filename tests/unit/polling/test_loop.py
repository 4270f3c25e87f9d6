# SPDX-License-Identifier: Apache-2.0
"""How a wait is told: to the task log, to the person who reads it, and to the worker that goes on with it."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest

from airflow_async_provider._polling.loop import (
    MAX_EVENT_RESULT,
    Heartbeat,
    Outcome,
    WaitLogger,
    format_duration,
    format_range,
    format_status,
    result_in,
    with_status_url,
)
from airflow_async_provider._polling.policy import PollPolicy, Wait
from airflow_async_provider.errors import RequestRefusedError
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Result

# -- in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.25 s"),
        (9.5, "9.5 s"),
        (45, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (3600, "60 min"),
        (7200, "2 h"),
        (11_100, "3 h 5 min"),
    ],
)
def test_times_for_a_person(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
    assert format_range(seconds, seconds) == words


def test_what_the_remote_said_in_one_line() -> None:
    assert format_status(JobStatus(JobState.RUNNING, "processing")) == "processing"
    assert (
        format_status(JobStatus(JobState.FAILED, "1800", "ENDED_NOT_OK -\n aborted"))
        == "1800: ENDED_NOT_OK - aborted"
    )
    assert format_status(JobStatus(JobState.FAILED, "", "no")) == "no"
    assert format_status(JobStatus(JobState.FAILED, "no", "no")) == "no"
    assert len(format_status(JobStatus(JobState.FAILED, "x", "y" * 5000))) < 250


def test_signs_of_life_get_rarer_but_come_every_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heartbeat = Heartbeat()
    beats = []
    for minute in range(12 * 60):
        now[0] = minute * 60.0
        if heartbeat.beats():
            beats.append(minute)
            assert not heartbeat.beats()
    assert beats[:6] == [1, 2, 4, 8, 16, 26]
    assert {later - earlier for earlier, later in pairwise(beats[5:])} == {10}


def test_a_range_of_times_is_one_time_where_both_read_alike() -> None:
    assert format_range(10, 300) == "10 s to 5 min"
    assert format_range(10, 10.2) == "10 s"


@pytest.mark.parametrize(("word", "text"), [("RUNNING", "RUNNING, 25%: half"), ("", "25%: half")])
def test_progress_stands_with_the_word(word: str, text: str) -> None:
    assert format_status(JobStatus(JobState.RUNNING, word, "half", progress=0.25)) == text


class Lines(list[str]):
    """A log."""

    def info(self, event: str, /, *args: Any) -> None:
        self.append("I " + event % args)

    def warning(self, event: str, /, *args: Any) -> None:
        self.append("W " + event % args)


def a_logger(log: Lines, wait: Wait | None = None) -> WaitLogger:
    handle = JobHandle("http_api", "7", 0.0)
    return WaitLogger(log, handle, wait or Wait(PollPolicy(), time.time() + 60), time.time)


def test_a_status_is_told_when_it_changes_and_only_then() -> None:
    log = Lines()
    logger = a_logger(log)
    for word in ("queued", "queued", "working", "queued"):
        logger.status(JobStatus(JobState.RUNNING, word))
    assert log == [f"I Job 7: running ({word})" for word in ("queued", "working", "queued")]


def test_a_word_that_nobody_knows_is_warned_of_once() -> None:
    log = Lines()
    logger = a_logger(log)
    for _ in range(2):
        logger.status(JobStatus(JobState.RUNNING, "odd", "what is this", recognised=False))
        logger.status(JobStatus(JobState.RUNNING, "odder", unknown_words=("a", "b")))
    warned = [line for line in log if line[0] == "W"]
    assert len(warned) == 2
    assert "the status 'odd' is not a known one" in warned[0]
    assert warned[0].endswith("what is this")
    assert "the status 'a', 'b' is not a known one" in warned[1]


def test_a_poll_that_failed_is_told_with_its_number_and_how_many_in_a_row() -> None:
    log, wait = Lines(), Wait(PollPolicy(), time.time() + 60)
    wait.polls, wait.errors_in_row = 5, 2
    a_logger(log, wait).failed(RequestRefusedError("HTTP 503"))
    assert log == ["W Job 7: poll 5 failed (2 in a row): HTTP 503"]


# -- to the worker


def test_an_event_holds_states_and_counters_and_no_text_of_an_error() -> None:
    outcome = Outcome(
        "error", "processing", polls=3, errors=2, error=RequestRefusedError("canary", http_status=403)
    )
    assert outcome.to_event() == {
        "version": 1,
        "state": "error",
        "remote_status": "processing",
        "via": "poll",
        "polls": 3,
        "errors": 2,
        "error": "RequestRefusedError",
        "http_status": 403,
    }


def succeeded(value: Any, *, keep: bool = True) -> dict[str, Any]:
    status = JobStatus(JobState.SUCCEEDED, "done", result=Result(value=value))
    return Outcome("succeeded", "done", status=status, keep_result=keep).to_event()


@pytest.mark.parametrize("value", [{"rows": 3}, [], 0, False, ""])
def test_a_result_that_is_given_once_travels_with_the_event(value: Any) -> None:
    event = json.loads(json.dumps(succeeded(value)))
    found = result_in(event)
    assert found is not None
    assert (found.state, found.remote_status) == (JobState.SUCCEEDED, "done")
    assert found.result is not None
    assert found.result.value == value


@pytest.mark.parametrize("value", [None, "x" * MAX_EVENT_RESULT, float("nan"), object()])
def test_a_result_that_no_event_can_hold_stays_where_it_is(value: Any) -> None:
    assert result_in(succeeded(value)) is None


def test_a_result_that_can_be_asked_for_again_is_in_no_event() -> None:
    assert "result" not in succeeded({"rows": 3}, keep=False)
    assert "result" in succeeded("x" * (MAX_EVENT_RESULT - 2))  # with its quotation marks


def test_a_status_url_that_moves_is_followed() -> None:
    handle = JobHandle("http_api", "7", 0.0, status_url="/s/1")
    assert with_status_url(handle, JobStatus(JobState.RUNNING, status_url="/s/2")).status_url == "/s/2"
    assert with_status_url(handle, JobStatus(JobState.RUNNING)) is handle
    assert Outcome("running", status_url="/s/2").to_event()["status_url"] == "/s/2"
    assert "/s/2" not in repr(Outcome("running", status_url="/s/2"))
