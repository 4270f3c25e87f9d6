# SPDX-License-Identifier: Apache-2.0
"""A task that a person has resumed on the page "Remote jobs": on its worker, and in its trigger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

try:
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowFailException

from airflow_async_provider._callbacks import mailbox
from airflow_async_provider._callbacks.registration import BY_HAND_KEY, DURABLE_HANDLE, DURABLE_KEY, as_stored
from airflow_async_provider._polling.loop import CANCEL, POLL, event_by_hand
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.frame import running as simulating
from tests.support.one_task import OneTask, TaskDeferred

Scene = tuple[AutomicSimulator, OneTask, Callable[[], Any], Any]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A run that has been started, and its task, which has deferred."""
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    with simulating(AutomicSimulator(run_seconds=3600)) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(simulator.airflow_connection()))
        task = OneTask()

        def make() -> Any:
            return AutomicExecuteOperator(task_id="t", object_name="JOBS.NIGHTLY", poll_interval=0.1)

        yield simulator, task, make, task.begin(make)


def cancelled(simulator: AutomicSimulator) -> bool:
    return bool(simulator.journal.counts().get("job_cancelled"))


def resumed(scene: Scene, wish: str) -> Any:
    _, task, make, _ = scene
    return make().execute_complete(task.context, event=event_by_hand(wish, "ada"), **task.deferrals[-1])


def test_a_job_that_still_runs_is_polled_and_waited_for(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator = scene[0]
    with pytest.raises(TaskDeferred):
        resumed(scene, POLL)
    assert simulator.journal.polls
    assert "Resumed by ada on the page Remote jobs, to poll the job." in capsys.readouterr().out
    assert not cancelled(simulator)


def test_a_job_that_has_ended_is_what_the_task_returns(scene: Scene) -> None:
    scene[0].run().set_status(1900)
    assert resumed(scene, POLL)["status"] == 1900
    # The person was too late: it has succeeded, and nothing is cancelled.
    assert resumed(scene, CANCEL)["status"] == 1900


def test_a_job_is_cancelled_and_neither_retried_nor_remembered(scene: Scene) -> None:
    simulator, task, _, _ = scene
    with pytest.raises(AirflowFailException, match="cancelled by ada on the page Remote jobs"):
        resumed(scene, CANCEL)
    assert cancelled(simulator)
    assert task.store is not None
    assert not (task.store.get(DURABLE_KEY) or {}).get(DURABLE_HANDLE)


def test_a_job_that_the_remote_does_not_cancel_is_waited_for(scene: Scene) -> None:
    scene[0].faults.add("cancel", "http_status", status=403, times=None)
    with pytest.raises(TaskDeferred):
        resumed(scene, CANCEL)
    assert not cancelled(scene[0])


def on_kill(scene: Scene, monkeypatch: pytest.MonkeyPatch, note: dict[str, Any] | None) -> None:
    """Airflow tells the trigger that a user has ended it; the XCom is played: no supervisor is here."""
    from airflow.sdk.bases.xcom import BaseXCom

    _, task, _, deferral = scene
    trigger = task.trigger(deferral)
    trigger.trigger_id = 12
    trigger.task_instance = task.context["ti"]

    async def aget_one(*, key: str, **where: Any) -> Any:
        assert where["dag_id"] == "d"
        return as_stored(note) if key == BY_HAND_KEY and note else None

    monkeypatch.setattr(BaseXCom, "aget_one", aget_one, raising=False)
    monkeypatch.setattr(mailbox, "HANDOVER_KILLS", False)
    asyncio.run(asyncio.wait_for(trigger.on_kill(), 20))


def test_its_trigger_does_not_take_that_for_a_kill(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    on_kill(scene, monkeypatch, {"trigger": 12, "by": "ada", "wish": POLL})
    assert not cancelled(scene[0])


@pytest.mark.parametrize("note", [None, {"trigger": 11, "by": "ada", "wish": POLL}, {"by": "x"}])
def test_a_later_wait_is_killed_as_ever(scene: Scene, monkeypatch: pytest.MonkeyPatch, note: Any) -> None:
    on_kill(scene, monkeypatch, note)
    assert cancelled(scene[0])
