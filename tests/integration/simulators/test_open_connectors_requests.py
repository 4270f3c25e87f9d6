# SPDX-License-Identifier: Apache-2.0
"""Asynchronous requests of the simulated SAP Open Connectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from airflow_async_provider.simulators.open_connectors import BASE, OpenConnectorsSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

HEADERS = {"Authorization": "User user+secret/sim=, Element element+token/sim="}
LATER = {"Elements-Async-Request": "true"}


def call(simulator: OpenConnectorsSimulator, path: str, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            f"{simulator.url}{BASE}{path}", json={}, headers={**HEADERS, **headers}, timeout=10
        )


def test_without_the_header_the_answer_comes_at_once(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(OpenConnectorsSimulator())
    assert call(simulator, "/things").json() == {"id": "1", "objectName": "things", "method": "POST"}
    assert simulator.journal.jobs_started == 0


def test_with_it_there_is_an_event_and_nothing_more(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(OpenConnectorsSimulator(seconds=None))
    address = {"Elements-Async-Callback-Url": "http://127.0.0.1:1/x"}
    answers = [call(simulator, "/things", **LATER, **address).json() for _ in range(2)]
    assert answers == [{"eventId": number, "eventStatus": "dispatched"} for number in (1028, 1029)]


def test_an_asynchronous_request_needs_an_address(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(OpenConnectorsSimulator())
    assert call(simulator, "/things", **LATER).status_code == 400
    nowhere = {"Elements-Async-Callback-Url": "nowhere"}
    assert call(simulator, "/things", **LATER, **nowhere).status_code == 400
    assert simulator.journal.jobs_started == 0
