# SPDX-License-Identifier: Apache-2.0
"""Tasks that end in the triggerer or in the API server, and those that need a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, get_current_context, task

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from airflow_async_provider.operators.remote_job import RemoteJobOperator, Submission
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


def tell(submission: Submission) -> None:
    """Write down where the job's end is to be told."""
    context = get_current_context()
    place = context["params"]["told"] + "." + context["ti"].task_id
    Path(place).write_text(submission.callback.url, encoding="utf-8")


with DAG("ending_with_value", schedule=None, params={"told": ""}, default_args={"retries": 0}):
    rows = HttpAsyncJobOperator(
        task_id="rows", http_conn_id="ending_remote", endpoint="rows", profile="location", poll_interval=1
    )
    names.override(task_id="each_row").expand(pair=rows.output)
    HttpAsyncJobOperator(
        task_id="too_large",
        http_conn_id="ending_remote",
        endpoint="large",
        profile="location",
        poll_interval=1,
        max_xcom_bytes=10,
    )

with DAG("ending_by_callback", schedule=None, params={"told": ""}, default_args={"retries": 0}):
    called = RemoteJobOperator(task_id="called", start=tell)
    names.override(task_id="after")(called.output)
    RemoteJobOperator(task_id="with_outlet", start=tell, outlets=[Asset("ending_callback_case")])
