# SPDX-License-Identifier: Apache-2.0
"""The trigger and the two loops that watch a job, against the simulated ASO and its faults."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_async_provider._polling import policy
from airflow_async_provider._polling.policy import PollPolicy
from airflow_async_provider._transport import triggerer
from airflow_async_provider.errors import TransientError
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import HttpResponse, JobHandle, JobStatus
from airflow_async_provider.protocols import _registry as registry
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running as simulating
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.byte_server import ByteServer, status
from tests.support.ending import end_after
from tests.support.one_task import fired
from tests.support.watched_aso import (  # noqa: F401 - fixtures among them
    CONN_ID,
    FAST,
    Aso,
    a_trigger,
    aso,
    quick,
    server,
    submit,
)

KEYS = {"version", "state", "remote_status", "via", "polls", "errors"}

PROCESSING = status(200, b'{"status": "processing"}')
FLOOR = policy.SHORTEST_SLEEP


def event_of(job: JobHandle | dict[str, Any], **given: Any) -> dict[str, Any]:
    return asyncio.run(asyncio.wait_for(fired(a_trigger(job, **given)), 30))


# -- how a wait ends


@pytest.mark.parametrize(
    ("outcome", "state"), [("completed", "succeeded"), ("failed", "failed"), ("cancelled", "cancelled")]
)
def test_the_end_of_a_job_is_the_end_of_the_wait(aso: Aso, outcome: str, state: str) -> None:
    simulator = aso(processing_seconds=None)
    job = submit()
    end_after(simulator, 2, outcome)
    event = event_of(job)
    assert event == {
        "version": 1,
        "state": state,
        "remote_status": outcome,
        "via": "poll",
        "polls": simulator.journal.polls,
        "errors": 0,
    }
    assert event["polls"] >= 2


def test_an_event_holds_no_result_url(aso: Aso) -> None:
    simulator = aso(processing_seconds=0)
    event = event_of(submit())
    assert set(event) == KEYS
    assert simulator.job().result_url
    assert "://" not in json.dumps(event)


@pytest.mark.parametrize("once", [True, False])
def test_an_event_holds_the_result_that_the_remote_system_gives_once(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    found = server(status(200, b'{"status": "done", "result": {"rows": 3}}'))
    connection = {"conn_type": "http", "host": found.origin}
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(connection))
    description = {
        "start": {"status_url": "header:Location"},
        "outcome": {"state": "status"},
        "result": {"value": "result", "once": once},
    }
    event = event_of(JobHandle("http_api", "7", time.time(), f"{found.origin}/s", options=description))
    assert event["state"] == "succeeded"
    assert event.get("result") == ({"rows": 3} if once else None)


def test_the_deadline(aso: Aso) -> None:
    simulator = aso(processing_seconds=None)
    event = event_of(submit(), deadline=0.4)
    assert (event["state"], event["remote_status"]) == ("timeout", "processing")
    assert set(event) == KEYS
    assert 2 <= simulator.journal.polls <= 15


def test_a_deadline_that_has_passed(aso: Aso) -> None:
    simulator = aso(processing_seconds=None)
    assert event_of(submit(), deadline=-1)["state"] == "timeout"
    assert simulator.journal.polls == 0


def test_an_expired_status_url_is_an_expiry(aso: Aso) -> None:
    simulator = aso(processing_seconds=None, status_expires=1)
    event = event_of(submit())
    assert (event["state"], event["remote_status"], event["errors"]) == ("expired", "403", 0)
    assert len(simulator.journal.entries("status", status=403)) == 1


def test_a_403_before_that_is_a_matter_of_rights(aso: Aso) -> None:
    simulator = aso(processing_seconds=None)
    job = submit()
    simulator.faults.add("status", "http_status", status=403, times=None)
    event = event_of(job)
    assert (event["state"], event["error"], event["http_status"]) == ("error", "AuthorizationError", 403)
    assert set(event) == KEYS | {"error", "http_status"}
    assert simulator.journal.polls == 1


def test_credentials_that_are_no_longer_good(aso: Aso) -> None:
    simulator = aso(processing_seconds=None)
    job = submit()
    simulator.tokens.revoke()
    event = event_of(job)
    assert (event["state"], event["error"], event["http_status"]) == ("error", "AuthenticationError", 401)
    assert simulator.journal.polls == 1


def test_a_status_url_elsewhere_is_not_asked(aso: Aso) -> None:
    simulator = aso()
    event = event_of(JobHandle("jaggaer_aso", "x", 1.0, simulator.result_url_base + "/x"))
    assert (event["state"], event["error"], event["http_status"]) == ("error", "OriginError", None)
    assert not simulator.journal.entries()


@pytest.mark.parametrize(
    ("job", "error"),
    [
        ({"protocol": "no.such", "job_id": "x"}, "ConfigurationError"),
        ({"protocol": "jaggaer_aso", "job_id": "x"}, "ConfigurationError"),
        ({"nothing": 1}, "ValueError"),
    ],
)
def test_a_job_that_cannot_be_watched_is_an_event_and_no_crash(
    aso: Aso, job: dict[str, Any], error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aso()
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", '{"conn_type": "http", "host": "http://127.0.0.1:1"}')
    event = event_of(job)
    assert (event["state"], event["error"]) == ("error", error)
    assert event["polls"] <= 1


def test_a_connection_that_is_not_there(aso: Aso) -> None:
    aso()
    event = event_of(
        submit(), conn_id="no_such", policy={"max_outage": 0.3}
    )  # Airflow says so also when it only cannot look
    assert (event["state"], event["error"], event["errors"]) == ("error", "TransientError", event["polls"])


# -- troubles that pass


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("http_status", {"status": 503}),
        ("http_status", {"status": 500, "body": "<html>"}),
        ("garbage", {}),
        ("alter", {"remove": ["status"]}),
        ("alter", {"update": {"status": "dancing"}}),
        ("reset", {}),
        ("cut", {}),
        ("redirect", {"location": "/nowhere"}),
    ],
)
def test_a_trouble_that_passes_is_waited_out(aso: Aso, fault: str, options: dict[str, Any]) -> None:
    simulator = aso(processing_seconds=0)
    job = submit()
    times = 1 if fault == "redirect" else 3
    simulator.faults.add("status", fault, times=times, **options)
    event = event_of(job)
    if fault == "redirect":  # followed within the origin, to a place that is not there
        assert (event["state"], event["error"], event["http_status"]) == ("error", "RequestRefusedError", 404)
    else:
        assert event["state"] == "succeeded"
        # aiohttp asks a second time by itself where a kept connection is reset
        assert event["errors"] in ((1, 2) if fault == "reset" else (0,) if "update" in options else (3,))


def test_a_short_silence_is_waited_out(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = aso(processing_seconds=0)
    job = submit()
    connection = simulator.airflow_connection()
    connection["extra"]["timeout"] = 0.3
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    simulator.faults.add("status", "silence", seconds=1.0)
    event = event_of(job)
    assert (event["state"], event["errors"]) == ("succeeded", 1)


@pytest.mark.parametrize(("code", "as_date"), [(429, False), (503, True)])
def test_retry_after_is_honoured(aso: Aso, code: int, as_date: bool) -> None:
    simulator = aso(processing_seconds=0)
    job = submit()
    seconds = 2 if as_date else 1  # a date has whole seconds, so up to one of them is lost
    simulator.faults.add("status", "http_status", status=code, retry_after=seconds, as_date=as_date)
    assert event_of(job)["state"] == "succeeded"
    first, second = simulator.journal.entries("status")
    assert second.at - first.at >= 0.95


def test_a_retry_after_of_nothing_makes_no_hot_loop(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", FLOOR)
    simulator = aso(processing_seconds=None)
    job = submit()
    simulator.faults.add("status", "http_status", status=503, retry_after=0, times=None)
    event = event_of(job, policy={"max_outage": 0.5})
    assert event["state"] == "error"
    assert 2 <= event["polls"] <= 5
    asked = [e.at for e in simulator.journal.entries("status")]
    assert min(b - a for a, b in itertools.pairwise(asked)) >= 0.15


@pytest.mark.parametrize(
    ("fault", "options", "error", "http_status"),
    [
        ("http_status", {"status": 503}, "TransientError", 503),
        ("reset", {}, "TransientError", None),
        ("garbage", {}, "UnreadableAnswerError", 200),
    ],
)
def test_a_trouble_that_stays_ends_the_wait(
    aso: Aso, fault: str, options: dict[str, Any], error: str, http_status: int | None
) -> None:
    simulator = aso(processing_seconds=None)
    job = submit()
    simulator.faults.add("status", fault, times=None, **options)
    event = event_of(job, policy={"max_outage": 0.2})
    assert (event["state"], event["error"], event["http_status"]) == ("error", error, http_status)
    assert event["polls"] >= 2


def test_a_remote_that_is_down_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = AsoSimulator(processing_seconds=0.1)
    with simulating(simulator):
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(simulator.airflow_connection()))
        job = submit()
        port = simulator.ports["api"]
    unanswered, send = threading.Event(), triggerer.send

    async def watched(*given: Any) -> Any:
        try:
            return await send(*given)
        except TransientError:
            unanswered.set()
            raise

    monkeypatch.setattr(triggerer, "send", watched)
    events: list[dict[str, Any]] = []
    waiting_for_it = threading.Thread(
        target=lambda: events.append(event_of(job, policy={"max_outage": 1000}))
    )
    waiting_for_it.start()
    assert unanswered.wait(20)
    with simulating(simulator, port=port):
        waiting_for_it.join(20)
    assert events[0]["state"] == "succeeded"
    assert events[0]["errors"] >= 1


# -- when the task may be resumed


def test_the_settle_time_is_kept(aso: Aso) -> None:
    aso(processing_seconds=0)
    job = submit()
    began = time.monotonic()
    assert event_of(job, settle=0.6)["state"] == "succeeded"
    assert time.monotonic() - began >= 0.6


def test_a_wrong_clock_does_not_shorten_the_settle_time(aso: Aso) -> None:
    aso(processing_seconds=0)
    trigger = a_trigger(submit(), settle=0.6, deferred_at=time.time() - 2 * 86400, deadline=time.time() + 60)
    began = time.monotonic()
    assert asyncio.run(asyncio.wait_for(fired(trigger), 10))["state"] == "succeeded"
    assert time.monotonic() - began >= 0.6


@pytest.mark.parametrize(("trusted", "state"), [(False, "succeeded"), (True, "timeout")])
def test_a_clock_that_has_contradicted_the_worker_s_is_asked_for_no_time(
    aso: Aso, trusted: bool, state: str
) -> None:
    """Either this machine's clock is two days ahead, or the deadline has passed: the task says which."""
    aso(processing_seconds=0)
    days = 2 * 86400
    event = event_of(submit(), deferred_at=time.time() - days, deadline=60 - days, clock_trusted=trusted)
    assert event["state"] == state


# -- many of them


def test_a_hundred_jobs_share_session_connection_and_look_up(
    aso: Aso, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(processing_seconds=0.3)
    job = submit()
    look_ups: list[str] = []
    real = JaggaerAsoHook.aget_connection.__func__

    async def counting(cls: type[JaggaerAsoHook], conn_id: str) -> Any:
        look_ups.append(conn_id)
        return await real(cls, conn_id)

    monkeypatch.setattr(JaggaerAsoHook, "aget_connection", classmethod(counting))

    async def all_of_them() -> list[dict[str, Any]]:
        events = await asyncio.gather(*[fired(a_trigger(job)) for _ in range(100)])
        assert asyncio.get_running_loop() not in triggerer._pools
        return events

    events = asyncio.run(all_of_them())
    assert {e["state"] for e in events} == {"succeeded"}
    assert look_ups == [CONN_ID]
    assert simulator.journal.polls == sum(e["polls"] for e in events)


@pytest.mark.filterwarnings("error")
def test_a_cancelled_trigger_leaves_nothing_behind(aso: Aso) -> None:
    simulator = aso(processing_seconds=None)
    job = submit()

    async def cancelled() -> None:
        task = asyncio.create_task(fired(a_trigger(job)))
        while simulator.journal.polls < 1:  # noqa: ASYNC110 - the simulator runs in a thread
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop() not in triggerer._pools

    asyncio.run(asyncio.wait_for(cancelled(), 20))
    gc.collect()


# -- what a trigger is for Airflow


def test_its_serialized_form_is_complete(aso: Aso) -> None:
    aso()
    trigger = a_trigger(submit(), conn_id="mine", cancel_on_kill=False)
    path, arguments = trigger.serialize()
    assert path == "airflow_async_provider.triggers.async_job.AsyncJobTrigger"
    assert AsyncJobTrigger(**arguments).serialize() == (path, arguments)
    assert json.loads(json.dumps(arguments)) == arguments


def test_its_repr_shows_no_url(aso: Aso) -> None:
    aso()
    job = submit()
    trigger = a_trigger(job)
    for text in (repr(trigger), str(trigger)):
        assert "asyncStatus" not in text
        assert "://" not in text
        assert job.job_id in text


# -- what goes wrong inside


def test_a_foreign_error_becomes_an_event_without_its_text(
    server: Callable[..., ByteServer], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Broken(JaggaerAsoProtocol):
        def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
            raise RuntimeError(f"cannot read {response.url} canary-5e7b1c")

    monkeypatch.setattr(registry, "protocol_class", lambda name: Broken)
    found = server(PROCESSING)
    event = event_of(JobHandle("jaggaer_aso", "x", time.time(), found.origin + "/s"))
    assert (event["state"], event["error"], event["http_status"]) == ("error", "RuntimeError", None)
    assert "canary" not in json.dumps(event)
    said = "".join(capfd.readouterr())
    assert "canary" not in said
    assert "a defect" in said
    assert "read_status" in said


def test_nothing_in_the_event_loop_waits_for_anything_else(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by sleeping and not for a name; loading TLS certificates is tested with the transport."""
    aso(processing_seconds=0.2, token=None)
    job = submit()
    mine = threading.get_ident()
    seen: list[str] = []

    def watched(module: Any, name: str) -> None:
        real = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == mine:
                seen.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    watched(time, "sleep")
    watched(socket, "getaddrinfo")
    assert event_of(job)["state"] == "succeeded"
    assert seen == []
    time.sleep(0)
    assert seen == ["sleep"]  # it would have been seen


def test_a_trigger_imports_the_class_that_its_worker_has_looked_at(
    server: Callable[..., ByteServer], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The triggerer has imported no DAG file, and nothing is imported because of a handle alone."""
    (tmp_path / "own_protocol.py").write_text(
        "from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol\n"
        "class Own(JaggaerAsoProtocol):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = server(status(200, b'{"status": "failed"}'))
    monkeypatch.setenv("AIRFLOW_CONN_OWN", json.dumps({"conn_type": "http", "host": found.origin}))
    handle = JobHandle("own_protocol.Own", "x", time.time(), "/s")
    now = time.time()
    trigger = AsyncJobTrigger(
        job=handle.to_dict(),
        conn_id="own",
        policy=PollPolicy(poll_interval=0.05, max_poll_interval=0.05).to_dict(),
        deadline=now + 30,
        deferred_at=now,
        settle=0.0,
    )
    try:
        assert asyncio.run(fired(trigger))["state"] == "failed"
    finally:
        sys.modules.pop("own_protocol", None)
