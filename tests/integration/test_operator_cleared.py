# SPDX-License-Identifier: Apache-2.0
"""A person clears a task: whether its earlier job goes on, is cancelled, or is none of its business."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from one_task import OneTask

from airflow_async_provider.errors import JobBlockedError
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.simulators.automic import AutomicSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def task() -> OneTask:
    return OneTask()


# -- a job that was left blocked


@pytest.fixture
def ae(automic_simulator: AutomicSimulator, automic_connection: Any) -> AutomicSimulator:
    return automic_simulator


def workflow(**arguments: Any) -> AutomicExecuteOperator:
    return AutomicExecuteOperator(
        **{
            "task_id": "t",
            "object_name": "JOBP.BLOCKED",
            "poll_interval": 0.05,
            "max_poll_interval": 0.1,
            **arguments,
        }
    )


def states(ae: AutomicSimulator) -> list[int]:
    return [run.status for run in ae.runs if run.body]


def test_a_workflow_that_was_resolved_goes_on_when_its_task_is_cleared(
    ae: AutomicSimulator, task: OneTask
) -> None:
    with pytest.raises(JobBlockedError, match="or clearing it, goes on with it"):
        task.run(workflow)
    ae.runs[0].set_status(1550)  # a person has resolved it: active again
    task.clear()
    deferral = task.begin(workflow)
    assert states(ae) == [1550]
    ae.go_on(ae.runs[0].run_id)
    assert task.follow(workflow, deferral)["status"] == 1900
    assert (ae.journal.jobs_started, ae.journal.cancels) == (1, 0)


def test_one_that_ended_before_the_clearing_counts(ae: AutomicSimulator, task: OneTask) -> None:
    with pytest.raises(JobBlockedError):
        task.run(workflow)
    ae.go_on(ae.runs[0].run_id)
    task.clear()
    assert task.run(workflow)["status"] == 1900
    assert ae.journal.jobs_started == 1


def test_one_that_nobody_has_resolved_is_not_cancelled_however_often_the_task_is_cleared(
    ae: AutomicSimulator, task: OneTask
) -> None:
    for _ in range(3):
        with pytest.raises(JobBlockedError):
            task.run(workflow)
        task.clear()
    assert states(ae) == [1560]
    assert ae.journal.jobs_started == 1


def test_clearing_it_once_more_while_it_waits_cancels_it(ae: AutomicSimulator, task: OneTask) -> None:
    with pytest.raises(JobBlockedError):
        task.run(workflow)
    ae.runs[0].set_status(1550)
    task.clear()
    task.begin(workflow)
    task.begin(workflow)  # a retry
    assert states(ae) == [1550]
    task.clear()
    task.begin(workflow)
    assert ae.journal.jobs_started == 2
    assert states(ae)[0] == 1571
