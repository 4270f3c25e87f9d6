# SPDX-License-Identifier: Apache-2.0
"""No answer takes more than its portion of a round of the event loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp.client_proto
import pytest

from airflow_async_provider._transport import triggerer
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.portions import MAX_INTERIM, PORTION
from airflow_async_provider.errors import TransientError
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from tests.support.byte_server import make_certificate
from tests.support.raw_server import RawServer, Script

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


TINY_CHUNKS = HEAD + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"
ONE = HEAD + b"1\r\nx\r\n0\r\n\r\n"

#: A record of TLS is whole before anything of it can be read.
RECORD = 16 * 1024


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RawServer]:
    """A server that says what it is told."""
    tls = None
    if request.param == "https":
        tls = make_certificate(tmp_path / "server.pem")
    server = RawServer(tls)
    yield server
    server.close()


async def ask(server: RawServer, script: Script) -> HttpResponse:
    server.scripts[b"/x"] = script
    endpoint = Endpoint(server.origin, timeout=20.0, verify=False)
    return await triggerer.send(endpoint, HttpRequest("GET", "x"))


async def test_it_is_parsed_in_portions(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    portions: list[int] = []
    real = aiohttp.client_proto.ResponseHandler.data_received

    def noting(self: Any, received: bytes) -> None:
        portions.append(len(received))
        real(self, received)

    monkeypatch.setattr(aiohttp.client_proto.ResponseHandler, "data_received", noting)
    answer = await ask(server, Script(TINY_CHUNKS))
    assert (answer.status, set(answer.body), len(answer.body)) == (200, {ord("x")}, 100_000)
    assert sum(portions) == len(TINY_CHUNKS)
    assert max(portions) <= PORTION + (RECORD if server.origin.startswith("https") else 0)


async def test_a_few_interim_answers_may_come_before_the_true_one(server: RawServer) -> None:
    answer = await ask(server, Script(INTERIM * MAX_INTERIM + ONE))
    assert (answer.status, answer.body) == (200, b"x")


@pytest.mark.parametrize("piece", [None, INTERIM], ids=["too many", "no end"])
async def test_interim_answers_come_to_an_end(server: RawServer, piece: bytes | None) -> None:
    script = Script(INTERIM * (MAX_INTERIM + 1) + (ONE if piece is None else b""), piece=piece)
    with pytest.raises(TransientError, match="TooManyInterimAnswersError"):
        await ask(server, script)
