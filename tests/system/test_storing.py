# SPDX-License-Identifier: Apache-2.0
"""
Results that the triggerer stores, on a real Airflow: all workers are busy, and it is killed.

``STORING_JOBS=50 STORING_MINUTES=10`` make it more jobs, and keep the workers busy for so long by the clock.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.airflow_config import PATIENT
from tests.support.harness.servers import S3Server, SimulatorProcess

#: All of Airflow's workers.
WORKERS = PATIENT["core"]["parallelism"]

JOBS = [f"get_{number}" for number in range(int(os.environ.get("STORING_JOBS", "10")))]

#: How long the workers stay busy; 0: until all is stored, and the simulator's clock is turned ahead.
MINUTES = float(os.environ.get("STORING_MINUTES", "0"))


@pytest.fixture(scope="module")
def short_lived(real_airflow: RealAirflow) -> Iterator[SimulatorProcess]:
    options = ("--processing-seconds", "none", "--result-bytes", "300000")
    with SimulatorProcess("aso", *options) as simulator:
        connect(real_airflow, "aso_short_lived", simulator)
        yield simulator


@pytest.fixture(scope="module")
def slow_results(real_airflow: RealAirflow) -> Iterator[SimulatorProcess]:
    options = ("--processing-seconds", "none", "--result-bytes", "40000000", "--result-rate", "8000000")
    with SimulatorProcess("aso", *options) as simulator:
        connect(real_airflow, "aso_slow_results", simulator)
        yield simulator


def connect(airflow: RealAirflow, conn_id: str, simulator: SimulatorProcess) -> None:
    ches = {"accept": "application/vnd.sciquest.com.ches+json"}
    for name, extra in ((conn_id, {}), (f"{conn_id}_ches", ches)):
        airflow.client.put_connection(
            name,
            "jaggaer_aso",
            host=simulator.url,
            password="aso-token",
            extra={"api_key": "aso-key", **extra},
        )


def deferred(airflow: RealAirflow, dag_id: str) -> str:
    """A run whose tasks all wait in the triggerer."""
    run_id = airflow.client.trigger(dag_id)
    for task_id in JOBS:
        airflow.client.wait_task(dag_id, run_id, task_id, "deferred", timeout=300)
    return run_id


def check(
    airflow: RealAirflow, s3_server: S3Server, simulator: SimulatorProcess, dag_id: str, run_id: str
) -> None:
    """All results are there, whole, once, and nothing else is."""
    reports: list[dict[str, Any]] = [airflow.client.xcom(dag_id, run_id, task_id) for task_id in JOBS]
    stored = [s3_server.read(report["uri"].removeprefix("s3://results/")) for report in reports]
    found = [hashlib.sha256(content).hexdigest() for content in stored]
    assert found == [report["sha256"] for report in reports]
    assert set(found) == simulator.served()
    assert len(set(found)) == len(JOBS)
    assert [report["restarts"] for report in reports] == [0] * len(JOBS)
    assert simulator.journal()["counts"]["job_started"] == len(JOBS)
    assert uploads(s3_server, dag_id) == []


def uploads(s3_server: S3Server, dag_id: str) -> list[str]:
    return [key for key in s3_server.unfinished_uploads() if key.startswith(f"{dag_id}/")]


def test_no_result_is_lost_while_all_workers_are_busy(
    restored: RealAirflow, s3_server: S3Server, short_lived: SimulatorProcess, tmp_path: Path
) -> None:
    client = restored.client
    run_id = deferred(restored, "short_lived")
    there = tmp_path / "busy"
    there.touch()
    try:
        busy = client.trigger("busy_workers", {"file": str(there)})
        wait_until(lambda: states(restored, busy).count("running") == WORKERS, "all workers to be busy", 180)
        busy_since = time.monotonic()
        short_lived.finish_all()
        prefix = f"short_lived/{run_id}/"
        wait_until(lambda: len(s3_server.keys(prefix)) == len(JOBS), "all results to be stored", 240)
        time.sleep(max(0.0, busy_since + MINUTES * 60 - time.monotonic()))
        if not MINUTES:
            short_lived.act("advance_clock", seconds=10_000)  # no URL is valid any more
        assert states(restored, busy).count("running") == WORKERS
    finally:
        there.unlink()
    assert client.wait_run("short_lived", run_id, timeout=600) == "success"
    check(restored, s3_server, short_lived, "short_lived", run_id)
    assert short_lived.journal()["counts"]["result"] == len(JOBS)


def states(airflow: RealAirflow, run_id: str) -> list[str]:
    return [task["state"] for task in airflow.client.tasks("busy_workers", run_id)]


def test_a_triggerer_killed_in_the_middle_leaves_nothing_behind(
    restored: RealAirflow, s3_server: S3Server, slow_results: SimulatorProcess
) -> None:
    run_id = deferred(restored, "killed_triggerer")
    slow_results.finish_all()
    some = lambda: len(uploads(s3_server, "killed_triggerer")) >= 2  # noqa: E731 - one line
    wait_until(some, "some to be half stored", 120, interval=0.1)

    restored.kill("triggerer")
    assert uploads(s3_server, "killed_triggerer") != []
    restored.start("triggerer")

    assert restored.client.wait_run("killed_triggerer", run_id, timeout=600) == "success"
    check(restored, s3_server, slow_results, "killed_triggerer", run_id)
