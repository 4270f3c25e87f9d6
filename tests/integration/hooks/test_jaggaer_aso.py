# SPDX-License-Identifier: Apache-2.0
"""The ASO hook against the simulated ASO: tokens, origins, look-ups of the connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    OriginError,
    SubmitError,
    UnreadableAnswerError,
)
from airflow_async_provider.hooks import _endpoint_cache as endpoint_cache
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import HttpRequest, JobHandle, JobState
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running as simulating
from tests.support.byte_server import ByteServer, hang_up, redirect, status
from tests.support.watched_aso import accepted, server  # noqa: F401 - a fixture among them

ITEMS = "event/7/apiItems/async"
EVENT = "chost/1/user/2/template/3/apiEvent/async"
CONN_ID = "jaggaer_aso_default"

Aso = Callable[..., AsoSimulator]
Start = Callable[..., ByteServer]


def define(connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch, conn_id: str = CONN_ID) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


@pytest.fixture
def aso(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aso]:
    with ExitStack() as stack:

        def start(service: str = "ees", extra: dict[str, Any] | None = None, **options: Any) -> AsoSimulator:
            simulator = stack.enter_context(simulating(AsoSimulator(**options)))
            connection = simulator.airflow_connection(service)
            connection["extra"] |= extra or {}
            define(connection, monkeypatch)
            return simulator

        yield start


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


class Later:
    """The time module as one module sees it, some seconds ahead; everybody else keeps the real one."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


# -- a job, from both sides


async def test_a_job_from_start_to_end(aso: Aso) -> None:
    simulator = aso(processing_seconds=None)
    hook = JaggaerAsoHook()
    job = await asyncio.to_thread(hook.submit, ITEMS)
    assert (await hook.astatus(job)).state is JobState.RUNNING
    simulator.job().finish()
    in_worker = await asyncio.to_thread(hook.status, job.to_dict())
    in_triggerer = await hook.astatus(job.to_dict())
    assert in_worker.state is in_triggerer.state is JobState.SUCCEEDED
    assert in_worker.result is not None
    assert in_triggerer.result is not None
    assert in_worker.result.url == in_triggerer.result.url == simulator.job().result_url
    assert {e.shown["Accept"] for e in simulator.journal.entries()} == {
        "application/vnd.sciquest.com.ees+json"
    }


def test_every_second_status_url_is_one_that_a_client_could_spoil(aso: Aso) -> None:
    """The simulator answers 404 to a status URL that was encoded anew."""
    aso(processing_seconds=None)
    hook = JaggaerAsoHook()
    for _ in range(4):
        job = hook.submit(ITEMS)
        assert hook.status(job).state is JobState.RUNNING
        assert asyncio.run(hook.astatus(job)).state is JobState.RUNNING


def test_a_post_carries_its_body_and_media_type(aso: Aso) -> None:
    simulator = aso(service="ches")
    JaggaerAsoHook().submit(EVENT, method="POST", json={"eventName": "Steel"})
    assert simulator.job().body == {"eventName": "Steel"}
    assert (
        simulator.journal.entries("submit")[0].shown["Content-Type"]
        == "application/vnd.sciquest.com.ches+json"
    )


def test_nothing_can_be_cancelled(aso: Aso) -> None:
    simulator = aso()
    hook = JaggaerAsoHook()
    job = hook.submit(ITEMS)
    assert not hook.cancel(job)
    assert not asyncio.run(hook.acancel(job))
    assert simulator.journal.cancels == 0


@pytest.mark.parametrize(
    ("extra", "error"),
    [({"api_key": "wrong"}, AuthorizationError), ({"accept": "application/json"}, SubmitError)],
)
def test_a_refused_submission(aso: Aso, extra: dict[str, Any], error: type[Exception]) -> None:
    simulator = aso(extra=extra)
    with pytest.raises(error) as caught:
        JaggaerAsoHook().submit(ITEMS)
    assert type(caught.value) is error
    assert simulator.journal.submits == 1
    assert simulator.journal.jobs_started == 0


# -- tokens


async def test_one_token_for_two_hundred_jobs(aso: Aso) -> None:
    simulator = aso(token=None, processing_seconds=None)
    job = await asyncio.to_thread(JaggaerAsoHook().submit, ITEMS)
    tokens = simulator.journal.count("token")
    answers = await asyncio.gather(*[JaggaerAsoHook().astatus(job) for _ in range(200)])
    assert {a.state for a in answers} == {JobState.RUNNING}
    assert simulator.journal.count("token") == tokens + 1


async def test_a_token_is_replaced_before_its_end(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_async_provider._transport import oauth

    simulator = aso(token=None, processing_seconds=None, token_expires=3600, status_expires=100_000)
    hook = JaggaerAsoHook()
    job = await asyncio.to_thread(hook.submit, ITEMS)
    await hook.astatus(job)
    tokens = simulator.journal.count("token")
    later = Later()
    monkeypatch.setattr(oauth, "time", later)
    later.ahead = 3545
    simulator.clock.advance(3545)  # the token is good for 55 more seconds
    await hook.astatus(job)
    assert simulator.journal.count("token") == tokens + 1
    assert not simulator.journal.entries(status=401)


async def test_a_revoked_token_is_replaced_once(aso: Aso) -> None:
    simulator = aso(token=None, processing_seconds=None)
    hook = JaggaerAsoHook()
    job = await asyncio.to_thread(hook.submit, ITEMS)
    await hook.astatus(job)
    simulator.tokens.revoke()
    before = simulator.journal.count("token")
    answers = await asyncio.gather(*[hook.astatus(job) for _ in range(20)])
    assert {a.state for a in answers} == {JobState.RUNNING}
    assert simulator.journal.count("token") - before <= 2


def test_refused_client_credentials(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = aso(token=None)
    connection = simulator.airflow_connection()
    define({**connection, "password": "canary-wrong"}, monkeypatch)
    with pytest.raises(AuthenticationError) as caught:
        JaggaerAsoHook().submit(ITEMS)
    assert "canary" not in str(caught.value)
    assert simulator.journal.submits == 0


def test_a_bad_ready_token(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = aso()
    define({**simulator.airflow_connection(), "password": "canary-wrong"}, monkeypatch)
    with pytest.raises(AuthenticationError) as caught:
        JaggaerAsoHook().submit(ITEMS)
    assert "canary" not in str(caught.value)
    assert simulator.journal.submits == 1


def test_status_urls_and_tokens_on_other_hosts(aso: Aso) -> None:
    simulator = aso(token=None, separate_origins=True, processing_seconds=0)
    hook = JaggaerAsoHook()
    assert hook.status(hook.submit(ITEMS)).state is JobState.SUCCEEDED
    assert {e.listener for e in simulator.journal.entries("status")} == {"status"}


def test_a_status_url_on_a_host_that_is_not_listed(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = aso(separate_origins=True)
    connection = simulator.airflow_connection()
    del connection["extra"]["allowed_hosts"]
    define(connection, monkeypatch)
    with pytest.raises(OriginError, match="status URL") as caught:
        JaggaerAsoHook().submit(ITEMS)
    assert caught.value.job  # it was started
    assert "asyncStatus" not in str(caught.value)
    assert not simulator.journal.entries("status")
    # A handle from elsewhere does not get around it.
    foreign = JobHandle("jaggaer_aso", "x", 1.0, simulator.status_url_base + simulator.job().status_path)
    with pytest.raises(OriginError):
        JaggaerAsoHook().status(foreign)
    with pytest.raises(OriginError):
        asyncio.run(JaggaerAsoHook().astatus(foreign))
    assert not simulator.journal.entries("status")


def test_credentials_for_a_download_obey_the_origin_rule(aso: Aso) -> None:
    simulator = aso(token=None)
    hook = JaggaerAsoHook()
    assert hook.credentials_for(simulator.result_url_base + "/x") == {}
    own = hook.credentials_for(simulator.url + "/x")
    assert set(own) == {"Authorization", "X-API-Key"}
    assert hook.credentials_for(simulator.url + "/x", own) != own  # a refused token is replaced
    assert hook.credentials_for(simulator.result_url_base + "/x", own) == {}


def test_a_refused_ready_token_has_no_successor(aso: Aso) -> None:
    simulator = aso()
    hook = JaggaerAsoHook()
    own = hook.credentials_for(simulator.url + "/x")
    assert hook.credentials_for(simulator.url + "/x", own) == {}


# -- how often the connection is looked up


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    real = JaggaerAsoHook.aget_connection.__func__

    async def counting(cls: type[JaggaerAsoHook], conn_id: str) -> Connection:
        found.append(conn_id)
        await asyncio.sleep(0.01)
        return await real(cls, conn_id)

    monkeypatch.setattr(JaggaerAsoHook, "aget_connection", classmethod(counting))
    return found


async def test_one_look_up_for_all_jobs_of_a_minute(
    aso: Aso, look_ups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(processing_seconds=None)
    job = await asyncio.to_thread(JaggaerAsoHook().submit, ITEMS)
    await asyncio.gather(*[JaggaerAsoHook().astatus(job) for _ in range(100)])
    assert look_ups == [CONN_ID]

    # An unchanged connection keeps what was made of it, a changed one does not.
    known = await JaggaerAsoHook().aendpoint()
    later = Later()
    monkeypatch.setattr(endpoint_cache, "time", later)
    later.ahead = endpoint_cache.CONNECTION_LIFE + 1
    assert await JaggaerAsoHook().aendpoint() is known
    assert look_ups == [CONN_ID] * 2
    define({**simulator.airflow_connection(), "password": "another"}, monkeypatch)
    later.ahead = 2 * (endpoint_cache.CONNECTION_LIFE + 1)
    assert await JaggaerAsoHook().aendpoint() is not known


async def test_two_connections_are_two_endpoints(
    aso: Aso, look_ups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso()
    define({**simulator.airflow_connection(), "password": "another"}, monkeypatch, "second")
    first, second = await JaggaerAsoHook().aendpoint(), await JaggaerAsoHook("second").aendpoint()
    assert first.auth.headers() != second.auth.headers()
    assert look_ups == [CONN_ID, "second"]


def test_no_two_loops_share_a_remote(aso: Aso, look_ups: list[str]) -> None:
    aso()
    for _ in range(2):
        asyncio.run(JaggaerAsoHook().aendpoint())
    assert len(look_ups) == 2


async def test_a_connection_that_is_not_there_is_asked_for_again(look_ups: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(Exception, match="no_such"):
            await JaggaerAsoHook("no_such").aendpoint()
    assert look_ups == ["no_such"] * 2


# -- asking from the worker


@pytest.mark.parametrize("step", [status(503), hang_up(), status(200, b"<html>"), status(200, b"{}")])
def test_a_poll_without_a_good_answer_is_repeated(server: Start, step: Any) -> None:
    found = server(step, status(200, b'{"status": "processing"}'))
    job = JobHandle("jaggaer_aso", "x", 1.0, found.origin + "/s")
    assert JaggaerAsoHook().status(job).state is JobState.RUNNING
    assert len(found.requests) == 2


def test_but_not_for_ever(server: Start) -> None:
    found = server(*[status(200, b"<html>")] * 10)
    job = JobHandle("jaggaer_aso", "x", 1.0, found.origin + "/s")
    with pytest.raises(UnreadableAnswerError):
        JaggaerAsoHook().status(job)
    assert len(found.requests) == 5


class Cancellable(JaggaerAsoProtocol):
    """ASO, had it a way to cancel a job; a protocol of a user's own, found by its dotted path."""

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        return HttpRequest("DELETE", "cancel")


def test_a_job_is_cancelled_where_that_can_be_done(server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_async_provider.protocols import _registry as registry

    monkeypatch.setattr(registry, "protocol_class", lambda name: Cancellable)
    server(status(204), status(503), status(204), status(409))
    hook = JaggaerAsoHook()
    job = JobHandle("jaggaer_aso", "x", 1.0)
    assert hook.cancel(job)
    assert hook.cancel(job)  # after another try
    assert not asyncio.run(hook.acancel(job))  # it had ended


# -- the button in Airflow's connection form


@pytest.mark.parametrize(
    ("step", "works", "said"),
    [
        (status(404), True, "as expected"),
        (status(422), True, "as expected"),
        (status(401), False, "401"),
        (status(403), False, "403"),
        (status(500), False, "500"),
        (status(200, b"<html>a login page"), False, "200"),
        (redirect("https://login.example/"), False, "302"),
        (hang_up(), False, "failed"),
    ],
)
def test_test_connection(server: Start, step: Any, works: bool, said: str) -> None:
    found = server(step, step)
    result = JaggaerAsoHook().test_connection()
    assert result[0] is works
    assert said in result[1] or not works
    assert found.requests[0].target == "/asyncStatus/connection-test"


def test_test_connection_against_the_simulator(aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = aso()
    assert JaggaerAsoHook().test_connection()[0]
    define({**simulator.airflow_connection(), "password": "wrong"}, monkeypatch)
    assert "refuses the token" in JaggaerAsoHook().test_connection()[1]
    define({"conn_type": "jaggaer_aso", "password": "t"}, monkeypatch)
    assert "no host" in JaggaerAsoHook().test_connection()[1]


# -- which hook


def test_the_hook_of_a_job(aso: Aso) -> None:
    aso()
    job = JobHandle("jaggaer_aso", "x", 1.0)
    assert isinstance(hook_for(job), JaggaerAsoHook)
    assert hook_for(job).conn_id == CONN_ID
    assert hook_for(job.to_dict(), "mine").conn_id == "mine"
    generic = hook_for(JobHandle("my.own.Protocol", "x", 1.0), "mine")
    assert type(generic).__name__ == "HttpAsyncJobHook"
