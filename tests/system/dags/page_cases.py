# SPDX-License-Identifier: Apache-2.0
"""Tasks that wait for long, for the page "Remote jobs"; how many of each the run's configuration says."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator


def endpoints(dag_run: Any = None) -> list[str]:
    """Of the events whose items are exported."""
    return [f"event/{number}/apiItems/async" for number in range(1, dag_run.conf.get("exports", 1) + 1)]


def objects(dag_run: Any = None) -> list[str]:
    """Names of the jobs that are run."""
    return [f"JOBS.NIGHTLY_{number:02}" for number in range(1, dag_run.conf.get("runs", 1) + 1)]


with DAG("nightly_exports", schedule=None, catchup=False):
    JaggaerAsoDownloadOperator.partial(
        task_id="export",
        conn_id="aso_of_page",
        destination="/tmp/never.dat",
        poll_interval=2,
        timeout=1800,
    ).expand(endpoint=task(endpoints)())
    AutomicExecuteOperator.partial(
        task_id="run", conn_id="automic_of_page", poll_interval=3, timeout=6 * 3600
    ).expand(object_name=task(objects)())

with DAG("single_export", schedule=None, catchup=False):
    JaggaerAsoDownloadOperator(
        task_id="export",
        conn_id="aso_of_page",
        endpoint="event/7/apiItems/async",
        destination="/tmp/never.dat",
        poll_interval=2,
        timeout=7200,
    )

with DAG("single_run", schedule=None, catchup=False):
    AutomicExecuteOperator(
        task_id="run", conn_id="automic_of_page", object_name="JOBS.MONTH_END", poll_interval=2, retries=2
    )
