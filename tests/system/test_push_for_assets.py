# SPDX-License-Identifier: Apache-2.0
"""The example DAG of push sources, started from outside on a real Airflow."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from airflow_async_provider.simulators._sending import Sender
from tests.support.harness import RealAirflow, wait_until

DAG_ID = "example_push_for_assets"
KEY = "a key of GitHub's"


def command(airflow: RealAirflow, *line: str) -> str:
    """One of this package's commands, where Airflow's database is."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow_async_provider", *line],
        env=airflow.env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.together
def test_a_delivery_from_outside_starts_a_run_and_its_repetition_none(
    real_airflow: RealAirflow,
    canaries: set[str],
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    client = real_airflow.client
    client.unpause(DAG_ID)
    said = command(
        real_airflow,
        *("push-sources", "add", "orders", "--asset", "orders", "--base-url", real_airflow.url()),
        *("--signature", "github", "--key", KEY, "--payload", "number=body.order"),
    )
    (address,) = re.findall(r"^  (http\S+)$", said, re.MULTILINE)
    assert "Deliveries start runs." in command(real_airflow, "push-sources", "check", "orders")
    sender = Sender(address, "github", KEY, b'{"order": 7}', {"Content-Type": "application/json"})
    assert asyncio.run(sender.send("wrong-key")) == [401]

    sent = time.time()
    assert asyncio.run(sender.send("duplicate")) == [200, 200]

    def runs() -> list[dict[str, Any]] | None:
        return client.get(f"/dags/{DAG_ID}/dagRuns")["dag_runs"] or None

    (run,) = wait_until(runs, "the DAG to be scheduled by its asset", 300, interval=2)
    assert client.wait_run(DAG_ID, run["dag_run_id"]) == "success"
    (booked,) = client.xcom(DAG_ID, run["dag_run_id"], "book")
    assert booked["order"] == {"number": 7}
    assert len(runs() or ()) == 1
    begun = datetime.fromisoformat(client.get(f"/dags/{DAG_ID}/dagRuns/{run['dag_run_id']}")["queued_at"])
    record_testsuite_property("seconds_to_the_queued_run", round(begun.timestamp() - sent, 2))

    shown = command(real_airflow, "push-sources", "deliveries", "--source", "orders", "--output", "json")
    rows = json.loads(shown)
    assert [(row["outcome"], row.get("repeated")) for row in rows] == [("event", 1), ("bad_signature", None)]
    canaries |= {address.rpartition("/")[2], KEY}
