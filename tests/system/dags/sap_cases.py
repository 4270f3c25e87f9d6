# SPDX-License-Identifier: Apache-2.0
"""Requests to SAP Open Connectors whose webhooks a test sends."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_async_provider.operators.open_connectors import OpenConnectorsAsyncRequestOperator

with DAG("sap_cases", schedule=None, catchup=False):
    for number in range(3):
        OpenConnectorsAsyncRequestOperator(
            task_id=f"copy_{number}",
            conn_id="sap_cases",
            endpoint="hubs/documents/folders/copy",
            params={"path": "/TestFolderCreate"},
            json={"path": f"/copy-{number}"},
            timeout=3600,
            retries=0,
        )
