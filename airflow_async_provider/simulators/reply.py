# SPDX-License-Identifier: Apache-2.0
"""
An answer, and its way onto the wire.

A simulator's handler only says what it wants to answer (:class:`Reply`). Sending is done here for all of
them, because this is the one place where an answer can be broken off, slowed down or cut short.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from airflow_async_provider.simulators._faults import Fault
from airflow_async_provider.simulators._journal import Entry

#: bytes sent between two looks at the event loop
PIECE = 64 * 1024
#: how long a client that does not read may hold up the breaking of its connection
FLUSH_SECONDS = 2.0


@dataclass(slots=True)
class Reply:
    """
    What a handler answers.

    :param body: the whole body, when ``stream`` is None
    :param stream: the body in pieces
    :param length: Content-Length of ``stream``; None sends it chunked, without a length
    :param rate: bytes per second of this answer, None: as fast as it goes
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Iterable[bytes | memoryview] | None = None
    length: int | None = None
    rate: float | None = None

    @classmethod
    def json(
        cls,
        value: Any,
        status: int = 200,
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Answer a JSON value."""
        return cls(status, {"Content-Type": content_type, **(headers or {})}, json.dumps(value).encode())

    @property
    def size(self) -> int | None:
        """Length of the body, None when the answer does not tell."""
        return len(self.body) if self.stream is None else self.length


class Refused(Exception):  # noqa: N818 - a way out of a handler, no error of the program
    """
    Leaves a handler with an answer.

    :param reply: the answer
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class _BrokenOff(Exception):  # noqa: N818 - ends the sending, on purpose
    """The connection is gone, as the fault wanted it."""


async def send(request: web.Request, reply: Reply, fault: Fault | None, entry: Entry) -> web.StreamResponse:
    """
    Send an answer, with a fault in it if there is one.

    :param fault: only what happens on the wire is done here: reset, cut, silence, drip
    :param entry: learns the status and the bytes sent
    """
    name = fault.name if fault else None
    if fault and name == "reset" and fault["after_bytes"] is None:
        _reset(request)
        return web.Response()
    if fault and name == "silence" and fault["after_bytes"] is None:
        await asyncio.sleep(fault["seconds"])
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    if reply.size is None:
        response.enable_chunked_encoding()
    elif reply.status not in (204, 304):
        response.content_length = reply.size
    entry.status = reply.status
    await response.prepare(request)
    if request.method == "HEAD" or reply.status in (204, 304):
        return response
    try:
        await _send_body(request, response, reply, fault, entry)
        await response.write_eof()
    except _BrokenOff:
        pass
    return response


async def _send_body(
    request: web.Request, response: web.StreamResponse, reply: Reply, fault: Fault | None, entry: Entry
) -> None:
    trouble_at = _trouble_at(reply, fault)
    pace = _Pace(reply, fault)
    pieces = _pieces(reply.stream if reply.stream is not None else (reply.body,), trouble_at, pace.piece)
    if trouble_at == 0:
        await _trouble(request, response, fault)
    for piece in pieces:
        entry.sent += len(piece)
        await response.write(piece)
        if entry.sent == trouble_at:
            await _trouble(request, response, fault)
        await pace.rest(entry.sent)


def _trouble_at(reply: Reply, fault: Fault | None) -> int | None:
    """After how many bytes the fault strikes, None: it does not strike within the body."""
    if fault is None or fault.name not in ("reset", "cut", "silence"):
        return None
    after = fault["after_bytes"]
    if after is None:
        return (reply.size or 0) // 2 if fault.name == "cut" else None
    return int(after)


def _pieces(
    source: Iterable[bytes | memoryview], border: int | None, longest: int
) -> Iterator[bytes | memoryview]:
    """The body in pieces of at most ``longest`` bytes, one of which ends exactly at ``border``."""
    position = 0
    for block in source:
        view = memoryview(block)
        while view:
            size = longest
            if border is not None and position < border:
                size = min(size, border - position)
            yield view[:size]
            position += len(view[:size])
            view = view[size:]


class _Pace:
    """How long to rest after a piece: the rate of the reply, or the drip of a fault."""

    def __init__(self, reply: Reply, fault: Fault | None) -> None:
        self._drip: float | None = None
        self._rate = reply.rate
        self._began = time.monotonic()
        self.piece = PIECE
        if fault and fault.name == "drip":
            self._drip = float(fault["seconds"])
            self.piece = max(1, int(fault["chunk_bytes"]))
        elif self._rate:
            self.piece = max(1, min(PIECE, int(self._rate / 20)))

    async def rest(self, sent: int) -> None:
        pause = 0.0  # still lets the other requests have their turn
        if self._drip is not None:
            pause = self._drip
        elif self._rate:
            pause = max(0.0, self._began + sent / self._rate - time.monotonic())
        await asyncio.sleep(pause)


async def _trouble(request: web.Request, response: web.StreamResponse, fault: Fault | None) -> None:
    if fault is None:
        return
    await response.write(b"")  # aiohttp holds the headers back until the first byte of a body
    if fault.name == "silence":
        await asyncio.sleep(fault["seconds"])
        return
    await _flushed(request)
    if fault.name == "reset":
        _reset(request)
    elif request.transport is not None:
        request.transport.close()
    raise _BrokenOff


async def _flushed(request: web.Request) -> None:
    """Wait until what was written is on its way: a reset throws away what still waits."""
    until = time.monotonic() + FLUSH_SECONDS
    while time.monotonic() < until:
        if request.transport is None or not request.transport.get_write_buffer_size():
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


def _reset(request: web.Request) -> None:
    """End the connection by a TCP reset instead of an orderly end."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # Linger switched on with zero seconds: close() sends RST at once.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
