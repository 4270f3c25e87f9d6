# SPDX-License-Identifier: Apache-2.0
"""An Automic task for the system tests; which object it starts is said in the run's configuration."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_async_provider.operators.automic import AutomicExecuteOperator

with DAG("automic_cases", schedule=None, catchup=False):
    AutomicExecuteOperator(
        task_id="run",
        conn_id="automic_cases",
        object_name="{{ dag_run.conf['object'] }}",
        poll_interval=1,
        max_poll_interval=2,
        safety_poll_interval=5,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )

with DAG("automic_on_worker", schedule=None, catchup=False):
    AutomicExecuteOperator(
        task_id="run",
        conn_id="automic_cases",
        object_name="{{ dag_run.conf['object'] }}",
        deferrable=False,
        poll_interval=1,
        max_poll_interval=2,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )
