# SPDX-License-Identifier: Apache-2.0
"""JAGGAER ASO on a real Airflow: one job whatever happens to its tries, and errors that say which it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.harness import RealAirflow
from tests.support.harness.aso_jobs import AsoJobs
from tests.support.harness.servers import SimulatorProcess

pytestmark = pytest.mark.together


def conf(jobs: AsoJobs, folder: str) -> dict[str, Any]:
    return {"event": jobs.event, "folder": folder}


def test_the_try_after_a_killed_worker_goes_on_with_the_same_job(
    real_airflow: RealAirflow, aso: SimulatorProcess, folder: str
) -> None:
    dag, client, jobs = "aso_on_worker", real_airflow.client, AsoJobs(aso)
    run_id = client.trigger(dag, conf(jobs, folder))
    client.wait_task(dag, run_id, "get", "running")
    jobs.wait()
    # Past the submission a worker also notes the handle; its word about the job shows that it has.
    client.wait_log(dag, run_id, "get", "Submitted the")

    real_airflow.kill_task(dag, run_id, "get")

    client.wait_log(dag, run_id, "get", "Reattached to the jaggaer_aso job", try_number=2)
    jobs.end()
    assert client.wait_run(dag, run_id) == "success"
    assert len(jobs.numbers) == 1


def test_a_failed_job_fails_the_task_and_says_which(
    real_airflow: RealAirflow, aso: SimulatorProcess, folder: str
) -> None:
    dag, client, jobs = "aso_deferred", real_airflow.client, AsoJobs(aso)
    run_id = client.trigger(dag, conf(jobs, folder))
    jobs.end("failed")

    assert client.wait_run(dag, run_id) == "failed"
    log = client.log(dag, run_id, "get")
    assert "JobFailedError" in log
    assert f"GET event/{jobs.event}/apiItems/async" in log
    assert "last status 'failed'" in log


def test_a_passed_deadline_fails_the_task_with_its_own_error(
    real_airflow: RealAirflow, aso: SimulatorProcess, folder: str
) -> None:
    run_id, state = real_airflow.client.run("aso_in_time", conf(AsoJobs(aso), folder))

    assert state == "failed"
    log = real_airflow.client.log("aso_in_time", run_id, "get")
    assert "JobTimeoutError" in log
    assert "timeout of 4 s" in log


def test_clearing_a_task_that_succeeded_starts_a_new_job(
    real_airflow: RealAirflow, aso: SimulatorProcess, folder: str
) -> None:
    dag, client, jobs = "aso_deferred", real_airflow.client, AsoJobs(aso)
    run_id = client.trigger(dag, conf(jobs, folder))
    jobs.end()
    assert client.wait_run(dag, run_id) == "success"

    client.clear(dag, run_id)
    jobs.end(count=2)
    client.wait_task(dag, run_id, "get", "success", try_number=2)

    assert len(jobs.numbers) == 2
