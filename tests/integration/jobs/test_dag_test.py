# SPDX-License-Identifier: Apache-2.0
"""``dag.test()``, ``airflow dags test``: a deferred task goes on in the same process, without its kwargs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.simulators.aso import AsoSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

DAG_FILE = """
from airflow.sdk import DAG
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator

with DAG("in_process", schedule=None, params={"folder": "/nowhere"}) as dag:
    JaggaerAsoDownloadOperator(
        task_id="items",
        endpoint="event/4711/apiItems/async",
        destination="{{ params.folder }}/items.dat",
        poll_interval=0.2,
    )
"""


@pytest.fixture(autouse=True)
def _its_api_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.3 dag.test() does not wait for the start of its own API; then "svcs_registry" is missing."""
    real = asyncio.run_coroutine_threadsafe

    def run(coroutine: Any, loop: Any) -> Any:
        future = real(coroutine, loop)
        if "start_lifespan" in getattr(coroutine, "__qualname__", ""):
            future.result(60)
        return future

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", run)
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)  # an installation has one


@pytest.fixture
def aso_connection_in_the_database(aso_simulator: AsoSimulator, airflow_db: Path) -> Iterator[None]:
    """As *Admin, Connections* or ``airflow connections add`` store it; the environment knows none."""
    from airflow.models import Connection  # noqa: TID251 - the database is what is tried here
    from airflow.utils.session import create_session

    fields = aso_simulator.airflow_connection()
    conn = Connection(**{**fields, "conn_id": "jaggaer_aso_default", "extra": json.dumps(fields["extra"])})
    with create_session() as session:
        session.add(conn)
    yield
    with create_session() as session:
        session.delete(session.merge(conn))


@pytest.mark.parametrize("where", ["aso_connection", "aso_connection_in_the_database"])
@pytest.mark.usefixtures("airflow_db")
def test_a_deferred_download_ends_in_dag_test(
    aso_simulator: AsoSimulator,
    airflow_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    where: str,
) -> None:
    request.getfixturevalue(where)
    # There is no scheduler whose bookkeeping the wake could overtake.
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    file = airflow_home / "dags" / "in_process.py"  # Airflow looks the DAG up in its folder
    file.write_text(DAG_FILE, encoding="utf-8")
    try:
        run = runpy.run_path(str(file))["dag"].test(run_conf={"folder": str(tmp_path)})
    finally:
        file.unlink()

    assert run.state == "success"
    stored = (tmp_path / "items.dat").read_bytes()
    assert hashlib.sha256(stored).hexdigest() == aso_simulator.sha256_of(aso_simulator.job())
    assert aso_simulator.journal.jobs_started == 1


SENSOR_FILE = """
from airflow.sdk import DAG, task
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from airflow_async_provider.sensors.async_job import AsyncJobSensor

with DAG("watched_in_process", schedule=None) as dag:
    submit = JaggaerAsoSubmitOperator(task_id="submit", endpoint="event/4711/apiItems/async")
    wait = AsyncJobSensor(task_id="wait", job=submit.output, poke_interval=0.2)

    @task
    def read(handle):
        assert handle["protocol"] == "jaggaer_aso"

    read(wait.output)
"""


@pytest.mark.usefixtures("airflow_db", "aso_connection")
def test_a_sensor_that_its_trigger_ends_goes_on_in_dag_test(
    aso_simulator: AsoSimulator, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows no end by a trigger: the sensor goes on with the word "success"."""
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    aso_simulator.script(processing_seconds=1.0)
    file = airflow_home / "dags" / "watched_in_process.py"
    file.write_text(SENSOR_FILE, encoding="utf-8")
    try:
        run = runpy.run_path(str(file))["dag"].test()
    finally:
        file.unlink()
    assert run.state == "success"
