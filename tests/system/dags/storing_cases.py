# SPDX-License-Identifier: Apache-2.0
"""Downloads whose results live for a moment only, and what keeps every worker busy meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator

GET: dict[str, Any] = {"endpoint": "event/4711/apiItems/async"}
POST: dict[str, Any] = {
    "endpoint": "chost/1/user/2/template/3/apiEvent/async",
    "method": "POST",
    "json": {"eventName": "Steel"},
}


@task
def busy(until_gone: str) -> None:
    """Keep a worker for as long as a file is there."""
    while Path(until_gone).exists():
        time.sleep(0.5)


with DAG("busy_workers", schedule=None, params={"file": "/nowhere"}, default_args={"retries": 0}):
    busy.expand(until_gone=["{{ params.file }}"] * 8)

#: The second one says who stores; the first one leaves it to the life of the URLs.
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("short_lived", "aso_short_lived", {}),
    ("killed_triggerer", "aso_slow_results", {"store_from": "triggerer"}),
)

for name, conn_id, stored in CASES:
    with DAG(name, schedule=None, default_args={"retries": 0}, max_active_tasks=64):
        common: dict[str, Any] = {
            "poll_interval": 1,
            "max_poll_interval": 2,
            "timeout": 1800,
            "max_restarts": 0,
            **stored,
        }
        for number in range(int(os.environ.get("STORING_JOBS", "10"))):
            JaggaerAsoDownloadOperator(
                task_id=f"get_{number}",
                destination=f"s3://results/{name}/{{{{ run_id }}}}/{number}",
                conn_id=f"{conn_id}_ches" if number % 2 else conn_id,
                **(POST if number % 2 else GET),
                **common,
            )
