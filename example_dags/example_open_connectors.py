# SPDX-License-Identifier: Apache-2.0
"""
SAP Open Connectors: a folder copy that ends by a signed webhook, a bulk download, and a bulk upload of it.

Needs the connection ``sap_open_connectors_default``, with ``signature_secret`` and ``callback_base_url`` in
its extra for the webhooks. The folder copy is the request of SAP's page "Asynchronous API Requests"; the
objects ``contacts`` and ``accounts`` depend on your connector. The destination folder comes from the run's
configuration or from the parameter's default; ``s3://bucket/prefix`` works as well (connection
``aws_default``).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
)

FOLDER = "{{ params.folder }}/{{ run_id }}"

with DAG(
    "example_open_connectors",
    schedule=None,
    catchup=False,
    params={"folder": Param("/tmp/open_connectors", type="string")},  # noqa: S108 - an example's default folder
    tags=["example", "sap"],
    default_args={"poll_interval": 5, "timeout": timedelta(hours=1)},
    doc_md=__doc__,
) as dag:
    # The response of the webhook is the return value. There is nothing to poll: without an address for the
    # webhook this task fails before it sends anything.
    copy = OpenConnectorsAsyncRequestOperator(
        task_id="copy_folder",
        endpoint="hubs/documents/folders/copy",
        params={"path": "/TestFolderCreate"},
        json={"path": "/testfoldercopy", "tags": ["TestFolderCopy"], "name": "TestFolderCopy"},
    )

    # The same with the response as a file, for responses that are too large for XCom.
    OpenConnectorsAsyncRequestOperator(
        task_id="copy_reports",
        endpoint="hubs/documents/folders/copy",
        params={"path": "/Reports"},
        json={"path": "/reports-{{ dag_run.run_after | ds_nodash }}"},
        destination=f"{FOLDER}/reports.json",
        callback_max_bytes=8 * 1024 * 1024,
    )

    # SAP collects the records in a file; the job is polled, and its notification shortens the wait.
    download = OpenConnectorsBulkDownloadOperator(
        task_id="contacts",
        object_name="contacts",
        format="csv",
        select_fields=["id", "name", "email"],
        where="lastModifiedDate>'{{ dag_run.run_after | ds }}'",
        destination=f"{FOLDER}/contacts.csv",
    )

    # And the way in: the file is streamed to the provider behind the connector.
    upload = OpenConnectorsBulkUploadOperator(
        task_id="accounts",
        object_name="accounts",
        source="{{ ti.xcom_pull(task_ids='contacts')['uri'] }}",
        metadata={"identifierFieldName": "id", "action": "upsert"},
        max_errors=10,
    )
    download >> upload
