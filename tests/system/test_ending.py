# SPDX-License-Identifier: Apache-2.0
"""Tasks whose trigger ends them, on a real Airflow: no second session on a worker, and nothing lost."""

from __future__ import annotations

import pytest

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER
from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.aso_jobs import AsoJobs
from tests.support.harness.servers import SimulatorProcess

DAG = "ending"
SENSORS = ("plain", "unpushed", "told", "with_outlet", "with_callback")

pytestmark = [
    pytest.mark.together,
    pytest.mark.skipif(not ENDS_FROM_TRIGGER, reason="a trigger ends its task from Airflow 3.3 on"),
]


def ended(airflow: RealAirflow, jobs: AsoJobs, outcome: str) -> tuple[str, str]:
    """A run whose job ends once all sensors wait for it; its id and state."""
    client = airflow.client
    run_id = client.trigger(DAG, {"event": jobs.event})
    wait_until(lambda: client.all_deferred(DAG, run_id, SENSORS), "the sensors to wait", 300, interval=0.5)
    jobs.end(outcome)
    return run_id, client.wait_run(DAG, run_id)


def test_a_success_needs_a_worker_only_where_something_would_be_lost(
    real_airflow: RealAirflow, aso: SimulatorProcess
) -> None:
    client = real_airflow.client
    run_id, state = ended(real_airflow, AsoJobs(aso), "completed")
    assert state == "success"

    handle = client.xcom(DAG, run_id, "submit")
    assert client.xcom(DAG, run_id, "plain") == handle
    items = [task for task in client.tasks(DAG, run_id) if task["task_id"] == "names"]
    assert len(items) == len(handle)

    ended_in_triggerer = {
        name: "the task ends here, without a worker" in client.log(DAG, run_id, name) for name in SENSORS
    }
    assert ended_in_triggerer == {
        "plain": True,
        "unpushed": True,
        "told": False,
        "with_outlet": False,
        "with_callback": False,
    }
    states = [state for state, _ in client.states(DAG, run_id, "plain")]
    assert states.count("running") == 1


def test_a_failed_job_fails_on_a_worker_with_its_reason(
    real_airflow: RealAirflow, aso: SimulatorProcess
) -> None:
    client = real_airflow.client
    run_id, state = ended(real_airflow, AsoJobs(aso), "failed")
    assert state == "failed"
    assert client.task(DAG, run_id, "plain")["state"] == "failed"
    assert "JobFailedError" in client.log(DAG, run_id, "plain")
