# SPDX-License-Identifier: Apache-2.0
"""What a person sees of waiting jobs on a real Airflow: XCom, link, name, a question, what ends a task."""

from __future__ import annotations

import time

import pytest

from tests.support.harness import AIRFLOW, RealAirflow
from tests.support.harness.airflow_config import SETTLE
from tests.support.harness.servers import SimulatorProcess

SEEN, FAILS, ASKS = "waiting_seen", "waiting_fails", "waiting_asks"
pytestmark = pytest.mark.together
needs_new = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow 3.3 and later")


def test_a_waiting_task_shows_its_job_before_it_ends(
    real_airflow: RealAirflow, automic: SimulatorProcess
) -> None:
    client = real_airflow.client
    run_id = client.trigger(SEEN)
    client.wait_task(SEEN, run_id, "waits", "deferred", map_index=0)

    job = client.xcom(SEEN, run_id, "waits", key="remote_job", map_index=0)
    assert job["label"] == "JOBS.FOREVER"
    assert job["url"] == f"https://awi.example/100/{job['job_id']}"
    links = client.get(f"/dags/{SEEN}/dagRuns/{run_id}/taskInstances/waits/links", map_index=0)
    assert links["extra_links"] == {"Remote job": job["url"]}
    task = client.task(SEEN, run_id, "waits", map_index=0)
    assert task["rendered_map_index"] == "JOBS.FOREVER"
    listed = client.get("/remote-jobs/jobs", dag_id=SEEN, run_id=run_id)["jobs"]
    assert [(row["task_id"], row["job_id"]) for row in listed] == [("waits", job["job_id"])]
    client.set_task_state(SEEN, run_id, "waits", "failed", map_index=0)


@needs_new
def test_what_no_retry_helps_fails_at_once(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    client = real_airflow.client
    run_id = client.trigger(FAILS)
    client.wait_task(FAILS, run_id, "cannot_store", "failed")
    assert client.task(FAILS, run_id, "cannot_store")["try_number"] == 1
    log = client.log(FAILS, run_id, "cannot_store")
    assert "Nothing was started at the remote system" in log
    assert "a retry does not help" in log


@needs_new
def test_a_blocked_run_asks_and_is_answered(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    client = real_airflow.client
    run_id = client.trigger(ASKS)
    client.wait_task(ASKS, run_id, "asks", "awaiting_input")
    path = f"/dags/{ASKS}/dagRuns/{run_id}/taskInstances/asks/-1/hitlDetails"
    question = client.get(path)
    assert question["options"] == ["Wait on", "Cancel the job", "Fail"]
    assert "JOBP.BLOCKED" in question["subject"]

    # No person is faster than the scheduler's note of the worker's end. Before it, Airflow takes a task that
    # is resumed for a failed one, as with every deferral (the settle time).
    time.sleep(SETTLE)
    client.request("PATCH", path, json={"chosen_options": ["Cancel the job"], "params_input": {}})

    assert client.wait_run(ASKS, run_id) == "failed"
    assert client.task(ASKS, run_id, "asks")["try_number"] == 1  # whatever its retries
    assert "chose 'Cancel the job'" in client.log(ASKS, run_id, "asks")
    (run,) = [r for r in automic.describe()["runs"] if r["name"] == "JOBP.BLOCKED"]
    assert run["status"] == 1850
