# SPDX-License-Identifier: Apache-2.0
"""Automic on a real Airflow: callbacks that lie, runs that fail, tasks that are cleared and killed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.servers import SimulatorProcess

pytestmark = pytest.mark.together

CASES = "automic_cases"


def runs(automic: SimulatorProcess, name: str) -> list[dict[str, Any]]:
    """The runs of an object, which no other test has."""
    return [dict(run) for run in automic.describe()["runs"] if run["name"] == name]


def test_a_cleared_task_cancels_its_run_and_starts_a_new_one(
    real_airflow: RealAirflow, automic: SimulatorProcess
) -> None:
    client = real_airflow.client
    automic.act("script", object_name="JOBS.CLEARED", run_seconds=None)
    run_id = client.trigger(CASES, {"object": "JOBS.CLEARED"})
    client.wait_task(CASES, run_id, "run", "deferred")
    client.wait_log(CASES, run_id, "run", "starting")

    automic.act("script", object_name="JOBS.CLEARED", run_seconds=None)
    client.clear(CASES, run_id, ["run"])

    def statuses() -> list[int]:
        return [run["status"] for run in runs(automic, "JOBS.CLEARED")]

    wait_until(lambda: statuses() == [1850, 1550], "a new run instead of the old", 300, interval=0.5)
    new = runs(automic, "JOBS.CLEARED")[-1]["run_id"]
    automic.act("finish_run", run_id=new)
    assert client.wait_run(CASES, run_id) == "success"
    assert client.xcom(CASES, run_id, "run")["run_id"] == new


def test_a_callback_that_lies_ends_nothing(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    client = real_airflow.client
    automic.act("script", object_name="JOBS.LIAR", callback_at="start", run_seconds=None)
    run_id = client.trigger(CASES, {"object": "JOBS.LIAR"})
    # The callback has come, and the run was looked at: it has not ended.
    client.wait_log(CASES, run_id, "run", "waiting on")
    assert client.run_state(CASES, run_id) == "running"

    automic.act("finish_run", run_id=runs(automic, "JOBS.LIAR")[-1]["run_id"])
    assert client.wait_run(CASES, run_id) == "success"
    value = client.xcom(CASES, run_id, "run")
    (run,) = runs(automic, "JOBS.LIAR")
    assert (value["status"], value["end_time"]) == (1900, run["end_time"])


def test_a_failed_run_shows_its_report(real_airflow: RealAirflow, automic: SimulatorProcess) -> None:
    client = real_airflow.client
    run_id = client.trigger(CASES, {"object": "JOBS.FAIL"})

    assert client.wait_run(CASES, run_id) == "failed"
    for attempt in (1, 2):
        log = client.log(CASES, run_id, "run", try_number=attempt)
        assert "error: exit code 1" in log
        assert "ENDED_NOT_OK - aborted" in log
    failed = runs(automic, "JOBS.FAIL")
    assert len({r["alias"] for r in failed}) == len(failed) == 2


def test_the_try_after_a_killed_worker_goes_on_with_the_same_run(
    real_airflow: RealAirflow, automic: SimulatorProcess
) -> None:
    dag, client = "automic_on_worker", real_airflow.client
    automic.act("script", object_name="JOBS.LONG", run_seconds=None)
    run_id = client.trigger(dag, {"object": "JOBS.LONG"})
    client.wait_task(dag, run_id, "run", "running")
    wait_until(lambda: bool(runs(automic, "JOBS.LONG")), "the run to be started", 300, interval=0.5)
    client.wait_log(dag, run_id, "run", "Submitted the")

    real_airflow.kill_task(dag, run_id, "run")

    client.wait_log(dag, run_id, "run", "Reattached", try_number=2)
    automic.act("finish_run", run_id=runs(automic, "JOBS.LONG")[-1]["run_id"])
    assert client.wait_run(dag, run_id) == "success"
    assert len(runs(automic, "JOBS.LONG")) == 1
