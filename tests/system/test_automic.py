# SPDX-License-Identifier: Apache-2.0
"""Automic on a real Airflow: callbacks that come, get lost or lie; a cancelled run; no secret written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.servers import SimulatorProcess

EXAMPLE = "example_automic"
CANCEL = "example_automic_cancel"
CASES = "automic_cases"
PASSWORD = "p\u00e4ss\u00a7word-4c1f"


@pytest.fixture(scope="module")
def automic(real_airflow: RealAirflow) -> Iterator[SimulatorProcess]:
    """An Automic that can reach Airflow, and its connection."""
    options = ("--password", PASSWORD, "--run-seconds", "3")
    with SimulatorProcess("automic", *options) as simulator:
        real_airflow.client.put_connection(
            "automic_default",
            "automic",
            host=simulator.url,
            login="AIRFLOW/AF",
            password=PASSWORD,
            extra={
                "client": "100",
                "callback_base_url": real_airflow.url(),
                "run_url": "https://awi.example/{client}/{run_id}",
            },
        )
        yield simulator


def noted(automic: SimulatorProcess, what: str) -> int:
    return int(automic.journal()["counts"].get(what, 0))


def run(automic: SimulatorProcess, run_id: int) -> dict[str, Any]:
    (found,) = [r for r in automic.describe()["runs"] if r["run_id"] == run_id]
    return dict(found)


def test_the_example(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    client = real_airflow.client
    before = noted(automic, "job_started")
    run_id = client.trigger(EXAMPLE)

    assert client.wait_run(EXAMPLE, run_id, timeout=180) == "success"
    job = client.xcom(EXAMPLE, run_id, "job")
    assert (job["status"], job["status_text"], job["via"]) == (1900, "ENDED_OK - ended normally", "callback")
    assert run(automic, job["run_id"])["end_time"] == job["end_time"]
    assert client.xcom(EXAMPLE, run_id, "job_without_callback")["via"] == "poll"
    assert client.task(EXAMPLE, run_id, "inactive_job")["state"] == "skipped"
    started = client.xcom(EXAMPLE, run_id, "start_workflow")
    assert (started["status"], started["via"]) == (None, None)
    assert client.xcom(EXAMPLE, run_id, "wait_for_workflow")["run_id"] == started["run_id"]
    assert [client.xcom(EXAMPLE, run_id, "mapped", map_index=i)["status"] for i in range(3)] == [1900] * 3
    assert noted(automic, "job_started") - before == 7
    waited = [state for state, _ in client.states(EXAMPLE, run_id, "job")]
    assert waited == ["running", "deferred", "running", "success"]
    assert "Report ACT" in client.log(EXAMPLE, run_id, "wait_for_workflow") or "Report REP" in client.log(
        EXAMPLE, run_id, "wait_for_workflow"
    )
    links = client.get(f"/dags/{EXAMPLE}/dagRuns/{run_id}/taskInstances/job/links")
    assert links["extra_links"] == {"Remote job": f"https://awi.example/100/{job['run_id']}"}


def test_nothing_secret_is_written_down(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    run_id, _ = real_airflow.client.run(EXAMPLE, timeout=180)
    assert real_airflow.client.xcom(EXAMPLE, run_id, "job")["via"] == "callback"
    for secret in (PASSWORD, "4c1f", "Bearer "):
        assert real_airflow.places_of(secret) == [], f"{secret} was written down"


def test_a_run_cancelled_from_airflow_ends_1850_in_automic(
    real_airflow: RealAirflow, automic: SimulatorProcess
) -> None:
    client = real_airflow.client
    run_id = client.trigger(CANCEL)
    client.wait_task(CANCEL, run_id, "long_workflow", "deferred")
    workflow = [r for r in automic.describe()["runs"] if r["name"] == "JOBP.FOREVER"][-1]
    assert workflow["status"] == 1550
    # Airflow tells a trigger of a person's action only once it runs.
    wait_until(lambda: "starting" in client.log(CANCEL, run_id, "long_workflow"), "the trigger to start", 60)

    client.set_task_state(CANCEL, run_id, "long_workflow", "failed")

    wait_until(lambda: run(automic, workflow["run_id"])["status"] == 1850, "the run to be cancelled", 60)
    children = [r for r in automic.describe()["runs"] if r["parent"] == workflow["run_id"]]
    assert [child["status"] for child in children] == [1851, 1851]


def test_a_cleared_task_cancels_its_run_and_starts_a_new_one(
    real_airflow: RealAirflow, automic: SimulatorProcess
) -> None:
    client = real_airflow.client
    run_id = client.trigger(CASES, {"object": "JOBS.FOREVER"})
    client.wait_task(CASES, run_id, "run", "deferred")
    wait_until(lambda: "starting" in client.log(CASES, run_id, "run"), "the trigger to start", 60)

    client.clear(CASES, run_id, ["run"])

    def runs() -> list[dict[str, Any]]:
        return [r for r in automic.describe()["runs"] if r["name"] == "JOBS.FOREVER"]

    wait_until(lambda: [r["status"] for r in runs()] == [1850, 1550], "a new run instead of the old", 90)
    automic.act("finish_run", run_id=runs()[-1]["run_id"])
    assert client.wait_run(CASES, run_id) == "success"
    assert client.xcom(CASES, run_id, "run")["run_id"] == runs()[-1]["run_id"]


def test_a_callback_that_lies_ends_nothing(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    client = real_airflow.client
    accepted = noted(automic, "callback_accepted")
    automic.act("script", object_name="JOBS.EARLY", callback_at="start", run_seconds=30)
    run_id = client.trigger(CASES, {"object": "JOBS.EARLY"})
    wait_until(lambda: noted(automic, "callback_accepted") > accepted, "the callback", 60)

    assert client.wait_run(CASES, run_id, timeout=120) == "success"
    value = client.xcom(CASES, run_id, "run")
    assert value["status"] == 1900
    assert run(automic, value["run_id"])["end_time"] == value["end_time"]
    assert "waiting on" in client.log(CASES, run_id, "run")


def test_a_failed_run_shows_its_report(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    client = real_airflow.client
    run_id = client.trigger(CASES, {"object": "JOBS.FAIL"})

    assert client.wait_run(CASES, run_id, timeout=120) == "failed"
    for attempt in (1, 2):
        log = client.log(CASES, run_id, "run", try_number=attempt)
        assert "error: exit code 1" in log
        assert "ENDED_NOT_OK - aborted" in log
    failed = [r for r in automic.describe()["runs"] if r["name"] == "JOBS.FAIL"]
    assert len({r["alias"] for r in failed}) == len(failed) == 2


def test_the_try_after_a_killed_worker_goes_on_with_the_same_run(
    real_airflow: RealAirflow, automic: SimulatorProcess
) -> None:
    client = real_airflow.client
    before = noted(automic, "job_started")
    automic.act("script", object_name="JOBS.LONG", run_seconds=25)
    run_id = client.trigger("automic_on_worker", {"object": "JOBS.LONG"})
    client.wait_task("automic_on_worker", run_id, "run", "running")
    polls = noted(automic, "status")
    wait_until(lambda: noted(automic, "job_started") > before, "the run to be started", 60)
    wait_until(lambda: noted(automic, "status") > polls, "the first poll", 60)

    real_airflow.kill_task("automic_on_worker", run_id, "run")

    assert client.wait_run("automic_on_worker", run_id, timeout=120) == "success"
    assert noted(automic, "job_started") - before == 1
