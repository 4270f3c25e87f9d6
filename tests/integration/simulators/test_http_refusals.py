# SPDX-License-Identifier: Apache-2.0
"""What the generic simulator refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests

from airflow_async_provider.simulators._http_refusals import refused
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


def test_a_refusal_is_a_problem_document() -> None:
    reply = refused(409, "busy", {"Retry-After": "1"}).reply
    assert (reply.status, json.loads(reply.body)) == (409, {"title": "busy"})
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Retry-After"] == "1"


def test_broken_json_and_missing_credentials(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator())
    url, auth = f"{simulator.url}/location/jobs", ("http-user", "http-password")
    with requests.Session() as session:
        session.trust_env = False
        typed = {"Content-Type": "application/json"}
        assert session.post(url, data="{", headers=typed, auth=auth, timeout=10).status_code == 400
        assert session.post(url, json={}, timeout=10).status_code == 401
    assert simulator.journal.jobs_started == 0
