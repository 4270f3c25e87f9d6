# SPDX-License-Identifier: Apache-2.0
"""
The example DAGs on a real Airflow. Their runs are the demo's (``make demo``), which looks for itself at
states, downloads and leaks; here is what only single ones promise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.runs import Outcome
from demo.world import World
from tests.support.harness import AIRFLOW

Runs = Callable[[], Outcome]

#: Earlier releases write no states of tasks into their event log, and tell no trigger of a person's hand.
NEW = AIRFLOW >= (3, 3)


def only(demo: Runs, dag_id: str) -> str:
    """The run of an example that the demo runs once."""
    (run_id,) = demo().run_ids(dag_id)
    return run_id


def links(world: World, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links"
    found: dict[str, str | None] = world.airflow.client.get(path)["extra_links"]
    return found


def journal(world: World, simulator: str, what: str) -> int:
    return int(world.simulators[simulator].journal()["counts"].get(what, 0))


def test_all_that_the_demo_looks_at(world: World, demo: Runs) -> None:
    assert demo().problems == [], "\n".join(demo().problems)


def test_every_example_dag_is_parsed(world: World, demo: Runs) -> None:
    demo()
    files = {path.name for path in (Path(__file__).parents[2] / "example_dags").glob("*.py")}
    errors = world.airflow.client.import_errors()
    assert {name: trace for name, trace in errors.items() if Path(name).name in files} == {}


def test_aso_starts_a_job_for_each_download(world: World, demo: Runs) -> None:
    demo()
    assert journal(world, "aso", "job_started") == 2 * 5 + 1  # and the one of example_together


@pytest.mark.skipif(not NEW, reason="Airflow 3.3 and later")
def test_a_task_is_seen_to_wait_and_to_go_on(world: World, demo: Runs) -> None:
    def states(dag_id: str, task_id: str) -> list[str]:
        run_id = demo().run_ids(dag_id)[0]
        return [state for state, _ in world.airflow.client.states(dag_id, run_id, task_id)]

    for dag_id, task_id in (
        ("example_jaggaer_aso", "items"),
        ("example_automic", "job"),
        *(("example_open_connectors", task_id) for task_id in ("copy_folder", "copy_reports", "contacts")),
    ):
        # What comes with its callback needs no worker again.
        again = [] if task_id == "copy_folder" else ["running", "success"]
        assert states(dag_id, task_id) == ["running", "deferred", *again], task_id
        assert world.airflow.client.task(dag_id, demo().run_ids(dag_id)[0], task_id)["state"] == "success"


def test_automic_tells_what_became_of_its_runs(world: World, demo: Runs) -> None:
    client, dag_id = world.airflow.client, "example_automic"
    run_id = only(demo, dag_id)
    job = client.xcom(dag_id, run_id, "job")
    assert (job["status"], job["status_text"]) == (1900, "ENDED_OK - ended normally")
    runs = {run["run_id"]: run for run in world.simulators["automic"].describe()["runs"]}
    assert runs[job["run_id"]]["end_time"] == job["end_time"]
    started = client.xcom(dag_id, run_id, "start_workflow")
    assert (started["status"], started["via"]) == (None, None)
    assert client.xcom(dag_id, run_id, "wait_for_workflow")["run_id"] == started["run_id"]
    assert [client.xcom(dag_id, run_id, "mapped", map_index=i)["status"] for i in range(3)] == [1900] * 3
    log = client.log(dag_id, run_id, "wait_for_workflow")
    assert "Report ACT" in log or "Report REP" in log
    assert links(world, dag_id, run_id, "job") == {"Remote job": f"https://awi.example/100/{job['run_id']}"}
    # Seven of this example, one that is cancelled, and one of example_together: nothing was started twice.
    assert journal(world, "automic", "job_started") == 9


@pytest.mark.skipif(not NEW, reason="Airflow 3.3 and later")
def test_a_run_cancelled_from_airflow_is_cancelled_with_its_children(world: World, demo: Runs) -> None:
    demo()
    runs = world.simulators["automic"].describe()["runs"]
    (workflow,) = [run for run in runs if run["name"] == "JOBP.FOREVER"]
    assert workflow["status"] == 1850
    assert [run["status"] for run in runs if run["parent"] == workflow["run_id"]] == [1851, 1851]


def test_open_connectors_hands_on_what_its_webhooks_say(world: World, demo: Runs) -> None:
    client, dag_id = world.airflow.client, "example_open_connectors"
    run_id = only(demo, dag_id)
    response = client.xcom(dag_id, run_id, "copy_folder")
    assert response["events"][1]["metadata"]["path"] == "/TestFolderCopy/testUploadFile.txt"
    uploaded = client.xcom(dag_id, run_id, "accounts")
    contacts = client.xcom(dag_id, run_id, "contacts")
    assert (uploaded["errors"], uploaded["bytes"]) == (0, contacts["bytes"])
    # Two requests, a download and an upload: nothing was sent twice.
    assert journal(world, "open-connectors", "job_started") == 4


def test_five_kinds_of_jobs_are_started_and_waited_for(world: World, demo: Runs) -> None:
    client, dag_id = world.airflow.client, "example_wait_for_anything"
    run_id = only(demo, dag_id)
    assert {task["try_number"] for task in client.tasks(dag_id, run_id)} == {1}
    assert client.xcom(dag_id, run_id, "shell_script").isdigit()
    assert client.xcom(dag_id, run_id, "github_workflow") == "https://github.example/runs/1"
    assert client.xcom(dag_id, run_id, "person") == {"accounting": {"answer": "Release", "message": "seen"}}
    assert client.xcom(dag_id, run_id, "partner_airflow") == 12
    for index, year in enumerate((2024, 2025)):
        value: Any = client.xcom(dag_id, run_id, "aws_lambda", map_index=index)
        assert value == {"year": year, "rows": 17}
    # A scanner of links has followed both, and nothing came of it.
    assert world.others.mail.scanned == [200, 200]
    assert len(world.others.secrets) == 6


def test_from_an_automic_run_to_the_dag_that_an_asset_starts(world: World, demo: Runs) -> None:
    client, dag_id = world.airflow.client, "example_together"
    run_id = only(demo, dag_id)
    report = client.xcom(dag_id, run_id, "export")
    assert report["uri"] == f"s3://{world.s3.bucket}/together/{run_id}/items.dat"
    # Where a person finds it ...
    address = links(world, dag_id, run_id, "export")["Stored result"]
    assert address is not None
    assert address.startswith(f"{world.s3.url}/{world.s3.bucket}/together/")
    assert "X-Amz" not in address
    automic_run = client.xcom(dag_id, run_id, "prepare")["run_id"]
    assert links(world, dag_id, run_id, "prepare") == {"Remote job": f"https://awi.example/100/{automic_run}"}
    # ... and what the event says, which has started the next DAG.
    facts = {name: report[name] for name in ("uri", "bytes", "sha256")}
    assert client.xcom("example_together_next", only(demo, "example_together_next"), "take_over") == facts
    events = client.get("/assets/events", source_dag_id=dag_id, source_run_id=run_id)["asset_events"]
    assert [event["extra"] for event in events] == [facts]
