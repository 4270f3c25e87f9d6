# SPDX-License-Identifier: Apache-2.0
"""
Answers that are read in portions which the event loop does not feel.

asyncio takes up to 256 KiB off a socket at once, and aiohttp parses what has come before anybody else's turn:
thousands of interim answers or chunks of a few bytes each are a second of parsing. And interim answers may
come without end: aiohttp reads them until the time is over.
"""

from __future__ import annotations

from typing import Any

import aiohttp

#: So much is taken off a socket in one round of the event loop (bytes): 150 interim answers, which are the
#: dearest there is, take about 10 ms. With TLS it is one record more, of 16 KiB.
PORTION = 4 * 1024

#: Interim answers (1xx) before the true one.
MAX_INTERIM = 20


class TooManyInterimAnswersError(aiohttp.ClientPayloadError):
    """The remote keeps saying that the answer will come."""


class PortionedResponse(aiohttp.ClientResponse):
    """An answer of the triggerer's session."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """
        Before the first byte is read.

        :raises TooManyInterimAnswersError: before the true one came
        """
        _take_portions(connection.transport)
        protocol, left = connection.protocol, MAX_INTERIM
        read = protocol.read

        async def read_few() -> Any:
            nonlocal left
            left -= 1
            if left < -1:
                raise TooManyInterimAnswersError
            return await read()

        protocol.read = read_few
        try:
            return await super().start(connection)
        finally:
            del protocol.read


def _take_portions(transport: Any) -> None:
    """A transport of a kind that is not known here (another event loop's) has portions of its own."""
    if hasattr(transport, "max_size"):
        transport.max_size = PORTION
    tls: Any = getattr(transport, "_ssl_protocol", None)
    if hasattr(tls, "_ssl_buffer_view") and tls.max_size != PORTION:
        # What asyncio reads TLS into, and has no public word for; it is empty between two rounds of the loop.
        tls.max_size = PORTION
        tls._ssl_buffer = bytearray(PORTION)
        tls._ssl_buffer_view = memoryview(tls._ssl_buffer)
