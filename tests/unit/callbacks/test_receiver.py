# SPDX-License-Identifier: Apache-2.0
"""A body is read no further than it may be large."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from airflow_async_provider._callbacks.admission import Buffered
from airflow_async_provider._callbacks.receiver import _Body

CHUNK = b"x" * 65_536


def test_no_more_is_read_than_may_be_sent() -> None:
    read = []

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(1000):
            read.append(len(CHUNK))
            yield CHUNK

    request: Any = SimpleNamespace(stream=stream)
    body = _Body(request, Buffered())

    assert asyncio.run(body.read(100_000)) is False
    assert sum(read) == 2 * len(CHUNK)
    body.release()
    assert not body.content
