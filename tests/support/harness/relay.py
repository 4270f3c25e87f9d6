# SPDX-License-Identifier: Apache-2.0
"""
A TCP relay: a load balancer, a network that breaks, and an ear on the wire.

A relay listens where clients look for a server and passes everything on to the first of its targets that
lives. It can go down and come up again, break connections at certain bytes, and remember what matches a
pattern: the secrets that really went over the wire, to look for them afterwards.

On Linux all of 127.0.0.0/8 is this machine. A server at ``127.0.0.2`` and its relay at ``127.0.0.1`` with the
same port number have the same addresses but for the host, so that the URLs that the server hands out lead
through the relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from tests.support.harness.processes import free_port

BLOCK = 64 * 1024

#: What precedes a block is looked at again with it: so much of it (bytes), for patterns that were cut in two.
OVERLAP = 1024

Target = tuple[str, int]


@dataclass
class Break:
    """
    Reset connections when the client sends certain bytes.

    :param marker: what they look like
    :param times: how often
    """

    marker: re.Pattern[bytes]
    times: int
    struck: int = 0


class Relay:
    """
    Passes connections on, from a thread of its own.

    :param targets: where to, asked anew for each connection, in order
    :param port: to listen on, 0 picks one
    :param ears: patterns of what is remembered of the bytes that clients send; their first group, in text
    """

    def __init__(
        self,
        targets: Callable[[], Iterable[Target]],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ears: Iterable[re.Pattern[bytes]] = (),
    ) -> None:
        self.host = host
        self.port = port or free_port()
        self.url = f"http://{host}:{self.port}"
        #: what the ears have heard
        self.heard: set[str] = set()
        self.breaks: list[Break] = []
        self._targets = targets
        self._ears = tuple(ears)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._turn = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def up(self) -> None:
        """Listen (again)."""
        self._do(self._listen())

    def down(self) -> None:
        """Refuse new connections and reset those that there are."""
        self._do(self._close())

    def break_at(self, marker: re.Pattern[bytes], times: int) -> Break:
        """Reset the next connections in which a client sends such bytes."""
        found = Break(marker, times)
        self.breaks.append(found)
        return found

    def _do(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(timeout=15)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=BLOCK)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)
        await asyncio.sleep(0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            onward = await self._connect()
            if onward is None:
                _reset(writer)
                return
            far_reader, far_writer = onward
            self._writers.add(far_writer)
            try:
                await asyncio.gather(
                    self._pass(reader, far_writer, writer, outward=True),
                    self._pass(far_reader, writer, far_writer, outward=False),
                )
            finally:
                self._writers.discard(far_writer)
                far_writer.close()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        targets = list(self._targets())
        self._turn += 1
        for number in range(len(targets)):
            target = targets[(self._turn + number) % len(targets)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(*target, limit=BLOCK)
        return None

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        *,
        outward: bool,
    ) -> None:
        before = b""
        try:
            while block := await reader.read(BLOCK):
                if outward and self._listen_to(before + block):
                    _reset(back)
                    _reset(writer)
                    return
                before = block[-OVERLAP:] if outward else b""
                writer.write(block)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            _reset(back)
            _reset(writer)

    def _listen_to(self, data: bytes) -> bool:
        """Remember what is worth it; whether the connection is to be broken."""
        for ear in self._ears:
            self.heard.update(found.decode("latin-1") for found in ear.findall(data))
        for trouble in self.breaks:
            if trouble.struck < trouble.times and trouble.marker.search(data):
                trouble.struck += 1
                return True
        return False


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            # Linger switched on with zero seconds: closing sends RST at once.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
