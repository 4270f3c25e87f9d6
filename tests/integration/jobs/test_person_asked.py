# SPDX-License-Identifier: Apache-2.0
"""A run that is blocked in Automic asks a person; what Airflow does with the question is played."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks.airflow_internals import CAN_ASK
from airflow_async_provider._jobs.airflow_exceptions import AirflowFailException
from airflow_async_provider.errors import (
    ConfigurationError,
    JobBlockedError,
    JobCancelledError,
    JobTimeoutError,
)
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.sensors.automic import AutomicExecutionSensor
from airflow_async_provider.simulators.automic import AutomicSimulator
from tests.support.one_task import OneTask, TaskDeferred

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

new = pytest.mark.skipif(not CAN_ASK, reason="Airflow can ask from 3.3 on")
QUICK = {"poll_interval": 0.05, "max_poll_interval": 0.1}


@pytest.fixture
def ae(
    automic_simulator: AutomicSimulator, automic_connection: str, monkeypatch: pytest.MonkeyPatch
) -> AutomicSimulator:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    return automic_simulator


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Airflow's supervisor was told."""
    from airflow.sdk.execution_time import task_runner

    messages: list[Any] = []
    comms = SimpleNamespace(send=lambda msg: messages.append(msg) if hasattr(msg, "options") else None)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
    return messages


def make(**given: Any) -> AutomicExecuteOperator:
    arguments = {"object_name": "JOBP.BLOCKED", "on_blocked": "ask", **QUICK, **given}
    return AutomicExecuteOperator(task_id="t", **arguments)


def ask(task: OneTask, **given: Any) -> Any:
    """One try up to its question."""
    from airflow.sdk.exceptions import TaskAwaitingInput

    with pytest.raises(TaskAwaitingInput) as caught:
        task.run(lambda: make(**given))
    assert caught.value.method_name == "execute_complete"
    caught.value.kwargs = json.loads(json.dumps(caught.value.kwargs))
    return caught.value


def answer(question: Any, choice: str | None, **given: Any) -> tuple[AutomicExecuteOperator, dict[str, Any]]:
    event: dict[str, Any] = {"error": "timeout", "error_type": "timeout"}
    if choice is not None:
        event = {
            "chosen_options": [choice],
            "params_input": {},
            "responded_at": datetime.now(UTC),
            "responded_by_user": {"id": "ada", "name": "Ada L."},
            "timedout": False,
        }
    return make(**given), {"event": event, **question.kwargs}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> OneTask:
    class Named(OneTask):
        @property
        def context(self) -> Any:
            found = super().context
            found["ti"].id = "0193b8f0-7a3e-7c2b-9d1e-5a6b7c8d9e0f"
            return found

    return Named()


@new
def test_the_question_says_what_is_blocked_and_what_can_be_done(
    ae: AutomicSimulator, asked: list[Any], task: OneTask
) -> None:
    question = ask(task, timeout=3600)
    (message,) = asked
    assert message.options == ["Wait on", "Cancel the job", "Fail"]
    assert "JOBP.BLOCKED" in message.subject
    assert "1560" in message.body
    assert f"/executions/{ae.runs[0].run_id})" in message.body
    assert 3500 < question.timeout.total_seconds() <= 3600


@new
def test_wait_on_goes_on_with_the_run(
    ae: AutomicSimulator, asked: list[Any], task: OneTask, capsys: pytest.CaptureFixture[str]
) -> None:
    question = ask(task)
    operator, kwargs = answer(question, "Wait on")
    with pytest.raises(TaskDeferred) as deferral:  # blocked still, and not asked about again
        operator.execute_complete(task.context, **kwargs)
    assert "Ada L. (ada) chose 'Wait on'" in capsys.readouterr().out
    ae.go_on(ae.runs[0].run_id)
    assert task.follow(make, deferral.value)["status"] == 1900
    assert ae.journal.jobs_started == 1
    assert len(asked) == 1


@new
def test_a_run_that_was_resolved_meanwhile_has_ended(
    ae: AutomicSimulator, asked: list[Any], task: OneTask
) -> None:
    question = ask(task)
    ae.go_on(ae.runs[0].run_id)
    while ae.runs[0].record()["status"] < 1900:
        time.sleep(0.05)
    for choice in ("Wait on", None):
        operator, kwargs = answer(question, choice)
        assert operator.execute_complete(task.context, **kwargs)["status"] == 1900


@new
def test_cancel_cancels_the_run_and_no_retry_starts_another(
    ae: AutomicSimulator, asked: list[Any], task: OneTask
) -> None:
    operator, kwargs = answer(ask(task), "Cancel the job")
    with pytest.raises(JobCancelledError, match=r"was cancelled at the remote system, as Ada L\.") as caught:
        operator.execute_complete(task.context, **kwargs)
    assert isinstance(caught.value, AirflowFailException)
    assert ae.journal.cancels >= 1


@new
def test_fail_leaves_the_run_alone_and_a_clearing_goes_on_with_it(
    ae: AutomicSimulator, asked: list[Any], task: OneTask
) -> None:
    operator, kwargs = answer(ask(task), "Fail")
    with pytest.raises(JobBlockedError, match=r"Ada L\. \(ada\) decided that the task fails") as caught:
        operator.execute_complete(task.context, **kwargs)
    assert isinstance(caught.value, AirflowFailException)
    ae.go_on(ae.runs[0].run_id)
    task.clear()
    assert task.run(make)["status"] == 1900
    assert ae.journal.jobs_started == 1


@new
def test_nobody_answers(ae: AutomicSimulator, asked: list[Any], task: OneTask) -> None:
    question = ask(task, timeout=2, cancel_on_kill=False)
    time.sleep(max(0.0, question.kwargs["run"]["deadline"] - time.time()))
    operator, kwargs = answer(question, None, timeout=2, cancel_on_kill=False)
    with pytest.raises(JobTimeoutError, match="did not end within its timeout"):
        operator.execute_complete(task.context, **kwargs)


@pytest.mark.parametrize("cls", [AutomicExecuteOperator, AutomicExecutionSensor])
def test_it_is_checked_when_the_dag_is_parsed(cls: Any) -> None:
    job = {"run_id": 7} if cls is AutomicExecutionSensor else {"object_name": "X"}
    with pytest.raises(ConfigurationError, match=r"Did you mean 'wait'"):
        cls(task_id="t", on_blocked="waits", **job)
    if not CAN_ASK:
        with pytest.raises(ConfigurationError, match=r"Airflow 3\.3"):
            cls(task_id="t", on_blocked="ask", **job)
