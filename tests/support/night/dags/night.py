# SPDX-License-Identifier: Apache-2.0
"""What waits at three in the morning; the runs are made, and put to waiting, by ``tests.support.night``."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator

with DAG("supplier_exports", schedule=None, catchup=False):
    JaggaerAsoDownloadOperator.partial(
        task_id="export", conn_id="aso_prod", destination="/data/suppliers/{{ ti.map_index }}.json"
    ).expand(endpoint=[f"event/{4100 + n}/apiItems/async" for n in range(26)])

with DAG("night_batch", schedule=None, catchup=False):
    AutomicExecuteOperator.partial(task_id="run", conn_id="automic_prod").expand(
        object_name=[f"JOBS.LEDGER_{n:02}" for n in range(1, 17)]
    )

with DAG("crm_export", schedule=None, catchup=False):
    HttpAsyncJobOperator.partial(task_id="export", conn_id="crm", profile="location").expand(
        endpoint=[
            f"v1/exports/{name}" for name in ("accounts", "contacts", "orders", "visits", "leads", "notes")
        ]
    )

with DAG("month_end", schedule=None, catchup=False):
    AutomicExecuteOperator(task_id="close_books", conn_id="automic_prod", object_name="JOBP.MONTH_END")
    HttpAsyncJobOperator(
        task_id="statements", conn_id="crm", profile="location", endpoint="v1/exports/statements"
    )
