# SPDX-License-Identifier: Apache-2.0
"""How the generic simulator tells of running and ended jobs, by location and by status field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from airflow_async_provider.simulators.http_async import HttpAsyncSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


def call(method: str, url: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method, url, auth=("http-user", "http-password"), timeout=10, allow_redirects=False, **options
        )


def test_location_is_202_until_the_end(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None, retry_after=3))
    started = call("POST", f"{simulator.url}/location/jobs", json={})
    monitor = started.headers["Location"]
    assert monitor.endswith("?code=a%2Fb+c%3D%3D&t=~(x)")  # must come back exactly so
    running = call("GET", monitor)
    assert (running.status_code, running.headers["Retry-After"]) == (202, "3")
    simulator.job().finish()
    assert call("GET", monitor).json() == {"rows": 3}


def test_the_monitor_moves_and_the_result_lies_elsewhere(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None, moving=True, place="same_origin"))
    monitor = call("POST", f"{simulator.url}/location/jobs", json={}).headers["Location"]
    moved = call("GET", monitor).headers["Location"]
    assert moved != monitor
    simulator.job().finish()
    ended = call("GET", moved)
    assert ended.status_code == 303
    assert call("GET", ended.headers["Location"]).json() == {"rows": 3}


def test_a_status_document_and_its_cancellation(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None))
    document = call("POST", f"{simulator.url}/status_field/jobs", json={}).json()
    assert document["status"] == "queued"
    assert call("GET", document["statusUrl"]).json()["status"] == "running"
    path = f"{simulator.url}/status_field/jobs/{document['id']}/cancel"
    assert call("POST", path).json()["status"] == "cancelled"
