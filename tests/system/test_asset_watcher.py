# SPDX-License-Identifier: Apache-2.0
"""A DAG that is scheduled by the end of remote jobs, on a real Airflow."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.aso_jobs import ASO_KEY, ASO_TOKEN, AsoJobs
from tests.support.harness.servers import SimulatorProcess

DAG = """
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_async_provider.triggers.async_job_event import AsyncJobEventTrigger

exports = [
    Asset(f"export-{number}", watchers=[AssetWatcher(name=f"watch-{number}", trigger=AsyncJobEventTrigger(
        job=job, conn_id="aso_cases", poll_interval=1))])
    for number, job in enumerate(__JOBS__)
]

# What its assets are watched by is noted when it is parsed, and only while it is not paused.
with DAG("after_the_exports", schedule=exports, catchup=False, is_paused_upon_creation=False):

    @task
    def told(triggering_asset_events=None):
        events = [event for each in triggering_asset_events.values() for event in each]
        return sorted(event.extra["payload"]["state"] for event in events)

    told()
"""


def handle(aso: SimulatorProcess, event: int) -> dict[str, Any]:
    """Start a job as somebody else would, past Airflow."""
    answer = requests.get(
        f"{aso.url}/event/{event}/apiItems/async",
        headers={
            "Authorization": f"Bearer {ASO_TOKEN}",
            "X-API-Key": ASO_KEY,
            "Accept": "application/vnd.sciquest.com.ees+json",
        },
        timeout=10,
    ).json()
    return {
        "protocol": "jaggaer_aso",
        "job_id": f"watched-{event}",
        "submitted_at": time.time(),
        "status_url": answer["statusUrl"],
    }


@pytest.mark.together
def test_a_dag_runs_when_the_watched_jobs_have_ended(
    real_airflow: RealAirflow, aso: SimulatorProcess
) -> None:
    exports = AsoJobs(aso), AsoJobs(aso)
    jobs = [handle(aso, export.event) for export in exports]
    path = real_airflow.write_dag("after_the_exports.py", DAG.replace("__JOBS__", repr(jobs)))
    client = real_airflow.client
    try:
        client.wait_dag("after_the_exports")
        triggers = "select classpath from trigger where classpath like '%AsyncJobEventTrigger'"
        wait_until(lambda: len(real_airflow.db(triggers)) == 2, "the assets to be watched", 300, interval=0.5)
        for export in exports:
            export.end()

        def ended() -> list[dict[str, Any]] | None:
            runs = client.get("/dags/after_the_exports/dagRuns")["dag_runs"]
            return [run for run in runs if run["state"] in ("success", "failed")] or None

        runs = wait_until(ended, "the DAG to be scheduled by its assets", 300, interval=2)

        assert [run["state"] for run in runs] == ["success"]
        assert client.xcom("after_the_exports", runs[0]["dag_run_id"], "told") == ["succeeded", "succeeded"]
    finally:
        path.unlink()
