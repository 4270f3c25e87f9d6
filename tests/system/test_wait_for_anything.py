# SPDX-License-Identifier: Apache-2.0
"""Jobs that functions start, on a real Airflow: the example of the docs, mapped ones, and kills."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import AIRFLOW, RealAirflow, wait_until
from tests.support.others import Others, others, request

EXAMPLE, CASES = "example_wait_for_anything", "remote_job_cases"
needs_memory = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow 3.3 and later")


@pytest.fixture(scope="module")
def partners() -> Iterator[Others]:
    """Whom the example talks to."""
    with others() as running:
        yield running


@pytest.fixture(scope="module")
def airflow(real_airflow: RealAirflow, partners: Others) -> RealAirflow:
    """The shared Airflow with connections to them."""
    put = real_airflow.client.put_connection
    put("github_default", "http", host=partners.url)
    put("partner_airflow", "http", host=partners.url, extra={"callback_base_url": real_airflow.url()})
    put(
        "lambda",
        "aws",
        login="a",
        password="b",
        extra={"region_name": "eu-central-1", "endpoint_url": partners.url},
    )
    return real_airflow


def test_five_kinds_of_jobs_are_started_and_waited_for(airflow: RealAirflow, partners: Others) -> None:
    client = airflow.client
    conf = {"shell": [], "lambda_conn_id": "lambda", "mail_server": partners.mail.address}
    run_id, state = client.run(EXAMPLE, conf)

    tasks = {(t["task_id"], t["map_index"]): t for t in client.tasks(EXAMPLE, run_id)}
    assert {t["state"] for t in tasks.values()} == {"success"}, tasks
    assert state == "success"
    assert {t["try_number"] for t in tasks.values()} == {1}
    for task_id, map_index in tasks:
        states = [s for s, _ in client.states(EXAMPLE, run_id, task_id, map_index)]
        # The shell script may be done before its task has deferred, which saves that.
        assert AIRFLOW < (3, 3) or "deferred" in states or task_id == "shell_script", task_id
    assert client.xcom(EXAMPLE, run_id, "shell_script").isdigit()
    assert client.xcom(EXAMPLE, run_id, "github_workflow") == "https://github.example/runs/1"
    assert client.xcom(EXAMPLE, run_id, "person") == {"accounting": {"answer": "Release", "message": "seen"}}
    assert client.xcom(EXAMPLE, run_id, "partner_airflow") == 12
    for index, year in enumerate((2024, 2025)):
        value = client.xcom(EXAMPLE, run_id, "aws_lambda", map_index=index)
        assert value == {"year": year, "rows": 17}
    # A scanner of links has followed both, and nothing came of it.
    assert partners.mail.scanned == [200, 200]
    assert len(partners.secrets) == 6
    assert {s: places for s in partners.secrets if (places := airflow.places_of(s))} == {}


@needs_memory
def test_a_worker_that_is_killed_while_it_starts_the_job_starts_no_second_one(
    airflow: RealAirflow, tmp_path: Path
) -> None:
    client = airflow.client
    begun = tmp_path / "begun"
    run_id = client.trigger(CASES, {"begun": str(begun)})
    wait_until(lambda: begun.exists() and begun.read_text().endswith("\n"), "the function to run", 90)
    pid, callback = begun.read_text().split()
    os.kill(int(pid), signal.SIGKILL)

    # The next try looks for it, finds it, and hears the callback to the first one's address.
    client.wait_task(CASES, run_id, "killed", "deferred", timeout=180)
    said = {"state": "succeeded", "result": "of the first try"}
    assert request("POST", callback, json=said).status_code == 200
    assert client.wait_run(CASES, run_id, timeout=120) == "success"
    assert client.xcom(CASES, run_id, "killed") == "of the first try"
    assert len(begun.read_text().splitlines()) == 1
    assert json.dumps(callback.rsplit("/", 1)[1]) not in airflow.all_logs()
