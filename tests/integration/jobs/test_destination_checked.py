# SPDX-License-Identifier: Apache-2.0
"""Where a result cannot be stored nothing is started: asked before the submission, of all systems."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider.errors import ConfigurationError, ConnectionNotFoundError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
)
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

SYSTEMS: dict[str, tuple[Callable[[], Any], Callable[..., Any], dict[str, Any]]] = {
    "aso": (AsoSimulator, JaggaerAsoDownloadOperator, {"endpoint": "event/7/apiItems/async"}),
    "http": (HttpAsyncSimulator, HttpAsyncJobOperator, {"endpoint": "location/jobs", "json": {}}),
    "sap_request": (
        OpenConnectorsSimulator,
        OpenConnectorsAsyncRequestOperator,
        {"endpoint": "elements/api-v2/hubs/documents/folders/copy", "pull_queued": True},
    ),
    "sap_bulk": (OpenConnectorsSimulator, OpenConnectorsBulkDownloadOperator, {"object_name": "contacts"}),
}


@pytest.fixture(params=SYSTEMS)
def system(
    request: pytest.FixtureRequest,
    run_simulator: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Any, Callable[..., Any]]:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    simulator, operator, arguments = SYSTEMS[request.param]
    running = run_simulator(simulator())
    connection = dict(running.airflow_connection())
    extra = {**connection.get("extra", {}), "callback_base_url": "http://127.0.0.1:9"}
    monkeypatch.setenv("AIRFLOW_CONN_REMOTE", json.dumps({**connection, "extra": extra}))
    return running, lambda **given: operator(
        task_id="t", conn_id="remote", poll_interval=0.05, timeout=20, **arguments, **given
    )


def test_nothing_is_started_for_a_place_that_cannot_be_written(system: Any, tmp_path: Path) -> None:
    simulator, make = system
    (tmp_path / "file").write_text("x")
    task = OneTask()
    with pytest.raises(ConfigurationError, match="Nothing was started at the remote system") as caught:
        task.run(lambda: make(destination=str(tmp_path / "file" / "x")))
    assert simulator.journal.jobs_started == 0
    assert DURABLE_KEY not in (task.store or {})
    assert caught.value.__traceback__ is not None


def test_an_absent_connection_of_the_remote_is_called_absent(system: Any, tmp_path: Path) -> None:
    _, make = system
    operator = make(destination=str(tmp_path / "x"))
    operator.conn_id = "absent"
    with pytest.raises(ConnectionNotFoundError, match="no Airflow connection 'absent'") as caught:
        operator.execute(OneTask().context)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
