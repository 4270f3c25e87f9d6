# SPDX-License-Identifier: Apache-2.0
"""The control routes of a simulator in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from airflow_async_provider.simulators.aso import AsoSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


def call(simulator: AsoSimulator, method: str, path: str, body: Any = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, f"{simulator.url}/_sim{path}", json=body, timeout=10)


def test_they_want_no_credentials_and_meet_no_faults(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(AsoSimulator())
    added = call(simulator, "POST", "/faults", {"route": "*", "fault": "reset", "times": None})
    assert added.status_code == 201
    assert call(simulator, "GET", "/faults").json()[0]["fault"] == "reset"
    assert call(simulator, "DELETE", "/faults").json() == []
    assert call(simulator, "GET", "").json()["jobs"] == []


def test_what_cannot_be_done_is_said(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(AsoSimulator())
    assert call(simulator, "POST", "/actions/nonsense").status_code == 404
    assert "finish_job" in call(simulator, "POST", "/actions/nonsense").json()["message"]
    assert call(simulator, "POST", "/actions/finish_job", {"job": 7}).status_code == 400
    assert call(simulator, "POST", "/faults", {"fault": "nonsense"}).status_code == 400


def test_an_action_and_the_journal(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(AsoSimulator())
    before = simulator.clock.now()
    assert call(simulator, "POST", "/actions/shift_clock", {"seconds": 3600}).json() == {"result": None}
    assert simulator.clock.now() > before + 3000
    assert call(simulator, "GET", "/journal?kind=status").json()["entries"] == []
