# SPDX-License-Identifier: Apache-2.0
"""The Idempotency-Key of the generic simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_async_provider.simulators._http_idempotency import IdempotencyKeys
from airflow_async_provider.simulators._journal import Journal
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


def start(simulator: HttpAsyncSimulator, key: str | None, body: Any) -> requests.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            f"{simulator.url}/location/jobs",
            json=body,
            headers=headers,
            auth=("http-user", "http-password"),
            timeout=10,
        )


def test_the_same_request_starts_one_job(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None))
    first, again = (start(simulator, '"k"', {"a": 1}) for _ in range(2))
    assert first.headers["Location"] == again.headers["Location"]
    assert simulator.journal.jobs_started == 1
    assert start(simulator, '"k"', {"a": 2}).status_code == 422
    assert start(simulator, "k", {"a": 1}).status_code == 400


@pytest.mark.parametrize(("mode", "status", "jobs"), [("ignored", 202, 2), ("required", 400, 0)])
def test_other_services_look_away_or_want_it(
    run_simulator: Callable[..., Any], mode: str, status: int, jobs: int
) -> None:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None, idempotency=mode))
    key = '"k"' if mode == "ignored" else None
    assert [start(simulator, key, {}).status_code for _ in range(2)] == [status, status]
    assert simulator.journal.jobs_started == jobs


def test_an_unknown_mode() -> None:
    with pytest.raises(ValueError, match="idempotency"):
        IdempotencyKeys("sometimes", Journal())
