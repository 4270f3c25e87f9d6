# SPDX-License-Identifier: Apache-2.0
"""A simulated ASO whose jobs are watched at a quick pace, as fixtures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_async_provider._polling import policy
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running as simulating
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.byte_server import ByteServer, running, status

CONN_ID = "jaggaer_aso_default"
FAST = {"poll_interval": 0.05, "max_poll_interval": 0.08}

Aso = Callable[..., AsoSimulator]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause is too short."""
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.02)


@pytest.fixture
def aso(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aso]:
    """Starts a simulator, which the connection leads to."""
    with ExitStack() as stack:

        def start(**options: Any) -> AsoSimulator:
            simulator = stack.enter_context(simulating(AsoSimulator(**options)))
            monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(simulator.airflow_connection()))
            return simulator

        yield start


def submit() -> JobHandle:
    """Start a job."""
    return JaggaerAsoHook().submit("event/7/apiItems/async")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ByteServer]]:
    """Starts a server that answers with these steps, which the connection leads to."""
    with ExitStack() as stack:

        def start(*steps: Any) -> ByteServer:
            found = stack.enter_context(running(steps=list(steps)))
            connection = {"conn_type": "jaggaer_aso", "host": found.origin, "password": "token"}
            monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
            return found

        yield start


def a_trigger(
    job: JobHandle | dict[str, Any],
    *,
    deadline: float = 60,
    policy: dict[str, Any] | None = None,
    **given: Any,
) -> AsyncJobTrigger:
    """A trigger that watches this job at a quick pace."""
    arguments: dict[str, Any] = {
        "job": job.to_dict() if isinstance(job, JobHandle) else job,
        "conn_id": None,
        "policy": {**FAST, **(policy or {})},
        "deadline": time.time() + deadline,
        "deferred_at": time.time(),
        "settle": 0.0,
        **given,
    }
    return AsyncJobTrigger(**json.loads(json.dumps(arguments)))


def accepted(server_url: str, path: str = "/asyncStatus/x") -> Any:
    """The answer to a submission: where the job's status is."""
    body = json.dumps({"statusUrl": server_url + path, "statusUrlExpiresInSeconds": 60}).encode()
    return status(202, body)
