# SPDX-License-Identifier: Apache-2.0
"""JAGGAER ASO on a real Airflow: the file arrives, one job is started, nothing secret is written anywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.support.harness import RealAirflow
from tests.support.harness.servers import S3Server, SimulatorProcess

EXAMPLE = "example_jaggaer_aso"
#: In no log, no XCom, no event, no table: the token, the API key, and the signature of a result URL.
SECRETS = ("aso-token", "aso-key", "X-Amz-Signature")


def jobs_started(aso: SimulatorProcess) -> int:
    return int(aso.journal()["counts"].get("job_started", 0))


def digest(report: dict[str, Any]) -> str:
    return hashlib.sha256(Path(unquote(report["uri"].removeprefix("file://"))).read_bytes()).hexdigest()


def all_tasks_succeeded(airflow: RealAirflow, dag_id: str, run_id: str) -> bool:
    return {task["state"] for task in airflow.client.tasks(dag_id, run_id)} == {"success"}


@pytest.fixture
def conf(tmp_path: Path) -> dict[str, Any]:
    return {"folder": str(tmp_path), "event": 11}


def test_the_example_downloads_in_one_task_in_three_and_mapped(
    real_airflow: RealAirflow, aso: SimulatorProcess, tmp_path: Path
) -> None:
    before = jobs_started(aso)
    run_id, state = real_airflow.client.run(EXAMPLE, conf={"folder": str(tmp_path)})

    assert state == "success"
    assert all_tasks_succeeded(real_airflow, EXAMPLE, run_id)
    assert jobs_started(aso) - before == 5
    served = aso.served()
    reports = [
        real_airflow.client.xcom(EXAMPLE, run_id, "items"),
        real_airflow.client.xcom(EXAMPLE, run_id, "fetch_bids"),
        *(real_airflow.client.xcom(EXAMPLE, run_id, "rates", map_index=i) for i in range(3)),
    ]
    assert {digest(report) for report in reports} == {report["sha256"] for report in reports}
    assert {report["sha256"] for report in reports} <= served
    waited = [state for state, _ in real_airflow.client.states(EXAMPLE, run_id, "items")]
    assert waited == ["running", "deferred", "running", "success"]
    for secret in SECRETS:
        assert real_airflow.places_of(secret) == [], f"{secret} was written down"


def test_the_example_downloads_to_s3(
    real_airflow: RealAirflow, aso: SimulatorProcess, s3_server: S3Server
) -> None:
    run_id, state = real_airflow.client.run(EXAMPLE, conf={"folder": f"s3://{s3_server.bucket}/system"})

    assert state == "success"
    report = real_airflow.client.xcom(EXAMPLE, run_id, "items")
    stored = s3_server.read(report["uri"].removeprefix(f"s3://{s3_server.bucket}/"))
    assert hashlib.sha256(stored).hexdigest() == report["sha256"]
    assert report["sha256"] in aso.served()


def test_the_try_after_a_killed_worker_goes_on_with_the_same_job(
    real_airflow: RealAirflow, aso: SimulatorProcess, conf: dict[str, Any]
) -> None:
    before = jobs_started(aso)
    aso.act("script", processing_seconds=25)
    run_id = real_airflow.client.trigger("aso_on_worker", conf)
    real_airflow.client.wait_task("aso_on_worker", run_id, "get", "running")
    wait_for_job(aso, before)

    real_airflow.kill_task("aso_on_worker", run_id, "get")

    assert real_airflow.client.wait_run("aso_on_worker", run_id, timeout=120) == "success"
    assert jobs_started(aso) - before == 1
    assert "Reattached to the jaggaer_aso job" in real_airflow.client.log(
        "aso_on_worker", run_id, "get", try_number=2
    )


def wait_for_job(aso: SimulatorProcess, before: int) -> None:
    from tests.support.harness import wait_until

    # Past the submission a worker also notes the handle; the first poll shows that it has.
    polls = int(aso.journal()["counts"].get("status", 0))
    wait_until(lambda: jobs_started(aso) > before, "the job to be started", 60)
    wait_until(lambda: int(aso.journal()["counts"].get("status", 0)) > polls, "the first poll", 60)


def test_a_task_outlives_its_triggerer(
    restored: RealAirflow, aso: SimulatorProcess, conf: dict[str, Any]
) -> None:
    before = jobs_started(aso)
    aso.act("script", processing_seconds=12)
    run_id = restored.client.trigger("aso_deferred", conf)
    restored.client.wait_task("aso_deferred", run_id, "get", "deferred")

    restored.kill("triggerer")
    restored.start("triggerer")

    assert restored.client.wait_run("aso_deferred", run_id) == "success"
    assert jobs_started(aso) - before == 1


def test_a_failed_job_fails_the_task_and_says_which(
    real_airflow: RealAirflow, aso: SimulatorProcess, conf: dict[str, Any]
) -> None:
    aso.act("script", outcome="failed", processing_seconds=1)
    run_id, state = real_airflow.client.run("aso_deferred", conf=conf)

    assert state == "failed"
    log = real_airflow.client.log("aso_deferred", run_id, "get")
    assert "JobFailedError" in log
    assert "GET event/11/apiItems/async" in log
    assert "last status 'failed'" in log


def test_a_passed_deadline_fails_the_task_with_its_own_error(
    real_airflow: RealAirflow, aso: SimulatorProcess, conf: dict[str, Any]
) -> None:
    aso.act("script", processing_seconds=600)
    run_id, state = real_airflow.client.run("aso_in_time", conf=conf)

    assert state == "failed"
    log = real_airflow.client.log("aso_in_time", run_id, "get")
    assert "JobTimeoutError" in log
    assert "timeout of 4 s" in log


def test_clearing_a_task_that_succeeded_starts_a_new_job(
    real_airflow: RealAirflow, aso: SimulatorProcess, conf: dict[str, Any]
) -> None:
    before = jobs_started(aso)
    run_id, state = real_airflow.client.run("aso_deferred", conf=conf)
    assert state == "success"

    real_airflow.client.clear("aso_deferred", run_id)
    real_airflow.client.wait_task("aso_deferred", run_id, "get", "success", try_number=2)

    assert jobs_started(aso) - before == 2
