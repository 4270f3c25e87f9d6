# SPDX-License-Identifier: Apache-2.0
"""The conventions of Azure, Google and OData, from start to end."""

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


def test_azure_names_the_operation_in_a_header(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None))
    started = call("POST", f"{simulator.url}/azure/jobs", json={})
    operation = started.headers["Operation-Location"]
    assert call("GET", operation).json()["status"] == "Running"
    simulator.job().finish("failed")
    ended = call("GET", operation).json()
    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == "Exhausted"


def test_google_answers_an_operation_that_is_done(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None))
    operation = call("POST", f"{simulator.url}/google/v1/reports:export", json={}).json()
    place = f"{simulator.url}/google/v1/{operation['name']}"
    assert not call("GET", place).json().get("done")
    simulator.job().finish()
    ended = call("GET", place).json()
    assert ended["done"] is True
    assert "response" in ended


def test_odata_answers_later_only_when_that_is_preferred(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None))
    prefer = {"Prefer": "respond-async"}
    started = call("POST", f"{simulator.url}/odata/Reports", json={}, headers=prefer)
    assert started.status_code == 202
    simulator.job().finish()
    ended = call("GET", started.headers["Location"])
    assert ended.headers["AsyncResult"] == "200"
