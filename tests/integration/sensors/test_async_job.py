# SPDX-License-Identifier: Apache-2.0
"""The sensor for a job whose handle another task returned."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError, JobFailedError
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from airflow_async_provider.sensors.async_job import AsyncJobSensor, job_of
from airflow_async_provider.simulators.aso import AsoSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.fixture
def start(
    run_simulator: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[AsoSimulator, Any]]:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")

    def submitted(**options: Any) -> tuple[AsoSimulator, Any]:
        simulator = run_simulator(AsoSimulator(**options))
        connection = json.dumps(simulator.airflow_connection())
        monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", connection)
        submit = OneTask().run(
            lambda: JaggaerAsoSubmitOperator(task_id="s", endpoint="event/7/apiItems/async")
        )
        return simulator, submit

    return submitted


@pytest.mark.parametrize("deferrable", [True, False])
def test_it_waits_for_the_end_and_returns_the_handle(
    start: Callable[..., tuple[AsoSimulator, Any]], deferrable: bool
) -> None:
    simulator, job = start(processing_seconds=0.3)
    task = OneTask()
    arguments = {"poke_interval": 0.05, "timeout": 30, "deferrable": deferrable}
    found = task.run(lambda: AsyncJobSensor(task_id="t", job=job, **arguments))
    value = getattr(found, "xcom_value", found)
    assert value["job_id"] == job["job_id"]
    assert bool(task.deferrals) is deferrable
    assert simulator.journal.jobs_started == 1


def test_a_bad_end_is_its_error(start: Callable[..., tuple[AsoSimulator, Any]]) -> None:
    _, job = start(processing_seconds=0.1, outcome="failed")
    with pytest.raises(JobFailedError):
        OneTask().run(lambda: AsyncJobSensor(task_id="t", job=job, poke_interval=0.05, timeout=30))


@pytest.mark.parametrize("value", [None, "7", {}, {"protocol": "x"}])
def test_what_is_no_handle(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="job handle"):
        job_of(value)
