# SPDX-License-Identifier: Apache-2.0
"""
Fixtures for the tests of your own DAGs; importing this imports nothing of Airflow.

Switch it on in your ``conftest.py``::

    pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

and then::

    def test_my_dag(aso_simulator, aso_connection, run_dag):
        assert run_dag("my_dag", "dags").state == "success"

A simulator's arguments come by indirect parametrization::

    @pytest.mark.parametrize("aso_simulator", [{"processing_seconds": 2, "outcome": "failed"}], indirect=True)
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_async_provider.simulators._dag_run import AirflowHome, DagRunReport
    from airflow_async_provider.simulators.aso import AsoSimulator
    from airflow_async_provider.simulators.automic import AutomicSimulator
    from airflow_async_provider.simulators.frame import Simulator
    from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
    from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator
    from airflow_async_provider.simulators.real_apis import RealApisSimulator

#: connection id that :func:`aso_connection` defines, the default of the ASO hook and operators
ASO_CONNECTION_ID = "jaggaer_aso_default"

#: likewise for :func:`automic_connection`
AUTOMIC_CONNECTION_ID = "automic_default"

#: likewise for :func:`http_async_connection`
HTTP_ASYNC_CONNECTION_ID = "http_default"
#: the same for :func:`open_connectors_connection`
OPEN_CONNECTORS_CONNECTION_ID = "sap_open_connectors_default"


@pytest.fixture
def run_simulator() -> Iterator[Callable[..., Any]]:
    """
    Start simulators; all are stopped at the end of the test.

    ``run_simulator(AsoSimulator(outcome="failed"), certfile=...)`` takes the options of
    :func:`~airflow_async_provider.simulators.frame.serving` and returns the simulator.
    """
    from airflow_async_provider.simulators.frame import running

    with contextlib.ExitStack() as stack:

        def start(simulator: Simulator, **options: Any) -> Simulator:
            return stack.enter_context(running(simulator, **options))

        yield start


@pytest.fixture
def aso_simulator(request: pytest.FixtureRequest, run_simulator: Callable[..., Any]) -> AsoSimulator:
    """A running JAGGAER ASO; indirect parametrization gives its constructor's arguments."""
    from airflow_async_provider.simulators.aso import AsoSimulator

    simulator: AsoSimulator = run_simulator(AsoSimulator(**getattr(request, "param", {})))
    return simulator


@pytest.fixture
def aso_connection(aso_simulator: AsoSimulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to :func:`aso_simulator`, defined in the environment of the test."""
    name = f"AIRFLOW_CONN_{ASO_CONNECTION_ID.upper()}"
    monkeypatch.setenv(name, json.dumps(aso_simulator.airflow_connection()))
    return ASO_CONNECTION_ID


@pytest.fixture
def automic_simulator(request: pytest.FixtureRequest, run_simulator: Callable[..., Any]) -> AutomicSimulator:
    """A running Automic; indirect parametrization gives its constructor's arguments."""
    from airflow_async_provider.simulators.automic import AutomicSimulator

    simulator: AutomicSimulator = run_simulator(AutomicSimulator(**getattr(request, "param", {})))
    return simulator


@pytest.fixture
def automic_connection(automic_simulator: AutomicSimulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a connection to :func:`automic_simulator`, defined in the environment of the test."""
    name = f"AIRFLOW_CONN_{AUTOMIC_CONNECTION_ID.upper()}"
    monkeypatch.setenv(name, json.dumps(automic_simulator.airflow_connection()))
    return AUTOMIC_CONNECTION_ID


@pytest.fixture
def open_connectors_simulator(
    request: pytest.FixtureRequest, run_simulator: Callable[..., Any]
) -> OpenConnectorsSimulator:
    """A running SAP Open Connectors; indirect parametrization gives its constructor's arguments."""
    from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator

    options = getattr(request, "param", {})
    simulator: OpenConnectorsSimulator = run_simulator(OpenConnectorsSimulator(**options))
    return simulator


@pytest.fixture
def open_connectors_connection(
    open_connectors_simulator: OpenConnectorsSimulator, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The id of a connection to :func:`open_connectors_simulator`, defined in the environment of the test."""
    name = f"AIRFLOW_CONN_{OPEN_CONNECTORS_CONNECTION_ID.upper()}"
    monkeypatch.setenv(name, json.dumps(open_connectors_simulator.airflow_connection()))
    return OPEN_CONNECTORS_CONNECTION_ID


@pytest.fixture
def http_async_simulator(
    request: pytest.FixtureRequest, run_simulator: Callable[..., Any]
) -> HttpAsyncSimulator:
    """A running server of every generic convention; indirect parametrization gives its arguments."""
    from airflow_async_provider.simulators.http_async import HttpAsyncSimulator

    simulator: HttpAsyncSimulator = run_simulator(HttpAsyncSimulator(**getattr(request, "param", {})))
    return simulator


@pytest.fixture
def http_async_connection(http_async_simulator: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to :func:`http_async_simulator`, in the environment of the test."""
    name = f"AIRFLOW_CONN_{HTTP_ASYNC_CONNECTION_ID.upper()}"
    monkeypatch.setenv(name, json.dumps(http_async_simulator.airflow_connection()))
    return HTTP_ASYNC_CONNECTION_ID


@pytest.fixture
def real_apis_simulator(
    request: pytest.FixtureRequest, run_simulator: Callable[..., Any]
) -> RealApisSimulator:
    """A running server of some forty real APIs; indirect parametrization gives its arguments."""
    from airflow_async_provider.simulators.real_apis import RealApisSimulator

    simulator: RealApisSimulator = run_simulator(RealApisSimulator(**getattr(request, "param", {})))
    return simulator


@pytest.fixture(scope="session")
def airflow_for_tests(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """An Airflow of the tests' own, with ``AIRFLOW_HOME`` and database; made when it is first used."""
    from airflow_async_provider.simulators._dag_run import AirflowHome

    return AirflowHome(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def run_dag(airflow_for_tests: AirflowHome) -> Callable[..., DagRunReport]:
    """
    Run a DAG to its end: ``run_dag("my_dag", "path/to/dags", conf={"day": "2026-01-01"})``.

    It is ``airflow dags test`` in a process of its own, so neither your ``AIRFLOW_HOME`` nor your database is
    touched; connections come from the environment of the test. Returns the run's ``state``, the states of its
    ``tasks``, their ``results`` (XCom), and its ``log``.
    """
    return airflow_for_tests.run
