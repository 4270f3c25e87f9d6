# SPDX-License-Identifier: Apache-2.0
"""Tasks whose jobs a person looks at while they wait."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.retry_policy import RemoteJobRetryPolicy, is_available

policy: dict[str, Any] = {"retry_policy": RemoteJobRetryPolicy()} if is_available() else {}

with DAG("waiting_seen", schedule=None):
    AutomicExecuteOperator.partial(task_id="waits", conn_id="automic_cases").expand(
        object_name=["JOBS.FOREVER"]
    )

with DAG("waiting_fails", schedule=None):
    HttpAsyncJobOperator(
        task_id="cannot_store",
        conn_id="automic_cases",
        endpoint="jobs",
        json={},
        destination="/proc/self/nothing/x",
        retries=3,
        **policy,
    )

if is_available():
    with DAG("waiting_asks", schedule=None):
        AutomicExecuteOperator(
            task_id="asks",
            conn_id="automic_cases",
            object_name="JOBP.BLOCKED",
            on_blocked="ask",
            poll_interval=1,
            retries=2,
        )
