# SPDX-License-Identifier: Apache-2.0
"""
Files from URLs to S3: one, several with a manifest, and a DAG that starts when they are there.

Needs the connections ``reports_api`` (of type ``http``) and ``aws_default``. Put paths and a bucket of your
own in the place of the parameters.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.sdk import DAG, Asset, Param, task

from airflow_async_provider.transfers.download import DownloadOperator

PARTS = Asset("example_downloaded_parts")

with DAG(
    "example_downloads",
    schedule=None,
    catchup=False,
    params={
        "folder": Param("s3://my-bucket/reports", type="string"),
        "export": Param(7, type="integer", description="number of the export"),
    },
    tags=["example"],
    doc_md=__doc__,
) as dag:
    DownloadOperator(
        task_id="one_file",
        conn_id="reports_api",
        url="/exports/{{ params.export }}/report.csv.gz",
        destination="{{ params.folder }}/{{ run_id }}/report.csv",
        unpack="gzip",
        max_result_bytes=1024**3,
    )

    # Below the prefix, eight at once; _manifest.json is written when all are there, and the event comes once.
    DownloadOperator(
        task_id="several_files",
        conn_id="reports_api",
        url=[f"/exports/{{{{ params.export }}}}/part-{number}.csv" for number in range(3)],
        destination="{{ params.folder }}/{{ run_id }}/parts/",
        outlets=[PARTS],
    )

with DAG(
    "example_downloads_next",
    schedule=[PARTS],
    catchup=False,
    tags=["example"],
    doc_md="Started by the asset: reads the manifest, and from it the names of the files.",
) as next_dag:

    @task
    def read_manifest(*, triggering_asset_events: Any = None) -> list[str]:
        """Names of the files that the latest event tells of."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        stored: dict[str, Any] = triggering_asset_events[PARTS][-1].extra
        bucket, key = S3Hook.parse_s3_url(f"{stored['uri']}_manifest.json")
        manifest = json.loads(S3Hook().read_key(key, bucket))
        return [file["uri"] for file in manifest["files"]]

    read_manifest()
