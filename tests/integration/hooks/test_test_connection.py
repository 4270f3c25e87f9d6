# SPDX-License-Identifier: Apache-2.0
"""The button *Test* as Airflow's API server presses it: under a name that nobody has given."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.models.connection import Connection  # noqa: TID251 - what the API server presses the button with

from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

#: As Airflow makes one up for each press.
TRANSIENT = "q7Xk2PzR"

SIMULATORS: dict[str, Callable[[], Any]] = {
    "aso": AsoSimulator,
    "automic": AutomicSimulator,
    "open_connectors": OpenConnectorsSimulator,
}


def press(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]) -> tuple[bool, str]:
    """Airflow hands the connection to the hook as a URI in the environment."""
    extra = fields.get("extra") or {}
    conn = Connection(conn_id=TRANSIENT, **{**fields, "extra": json.dumps(extra)})
    monkeypatch.setenv(f"AIRFLOW_CONN_{TRANSIENT.upper()}", conn.get_uri())
    passed, message = conn.test_connection()
    return passed, message


@pytest.fixture(params=SIMULATORS)
def fields(request: pytest.FixtureRequest, run_simulator: Callable[..., Any]) -> dict[str, Any]:
    simulator = run_simulator(SIMULATORS[request.param]())
    return dict(simulator.airflow_connection())


def test_it_is_green_with_and_without_a_port(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    address = urlsplit(fields["host"] if "://" in fields["host"] else f"http://{fields['host']}")
    port = fields.get("port") or address.port
    for host, its_port in (
        (f"http://{address.hostname}", port),
        (f"http://{address.hostname}:{port}{address.path}", None),
    ):
        passed, message = press(monkeypatch, {**fields, "host": host, "port": its_port})
        assert passed, message
        assert TRANSIENT not in message


def test_what_is_wrong_is_said_of_this_connection(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ({"host": ""}, {"host": "http://127.0.0.1:9", "port": None}, {"extra": {}}):
        passed, message = press(monkeypatch, {**fields, **wrong})

        assert TRANSIENT not in message
        assert passed or message.startswith(("Setting: The connection ", "Address", "Credentials", "Rights"))
