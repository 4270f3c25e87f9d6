# SPDX-License-Identifier: Apache-2.0
"""Whose claim a result is while the thread that stores it comes to its end."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest

from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider.protocols import HttpRequest, JobHandle, JobState, JobStatus, Result
from airflow_async_provider.triggers import _storing
from airflow_async_provider.triggers._storing import StoreRequest, in_reach, stored_result, why_not


class Held:
    """A claim that notes what becomes of it."""

    released: list[Any]

    def __init__(self, *_: Any) -> None:
        type(self).released = []

    async def take(self) -> None:
        """Nobody else has it."""

    async def release(self, stored: Any = None) -> None:
        """Noted."""
        self.released.append(stored)


class Work:
    """A thread that stores, and hears or does not hear that it shall end."""

    hears = True

    def __init__(self, *_: Any) -> None:
        self.over = threading.Event()
        self.let_go = threading.Event()
        started.append(self)

    def __call__(self) -> dict[str, Any]:
        self.let_go.wait(30)
        self.over.set()
        return {}

    def stop(self) -> None:
        """The trigger ends."""
        if self.hears:
            self.let_go.set()


started: list[Work] = []


@pytest.mark.parametrize("hears", [True, False])
def test_a_claim_ends_with_the_thread_and_not_before(monkeypatch: pytest.MonkeyPatch, hears: bool) -> None:
    """Else another triggerer would write to the same place beside it."""
    monkeypatch.setattr(_storing, "Claim", Held)
    monkeypatch.setattr(_storing, "_Storing", Work)
    monkeypatch.setattr(Work, "hears", hears)
    if not hears:
        monkeypatch.setattr(_storing, "STOPPED_WITHIN", 0.01)
    started.clear()

    async def cancelled() -> None:
        storing = asyncio.create_task(
            stored_result(
                StoreRequest(destination="s3://b/x", options={}),
                JobHandle("http_location", "7", 0.0),
                JobStatus(JobState.SUCCEEDED),
                conn_id=None,
                task=None,
                log=logging.getLogger(__name__),
            )
        )
        while not started:  # noqa: ASYNC110 - a thread begins
            await asyncio.sleep(0.01)
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing

    try:
        asyncio.run(cancelled())
        assert Held.released == ([None] if hears else [])
    finally:
        started[0].let_go.set()


@pytest.mark.parametrize(
    ("destination", "reached"),
    [
        ("/shared/x.csv", True),
        ("file:///shared/deep/x.csv", True),
        ("/shared2/x.csv", False),  # begins alike
        ("/shared/../etc/x.csv", False),
        ("/etc/x.csv", False),
        ("/also/x.csv", True),
        ("s3://bucket/x.csv", True),
        ("memory://x.csv", False),
    ],
)
def test_which_places_a_triggerer_reaches(
    monkeypatch: pytest.MonkeyPatch, destination: str, reached: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_PATHS", "/shared/, /also, relative")
    assert in_reach(StoreOptions().read(destination, folder=False)) is reached


def test_a_connection_to_s3_has_one_client_for_a_while_that_gives_an_attempt_up_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """boto3's own patience is a minute, five times: so long a thread of the triggerer would be busy."""
    monkeypatch.setattr(_storing, "_known", {})
    connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": {"region_name": "eu-west-1"}}
    for conn_id in ("one", "two"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    def client(conn_id: str) -> Any:
        place: Any = _storing._place("s3://bucket/key", StoreOptions(aws_conn_id=conn_id))
        made = place.hook.get_conn()
        assert made.meta.config.connect_timeout == _storing.CONNECTED_WITHIN
        return made

    first = client("one")
    assert client("one") is first
    assert client("two") is not first
    monkeypatch.setattr(_storing, "CLIENT_LIFE", -1.0)
    assert client("one") is not first


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"result": Result(url="https://a/x")}, ""),
        ({"result": Result(value=[1])}, ""),
        ({}, "no result with the status"),
        ({"result": Result(url="https://a/x", is_status=True)}, "no result with the status"),
        ({"result": Result(url="https://a/x"), "no_data": True}, "no result with the status"),
        ({"result": Result(files=(Result(url="https://a/x"),))}, "several files or pages"),
        ({"result": Result(url="https://a/x", paged=True)}, "several files or pages"),
        ({"result": Result()}, "no longer offered"),
        (
            {"result": Result(url="https://a/x"), "result_request": HttpRequest("GET", "r")},
            "another document says where",
        ),
    ],
)
def test_which_results_a_triggerer_does_not_store(status: dict[str, Any], why: str) -> None:
    request = StoreRequest(destination="s3://bucket/key", options={})
    handle = JobHandle("http_api", "7", 0.0, "https://a/s/7")
    found = why_not(request, handle, JobStatus(JobState.SUCCEEDED, **status))
    assert why in found
    assert bool(found) is bool(why)
