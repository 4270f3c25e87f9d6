# SPDX-License-Identifier: Apache-2.0
"""Jobs that functions start, on a real Airflow: a worker that is killed meanwhile."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.harness import AIRFLOW, RealAirflow, wait_until
from tests.support.others import request

CASES = "remote_job_cases"
needs_memory = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow 3.3 and later")


@needs_memory
@pytest.mark.together
def test_a_worker_that_is_killed_while_it_starts_the_job_starts_no_second_one(
    real_airflow: RealAirflow, canaries: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = real_airflow.client
    begun = tmp_path_factory.mktemp("killed") / "begun"
    run_id = client.trigger(CASES, {"begun": str(begun)})
    wait_until(lambda: begun.exists() and begun.read_text().endswith("\n"), "the function to run", 300)
    pid, callback = begun.read_text().split()
    os.kill(int(pid), signal.SIGKILL)

    # The next try looks for it, finds it, and hears the callback to the first one's address.
    client.wait_task(CASES, run_id, "killed", "deferred")
    said = {"state": "succeeded", "result": "of the first try"}
    assert request("POST", callback, json=said).status_code == 200
    assert client.wait_run(CASES, run_id) == "success"
    assert client.xcom(CASES, run_id, "killed") == "of the first try"
    assert len(begun.read_text().splitlines()) == 1
    canaries.add(callback.rsplit("/", 1)[1])
