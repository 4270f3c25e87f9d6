# SPDX-License-Identifier: Apache-2.0
"""
A keep-alive HTTP server that costs next to nothing, so that the client is what a benchmark measures.

``/status/…`` answers 200 with an ASO "processing", ``/missing`` answers 404 (what the http provider's sensor
takes for "not yet"), ``/count`` says how many of these there were, in all and in each second, and how many
connections. After ``/end`` all jobs have ended: "completed", and 200.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from collections import Counter
from typing import ClassVar

PROCESSING = b'{"status": "processing"}'


def answer(status: str, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


STILL_PROCESSING = answer("200 OK", PROCESSING)
MISSING = answer("404 Not Found", b"{}")
ENDED = answer("200 OK", b'{"status": "completed"}')


class Connection(asyncio.Protocol):
    """One client's connection."""

    requests = 0
    polls = 0
    ended = False
    #: clock second -> polls in it
    seconds: ClassVar[Counter[int]] = Counter()
    connections = 0
    open_now = 0
    most_open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self.transport = transport
        self.buffer = b""
        cls = Connection
        cls.connections += 1
        cls.open_now += 1
        cls.most_open = max(cls.most_open, cls.open_now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it."""
        Connection.open_now -= 1

    def data_received(self, data: bytes) -> None:
        """Answer each request."""
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            Connection.requests += 1
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/end"):
                Connection.ended = True
            elif not path.startswith(b"/count"):
                Connection.polls += 1
                Connection.seconds[int(time.time())] += 1
            if path.startswith(b"/count"):
                counts = {
                    "requests": Connection.requests,
                    "polls": Connection.polls,
                    "seconds": Connection.seconds,
                    "open_now": Connection.open_now,
                    "connections": Connection.connections,
                    "most_open": Connection.most_open,
                }
                reply = answer("200 OK", json.dumps(counts).encode())
            elif Connection.ended:
                reply = ENDED
            else:
                reply = STILL_PROCESSING if path.startswith(b"/status") else MISSING
            self.transport.write(reply)  # type: ignore[attr-defined] # a transport of a TCP connection writes


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    options = parser.parse_args()
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(Connection, "127.0.0.1", 0, ssl=context, backlog=4096)
    port = listening.sockets[0].getsockname()[1]
    print(f"{'https' if context else 'http'}://127.0.0.1:{port}", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
