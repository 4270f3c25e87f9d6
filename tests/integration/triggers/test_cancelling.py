# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job when Airflow ends its trigger, over a real connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider.protocols import HttpRequest, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols import _registry as registry
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from airflow_async_provider.triggers import _cancelling
from tests.support.byte_server import ByteServer, Exchange, status
from tests.support.watched_aso import a_trigger, server  # noqa: F401 - a fixture among them


class Cancellable(JaggaerAsoProtocol):
    """ASO, had it a way to cancel a job."""

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        return HttpRequest("DELETE", "cancel")


@pytest.fixture
def cancellable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "protocol_class", lambda name: Cancellable)


class Blockable(Cancellable):
    """And had it jobs that a person must act on."""

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        return JobStatus(JobState.BLOCKED, remote_status="held")


PROCESSING = status(200, b'{"status": "processing"}')
COMPLETED = status(200, b'{"status": "failed"}')


def kill(server: ByteServer, **given: Any) -> None:
    job = JobHandle("jaggaer_aso", "x", time.time(), server.origin + "/s")
    asyncio.run(asyncio.wait_for(a_trigger(job, **given).on_kill(), 20))


def asked(server: ByteServer) -> list[str]:
    return [f"{r.method} {r.target}" for r in server.requests]


@pytest.mark.usefixtures("cancellable")
def test_a_killed_task_cancels_its_job(server: Callable[..., ByteServer]) -> None:
    found = server(PROCESSING, status(204))
    kill(found)
    assert asked(found) == ["GET /s", "DELETE /cancel"]


def test_a_job_that_waits_for_a_person_is_cancelled_too(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "protocol_class", lambda name: Blockable)
    found = server(PROCESSING, status(204))
    kill(found)
    assert asked(found) == ["GET /s", "DELETE /cancel"]


def kill_with(monkeypatch: pytest.MonkeyPatch, server: ByteServer, map_index: int, answer: Any) -> None:
    """A kill while Airflow says this about the task; the call to its supervisor is played."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def get_task_states(**asked: Any) -> Any:
        assert asked == {"dag_id": "d", "task_ids": ["t"], "run_ids": ["r"], "map_index": map_index}
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(get_task_states))
    # As below Airflow 3.4, which tells the two kinds of end apart itself.
    monkeypatch.setattr("airflow_async_provider._callbacks.mailbox.HANDOVER_KILLS", True)
    trigger = a_trigger(JobHandle("jaggaer_aso", "x", time.time(), server.origin + "/s"))
    trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=map_index)
    asyncio.run(asyncio.wait_for(trigger.on_kill(), 20))


@pytest.mark.usefixtures("cancellable")
@pytest.mark.parametrize(("map_index", "name"), [(-1, "t"), (3, "t_3")])
def test_a_task_that_another_triggerer_has_taken_over_keeps_its_job(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, map_index: int, name: str
) -> None:
    found = server()
    kill_with(monkeypatch, found, map_index, {"r": {name: "deferred"}})
    assert not found.requests


@pytest.mark.usefixtures("cancellable")
@pytest.mark.parametrize(
    "answer", [{"r": {"t": "failed"}}, {"r": {"t": None}}, {"r": {}}, {}, RuntimeError("no answer")]
)
def test_a_task_that_waits_no_more_was_killed(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    found = server(PROCESSING, status(204))
    kill_with(monkeypatch, found, -1, answer)
    assert asked(found) == ["GET /s", "DELETE /cancel"]


@pytest.mark.usefixtures("cancellable")
def test_a_kill_that_airflow_cuts_off_is_brought_to_its_end(server: Callable[..., ByteServer]) -> None:
    """Airflow 3.3.2 repeats its cancellation about once a second, into the middle of what it has begun."""

    def slowly(exchange: Exchange) -> None:
        time.sleep(0.5)
        PROCESSING(exchange)

    found = server(slowly, status(204))

    async def cut_off() -> None:
        job = JobHandle("jaggaer_aso", "x", time.time(), found.origin + "/s")
        killing = asyncio.create_task(a_trigger(job).on_kill())
        await asyncio.sleep(0.1)
        killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=20)

    asyncio.run(cut_off())
    assert asked(found) == ["GET /s", "DELETE /cancel"]


def test_a_job_that_nobody_can_ask_for_is_cancelled_unasked(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unasked(Cancellable):
        pollable = False

    monkeypatch.setattr(registry, "protocol_class", lambda name: Unasked)
    found = server(status(204))
    kill(found)
    assert asked(found) == ["DELETE /cancel"]


@pytest.mark.usefixtures("cancellable")
def test_a_job_that_has_ended_is_left_alone(server: Callable[..., ByteServer]) -> None:
    found = server(COMPLETED)
    kill(found)
    assert asked(found) == ["GET /s"]


@pytest.mark.usefixtures("cancellable")
@pytest.mark.parametrize("step", [status(503), status(200, b"<html>"), status(401)])
def test_a_job_whose_state_cannot_be_read_is_cancelled(server: Callable[..., ByteServer], step: Any) -> None:
    found = server(step, status(204))
    kill(found)
    assert asked(found) == ["GET /s", "DELETE /cancel"]


@pytest.mark.usefixtures("cancellable")
def test_a_question_that_hangs_does_not_use_up_the_time_for_cancelling(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence(exchange: Exchange) -> None:
        exchange.server.ended.wait(20)
        exchange.last = True

    monkeypatch.setattr(_cancelling, "LOOK_BEFORE_CANCEL", 0.3)
    found = server(silence, status(204))
    kill(found)
    assert asked(found) == ["GET /s", "DELETE /cancel"]


@pytest.mark.usefixtures("cancellable")
@pytest.mark.parametrize("step", [status(409), status(503), status(403)])
def test_a_cancellation_that_fails_is_reported_and_no_crash(
    server: Callable[..., ByteServer], step: Any
) -> None:
    found = server(PROCESSING, step)
    kill(found)
    assert asked(found) == ["GET /s", "DELETE /cancel"]


def test_where_nothing_can_be_cancelled_nothing_is_sent(server: Callable[..., ByteServer]) -> None:
    found = server(PROCESSING)
    kill(found)
    assert asked(found) == ["GET /s"]


def test_who_does_not_want_it_is_not_asked(server: Callable[..., ByteServer]) -> None:
    found = server()
    kill(found, cancel_on_kill=False)
    assert not found.requests


def test_a_kill_without_a_connection_is_no_crash(server: Callable[..., ByteServer]) -> None:
    found = server()
    kill(found, conn_id="no_such")
    assert not found.requests


@pytest.mark.usefixtures("cancellable")
def test_a_handle_of_a_later_layout_is_reported_and_no_crash(
    server: Callable[..., ByteServer], caplog: pytest.LogCaptureFixture
) -> None:
    found = server()
    asyncio.run(asyncio.wait_for(a_trigger({"version": 99, "job_id": "x"}).on_kill(), 20))
    assert not found.requests
