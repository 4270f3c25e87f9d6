# SPDX-License-Identifier: Apache-2.0
"""Airflow's own REST API as a remote system, by its description."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_async_provider.errors import JobFailedError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols import JobHandle
from tests.support.harness import RealAirflow
from tests.support.one_task import OneTask

DAG = "api_conf"


@pytest.fixture(autouse=True)
def _connection(real_airflow: RealAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    real_airflow.client.unpause(DAG)
    connection = {
        "conn_type": "http",
        "host": real_airflow.url(),
        "password": requests.get(f"{real_airflow.url()}/auth/token", timeout=30).json()["access_token"],
    }
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_AIRFLOW", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def run_of_a_dag(**conf: Any) -> Callable[[], HttpAsyncJobOperator]:
    """The task."""
    return lambda: HttpAsyncJobOperator(
        task_id="t",
        http_conn_id="other_airflow",
        profile="airflow_dag_run",
        profile_options={"dag_id": DAG},
        json={"logical_date": None, "conf": conf},
        poll_interval=1,
        timeout=600,
    )


def test_a_run_is_started_and_waited_for(real_airflow: RealAirflow) -> None:
    run = OneTask().run(run_of_a_dag(name="rates"))
    assert run["state"] == "success"
    assert real_airflow.client.xcom(DAG, run["dag_run_id"], "answer") == "rates"


def test_a_run_that_fails_fails_the_task() -> None:
    with pytest.raises(JobFailedError, match="failed"):
        OneTask().run(run_of_a_dag(fail=True))


def test_cancelling_fails_the_run(real_airflow: RealAirflow) -> None:
    client, make = real_airflow.client, run_of_a_dag(seconds=900)
    handle = JobHandle.from_dict(OneTask().begin(make).kwargs["run"]["handle"])
    client.wait_task(DAG, handle.job_id, "answer", "running")
    assert make().hook.cancel(handle)
    assert client.wait_run(DAG, handle.job_id, timeout=300) == "failed"
