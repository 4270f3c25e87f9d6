# SPDX-License-Identifier: Apache-2.0
"""The sensor for a run that somebody else has started."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import JobFailedError
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.sensors.automic import AutomicExecutionSensor
from airflow_async_provider.simulators.automic import AutomicSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


def run_of(conn_id: str, name: str) -> str:
    hook = AutomicHook(conn_id)
    protocol = hook.protocol()
    return hook.start(protocol, protocol.submit(name)).handle.job_id


def sensor(run_id: str) -> Any:
    return lambda: AutomicExecutionSensor(task_id="t", run_id=run_id, poke_interval=0.05, timeout=30)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def test_it_starts_nothing_and_returns_the_facts(
    automic_simulator: AutomicSimulator, automic_connection: str
) -> None:
    run_id = run_of(automic_connection, "JOBS.OK")
    found = OneTask().run(sensor(run_id))
    assert str(found["run_id"]) == run_id
    assert len(automic_simulator.runs) == 1


def test_a_run_that_failed(automic_connection: str) -> None:
    with pytest.raises(JobFailedError):
        OneTask().run(sensor(run_of(automic_connection, "JOBS.FAIL")))
