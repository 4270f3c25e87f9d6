# SPDX-License-Identifier: Apache-2.0
"""Polls of one job: what the first one worked out serves the others, and nothing that may change is kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from airflow_async_provider._transport import endpoint as endpoints
from airflow_async_provider._transport import triggerer, turns
from airflow_async_provider._transport.auth import StaticAuth
from airflow_async_provider._transport.endpoint import CachedRequest, Endpoint
from airflow_async_provider._transport.oauth import ClientCredentialsAuth
from airflow_async_provider.errors import ConfigurationError, OriginError
from airflow_async_provider.hooks import _endpoint_cache as endpoint_cache
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import HttpRequest, JobHandle
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from tests.support.byte_server import ByteServer, redirect, running, status

PROCESSING = status(200, b'{"status": "processing"}')

Start = Callable[..., ByteServer]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *steps, **options: stack.enter_context(running(steps=list(steps), **options))


def token(value: str) -> StaticAuth:
    return StaticAuth({"Authorization": f"Bearer {value}"})


def sent(server: ByteServer, name: str = "authorization") -> list[str | None]:
    return [request.headers.get(name) for request in server.requests]


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def define(server: ByteServer, password: str, **extra: Any) -> None:
        fields = {
            "conn_type": "jaggaer_aso",
            "host": server.origin,
            "password": password,
            "extra": {"proxy": None, **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_POLLED", json.dumps(fields))

    return define


def a_handle(url: str) -> JobHandle:
    return JobHandle("jaggaer_aso", "1", time.time(), status_url=url)


async def test_equal_polls_are_worked_out_once(
    start: Start, connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(*[PROCESSING] * 4)
    connection(server, "one")
    prepared: list[HttpRequest] = []

    def counting(remote: Endpoint, request: HttpRequest) -> endpoints.WireRequest:
        prepared.append(request)
        return endpoints.prepare(remote, request)

    monkeypatch.setattr(triggerer, "prepare", counting)
    hook, handle = JaggaerAsoHook("polled"), a_handle(f"{server.origin}/status/a%2fb?x=%7e")
    async with triggerer.pool():
        for _ in range(3):
            assert (await hook.astatus(handle)).remote_status == "processing"
        assert len(prepared) == 1
        moved = replace(handle, status_url=f"{server.origin}/moved")
        await hook.astatus(moved)
    assert len(prepared) == 2
    assert [request.target for request in server.requests] == ["/status/a%2fb?x=%7e"] * 3 + ["/moved"]
    assert sent(server) == ["Bearer one"] * 4
    assert server.connections == 1


async def test_a_changed_connection_counts_at_the_next_poll(
    start: Start, connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = start(PROCESSING, PROCESSING), start(PROCESSING)
    connection(old, "one")
    monkeypatch.setattr(endpoint_cache, "CONNECTION_LIFE", 0.0)
    hook, handle = JaggaerAsoHook("polled"), a_handle("status/7")
    async with triggerer.pool():
        await hook.astatus(handle)
        connection(old, "two")
        await hook.astatus(handle)
        connection(new, "three")
        await hook.astatus(handle)
    assert sent(old) == ["Bearer one", "Bearer two"]
    assert sent(new) == ["Bearer three"]


async def test_a_host_that_is_no_longer_listed_gets_nothing_more(
    start: Start, connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, listed = start(), start(PROCESSING)
    connection(own, "one", allowed_hosts=[f"127.0.0.1:{listed.port}"])
    monkeypatch.setattr(endpoint_cache, "CONNECTION_LIFE", 0.0)
    hook, handle = JaggaerAsoHook("polled"), a_handle(f"{listed.origin}/status")
    async with triggerer.pool():
        await hook.astatus(handle)
        connection(own, "one")
        for _ in range(2):
            with pytest.raises(OriginError):
                await hook.astatus(handle)
    assert len(listed.requests) == 1


async def test_a_new_token_goes_out_with_the_next_poll(start: Start) -> None:
    tokens = start(*[status(200, json.dumps({"access_token": f"t{n}"}).encode()) for n in (1, 2)])
    server = start(PROCESSING, status(401), PROCESSING, PROCESSING)
    auth = ClientCredentialsAuth(token_url=f"{tokens.origin}/token", client_id="i", client_secret="s" * 9)
    remote, request = Endpoint(server.origin, auth=auth), CachedRequest.of(HttpRequest("GET", "x"))
    async with triggerer.pool():
        for _ in range(3):
            assert (await triggerer.send(remote, request)).status == 200
    assert sent(server) == ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]


async def test_a_redirect_is_followed_anew_each_time(start: Start) -> None:
    server = start(redirect("/first"), status(200, b"1"), redirect("/second"), status(200, b"2"))
    remote, request = Endpoint(server.origin, auth=token("t")), CachedRequest.of(HttpRequest("GET", "start"))
    async with triggerer.pool():
        answers = [await triggerer.send(remote, request) for _ in range(2)]
    assert [answer.body for answer in answers] == [b"1", b"2"]
    assert [r.target for r in server.requests] == ["/start", "/first", "/start", "/second"]


async def test_the_last_redirect_that_is_followed_may_lead_to_an_answer(start: Start) -> None:
    most = triggerer.MAX_REDIRECTS
    server = start(*[redirect("/on")] * most, status(304))
    assert (await triggerer.send(Endpoint(server.origin), HttpRequest("GET", "x"))).status == 304
    assert len(server.requests) == most + 1


async def test_a_request_outlives_the_session_it_was_first_sent_with(start: Start) -> None:
    server = start(PROCESSING, PROCESSING)
    remote, request = Endpoint(server.origin, auth=token("t")), CachedRequest.of(HttpRequest("GET", "x"))
    for _ in range(2):  # nobody else waits, so each sending has a session of its own
        assert (await triggerer.send(remote, request)).status == 200
    assert server.connections == 2


async def test_requests_with_other_headers_keep_their_own(start: Start) -> None:
    count = 3 * triggerer.MAX_HEADS
    server = start(*[PROCESSING] * 2 * count)
    remote = Endpoint(server.origin, auth=token("t"), headers={"Accept": "a/b"})
    requests = [CachedRequest.of(HttpRequest("GET", "x", headers={"X-Job": str(n)})) for n in range(count)]
    async with triggerer.pool():
        for request in requests * 2:
            await triggerer.send(remote, request)
    assert sent(server, "x-job") == [str(n) for n in range(count)] * 2
    assert set(sent(server)) == {"Bearer t"}
    assert set(sent(server, "accept")) == {"a/b"}
    assert len(remote.cached) == triggerer.MAX_HEADS


async def test_two_connections_to_one_host_keep_their_credentials_apart(start: Start) -> None:
    server = start(*[PROCESSING] * 4)
    first, second = (Endpoint(server.origin, auth=token(value)) for value in ("a", "b"))
    request = CachedRequest.of(HttpRequest("GET", "x"))
    async with triggerer.pool():
        for remote in (first, second, second, first):
            await triggerer.send(remote, request)
    assert sent(server) == ["Bearer a", "Bearer b", "Bearer b", "Bearer a"]


async def test_a_header_that_cannot_be_sent_is_refused_every_time(start: Start) -> None:
    server = start()
    remote, request = Endpoint(server.origin, auth=token("t\n")), CachedRequest.of(HttpRequest("GET", "x"))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="Authorization"):
            await triggerer.send(remote, request)
    assert not server.requests


async def test_a_crowd_at_a_slow_host_leaves_places_for_others(start: Start) -> None:
    """Turns are given back, also by those who are cancelled while they wait for theirs."""
    quick = start(*[PROCESSING] * 3)

    def slow_step(exchange: Any) -> None:
        exchange.server.ended.wait(20)
        exchange.last = True

    slow = start(*[slow_step] * 200)
    async with triggerer.pool():
        crowd = [
            asyncio.create_task(triggerer.send(Endpoint(slow.origin), HttpRequest("GET", "x")))
            for _ in range(3 * turns.MAX_SOCKETS_PER_HOST)
        ]
        while len(slow.requests) < turns.FIRST_SOCKETS:  # noqa: ASYNC110 - a thread counts
            await asyncio.sleep(0.01)
        assert (await triggerer.send(Endpoint(quick.origin), HttpRequest("GET", "x"))).status == 200
        entry = triggerer._pools[asyncio.get_running_loop()]
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        assert not entry.turns._quick
        assert {at._active for at in entry.turns_at.values()} == {0}
        assert len(slow.requests) == turns.FIRST_SOCKETS


def test_a_repeated_request_is_frozen_and_tells_nothing() -> None:
    request = CachedRequest.of(HttpRequest("GET", "https://x.example/opaque-1", headers={"X": "opaque-2"}))
    request.worked_out = "opaque-3"
    assert "opaque" not in repr(request)
    with pytest.raises(FrozenInstanceError):
        request.url = "https://elsewhere.example"  # type: ignore[misc] # that is the point
    with pytest.raises(FrozenInstanceError):
        request.new = 1  # type: ignore[attr-defined] # that too


async def test_what_is_kept_of_a_remote_shows_nowhere(start: Start) -> None:
    server = start(PROCESSING)
    remote = Endpoint(server.origin, auth=token("canary"))
    await triggerer.send(remote, HttpRequest("GET", "x"))
    assert remote.cached
    assert "canary" not in repr(remote)
    assert replace(remote, timeout=5.0).cached == {}
    assert remote == Endpoint(server.origin, auth=token("canary"))


def test_the_same_handle_gives_the_same_request() -> None:
    """What lets a hook keep it: a protocol has no clock and no counter."""
    handle = a_handle("https://x.example/s")
    assert JaggaerAsoProtocol().status(handle) == JaggaerAsoProtocol().status(handle)
