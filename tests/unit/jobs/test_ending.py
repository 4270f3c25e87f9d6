# SPDX-License-Identifier: Apache-2.0
"""Which tasks a trigger may end: those for which a worker would have nothing else to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER
from airflow_async_provider._jobs import ending
from airflow_async_provider._jobs.ending import end_arguments
from airflow_async_provider.hooks._descriptions import profile_of
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.operators.open_connectors import OpenConnectorsAsyncRequestOperator
from airflow_async_provider.operators.remote_job import RemoteJobOperator
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.sensors.async_job import AsyncJobSensor
from airflow_async_provider.sensors.automic import AutomicExecutionSensor

ends = pytest.mark.skipif(not ENDS_FROM_TRIGGER, reason="a trigger ends its task from Airflow 3.3 on")

HANDLE = JobHandle("jaggaer_aso", "7", 0.0, "https://aso.example/jobs/7")
PUSHED = {"end": {"push": True, "mapped_over": False}}


def sensor(**arguments: Any) -> AsyncJobSensor:
    return AsyncJobSensor(task_id="t", job=HANDLE.to_dict(), **arguments)


def end_of(made: Any, map_index: int = -1, handle: JobHandle = HANDLE) -> dict[str, Any]:
    if made.get_dag() is None:
        DAG("d", schedule=None).add_task(made)
    return end_arguments(made, {"ti": SimpleNamespace(map_index=map_index)}, handle, made.value_at_end())


@ends
def test_a_sensor_and_a_task_that_hands_over_its_handle_end_there() -> None:
    assert end_of(sensor()) == PUSHED
    assert end_of(sensor(do_xcom_push=False)) == {"end": {"push": False, "mapped_over": False}}
    handle_only = HttpAsyncJobOperator(task_id="t", endpoint="jobs", result="handle")
    assert end_of(handle_only) == PUSHED


class Silent(AsyncJobSensor):
    """A subclass that changes nothing at the end."""


class OwnEnd(AsyncJobSensor):
    def process_result(self, run: Any, status: Any) -> Any:
        return "mine"


class OwnPostExecute(AsyncJobSensor):
    def post_execute(self, context: Any, result: Any = None) -> None:
        """Does something."""


class OwnHook(HttpAsyncJobOperator):
    @property
    def hook(self) -> Any:
        """Asks in a way of its own."""
        return None


@ends
def test_a_task_whose_value_comes_with_the_last_answer_ends_there() -> None:
    end = {"push": True, "mapped_over": False, "by_receiver": True}
    made = HttpAsyncJobOperator(task_id="t", endpoint="jobs", max_xcom_bytes=7)
    assert end_of(made) == {"end": {**end, "max_bytes": 7}}
    any_function = RemoteJobOperator(task_id="t", start=print, max_xcom_bytes=7)
    assert end_of(any_function) == {"end": {**end, "max_bytes": 7, "may_be_nothing": True}}
    request = OpenConnectorsAsyncRequestOperator(task_id="t", endpoint="x", callback_max_bytes=7)
    assert end_of(request) == {"end": {**end, "max_bytes": 7, "may_be_nothing": True}}


@ends
def test_the_receiver_leaves_values_of_an_own_xcom_backend_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time import xcom

    monkeypatch.setattr(xcom, "XCom", type("OwnBackend", (BaseXCom,), {}))
    made = HttpAsyncJobOperator(task_id="t", endpoint="jobs", max_xcom_bytes=7)
    assert end_of(made) == {"end": {"push": True, "mapped_over": False, "max_bytes": 7}}


@ends
@pytest.mark.parametrize(
    "made",
    [
        lambda: sensor(end_from_trigger=False),
        lambda: sensor(outlets=[Asset("a")]),
        lambda: sensor(on_success_callback=print),
        lambda: sensor(post_execute=print),
        lambda: sensor(multiple_outputs=True),
        lambda: OwnEnd(task_id="t", job=HANDLE.to_dict()),
        lambda: OwnPostExecute(task_id="t", job=HANDLE.to_dict()),
        lambda: AutomicExecutionSensor(task_id="t", run_id="7"),
        lambda: AutomicExecuteOperator(task_id="t", object_name="JOBS.A"),
        lambda: HttpAsyncJobOperator(task_id="t", endpoint="jobs", destination="/tmp/x"),
        lambda: RemoteJobOperator(task_id="t", start=print, destination="/tmp/x"),
        lambda: OwnHook(task_id="t", endpoint="jobs"),
        lambda: JaggaerAsoDownloadOperator(task_id="t", endpoint="jobs", destination="/tmp/x"),
    ],
)
def test_a_worker_ends_what_it_has_to_do_more_for(made: Any) -> None:
    assert end_of(made()) == {}


@ends
def test_a_subclass_that_changes_nothing_at_the_end_ends_there() -> None:
    assert end_of(Silent(task_id="t", job=HANDLE.to_dict())) == PUSHED


@ends
def test_who_asks_for_it_is_told_why_it_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    made = sensor(end_from_trigger=True, outlets=[Asset("a")])
    assert end_of(made) == {}
    assert "as it has outlets" in capsys.readouterr().out


@ends
def test_the_length_is_reported_where_a_task_is_expanded_over_the_value() -> None:
    @task
    def each(item: Any) -> None:
        """Take one."""

    with DAG("d", schedule=None):
        made = sensor()
        each.expand(item=made.output)
    assert end_of(made) == {"end": {"push": True, "mapped_over": True}}
    assert end_of(made, map_index=0) == PUSHED  # Airflow maps over a mapped task by its instances


@ends
def test_the_receiver_leaves_a_value_that_a_task_is_expanded_over_to_the_trigger() -> None:
    """How long it is has to be noted as well, or nothing is expanded."""

    @task
    def each(item: Any) -> None:
        """Take one."""

    with DAG("d", schedule=None):
        made = HttpAsyncJobOperator(task_id="t", endpoint="jobs", max_xcom_bytes=7)
        each.expand(item=made.output)
    assert end_of(made) == {"end": {"push": True, "mapped_over": True, "max_bytes": 7}}


@ends
def test_a_job_that_is_deleted_afterwards_needs_a_worker() -> None:
    described = {
        "start": {"path": "jobs", "id": "id"},
        "poll": "GET jobs/{job_id}",
        "outcome": {"state": "status"},
        "delete": "DELETE jobs/{job_id}",
    }
    made = HttpAsyncJobOperator(task_id="t", profile=described, result="handle")
    profile = profile_of(described)
    url = "https://api.example/jobs/7"
    handle = JobHandle(profile.registered_name, "7", 0.0, url, options=profile.options())
    assert end_of(made, handle=handle) == {}


def test_before_airflow_3_3_a_worker_ends_every_task(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ending, "ENDS_FROM_TRIGGER", False)
    assert end_of(sensor(end_from_trigger=True)) == {}
    assert "as this needs Airflow 3.3" in capsys.readouterr().out
    assert end_of(HttpAsyncJobOperator(task_id="t", endpoint="jobs")) == {}
