# SPDX-License-Identifier: Apache-2.0
"""A person clears a task: whether its earlier job goes on, is cancelled, or is none of its business."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER
from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider._download.destination.local_file import LocalFile
from airflow_async_provider.errors import DownloadError, JobBlockedError, JobFailedError
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.open_connectors import OpenConnectorsBulkUploadOperator
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator
from tests.support.one_task import OneTask

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


#: A cancellation is under way until the test has looked, also on a busy machine.
slow_to_cancel = pytest.mark.parametrize(
    "automic_simulator", [{"objects": {"*": {"cancel_seconds": 3600}}}], indirect=True, ids=["slow_to_cancel"]
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


@slow_to_cancel
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


# -- a job of other arguments


@pytest.fixture
def api(
    run_simulator: Callable[..., HttpAsyncSimulator], monkeypatch: pytest.MonkeyPatch
) -> HttpAsyncSimulator:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=0))
    for conn_id in ("HTTP_DEFAULT", "OTHER"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps(simulator.airflow_connection()))
    return simulator


def report(target: Path, **arguments: Any) -> Callable[[], HttpAsyncJobOperator]:
    given = {"json": {"year": 2025}, "poll_interval": 0.2, **arguments}
    return lambda: HttpAsyncJobOperator(
        task_id="t", endpoint="odata/Reports", profile="odata", destination=str(target), **given
    )


def fails_to_store(task: OneTask, tmp_path: Path, **arguments: Any) -> None:
    """A job that has done its work, and a destination that nobody can write to."""
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.MonkeyPatch.context() as later:
        later.setattr(LocalFile, "check", lambda self: None)  # it gets in the way while the job runs
        with pytest.raises(DownloadError, match="cannot be written"):
            task.run(report(tmp_path / "file" / "report", **arguments))


def test_the_result_of_other_arguments_is_not_taken(
    api: HttpAsyncSimulator, task: OneTask, tmp_path: Path
) -> None:
    fails_to_store(task, tmp_path)
    task.clear()
    task.run(report(tmp_path / "report", json={"year": 2026}))
    assert api.job().body == {"year": 2026}
    assert api.journal.jobs_started == 2


def test_another_destination_is_no_other_job(api: HttpAsyncSimulator, task: OneTask, tmp_path: Path) -> None:
    fails_to_store(task, tmp_path)
    task.clear()
    assert task.run(report(tmp_path / "report"))["bytes"] > 0
    assert api.journal.jobs_started == 1


def test_a_retry_goes_on_whatever_the_dag_says_now(
    api: HttpAsyncSimulator, task: OneTask, tmp_path: Path
) -> None:
    fails_to_store(task, tmp_path)
    task.run(report(tmp_path / "report", json={"year": 2026}))
    assert api.journal.jobs_started == 1


def test_what_an_older_version_has_noted_counts_as_equal(
    api: HttpAsyncSimulator, task: OneTask, tmp_path: Path
) -> None:
    fails_to_store(task, tmp_path)
    assert task.store is not None
    for fact in ("arguments", "conn_id"):
        del task.store[DURABLE_KEY][fact]
    task.clear()
    task.run(report(tmp_path / "report", json={"year": 2026}))
    assert api.journal.jobs_started == 1


@pytest.mark.parametrize(
    ("changed", "cancelled"),
    [
        ({"json": {"year": 2026}}, 1),
        ({"json": {"year": 2026}, "cancel_on_kill": False}, 0),
        ({"http_conn_id": "other"}, 0),  # who knows whose job that is there
    ],
)
def test_a_job_of_other_arguments_is_cancelled_if_it_still_runs(
    api: HttpAsyncSimulator, task: OneTask, tmp_path: Path, changed: dict[str, Any], cancelled: int
) -> None:
    api.script(processing_seconds=None)
    task.begin(report(tmp_path / "report"))
    task.clear()
    task.begin(report(tmp_path / "report", **changed))
    assert (api.journal.jobs_started, api.journal.cancels) == (2, cancelled)


def test_one_that_cannot_be_asked_about_is_left(
    api: HttpAsyncSimulator, task: OneTask, tmp_path: Path
) -> None:
    api.script(processing_seconds=None)
    task.begin(report(tmp_path / "report"))
    task.clear()
    api.faults.add("status", "http_status", status=403)
    task.begin(report(tmp_path / "report", json={"year": 2026}))
    assert (api.journal.jobs_started, api.journal.cancels) == (2, 0)


@slow_to_cancel
def test_a_job_that_is_found_after_its_worker_died_is_compared_too(
    ae: AutomicSimulator, task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = AutomicHook.start

    def killed(*args: Any, **kwargs: Any) -> Any:
        real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(AutomicHook, "start", killed)
        with pytest.raises(KeyboardInterrupt):
            task.run(lambda: workflow(object_name="JOBS.FOREVER", inputs={"YEAR#": 2025}))
    task.clear()
    task.begin(lambda: workflow(object_name="JOBS.FOREVER", inputs={"YEAR#": 2026}))
    assert states(ae) == [1571, 1550]


def test_a_mended_file_is_sent_when_the_task_is_cleared(
    run_simulator: Callable[..., OpenConnectorsSimulator],
    monkeypatch: pytest.MonkeyPatch,
    task: OneTask,
    tmp_path: Path,
) -> None:
    sap = run_simulator(OpenConnectorsSimulator(plan={"failed_records": 4}))
    monkeypatch.setenv("AIRFLOW_CONN_SAP_OPEN_CONNECTORS_DEFAULT", json.dumps(sap.airflow_connection()))
    for name in ("accounts.csv", "mended.csv"):
        (tmp_path / name).write_text("id,name\n1,x\n", "utf-8")

    def upload(name: str, **arguments: Any) -> Any:
        return lambda: OpenConnectorsBulkUploadOperator(
            task_id="t",
            object_name="accounts",
            source=str(tmp_path / name),
            callback=False,
            poll_interval=0.05,
            **arguments,
        )

    with pytest.raises(JobFailedError, match="clear the task with another source, or with reattach=False"):
        task.run(upload("accounts.csv"))
    task.clear()
    task.run(upload("mended.csv", max_errors=4))
    assert sap.journal.jobs_started == 2


# -- a task that was ended without a worker, which could have noted that


def handed_over(**arguments: Any) -> Callable[[], HttpAsyncJobOperator]:
    given = {"endpoint": "odata/Reports", "profile": "odata", "poll_interval": 0.1, **arguments}
    return lambda: HttpAsyncJobOperator(task_id="t", **given)


@pytest.mark.skipif(not ENDS_FROM_TRIGGER, reason="a trigger ends its task from Airflow 3.3 on")
@pytest.mark.parametrize("arguments", [{"result": "handle"}, {}])
def test_a_task_that_ended_without_a_worker_starts_a_new_job_when_it_is_cleared(
    api: HttpAsyncSimulator, task: OneTask, arguments: dict[str, Any]
) -> None:
    api.script(processing_seconds=0.1)
    deferral = task.begin(handed_over(**arguments))
    assert task.wait(deferral)["state"] == "succeeded"  # and no worker is started
    task.clear()
    task.begin(handed_over(**arguments))
    assert (api.journal.jobs_started, api.journal.cancels) == (2, 0)


def test_one_whose_worker_could_not_hand_over_the_result_goes_on_with_its_job(
    api: HttpAsyncSimulator, task: OneTask
) -> None:
    api.script(processing_seconds=0.1)
    with pytest.raises(DownloadError, match="max_xcom_bytes"):
        task.run(handed_over(max_xcom_bytes=1))
    task.clear()
    assert task.run(handed_over())
    assert api.journal.jobs_started == 1
