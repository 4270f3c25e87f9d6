# SPDX-License-Identifier: Apache-2.0
"""A remote that writes our own key into its status URLs: jobs are followed, and the key is not stored."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from airflow_async_provider.errors import DescriptionError, JobFailedError, OriginError
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol
from tests.support.byte_server import ByteServer, running, status
from tests.support.one_task import OneTask

SECRET = "s3cr3t/TOKEN+9f8e7d6c"
SPELLED = quote(SECRET, safe="")
OTHER = SPELLED.replace("%2F", "%2f").replace("%2B", "%2b")
RUNS = {"status": "running"}


def answer(body: dict[str, Any], code: int = 200, **headers: str) -> Any:
    return status(code, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ByteServer]:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    with running() as server:
        connection = {"conn_type": "http", "host": server.origin, "password": SECRET}
        monkeypatch.setenv("AIRFLOW_CONN_REMOTE", json.dumps(connection))
        yield server


def run(task: OneTask) -> Any:
    return task.run(
        lambda: HttpAsyncJobOperator(
            task_id="t",
            http_conn_id="remote",
            endpoint="jobs",
            profile="status_field",
            profile_options={"result_field": "result"},
            cancel="delete",
            poll_interval=0.02,
            max_poll_interval=0.02,
        )
    )


def stored(task: OneTask) -> str:
    triggers = [trigger.serialize() for trigger in task.triggers]
    assert task.store is not None
    assert task.store.written
    assert triggers
    return json.dumps([task.store.written, task.xcoms, task.deferrals, task.events, triggers])


@pytest.mark.parametrize("spelled", [SECRET, SPELLED])
@pytest.mark.parametrize("where", ["/k/{}/jobs/7", "/jobs/7?key={}", "moved"])
def test_the_key_in_a_status_url_is_not_stored(
    where: str, spelled: str, server: ByteServer, caplog: pytest.LogCaptureFixture
) -> None:
    path = ("/k/{}/jobs/7" if where == "moved" else where).format(spelled)
    first = "/jobs/7" if where == "moved" else path
    moves = {"Location": server.origin + path} if where == "moved" else {}
    server.steps = [
        answer({"statusUrl": server.origin + first}, 202),
        answer(RUNS, 202, **moves),
        answer(RUNS, 202),
        *[answer({"status": "done", "result": {"rows": 3}})] * 3,
    ]
    task = OneTask()
    with caplog.at_level(logging.DEBUG):
        assert run(task) == {"rows": 3}
    assert [r.target for r in server.requests][2:] == [path] * (len(server.requests) - 2), (
        "it is asked for as it came"
    )
    assert SECRET not in stored(task) + caplog.text
    assert SPELLED not in stored(task) + caplog.text


def test_an_error_does_not_show_it_either(server: ByteServer, caplog: pytest.LogCaptureFixture) -> None:
    server.steps = [
        answer({"statusUrl": f"{server.origin}/k/{SECRET}/jobs/7"}, 202),
        *[answer({"status": "failed", "message": f"no rows at /k/{OTHER}/x"})] * 3,
    ]
    with caplog.at_level(logging.DEBUG), pytest.raises(JobFailedError) as raised:
        run(OneTask())
    shown = f"{raised.value!r} {raised.value.job} {caplog.text}"
    assert "TOKEN" not in shown
    assert OTHER not in shown


def test_an_answer_without_a_state_is_not_taken_for_that_of_a_redirect(server: ByteServer) -> None:
    """The URL that was asked is compared with the one of the job as the remote knows it."""
    server.steps = [
        answer({"statusUrl": f"{server.origin}/k/{SECRET}/jobs/7"}, 202),
        *[answer({"result": {"rows": 3}})] * 3,
    ]
    with pytest.raises(DescriptionError, match="no status word"):
        run(OneTask())


def test_a_status_url_elsewhere_is_refused_without_showing_it(server: ByteServer) -> None:
    server.steps = [answer({"statusUrl": f"http://other.example/k/{SECRET}/jobs/7"}, 202)]
    with pytest.raises(OriginError) as raised:
        run(OneTask())
    assert "TOKEN" not in f"{raised.value!r} {raised.value.job}"
    assert len(server.requests) == 1


def test_a_link_with_a_mark_in_it_leads_nowhere_and_is_none(server: ByteServer) -> None:
    server.steps = [answer({"statusUrl": f"{server.origin}/k/{SECRET}/jobs/7"}, 202)]
    hook = HttpAsyncJobHook("remote")
    handle = hook.submit(StatusFieldProtocol(), "POST", "jobs").handle
    assert hook.job_url(handle) == ""
    assert hook.job_address(handle) == f"{server.origin}/k/~~authorization.token.plain~~/jobs/7"
