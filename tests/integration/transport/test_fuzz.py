# SPDX-License-Identifier: Apache-2.0
"""
Whatever bytes a remote sends, both HTTP clients make an answer of them or an error of our tree, in bounds.

The bytes come from a real socket, so the parsers of http.client, urllib3 and aiohttp, which have ideas of
their own about broken HTTP, are part of what is tried. The same holds for the reader of OAuth tokens. A
remote that never comes to an end is left while it is still sending.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airflow_async_provider._jobs.messages import surely_not_started
from airflow_async_provider._transport import triggerer, worker
from airflow_async_provider._transport.auth import Auth, StaticAuth
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.oauth import ClientCredentialsAuth
from airflow_async_provider.errors import AnswerTooLargeError, AsyncJobError, RemoteError, TransientError
from airflow_async_provider.protocols import HttpRequest, HttpResponse
from tests.support.inputs import examples
from tests.support.raw_answers import LARGEST, anything, token_answers, with_length
from tests.support.raw_server import WAVE, RawServer, Script

SECRET = "canary-9d41f7"

#: Seconds for a whole request to a remote without an end, and to one that comes to its end.
SHORT, LONG = 0.5, 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "LARGEST_ANSWER", LARGEST)
        found = RawServer()
        yield found
        found.close()


# -- asking, by each client: the request that is tried, and one after it in the same pool of connections

Answer = HttpResponse | AsyncJobError
Ask = Callable[[Endpoint, HttpRequest], tuple[Answer, Answer]]

AFTER = HttpRequest("GET", "after")


def in_worker(remote: Endpoint, request: HttpRequest) -> Answer:
    try:
        return worker.send(remote, request)
    except AsyncJobError as error:
        return error


async def in_triggerer(remote: Endpoint, request: HttpRequest) -> Answer:
    try:
        return await triggerer.send(remote, request)
    except AsyncJobError as error:
        return error


def ask_in_worker(remote: Endpoint, request: HttpRequest) -> tuple[Answer, Answer]:
    return in_worker(remote, request), in_worker(Endpoint(remote.base_url), AFTER)


def ask_in_triggerer(remote: Endpoint, request: HttpRequest) -> tuple[Answer, Answer]:
    async def one_after_the_other() -> tuple[Answer, Answer]:
        async with triggerer.pool():
            return await in_triggerer(remote, request), await in_triggerer(Endpoint(remote.base_url), AFTER)

    return asyncio.run(one_after_the_other())


both = pytest.mark.parametrize("ask", [ask_in_worker, ask_in_triggerer], ids=["worker", "triggerer"])


def tokens_from(server: RawServer, path: str = "/fuzz") -> Auth:
    return ClientCredentialsAuth(token_url=server.origin + path, client_id="me", client_secret=SECRET)


def check(answer: Answer, *, max_body_bytes: int = LARGEST) -> None:
    if isinstance(answer, AsyncJobError):
        assert SECRET not in str(answer)
        assert len(str(answer)) < 1000
    else:
        assert 100 <= answer.status <= 999
        assert len(answer.body) <= max_body_bytes


def check_the_one_after(answer: Answer) -> None:
    """It has its own answer, never what was left of the one before; a broken connection may hit it, too."""
    if isinstance(answer, AsyncJobError):
        assert isinstance(answer, TransientError)
    else:
        assert (answer.status, answer.body) == (200, b"plain")


requests = st.sampled_from(
    [
        HttpRequest("GET", "fuzz"),
        HttpRequest("GET", "fuzz", max_body_bytes=100),
        HttpRequest("POST", "fuzz", json={"a": 1}, repeatable=False),
        HttpRequest("HEAD", "fuzz"),
    ]
)

ANY = settings(
    max_examples=examples(50),
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)


@both
@ANY
@given(data=anything, ending=st.sampled_from(["close", "close", "reset"]), request=requests)
def test_any_bytes(server: RawServer, ask: Ask, data: bytes, ending: str, request: HttpRequest) -> None:
    server.scripts[b"/fuzz"] = Script(data, ending)
    answer, after = ask(Endpoint(server.origin, timeout=LONG, max_status_bytes=LARGEST), request)
    event(type(answer).__name__)
    check(answer, max_body_bytes=request.max_body_bytes or LARGEST)
    check_the_one_after(after)


@both
@settings(ANY, max_examples=examples(20))
@given(data=anything, request=requests)
def test_any_bytes_and_the_connection_stays_open(
    server: RawServer, ask: Ask, data: bytes, request: HttpRequest
) -> None:
    """What is left of an answer is not taken for the answer to the next request."""
    server.scripts[b"/fuzz"] = Script(data, "keep")
    answer, after = ask(Endpoint(server.origin, timeout=LONG, max_status_bytes=LARGEST), request)
    event(type(answer).__name__)
    check(answer, max_body_bytes=request.max_body_bytes or LARGEST)
    check_the_one_after(after)


@both
@ANY
@given(data=anything | st.builds(with_length, token_answers), ending=st.sampled_from(["close", "reset"]))
def test_any_bytes_instead_of_a_token(server: RawServer, ask: Ask, data: bytes, ending: str) -> None:
    """Either it is one, or the request that was to carry it was surely not sent."""
    server.scripts[b"/fuzz"] = Script(data, ending)
    remote = Endpoint(server.origin, auth=tokens_from(server), timeout=LONG)
    answer, _ = ask(remote, HttpRequest("POST", "x", json={}, repeatable=False))
    event(type(answer).__name__)
    check(answer)
    if isinstance(answer, HttpResponse):
        assert answer.body == b"plain"
    else:
        taken = remote.auth.headers() is not None  # then the error is about the request itself
        assert surely_not_started(answer) or taken


# -- remotes that never come to an end

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = HEAD + b"Content-Encoding: gzip\r\n\r\n"

#: What comes first, and what comes then for ever.
ENDLESS = {
    "nothing": (b"", b""),
    "status line": (b"HTTP/1.1 200 ", b"x"),
    "empty lines": (b"", b"\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an interim answer's headers": (b"HTTP/1.1 100 Continue\r\n", b"A: b\r\n"),
    "one header": (HEAD + b"A: ", b"x"),
    "headers": (HEAD, b"A: b\r\n"),
    "a folded header": (HEAD + b"A: b\r\n", b" x\r\n"),
    "body": (HEAD + b"Content-Length: 1000000000000\r\n\r\n", b"x"),
    "body without a length": (HEAD + b"\r\n", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "size of a chunk": (CHUNKED, b"0"),
    "extension of a chunk": (CHUNKED + b"5;", b"x"),
    "trailers": (CHUNKED + b"0\r\n", b"A: b\r\n"),
    "one trailer": (CHUNKED + b"0\r\nA: ", b"x"),
    "empty blocks of gzip": (GZIP + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"),
    "empty members of gzip": (GZIP, gzip.compress(b"")),
}
DRIPS = [(name, "drip", of) for name in ENDLESS for of in ("answer", "token")]
FLOODS = [(name, "flood", "answer") for name, (_, piece) in ENDLESS.items() if piece]
CASES = [*DRIPS, *FLOODS]

Case = tuple[str, str, str]


def outcome_of(client: str, server: RawServer, cases: list[Case]) -> dict[Case, tuple[Answer, bool]]:
    """What the client made of each, asked for at once, and whether it has left."""
    asked: list[tuple[Endpoint, HttpRequest]] = []
    scripts: list[Script] = []
    for case in cases:
        name, how, of = case
        data, piece = ENDLESS[name]
        scripts.append(Script(data, piece=piece * (WAVE // len(piece)) if how == "flood" else piece))
        path = f"/endless/{client}/{CASES.index(case)}"
        server.scripts[path.encode()] = scripts[-1]
        auth = tokens_from(server, path) if of == "token" else StaticAuth({})
        remote = Endpoint(server.origin, auth=auth, timeout=SHORT)
        asked.append((remote, HttpRequest("GET", "x" if of == "token" else path[1:])))

    async def in_one_loop() -> list[Answer]:
        async with triggerer.pool():
            return await asyncio.gather(*(in_triggerer(*each) for each in asked))

    if client == "triggerer":
        answers = asyncio.run(in_one_loop())
    else:
        with ThreadPoolExecutor(len(cases)) as pool:
            answers = list(pool.map(lambda each: in_worker(*each), asked))
    return {
        case: (answer, script.left.result(60))
        for case, answer, script in zip(cases, answers, scripts, strict=True)
    }


@pytest.fixture(scope="module")
def drips(server: RawServer) -> Callable[[str], dict[Case, tuple[Answer, bool]]]:
    """All together, as each takes its time; what floods takes the machine's, and goes alone."""
    return cache(lambda client: outcome_of(client, server, DRIPS))


@pytest.mark.parametrize("client", ["worker", "triggerer"])
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_remote_without_an_end_is_left(server: RawServer, drips: Any, client: str, case: Case) -> None:
    found = drips(client) if case in DRIPS else outcome_of(client, server, [case])
    answer, left = found[case]
    assert left, "it was listened to until it ended"
    assert isinstance(answer, RemoteError)
    check(answer)
    if case[2] == "token":
        # The triggerer submits nothing; what is too large for it is read by a worker.
        assert surely_not_started(answer) or isinstance(answer, AnswerTooLargeError)
