# SPDX-License-Identifier: Apache-2.0
"""
Names of hosts, asked for in threads of our own.

The event loop's own threads are few (six on two cores) and serve everybody: some name servers that do not
answer would keep them all, for half a minute each.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

#: So many silent name servers do not delay other lookups.
THREADS = 32


class Resolver(AbstractResolver):
    """Asks the system's resolver; aiohttp keeps the answers and asks for one name once at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="async-provider-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """
        Addresses of a host.

        :raises OSError: there are none
        """
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG),
        )
        return [
            ResolveResult(
                hostname=host,
                host=f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let go of the threads; what still waits for a name server ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
