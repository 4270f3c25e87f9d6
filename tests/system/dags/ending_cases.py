# SPDX-License-Identifier: Apache-2.0
"""Sensors of one job: those that end in the triggerer, and those that need a worker."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, task

from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from airflow_async_provider.sensors.async_job import AsyncJobSensor


@task
def names(pair: Any) -> Any:
    """One item of the handle, which a mapped task is expanded over."""
    return pair[0] if isinstance(pair, list | tuple) else pair


with DAG("ending", schedule=None, default_args={"retries": 0}):
    submit = JaggaerAsoSubmitOperator(
        task_id="submit",
        conn_id="aso_cases",
        endpoint="event/{{ dag_run.conf['event'] }}/apiItems/async",
        reattach=False,
    )
    common: dict[str, Any] = {
        "job": submit.output,
        "conn_id": "aso_cases",
        "poke_interval": 1,
        "timeout": 1200,
    }
    plain = AsyncJobSensor(task_id="plain", **common)
    names.expand(pair=plain.output)
    AsyncJobSensor(task_id="unpushed", do_xcom_push=False, **common)
    AsyncJobSensor(task_id="told", end_from_trigger=False, **common)
    AsyncJobSensor(task_id="with_outlet", outlets=[Asset("ending_case")], **common)
    AsyncJobSensor(task_id="with_callback", on_success_callback=print, **common)
