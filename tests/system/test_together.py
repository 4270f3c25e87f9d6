# SPDX-License-Identifier: Apache-2.0
"""The example that joins all of it, on a real Airflow: Automic, ASO, S3, an asset event, the next DAG."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.harness import RealAirflow
from tests.support.harness.servers import S3Server, SimulatorProcess

FIRST = "example_together"
NEXT = "example_together_next"


@pytest.fixture
def automic(real_airflow: RealAirflow) -> Iterator[SimulatorProcess]:
    """An Automic that can reach Airflow, and its connection."""
    with SimulatorProcess("automic", "--password", "a-password", "--run-seconds", "3") as simulator:
        real_airflow.client.put_connection(
            "automic_default",
            "automic",
            host=simulator.url,
            login="AIRFLOW/AF",
            password="a-password",
            extra={
                "client": "100",
                "callback_base_url": real_airflow.url(),
                "run_url": "https://awi.example/{client}/{run_id}",
            },
        )
        yield simulator


def test_from_an_automic_run_to_the_dag_that_an_asset_starts(
    real_airflow: RealAirflow, automic: SimulatorProcess, aso: SimulatorProcess, s3_server: S3Server
) -> None:
    client = real_airflow.client
    client.unpause(NEXT)

    run_id = client.trigger(FIRST, {"folder": f"s3://{s3_server.bucket}/a folder"})
    assert client.wait_run(FIRST, run_id, timeout=180) == "success"

    # What was stored ...
    report = client.xcom(FIRST, run_id, "export")
    key = f"a folder/{run_id}/items.dat"
    assert report["uri"] == f"s3://{s3_server.bucket}/{key}"
    assert hashlib.sha256(s3_server.read(key)).hexdigest() == report["sha256"]
    assert report["sha256"] in aso.served()

    # ... where a person finds it ...
    def links(task_id: str) -> dict[str, str | None]:
        path = f"/dags/{FIRST}/dagRuns/{run_id}/taskInstances/{task_id}/links"
        found: dict[str, str | None] = client.get(path)["extra_links"]
        return found

    address = links("export")["Stored result"]
    assert address is not None
    assert address.startswith(f"{s3_server.url}/{s3_server.bucket}/a%20folder/")
    assert "X-Amz" not in address
    automic_run = client.xcom(FIRST, run_id, "prepare")["run_id"]
    assert links("prepare") == {"Remote job": f"https://awi.example/100/{automic_run}"}

    # ... what its event says, and the DAG that it starts.
    facts = {name: report[name] for name in ("uri", "bytes", "sha256")}
    next_run = client.wait_asset_run(NEXT)
    assert client.wait_run(NEXT, next_run) == "success"
    assert client.xcom(NEXT, next_run, "take_over") == facts
    # Asked last: Airflow 3.3.2 answers 500 here while a run that the event has started is still queued.
    events = client.get("/assets/events", source_dag_id=FIRST, source_run_id=run_id)["asset_events"]
    assert [event["extra"] for event in events] == [facts]
