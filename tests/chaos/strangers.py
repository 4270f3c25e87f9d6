# SPDX-License-Identifier: Apache-2.0
"""
Strangers who keep connections to the receiver busy with callbacks that nobody expects.

They are a process of their own, as they would be machines of their own: beside the load balancer of the chaos
world, in one Python process, they would take its turn, and what came of it would be the script's fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Self
from urllib.parse import urlsplit

from airflow_async_provider._callbacks.address import PREFIX, ROUTE
from tests.support.harness.real_airflow import ROOT

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: What one stranger does, of ten: most try again and again, as guessing goes on.
MANNERS = ("again",) * 6 + ("anew", "leaves", "stands", "strays")

#: Before a stranger connects again (seconds): how often a machine may knock is for a firewall to say, here it
#: is about what comes of it.
PAUSE = 2.0

BODY = b"x" * 10_000
PATH = f"{PREFIX}{ROUTE}/{'A' * 43}/{'s' * 43}.{'p' * 16}"


def callback(method: str = "POST", path: str = PATH) -> bytes:
    """A forged callback."""
    return f"{method} {path} HTTP/1.1\r\nHost: airflow\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY


class Strangers:
    """
    The process; what it has seen so far is here to read.

    :param number: of connections
    :param urls: roots of the API servers
    """

    def __init__(self, number: int, urls: list[str]) -> None:
        self._command = [sys.executable, "-m", __name__, str(number), *urls]
        #: connections that are open
        self.open = 0
        #: answers by status
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # which ends it
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(10)

    @property
    def pid(self) -> int:
        """Process id, while this is open."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self.open, self.answers = said["open"], Counter(said["answers"])


class _Crowd:
    """All of them in one event loop."""

    def __init__(self, urls: list[str]) -> None:
        self._targets = [urlsplit(url) for url in urls]
        self._open = 0
        self._answers: Counter[str] = Counter()

    async def run(self, number: int) -> None:
        """Go on until standard input ends."""
        manners: dict[str, Callable[[Connection], Coroutine[Any, Any, None]]] = {
            "again": self._again,
            "anew": self._anew,
            "leaves": self._leaves,
            "stands": self._stands,
            "strays": self._strays,
        }
        all_of_them = asyncio.gather(
            *(self._one(n, manners[MANNERS[n % len(MANNERS)]]) for n in range(number)), self._tell()
        )
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await asyncio.wait([all_of_them, ended], return_when=asyncio.FIRST_COMPLETED)
        all_of_them.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await all_of_them

    async def _tell(self) -> None:
        while True:
            sys.stdout.write(json.dumps({"open": self._open, "answers": self._answers}) + "\n")
            sys.stdout.flush()
            await asyncio.sleep(0.5)

    async def _one(self, number: int, manner: Callable[[Connection], Coroutine[Any, Any, None]]) -> None:
        # Not number % ..., which would send some manners to one server only.
        target = self._targets[number // len(MANNERS) % len(self._targets)]
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                connection = await asyncio.open_connection(target.hostname, target.port)
                self._open += 1
                try:
                    await manner(connection)
                finally:
                    self._open -= 1
                    connection[1].transport.abort()
            await asyncio.sleep(PAUSE)

    async def _again(self, connection: Connection) -> None:
        while True:
            await self._ask(connection, callback())

    async def _anew(self, connection: Connection) -> None:
        await self._ask(connection, callback())

    async def _leaves(self, connection: Connection) -> None:
        connection[1].write(callback())
        await connection[1].drain()

    async def _stands(self, connection: Connection) -> None:
        connection[1].write(callback()[:50])
        await connection[0].read()

    async def _strays(self, connection: Connection) -> None:
        while True:
            for request in (callback("GET"), callback("POST", f"{PREFIX}/admin"), callback("DELETE")):
                await self._ask(connection, request)

    async def _ask(self, connection: Connection, request: bytes) -> None:
        reader, writer = connection
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if length:
            await reader.readexactly(int(length[1]))
        self._answers[head.split(b" ", 2)[1].decode()] += 1


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_Crowd(sys.argv[2:]).run(int(sys.argv[1])))
