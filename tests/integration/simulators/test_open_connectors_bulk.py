# SPDX-License-Identifier: Apache-2.0
"""The bulk API of the simulated SAP Open Connectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import requests

from airflow_async_provider.simulators.open_connectors import BASE, OpenConnectorsSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

#: as version 3 of the bulk API spells it
STATUS = "jobStatus"
HEADERS = {"Authorization": "User user+secret/sim=, Element element+token/sim="}


def call(simulator: OpenConnectorsSimulator, method: str, path: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        headers = {**HEADERS, **options.pop("headers", {})}
        return session.request(method, f"{simulator.url}{BASE}{path}", headers=headers, timeout=10, **options)


def test_a_download_from_start_to_file(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(OpenConnectorsSimulator(seconds=None))
    order = {"objectName": "contacts", "format": "csv"}
    job = call(simulator, "POST", "/bulk/download", json=order).json()["id"]
    assert call(simulator, "GET", f"/bulk/{job}/status").json()[STATUS] in ("CREATED", "STARTED", "RUNNING")
    simulator.bulk.finish()
    assert call(simulator, "GET", f"/bulk/{job}/status").json()[STATUS] == "COMPLETED"
    file = call(simulator, "GET", f"/bulk/{job}/contacts", headers={"Accept": "text/csv"})
    assert hashlib.sha256(file.content).hexdigest() == simulator.bulk.job().sha256


def test_what_is_unknown_or_incomplete(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(OpenConnectorsSimulator())
    assert call(simulator, "GET", "/bulk/1/status").status_code == 404
    assert call(simulator, "POST", "/bulk/download", json={"format": "csv"}).status_code == 400
    assert call(simulator, "POST", "/bulk/download", json={"objectName": "a"}).status_code == 400
    assert call(simulator, "POST", "/bulk/download", data="x").status_code == 415
    assert simulator.journal.jobs_started == 0
