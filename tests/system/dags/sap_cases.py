# SPDX-License-Identifier: Apache-2.0
"""Requests to SAP Open Connectors whose webhooks a test sends."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_async_provider.operators.open_connectors import OpenConnectorsAsyncRequestOperator

with DAG("sap_cases", schedule=None, catchup=False):
    OpenConnectorsAsyncRequestOperator.partial(
        task_id="copy", conn_id="sap_cases", endpoint="hubs/documents/folders/copy", timeout=3600, retries=0
    ).expand(json=[{"path": f"/copy-{number}"} for number in range(3)])
