# SPDX-License-Identifier: Apache-2.0
"""No answer takes more than its portion of a round of the event loop."""

from __future__ import annotations

from typing import Any

import aiohttp.client_proto
import pytest

from airflow_async_provider._transport import triggerer
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.portions import PORTION
from airflow_async_provider.protocols._http_messages import HttpRequest
from tests.support.raw_server import RawServer, Script

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000 + HEAD + b"1\r\nx\r\n0\r\n\r\n",
    ],
    ids=["tiny chunks", "interim answers"],
)
async def test_it_is_parsed_in_portions(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    portions: list[int] = []
    real = aiohttp.client_proto.ResponseHandler.data_received

    def noting(self: Any, received: bytes) -> None:
        portions.append(len(received))
        real(self, received)

    monkeypatch.setattr(aiohttp.client_proto.ResponseHandler, "data_received", noting)
    server = RawServer()
    server.scripts[b"/x"] = Script(data)
    try:
        answer = await triggerer.send(Endpoint(server.origin, timeout=20.0), HttpRequest("GET", "x"))
    finally:
        server.close()
    assert (answer.status, set(answer.body)) == (200, {ord("x")})
    assert max(portions) <= PORTION
