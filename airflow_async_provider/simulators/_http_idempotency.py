# SPDX-License-Identifier: Apache-2.0
"""
Idempotency-Key, with the refusals of draft-ietf-httpapi-idempotency-key-header.

400 when the key is missing where it is required, or is no Structured Field String; 422 when it comes again
with another payload; 409 while the first request with it is still being worked on. Otherwise the first
answer again.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from airflow_async_provider.simulators._http_refusals import refused
from airflow_async_provider.simulators._journal import Journal
from airflow_async_provider.simulators.reply import Reply

#: What a service does with the header: looks away, takes it, wants it.
MODES = ("ignored", "honoured", "required")

_STRING = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"')


@dataclass(slots=True)
class _Seen:
    payload: bytes
    reply: Reply | None = None


class IdempotencyKeys:
    """
    The keys that were seen.

    :param mode: one of :data:`MODES`
    :param journal: learns ``idempotent_replay``
    :raises ValueError: unknown mode
    """

    def __init__(self, mode: str, journal: Journal) -> None:
        if mode not in MODES:
            raise ValueError(f"idempotency is one of {MODES}, not {mode!r}")
        self.mode = mode
        self._journal = journal
        self._seen: dict[str, _Seen] = {}

    def clear(self) -> None:
        """Forget all keys."""
        self._seen.clear()

    async def once(self, request: web.Request, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """
        Do the work, unless a request with this key has been answered before.

        :raises Refused: 400, 409, 422
        """
        key = request.headers.get("Idempotency-Key")
        if self.mode == "ignored" or (key is None and self.mode == "honoured"):
            return await work()
        if key is None:
            raise refused(400, "Idempotency-Key is missing")
        if not _STRING.fullmatch(key.strip()):
            raise refused(400, "Idempotency-Key must be a string in double quotes (RFC 9651)")
        hashed = hashlib.sha256(await request.read())
        hashed.update(f"{request.method} {request.raw_path}".encode())
        payload = hashed.digest()
        seen = self._seen.get(key)
        if seen is None:
            return await self._first(key, payload, work)
        if seen.payload != payload:
            raise refused(422, "Idempotency-Key is already used")
        if seen.reply is None:
            raise refused(409, "A request is outstanding for this Idempotency-Key", {"Retry-After": "1"})
        self._journal.note("idempotent_replay")
        return seen.reply

    async def _first(self, key: str, payload: bytes, work: Callable[[], Awaitable[Reply]]) -> Reply:
        seen = self._seen[key] = _Seen(payload)
        with contextlib.ExitStack() as stack:
            # A request that was refused, or whose caller has gone before it was taken, may come again.
            stack.callback(self._seen.pop, key, None)
            seen.reply = await work()
            stack.pop_all()
        return seen.reply
