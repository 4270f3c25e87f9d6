# SPDX-License-Identifier: Apache-2.0
"""
From end to end: Automic prepares, JAGGAER ASO exports, S3 receives, and an asset starts the next DAG.

Needs the connections ``automic_default``, ``jaggaer_aso_default`` and ``aws_default``. The parameters name an
object and an event of the package's simulators; put names of your own, and a bucket, in their place.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, task

from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator

ITEMS = Asset("example_exported_items")

with DAG(
    "example_together",
    schedule=None,
    catchup=False,
    params={
        "folder": Param("s3://my-bucket/sourcing", type="string"),
        "job": Param("JOBS.PREPARE", type="string", description="the Automic object that prepares"),
        "event": Param(4711, type="integer", description="the event in ASO"),
    },
    tags=["example", "automic", "jaggaer"],
    default_args={"poll_interval": 5, "timeout": timedelta(hours=2)},
    doc_md=__doc__,
) as dag:
    prepare = AutomicExecuteOperator(task_id="prepare", object_name="{{ params.job }}")

    # The event of the outlet tells what was stored: {"uri", "bytes", "sha256"}.
    export = JaggaerAsoDownloadOperator(
        task_id="export",
        endpoint="event/{{ params.event }}/apiItems/async",
        destination="{{ params.folder }}/{{ run_id }}/items.dat",
        outlets=[ITEMS],
    )
    prepare >> export

with DAG(
    "example_together_next",
    schedule=[ITEMS],
    catchup=False,
    tags=["example"],
    doc_md="Started by the asset: takes over what the event names, and nothing else.",
) as next_dag:

    @task
    def take_over(*, triggering_asset_events: Any = None) -> dict[str, Any]:
        """Read the object that the latest event names, and see that it is the very one."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        stored: dict[str, Any] = triggering_asset_events[ITEMS][-1].extra
        bucket, key = S3Hook.parse_s3_url(stored["uri"])
        found = hashlib.sha256()
        for block in S3Hook("aws_default").get_conn().get_object(Bucket=bucket, Key=key)["Body"]:
            found.update(block)
        if found.hexdigest() != stored["sha256"]:
            raise ValueError(f"{stored['uri']} is not what was exported")
        return stored

    take_over()
