# SPDX-License-Identifier: Apache-2.0
"""
JAGGAER ASO three ways: one task, three tasks, and one task mapped over many events.

Needs the connection ``jaggaer_aso_default``. The destination folder comes from the run's configuration or
from the parameter's default; ``s3://bucket/prefix`` works as well (connection ``aws_default``).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator
from airflow_async_provider.sensors.async_job import AsyncJobSensor
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator

with DAG(
    "example_jaggaer_aso",
    schedule=None,
    catchup=False,
    params={"folder": Param("/tmp/aso", type="string")},  # noqa: S108 - an example's default folder
    tags=["example", "jaggaer"],
    doc_md=__doc__,
) as dag:
    # One task: start, wait in the triggerer, download.
    items = JaggaerAsoDownloadOperator(
        task_id="items",
        endpoint="event/4711/apiItems/async",
        destination="{{ params.folder }}/{{ run_id }}/items.dat",
        poll_interval=5,
        timeout=timedelta(hours=2),
    )

    # Three tasks: the handle of the job travels as XCom, the result URL never does.
    start = JaggaerAsoSubmitOperator(task_id="start_bids", endpoint="event/4711/apiBids/async")
    wait = AsyncJobSensor(
        task_id="wait_for_bids", job=start.output, conn_id="jaggaer_aso_default", poke_interval=5
    )
    fetch = AsyncResultDownloadOperator(
        task_id="fetch_bids",
        job=wait.output,
        conn_id="jaggaer_aso_default",
        destination="{{ params.folder }}/{{ run_id }}/bids.dat",
    )
    start >> wait >> fetch

    # Mapped: one task instance an event, all waiting in one triggerer.
    JaggaerAsoDownloadOperator.partial(task_id="rates", poll_interval=5).expand_kwargs(
        [
            {
                "endpoint": f"event/{event}/apiRates/async",
                "destination": f"{{{{ params.folder }}}}/{{{{ run_id }}}}/rates-{event}.dat",
            }
            for event in (4711, 4712, 4713)
        ]
    )
