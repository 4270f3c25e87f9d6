# SPDX-License-Identifier: Apache-2.0
"""Tasks whose trigger ends them, on a real Airflow: no second session on a worker, and nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER
from tests.support.byte_server import ByteServer, Step, running, status
from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.aso_jobs import AsoJobs
from tests.support.harness.servers import SimulatorProcess
from tests.support.others import request

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


@contextmanager
def remote_system() -> Iterator[ByteServer]:
    """Jobs that are done at the second look; their last answer is the result."""
    looks: Counter[str] = Counter()

    def answer(target: str) -> Step:
        if not target.endswith("/7"):
            return status(202, b"{}", {"Location": f"{target}/7"})
        looks[target] += 1
        if looks[target] == 1:
            return status(202, b"{}")
        return status(200, b'["first", "second"]', {"Content-Type": "application/json"})

    with running(by_path=answer) as server:
        yield server


def test_the_last_answer_is_the_value_and_is_asked_for_once(real_airflow: RealAirflow) -> None:
    dag, client = "ending_with_value", real_airflow.client
    with remote_system() as remote:
        client.put_connection("ending_remote", "http", host=remote.origin)
        run_id, _ = client.run(dag, timeout=600)
    assert client.task(dag, run_id, "rows")["state"] == "success"
    assert client.xcom(dag, run_id, "rows") == ["first", "second"]
    each = [t for t in client.tasks(dag, run_id) if t["task_id"] == "each_row"]
    assert {t["map_index"]: t["state"] for t in each} == {0: "success", 1: "success"}
    assert len([r for r in remote.requests if r.target == "/rows/7"]) == 2
    assert "the task ends here, without a worker" in client.log(dag, run_id, "rows")
    # What is too large is an error that a worker raises.
    assert client.task(dag, run_id, "too_large")["state"] == "failed"
    assert "max_xcom_bytes" in client.log(dag, run_id, "too_large")


def test_a_callback_that_brings_everything_ends_its_task(real_airflow: RealAirflow) -> None:
    dag, client = "ending_by_callback", real_airflow.client
    said = {"state": "succeeded", "result": ["x", {"rows": 3}]}
    with TemporaryDirectory() as folder:
        run_id = client.trigger(dag, {"told": f"{folder}/address"})
        for name in ("called", "with_outlet"):
            client.wait_task(dag, run_id, name, "deferred", timeout=600)
            address = Path(f"{folder}/address.{name}").read_text("utf-8")
            assert request("POST", address, json=said).status_code == 200
            if name == "called":  # at once, without a settle time
                assert client.task(dag, run_id, name)["state"] == "success"
    assert client.wait_run(dag, run_id, timeout=600) == "success"
    assert client.xcom(dag, run_id, "called") == client.xcom(dag, run_id, "with_outlet") == said["result"]
    assert client.xcom(dag, run_id, "after") == "x"
    sessions = {
        name: [state for state, _ in client.states(dag, run_id, name)].count("running")
        for name in ("called", "with_outlet")
    }
    assert sessions == {"called": 1, "with_outlet": 2}
    # Airflow has told its trigger that the task was killed.
    wait_until(lambda: "nothing is cancelled" in client.log(dag, run_id, "called"), "the trigger to end", 300)
