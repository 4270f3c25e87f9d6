# SPDX-License-Identifier: Apache-2.0
"""
One real Airflow, one S3 server and the simulators for all system tests: starting them costs about 20 seconds.

A test that kills a component starts it again (``restored`` does it for the forgetful).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Postgres, PostgresMissingError, RealAirflow
from tests.support.harness.servers import S3Server, SimulatorProcess

ROOT = Path(__file__).resolve().parents[2]
DAG_FOLDERS = (Path(__file__).parent / "dags", ROOT / "example_dags")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a system test, and may take its time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(1200))  # the first test starts Airflow, too


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure shows what Airflow's components said."""
    report: Any = yield
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, RealAirflow):
                report.sections.append(("components of Airflow", value.report()))
    return report


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server with the bucket ``results``."""
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def aso() -> Iterator[SimulatorProcess]:
    """JAGGAER ASO: jobs take 2 seconds unless a test scripts them (``aso.act("script", …)``)."""
    with SimulatorProcess("aso", "--processing-seconds", "2") as simulator:
        yield simulator


@pytest.fixture(scope="session")
def real_airflow(s3_server: S3Server, aso: SimulatorProcess) -> Iterator[RealAirflow]:
    """Airflow on SQLite with the connections ``aws_default`` and ``jaggaer_aso_default``."""
    with RealAirflow(dag_folders=DAG_FOLDERS) as airflow:
        connect(airflow, s3_server, aso)
        yield airflow


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL; the test is skipped, with the reason, where there is none."""
    try:
        server = Postgres()
    except PostgresMissingError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def real_airflow_on_postgres(
    postgres: Postgres, s3_server: S3Server, aso: SimulatorProcess
) -> Iterator[RealAirflow]:
    """A second Airflow, on PostgreSQL, with the same connections."""
    with RealAirflow(dag_folders=DAG_FOLDERS, sql_alchemy_conn=postgres.sql_alchemy_conn) as airflow:
        connect(airflow, s3_server, aso)
        yield airflow


@pytest.fixture
def restored(real_airflow: RealAirflow) -> Iterator[RealAirflow]:
    """The shared Airflow for tests that kill parts of it: what is missing afterwards is started again."""
    yield real_airflow
    real_airflow.start_missing()


def connect(airflow: RealAirflow, s3_server: S3Server, aso: SimulatorProcess) -> None:
    """Enter the connections."""
    airflow.client.put_connection("aws_default", **s3_server.connection())
    airflow.client.put_connection(
        "jaggaer_aso_default",
        "jaggaer_aso",
        host=aso.url,
        password="aso-token",
        extra={"api_key": "aso-key"},
    )
