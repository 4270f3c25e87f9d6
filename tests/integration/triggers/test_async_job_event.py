# SPDX-License-Identifier: Apache-2.0
"""Watchers of assets over real sockets: alone, and on the stream that Airflow >= 3.3 shares among them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from airflow_async_provider.triggers.async_job_event import AsyncJobEventTrigger
from tests.support.byte_server import ByteServer, Step, running, status

CONN_ID = "reports"
JSON = {"Content-Type": "application/json"}
LONGEST = 20.0
#: Long enough to ask a few times more: nothing may come.
QUIET = 1.0


def says(word: str, **more: Any) -> Step:
    return status(200, json.dumps({"status": word, **more}).encode(), JSON)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ByteServer]]:
    """A remote with status documents; when the steps are used up, every document says "completed"."""
    with running(content=b'{"status": "completed"}', content_type="application/json") as found:
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps({"conn_type": "http", "host": found.origin})
        )

        def start(*steps: Step) -> ByteServer:
            found.steps = list(steps)
            return found

        yield start


class Memory:
    """What Airflow >= 3.3 keeps with the asset, as a watcher sees it."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.kept[key] = json.loads(json.dumps(value))


class NoMemory:
    """A store that cannot be reached, or that belongs to several assets."""

    async def aget(self, key: str) -> Any:
        raise RuntimeError("not now")

    async def aset(self, key: str, value: Any) -> None:
        raise RuntimeError("not now")


def watcher(document: str = "nightly", **given: Any) -> AsyncJobEventTrigger:
    job = HttpAsyncJobSensor(task_id="export", endpoint=f"exports/{document}").handle().to_dict()
    path, arguments = AsyncJobEventTrigger(
        **{"job": job, "conn_id": CONN_ID, "poll_interval": 0.05, **given}
    ).serialize()
    assert path.endswith(".AsyncJobEventTrigger")
    return AsyncJobEventTrigger(**json.loads(json.dumps(arguments)))  # as the triggerer makes it


async def events_of(stream: AsyncIterator[Any], count: int) -> list[dict[str, Any]]:
    """The payloads of so many events; after them no other may come for a while."""
    found: list[dict[str, Any]] = []
    enough = asyncio.Event()

    async def collect() -> None:
        async for event in stream:
            found.append(event.payload)
            if len(found) >= count:
                enough.set()

    reading = asyncio.ensure_future(collect())
    first = asyncio.ensure_future(enough.wait())
    if count:
        await asyncio.wait({reading, first}, timeout=LONGEST, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({reading}, timeout=QUIET)
    for task in (reading, first):
        task.cancel()
    await asyncio.wait({reading, first})
    if not reading.cancelled():
        reading.result()  # raises what ended it
    assert len(found) == count
    return found


def alone(trigger: AsyncJobEventTrigger, count: int) -> list[dict[str, Any]]:
    return asyncio.run(events_of(trigger.run(), count))


def test_an_end_is_reported_once(server: Callable[..., ByteServer]) -> None:
    remote = server(says("running"), says("running"))

    (event,) = alone(watcher(), 1)

    job = watcher().job
    assert event == {
        "version": 1,
        "state": "succeeded",
        "remote_status": "completed",
        "protocol": job["protocol"],
        "job_id": job["job_id"],
    }
    assert len(remote.requests) > 4  # it went on asking


def test_a_document_that_runs_again_is_reported_again(server: Callable[..., ByteServer]) -> None:
    server(says("completed"), says("running"), says("completed"), says("completed"), says("queued"))

    assert len(alone(watcher(), 3)) == 3


@pytest.mark.parametrize(
    ("states", "word", "state"),
    [(["failed"], "failed", "failed"), (["cancelled", "failed"], "cancelled", "cancelled")],
)
def test_only_the_ends_that_were_asked_for(
    server: Callable[..., ByteServer], states: list[str], word: str, state: str
) -> None:
    server(says("completed"), says("running"), says(word), says("running"))

    (event,) = alone(watcher(states=states), 1)

    assert event["state"] == state


def test_trouble_is_waited_out(server: Callable[..., ByteServer], caplog: pytest.LogCaptureFixture) -> None:
    remote = server(status(503), status(200, b"no JSON", JSON), status(401), says("running"))

    assert len(alone(watcher(), 1)) == 1

    assert len(remote.requests) > 4
    assert "Polling the watched job" in caplog.text


def test_what_was_told_before_a_restart_is_not_told_again(server: Callable[..., ByteServer]) -> None:
    server()
    memory = Memory()

    def started() -> AsyncJobEventTrigger:
        trigger = watcher()
        trigger.asset_state_store = memory  # type: ignore[assignment] # what a triggerer of Airflow >= 3.3 sets
        return trigger

    assert len(alone(started(), 1)) == 1
    assert alone(started(), 0) == []


def test_a_memory_that_is_away_costs_a_repetition_and_nothing_else(
    server: Callable[..., ByteServer], caplog: pytest.LogCaptureFixture
) -> None:
    server()

    def started() -> AsyncJobEventTrigger:
        trigger = watcher()
        trigger.asset_state_store = NoMemory()  # type: ignore[assignment] # likewise
        return trigger

    assert len(alone(started(), 1)) == 1
    assert len(alone(started(), 1)) == 1
    assert "cannot be remembered (RuntimeError)" in caplog.text
    assert "not now" not in caplog.text


def test_watchers_of_a_connection_share_one_stream(server: Callable[..., ByteServer]) -> None:
    shared = pytest.importorskip(
        "airflow.triggers.shared_stream", reason="Airflow before 3.3 runs each watcher by itself"
    )
    remote = server()
    triggers = [watcher("nightly"), watcher("weekly"), watcher("weekly", states=["failed"])]
    assert len({trigger.shared_stream_key() for trigger in triggers}) == 1
    assert watcher(poll_interval=7).shared_stream_key() != triggers[0].shared_stream_key()

    async def all_of_them() -> list[list[dict[str, Any]]]:
        manager = shared.SharedStreamManager()
        streams = []
        for number, trigger in enumerate(triggers):
            key = trigger.shared_stream_key()
            events = manager.subscribe(trigger_id=number, trigger=trigger, key=key)
            streams.append(trigger.filter_shared_stream(events))
        try:
            return await asyncio.gather(*map(events_of, streams, [1, 1, 0]))
        finally:
            for number, trigger in enumerate(triggers):
                await manager.unsubscribe(number, trigger.shared_stream_key())

    nightly, weekly, never = asyncio.run(all_of_them())

    assert [event["job_id"] for event in nightly + weekly] == [t.job["job_id"] for t in triggers[:2]]
    assert never == []
    asked = [request.target for request in remote.requests]
    # Two watchers of the same document are one question, and the documents take turns.
    assert asked[:4] == ["/exports/nightly", "/exports/weekly"] * 2
    assert remote.connections == 1
    assert AsyncJobEventTrigger._watched[triggers[0].shared_stream_key()] == {}


def test_an_unknown_end_is_refused_where_the_dag_is_written() -> None:
    with pytest.raises(ConfigurationError, match="states must be some of"):
        watcher(states=["done"])
    with pytest.raises(ConfigurationError, match="states must be some of"):
        watcher(states=[])
