# SPDX-License-Identifier: Apache-2.0
"""Tasks whose trigger ends them, on a real Airflow: no second session on a worker, and nothing lost."""

from __future__ import annotations

import pytest

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER
from tests.support.harness import RealAirflow
from tests.support.harness.servers import SimulatorProcess

DAG = "ending"


@pytest.mark.skipif(not ENDS_FROM_TRIGGER, reason="a trigger ends its task from Airflow 3.3 on")
def test_a_success_needs_a_worker_only_where_something_would_be_lost(
    real_airflow: RealAirflow, aso: SimulatorProcess
) -> None:
    client = real_airflow.client
    aso.act("script", processing_seconds=20)
    run_id, state = client.run(DAG)
    assert state == "success"

    handle = client.xcom(DAG, run_id, "submit")
    assert client.xcom(DAG, run_id, "plain") == handle
    items = [task for task in client.tasks(DAG, run_id) if task["task_id"] == "names"]
    assert len(items) == len(handle)

    ended_in_triggerer = {
        name: "the task ends here, without a worker" in client.log(DAG, run_id, name)
        for name in ("plain", "unpushed", "told", "with_outlet", "with_callback")
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


@pytest.mark.skipif(not ENDS_FROM_TRIGGER, reason="a trigger ends its task from Airflow 3.3 on")
def test_a_failed_job_fails_on_a_worker_with_its_reason(
    real_airflow: RealAirflow, aso: SimulatorProcess
) -> None:
    client = real_airflow.client
    aso.act("script", processing_seconds=15, outcome="failed")
    run_id, state = client.run(DAG)
    assert state == "failed"
    assert client.task(DAG, run_id, "plain")["state"] == "failed"
    assert "JobFailedError" in client.log(DAG, run_id, "plain")
