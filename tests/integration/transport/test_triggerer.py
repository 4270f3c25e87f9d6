# SPDX-License-Identifier: Apache-2.0
"""The triggerer's one event loop: large answers and silent remotes hurt nobody but themselves."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest

from airflow_async_provider._transport import triggerer, turns
from airflow_async_provider._transport.auth import StaticAuth, basic
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.session import Session
from airflow_async_provider.errors import (
    AnswerTooLargeError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import HttpRequest, excerpt
from tests.support.byte_server import ByteServer, running, status

GET = HttpRequest("GET", "x")
Start = Callable[..., ByteServer]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *steps, **options: stack.enter_context(running(steps=list(steps), **options))


class Silent:
    """Accepts connections and never answers; answers come from :meth:`answer` on the same loop."""

    def __init__(self, body: bytes | None = None) -> None:
        self.body = body
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if self.body is not None:
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.body)
                    writer.write(head + self.body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


# -- answers


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_an_answer_larger_than_a_status_is_left_to_a_worker(start: Start, coding: str) -> None:
    body = b"x" * 5000
    packed = gzip.compress(body) if coding else body
    server = start(*[status(200, packed, {"Content-Encoding": coding} if coding else None)] * 2)
    with pytest.raises(AnswerTooLargeError, match="max_status_bytes") as caught:
        await triggerer.send(Endpoint(server.origin, max_status_bytes=4999), GET)
    assert caught.value.http_status == 200
    assert (await triggerer.send(Endpoint(server.origin, max_status_bytes=5000), GET)).body == body


async def test_a_refusal_larger_than_a_status_is_still_a_refusal(start: Start) -> None:
    server = start(status(503, b"e" * 5000))
    answer = await triggerer.send(Endpoint(server.origin, max_status_bytes=1000), GET)
    assert (answer.status, answer.body, answer.complete) == (503, b"e" * 1000, False)


async def test_a_bomb_is_unpacked_no_further_than_the_bound(start: Start) -> None:
    bomb = gzip.compress(b"0" * 200_000_000, 9)
    server = start(status(200, bomb, {"Content-Encoding": "gzip"}))
    with pytest.raises(AnswerTooLargeError):
        await triggerer.send(Endpoint(server.origin), GET)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress"])
async def test_a_coding_that_nobody_asked_for_is_named(start: Start, coding: str) -> None:
    server = start(status(200, b"abc", {"Content-Encoding": coding}))
    with pytest.raises(UnreadableAnswerError, match="not asked for"):
        await triggerer.send(Endpoint(server.origin), GET)


async def test_what_a_200_repeats_of_the_request_is_in_no_excerpt(start: Start) -> None:
    sent = basic("me", "pa55word-canary")
    echo = f'{{"received": "{sent.split()[1]}", "and": "pa55word-canary"}}'.encode()
    server = start(status(200, echo))
    answer = await triggerer.send(Endpoint(server.origin, auth=StaticAuth({"Authorization": sent})), GET)
    assert answer.body == echo  # it may be a result
    assert excerpt(answer.body) == '{"received": "***", "and": "***"}'


@pytest.mark.parametrize("code", [200, 400])
async def test_cookies_queries_and_bodies_are_not_repeated_either(start: Start, code: int) -> None:
    sent = ["cookie-canary-1", "csrf-canary-1", "query-canary-1", "body-canary-1"]
    session = Session(csrf="token")
    setting = {"Set-Cookie": f"sid={sent[0]}; Path=/", "X-CSRF-Token": sent[1]}
    server = start(status(200, b"", setting), status(code, " ".join(sent).encode()))
    request = HttpRequest("POST", "x", params={"api_key": sent[2]}, json={"password": sent[3]})
    answer = await triggerer.send(Endpoint(server.origin, cookies=True), request, session)
    assert excerpt(answer.body) == "*** *** *** ***"


async def test_large_answers_are_taken_one_in_a_round_of_the_loop() -> None:
    """Whoever reads them holds up the loop for one of them at a time, not for all that have come."""
    rounds: list[int] = []
    now = 0

    def count() -> None:
        nonlocal now
        now += 1
        loop.call_soon(count)

    async def ask(endpoint: Endpoint) -> None:
        await triggerer.send(endpoint, GET)
        rounds.append(now)

    loop = asyncio.get_running_loop()
    async with Silent(b"y" * 100_000) as server, triggerer.pool():
        loop.call_soon(count)
        await asyncio.gather(*[ask(Endpoint(server.origin)) for _ in range(20)])
    assert len(set(rounds)) == 20


# -- silent remotes


async def test_silent_hosts_do_not_keep_a_healthy_one_from_its_turn() -> None:
    async with Servers() as stack, triggerer.pool():
        silent = [await stack.enter(Silent()) for _ in range(12)]
        healthy = await stack.enter(Silent(b"{}"))
        jobs = [
            asyncio.create_task(triggerer.send(Endpoint(host.origin, timeout=20), GET))
            for host in silent
            for _ in range(50)
        ]
        await asyncio.sleep(0.1)  # they have taken what they can get
        began = time.monotonic()
        for _ in range(20):
            assert (await triggerer.send(Endpoint(healthy.origin, timeout=20), GET)).status == 200
        assert time.monotonic() - began < 10
        assert sum(host.connections for host in silent) <= 12 * turns.FIRST_SOCKETS
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def test_any_number_of_silent_hosts_gives_way_after_a_moment() -> None:
    few = turns.Turns(8, slow_after=0.05)
    async with Servers() as stack, triggerer.pool():
        triggerer._pools[asyncio.get_running_loop()].turns = few
        silent = [await stack.enter(Silent()) for _ in range(10)]
        healthy = await stack.enter(Silent(b"{}"))
        jobs = [
            asyncio.create_task(triggerer.send(Endpoint(host.origin, timeout=20), GET))
            for host in silent
            for _ in range(4)
        ]
        await asyncio.sleep(0.02)
        assert (await triggerer.send(Endpoint(healthy.origin, timeout=20), GET)).status == 200
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def test_a_host_that_fell_silent_gets_fewer_sockets_until_it_answers() -> None:
    async with Silent() as host, triggerer.pool():
        endpoint = Endpoint(host.origin, timeout=0.2)
        asked = [triggerer.send(endpoint, GET) for _ in range(4)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(r, TransientError) for r in results)
        at = triggerer._pools[asyncio.get_running_loop()].turns_at[host.origin]
        assert at._sockets == 1
        host.body = b"{}"
        for _ in range(5):
            await triggerer.send(Endpoint(host.origin, timeout=20), GET)
        assert at._sockets == 6


async def test_silent_name_servers_keep_no_thread_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a thread for as long as it is silent; other names and other work have theirs."""
    over = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, *args: Any, **kwargs: Any) -> Any:
        if "silent" in str(host):
            over.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1" if host == "healthy.test" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    async with Silent(b"{}") as host, triggerer.pool():
        jobs = [
            asyncio.create_task(triggerer.send(Endpoint(f"http://silent-{n}.test", timeout=20), GET))
            for n in range(12)
        ]
        await asyncio.sleep(0.05)
        port = host.origin.rpartition(":")[2]
        answer = await asyncio.wait_for(
            triggerer.send(Endpoint(f"http://healthy.test:{port}", timeout=20), GET), 10
        )
        assert answer.status == 200
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 5), 10) == 5
        over.set()
        assert all(isinstance(r, TransientError) for r in await asyncio.gather(*jobs, return_exceptions=True))


async def test_the_budget_of_a_host_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "BURST", 0.1)
    async with Silent(b"{}") as host, triggerer.pool():
        endpoint = Endpoint(host.origin, max_requests_per_minute=1200)  # one in 50 ms
        began = time.monotonic()
        await asyncio.gather(*[triggerer.send(endpoint, GET) for _ in range(12)])
        assert time.monotonic() - began > 0.4


async def test_who_is_cancelled_while_waiting_leaves_the_turn_to_others() -> None:
    async with Silent(b"{}") as host, triggerer.pool():
        endpoint = Endpoint(host.origin)
        jobs = [asyncio.create_task(triggerer.send(endpoint, GET)) for _ in range(40)]
        await asyncio.sleep(0)
        for job in jobs[::2]:
            job.cancel()
        answers = await asyncio.gather(*jobs, return_exceptions=True)
        assert [a.status for a in answers if not isinstance(a, BaseException)] == [200] * 20
        at = triggerer._pools[asyncio.get_running_loop()].turns_at[host.origin]
        assert at._active == 0
        assert not triggerer._pools[asyncio.get_running_loop()].turns._quick


class Servers:
    """Enters servers one after the other and leaves them all."""

    async def __aenter__(self) -> Self:
        self._entered: list[Silent] = []
        return self

    async def enter(self, server: Silent) -> Silent:
        self._entered.append(server)
        return await server.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        for server in self._entered:
            await server.__aexit__()
