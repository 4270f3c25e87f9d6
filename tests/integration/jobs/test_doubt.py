# SPDX-License-Identifier: Apache-2.0
"""A job that may have been started stays in doubt, whatever later attempts are answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    JobElsewhereError,
    TransientError,
)
from airflow_async_provider.hooks import _submission
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.simulators.automic import AutomicSimulator
from tests.support.byte_server import ByteServer, hang_up, running, status
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(_submission, "LOOK_UP_PAUSES", (0.0,))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[ByteServer], ByteServer]:
    def connect(server: ByteServer) -> ByteServer:
        connection = json.dumps({"conn_type": "http", "host": server.origin})
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", connection)
        return server

    return connect


def job() -> HttpAsyncJobOperator:
    return HttpAsyncJobOperator(task_id="t", endpoint="jobs", json={}, idempotency_key=True)


def keys(server: ByteServer) -> set[str]:
    """What tells an honest remote that two requests are about the same job."""
    return {request.headers["idempotency-key"] for request in server.requests}


def gone(exchange: Any) -> None:
    """No answer, and nobody listens from then on."""
    exchange.server.close()


AFTER = {"429": (status(429), TransientError), "401": (status(401), AuthenticationError)}


@pytest.mark.parametrize("after", AFTER)
def test_an_answer_to_a_later_attempt_says_nothing_of_an_earlier_one(
    at: Callable[[ByteServer], ByteServer], after: str
) -> None:
    step, error = AFTER[after]
    task = OneTask()
    with running(steps=[hang_up(), *[step] * 4]) as server:
        at(server)
        with pytest.raises(error):
            task.run(job)
        server.steps[:] = [status(202, headers={"Location": "/jobs/1"})]
        task.begin(job)
        assert len(keys(server)) == 1


def test_nor_does_a_remote_that_is_gone_meanwhile(at: Callable[[ByteServer], ByteServer]) -> None:
    task = OneTask()
    with running(steps=[gone]) as first:
        at(first)
        with pytest.raises(TransientError) as caught:
            task.run(job)
    assert not caught.value.sent
    with running(steps=[status(202, headers={"Location": "/jobs/1"})]) as second:
        at(second)
        with pytest.raises(JobElsewhereError, match="may have started"):
            task.begin(job)
        assert not second.requests


@pytest.mark.parametrize("after", AFTER)
def test_nor_does_a_later_try_of_a_killed_one(
    at: Callable[[ByteServer], ByteServer], after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, error = AFTER[after]
    task = OneTask()
    with running(steps=[status(202), *[step] * 5]) as server:
        at(server)
        with monkeypatch.context() as patched:
            patched.setattr(HttpAsyncJobOperator, "start", killed_after(HttpAsyncJobOperator.start))
            with pytest.raises(KeyboardInterrupt):
                task.run(job)
        with pytest.raises(error):
            task.run(job)
        server.steps[:] = [status(202, headers={"Location": "/jobs/1"})]
        task.begin(job)
        assert len(keys(server)) == 1


def killed_after(submit: Callable[..., Any]) -> Callable[..., Any]:
    """The worker is killed when the request has arrived, and before it can note the answer."""

    def run(*args: Any) -> Any:
        try:
            submit(*args)
        finally:
            raise KeyboardInterrupt

    return run


def test_a_person_who_clears_the_task_ends_the_doubt(at: Callable[[ByteServer], ByteServer]) -> None:
    task = OneTask()
    with running(steps=[hang_up(), *[status(429)] * 9]) as server:
        at(server)
        for _ in range(2):
            with pytest.raises(TransientError):
                task.run(job)
            task.clear()
        assert not task.store
        assert len(keys(server)) == 2


def test_a_run_that_automic_lists_late_is_found_by_the_retry(
    automic_simulator: AutomicSimulator, automic_connection: Any
) -> None:
    ae, task = automic_simulator, OneTask()
    ae.faults.add("submit", "reset", processed=True)
    ae.faults.add("list", "alter", update={"data": []})
    ae.faults.add("submit", "http_status", status=403)  # of a second start, should there be one
    with pytest.raises(AsyncJobError):
        task.run(start)
    assert task.store is not None
    assert "correlation_id" in task.store[DURABLE_KEY]
    assert task.run(start)["run_id"] == ae.run().run_id
    assert ae.journal.jobs_started == 1


def start() -> AutomicExecuteOperator:
    return AutomicExecuteOperator(task_id="t", object_name="JOBS.OK", poll_interval=0.05)
