# SPDX-License-Identifier: Apache-2.0
"""ASO tasks for the system tests; what they do is said in the run's configuration."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator

COMMON = {
    "conn_id": "aso_cases",
    "endpoint": "event/{{ dag_run.conf['event'] }}/apiItems/async",
    "destination": "{{ dag_run.conf['folder'] }}/{{ run_id }}.dat",
    "poll_interval": 1,
    "max_poll_interval": 2,
    "retries": 1,
    "retry_delay": timedelta(seconds=1),
}

with DAG("aso_on_worker", schedule=None, catchup=False):
    JaggaerAsoDownloadOperator(task_id="get", deferrable=False, **COMMON)

with DAG("aso_deferred", schedule=None, catchup=False):
    JaggaerAsoDownloadOperator(task_id="get", **{**COMMON, "retries": 0})

with DAG("aso_in_time", schedule=None, catchup=False):
    JaggaerAsoDownloadOperator(task_id="get", **{**COMMON, "retries": 0}, timeout=4)
