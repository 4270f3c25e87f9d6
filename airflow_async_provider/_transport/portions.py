# SPDX-License-Identifier: Apache-2.0
"""
Answers that are read in portions which the event loop does not feel.

asyncio takes up to 256 KiB off a socket at once, and aiohttp parses what has come before anybody else's turn:
thousands of interim answers or chunks of a few bytes each are a second of parsing.
"""

from __future__ import annotations

from typing import Any

import aiohttp

#: So much is taken off a socket in one round of the event loop (bytes).
PORTION = 16 * 1024


class PortionedResponse(aiohttp.ClientResponse):
    """An answer of the triggerer's session."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Before the first byte is read; a transport of another kind has portions of its own."""
        if hasattr(connection.transport, "max_size"):
            connection.transport.max_size = PORTION
        return await super().start(connection)
