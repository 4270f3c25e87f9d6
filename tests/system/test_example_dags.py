# SPDX-License-Identifier: Apache-2.0
"""The example DAGs on a real Airflow (``make demo`` runs them as well, and shows what they did)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.servers import S3Server, SimulatorProcess

ASO = "example_jaggaer_aso"


def test_every_example_dag_is_parsed(real_airflow: RealAirflow) -> None:
    files = {path.name for path in (Path(__file__).parents[2] / "example_dags").glob("*.py")}
    real_airflow.client.wait_dag(ASO)

    errors = real_airflow.client.import_errors()

    assert {name: trace for name, trace in errors.items() if Path(name).name in files} == {}


def test_the_aso_example_brings_home_what_aso_served(
    real_airflow: RealAirflow, aso: SimulatorProcess, s3_server: S3Server
) -> None:
    client = real_airflow.client
    for _ in range(5):
        aso.act("script", processing_seconds=None)  # until told, so that the tasks have to wait
    run_id = client.trigger(ASO, {"folder": f"s3://{s3_server.bucket}/examples"})
    waiting = ("items", "wait_for_bids", "rates")
    wait_until(lambda: client.all_deferred(ASO, run_id, waiting), "the tasks to defer", 120, interval=0.5)
    aso.finish_all()

    assert client.wait_run(ASO, run_id, timeout=180) == "success"
    reports = [client.xcom(ASO, run_id, task_id) for task_id in ("items", "fetch_bids")]
    reports += [client.xcom(ASO, run_id, "rates", map_index=number) for number in range(3)]
    served = aso.served()
    for report in reports:
        stored = s3_server.read(report["uri"].removeprefix(f"s3://{s3_server.bucket}/"))
        assert len(stored) == report["bytes"]
        assert hashlib.sha256(stored).hexdigest() == report["sha256"]
        assert report["sha256"] in served
    assert len({report["sha256"] for report in reports}) == 5
    for task_id, map_index in (
        ("items", -1),
        ("wait_for_bids", -1),
        ("rates", 0),
        ("rates", 1),
        ("rates", 2),
    ):
        assert "deferred" in [state for state, _ in client.states(ASO, run_id, task_id, map_index)]
    assert real_airflow.places_of("X-Amz-Signature=") == []
