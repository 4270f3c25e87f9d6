# SPDX-License-Identifier: Apache-2.0
"""A task that its trigger ends when the job has succeeded; storing the result has a file of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TaskSuccessEvent

from airflow_async_provider.protocols import HttpRequest, JobHandle, JobStatus
from airflow_async_provider.protocols import _registry as registry
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.byte_server import ByteServer, status
from tests.support.one_task import fired
from tests.support.watched_aso import Aso, a_trigger, aso, server, submit  # noqa: F401 - fixtures among them


def test_a_task_that_cannot_be_ended_here_is_resumed(aso: Aso) -> None:
    """There is no Airflow around this trigger that a return value could be pushed to."""
    aso(processing_seconds=0.2)
    trigger = a_trigger(submit(), end={"push": True, "mapped_over": False})
    trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, id=None)
    event = asyncio.run(asyncio.wait_for(fired(trigger), 30))
    assert event["state"] == "succeeded"


#: Where a description finds state and result in one answer.
WITH_RESULT = {
    "start": {"status_url": "header:Location"},
    "outcome": {"state": "status"},
    "result": {"value": "result", "once": True},
}


async def first_event(trigger: AsyncJobTrigger) -> Any:
    async for event in trigger.run():
        return event
    return None


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is said to Airflow's supervisor."""
    from airflow.sdk.execution_time import task_runner

    messages: list[Any] = []
    comms = SimpleNamespace(send=messages.append)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
    return messages


def watch_http(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, body: bytes, **end: Any
) -> tuple[Any, ByteServer]:
    """The event of a trigger that may end its task, after one answer."""
    found = server(status(200, body))
    connection = {"conn_type": "http", "host": found.origin}
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(connection))
    handle = JobHandle("http_api", "7", time.time(), f"{found.origin}/s", options=WITH_RESULT)
    trigger = a_trigger(handle, end={"push": True, "mapped_over": False, **end})
    trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, id=None)
    return asyncio.run(asyncio.wait_for(first_event(trigger), 30)), found


@pytest.mark.parametrize("result", [{"rows": 3}, [1, 2], "text", 7, False, {}])
def test_the_last_answer_is_handed_on_without_a_second_poll(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, pushed: list[Any], result: Any
) -> None:
    body = json.dumps({"status": "done", "result": result}).encode()
    event, found = watch_http(server, monkeypatch, body, max_bytes=1000)
    assert isinstance(event, TaskSuccessEvent)
    assert [(m.key, m.value, m.mapped_length) for m in pushed] == [("return_value", result, None)]
    assert len(found.requests) == 1


def test_an_answer_without_a_result_ends_the_task_without_a_value(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, pushed: list[Any]
) -> None:
    event, _ = watch_http(server, monkeypatch, b'{"status": "done", "result": null}', max_bytes=1000)
    assert isinstance(event, TaskSuccessEvent)
    assert pushed == []


def test_the_length_goes_along_where_a_task_is_expanded_over_the_value(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, pushed: list[Any]
) -> None:
    body = b'{"status": "done", "result": [1, 2, 3]}'
    event, _ = watch_http(server, monkeypatch, body, max_bytes=1000, mapped_over=True)
    assert isinstance(event, TaskSuccessEvent)
    assert pushed[0].mapped_length == 3


@pytest.mark.parametrize(
    ("result", "end"),
    [
        ({"rows": "x" * 1000}, {"max_bytes": 1000}),  # the worker says that it is too large
        ("text", {"max_bytes": 1000, "mapped_over": True}),
        ({"a": float("nan")}, {"max_bytes": 1000}),
        ({"__classname__": "x"}, {"max_bytes": 1000}),  # which Airflow refuses to store
    ],
)
def test_a_result_that_is_no_plain_value_goes_to_a_worker(
    server: Callable[..., ByteServer],
    monkeypatch: pytest.MonkeyPatch,
    pushed: list[Any],
    result: Any,
    end: dict[str, Any],
) -> None:
    body = json.dumps({"status": "done", "result": result}).encode()
    event, _ = watch_http(server, monkeypatch, body, **end)
    assert not isinstance(event, TaskSuccessEvent)
    assert event.payload["state"] == "succeeded"
    assert pushed == []


def test_a_task_that_pushes_nothing_is_ended_here_when_its_job_has_succeeded(aso: Aso) -> None:
    for outcome, ended in (("completed", True), ("failed", False)):
        aso(processing_seconds=0.2, outcome=outcome)
        trigger = a_trigger(submit(), end={"push": False, "mapped_over": False})
        trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, id=None)
        event = asyncio.run(asyncio.wait_for(first_event(trigger), 30))
        assert isinstance(event, TaskSuccessEvent) is ended


def test_what_a_protocol_of_somebody_else_has_to_fetch_goes_to_a_worker(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, pushed: list[Any]
) -> None:
    class Own(HttpProfile):
        def result_request(self, handle: JobHandle, status: JobStatus) -> HttpRequest | None:
            return HttpRequest("GET", "rows")

    monkeypatch.setattr(registry, "protocol_class", lambda name: Own)
    event, _ = watch_http(server, monkeypatch, b'{"status": "done", "result": null}', max_bytes=1000)
    assert not isinstance(event, TaskSuccessEvent)
    assert pushed == []
