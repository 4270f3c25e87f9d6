# SPDX-License-Identifier: Apache-2.0
"""The real Airflow of the tests is what it claims to be: tasks defer in it, and its parts can be killed."""

from __future__ import annotations

import pytest

from tests.support.harness import RealAirflow

DAG = "harness_deferred"
together = pytest.mark.together


def states(airflow: RealAirflow, run_id: str, task_id: str) -> list[str]:
    return [state for state, _ in airflow.client.states(DAG, run_id, task_id)]


@together
def test_a_deferrable_task_waits_in_the_triggerer_and_the_next_task_follows(
    real_airflow: RealAirflow,
) -> None:
    run_id, state = real_airflow.client.run(DAG)

    assert state == "success"
    assert states(real_airflow, run_id, "wait") == ["running", "deferred", "running", "success"]
    assert real_airflow.client.xcom(DAG, run_id, "after") == {"answer": 42}
    assert "Pushing xcom" in real_airflow.client.log(DAG, run_id, "after")


@together
def test_a_killed_task_process_is_noticed_and_the_task_tried_again(real_airflow: RealAirflow) -> None:
    client = real_airflow.client
    run_id = client.trigger(DAG, {"busy": 600})
    client.wait_task(DAG, run_id, "after", "running")
    real_airflow.kill_task(DAG, run_id, "after")
    client.wait_task(DAG, run_id, "after", "running", try_number=2)
    client.set_run_state(DAG, run_id, "failed")


@together
def test_a_person_can_mark_a_waiting_task_and_clear_it(real_airflow: RealAirflow) -> None:
    client = real_airflow.client
    run_id = client.trigger(DAG, {"seconds": 600})
    client.wait_task(DAG, run_id, "wait", "deferred")

    client.set_task_state(DAG, run_id, "wait", "failed")
    assert client.wait_run(DAG, run_id) == "failed"

    client.clear(DAG, run_id, ["wait"])
    client.wait_task(DAG, run_id, "wait", "deferred", try_number=2)
    client.set_run_state(DAG, run_id, "failed")
    client.delete_run(DAG, run_id)


def test_a_new_dag_file_is_found_and_a_broken_one_reported(real_airflow: RealAirflow) -> None:
    path = real_airflow.write_dag(
        "broken.py", "from airflow.sdk import DAG\nraise RuntimeError('as intended')\n"
    )
    try:
        with pytest.raises(TimeoutError, match="as intended"):
            real_airflow.client.wait_dag("no_such_dag", patience=3)
    finally:
        path.unlink()


@together
def test_what_was_written_somewhere_is_found(real_airflow: RealAirflow) -> None:
    run_id, _ = real_airflow.client.run(DAG, {"mark": "find-me-7f3a"})

    places = real_airflow.places_of("find-me-7f3a")

    assert "table dag_run" in places
    assert real_airflow.places_of("nobody-wrote-this-0c1d") == []
    assert real_airflow.db("select state from dag_run where run_id = ?", [run_id]) == [{"state": "success"}]
