# SPDX-License-Identifier: Apache-2.0
"""Tasks that Airflow ends on their worker, by a signal, and what becomes of their jobs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

try:
    from airflow.sdk.exceptions import AirflowTaskTimeout
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowTaskTimeout

from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider.errors import JobCancelledError
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from airflow_async_provider.simulators.automic import AutomicSimulator
from tests.support.byte_server import ByteServer, running, status
from tests.support.one_task import OneTask, TaskDeferred

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

ACCEPTED = status(202, headers={"Location": "/jobs/1"})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ByteServer]:
    with running() as found:
        connection = json.dumps({"conn_type": "http", "host": found.origin, "password": "token"})
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", connection)
        monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", connection)
        yield found


@pytest.fixture
def told() -> Iterator[Callable[[Any], Any]]:
    """As Airflow's task runner: SIGTERM calls ``on_kill`` and then the work goes on."""
    before = signal.getsignal(signal.SIGTERM)

    def install(operator: Any) -> Any:
        signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
        return operator

    yield install
    signal.signal(signal.SIGTERM, before)


def killed_meanwhile(step: Any) -> Any:
    """The signal comes after the request has arrived, and before it is answered."""

    def answer(exchange: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        step(exchange)

    return answer


def operator(**arguments: Any) -> HttpAsyncJobOperator:
    return HttpAsyncJobOperator(
        **{
            "task_id": "t",
            "endpoint": "jobs",
            "json": {},
            "cancel": "delete",
            "poll_interval": 0.2,
            **arguments,
        }
    )


def asked(server: ByteServer) -> list[str]:
    return [request.method for request in server.requests]


def test_a_kill_during_the_submission_cancels_the_job(server: ByteServer, told: Callable[[Any], Any]) -> None:
    server.steps += [killed_meanwhile(ACCEPTED), status(204)]
    task = OneTask()
    with pytest.raises(JobCancelledError, match=r"killed while it started .* was cancelled"):
        task.run(lambda: told(operator()))
    assert asked(server) == ["POST", "DELETE"]
    assert not task.store  # a retry starts another


def test_one_that_cannot_be_cancelled_is_left_to_a_retry(
    server: ByteServer, told: Callable[[Any], Any]
) -> None:
    server.steps += [killed_meanwhile(ACCEPTED), *[status(500)] * 5]
    task = OneTask()
    with pytest.raises(JobCancelledError, match="a retry of this task goes on with it"):
        task.run(lambda: told(operator()))
    assert task.store is not None
    assert "handle" in task.store[DURABLE_KEY]


def test_a_kill_during_the_submission_of_a_task_that_does_not_wait(
    server: ByteServer, told: Callable[[Any], Any]
) -> None:
    answer = status(202, json.dumps({"statusUrl": f"{server.origin}/status"}).encode())
    server.steps += [killed_meanwhile(answer)]
    with pytest.raises(JobCancelledError, match="killed while it started"):
        OneTask().run(lambda: told(JaggaerAsoSubmitOperator(task_id="t", endpoint="e/async")))


@pytest.mark.parametrize("step", [ACCEPTED, status(200, b"{}", {"Content-Type": "application/json"})])
def test_a_job_that_nobody_may_cancel_or_that_has_ended_goes_on(
    server: ByteServer, told: Callable[[Any], Any], step: Any
) -> None:
    server.steps += [killed_meanwhile(step)]
    waits = step is ACCEPTED
    try:
        told(operator(cancel_on_kill=not waits)).execute(OneTask().context)
    except TaskDeferred:
        assert waits
    else:
        assert not waits
    assert asked(server) == ["POST"]


# -- Airflow's execution_timeout


@contextmanager
def execution_timeout(task: Any, after: float = 0.5) -> Iterator[None]:
    """As Airflow's task runner: an alarm breaks the work off, then the operator is told."""

    def strike(*_: Any) -> None:
        raise AirflowTaskTimeout

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        with pytest.raises(AirflowTaskTimeout):
            yield
        task.on_kill()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def automic(**arguments: Any) -> AutomicExecuteOperator:
    return AutomicExecuteOperator(
        **{"task_id": "t", "object_name": "JOBS.FOREVER", "poll_interval": 0.05, **arguments}
    )


@pytest.mark.parametrize(
    "automic_simulator", [{"objects": {"*": {"cancel_seconds": 60}}}], indirect=True, ids=["slow"]
)
def test_a_retry_after_the_execution_timeout_starts_a_new_job_though_the_old_one_is_still_being_cancelled(
    automic_simulator: AutomicSimulator, automic_connection: Any
) -> None:
    task = OneTask()
    first = automic(deferrable=False)
    with execution_timeout(first):
        first.execute(task.context)
    assert [run.status for run in automic_simulator.runs] == [1571]  # "being cancelled"
    assert automic_simulator.journal.cancels == 1

    deferral = task.begin(automic)
    automic_simulator.clock.advance(61)
    assert [run.status for run in automic_simulator.runs] == [1850, 1550]
    automic_simulator.finish_run()
    assert task.follow(automic, deferral)["status"] == 1900


def test_the_execution_timeout_of_a_task_that_was_woken(server: ByteServer) -> None:
    server.steps += [ACCEPTED]
    task = OneTask()
    deferral = task.begin(operator)
    woken = operator()
    # The worker reads the truth, and the remote does not answer.
    server.steps += [lambda exchange: server.ended.wait(20), status(204)]
    with execution_timeout(woken):
        woken.execute_complete(task.context, event={"state": "succeeded"}, **deferral.kwargs)
    assert asked(server) == ["POST", "GET", "DELETE"]
    assert not task.store


@pytest.mark.parametrize("refused", [True, False])
def test_a_job_that_was_not_cancelled_is_left_to_a_retry(server: ByteServer, refused: bool) -> None:
    server.steps += [ACCEPTED]
    task = OneTask()
    deferral = task.begin(operator)
    woken = operator(cancel_on_kill=refused)
    server.steps += [lambda exchange: server.ended.wait(20), *[status(500)] * 10]
    with execution_timeout(woken):
        woken.execute_complete(task.context, event={"state": "succeeded"}, **deferral.kwargs)
    assert ("DELETE" in asked(server)) is refused
    assert task.store is not None
    assert "handle" in task.store[DURABLE_KEY]
