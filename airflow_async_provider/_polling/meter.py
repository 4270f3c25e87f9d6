# SPDX-License-Identifier: Apache-2.0
"""
What the triggerer's waits add up to, by system and connection, sent every ten seconds.

A packet for each poll would be felt with thousands of jobs. So polls are added up here, and a thread sends
the sums: the event loop never waits for a metrics server.
"""

from __future__ import annotations

import asyncio
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from airflow_async_provider import _metrics
from airflow_async_provider.protocols._job import JobHandle

#: Seconds between two reports.
REPORT_EVERY = 10.0


@dataclass(slots=True)
class _Sums:
    """Of one system and connection, since the last report; but who waits, which is a state."""

    waiting: dict[int, float] = field(default_factory=dict)
    polls: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


class Meter:
    """The sums of one event loop."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], _Sums] = {}
        self._reporting: asyncio.Task[None] | None = None
        self._numbers = 0

    @contextmanager
    def waiting(self, handle: JobHandle, conn_id: str, *, ago: float) -> Iterator[None]:
        """
        A job is waited for in the block.

        :param ago: seconds since its task deferred
        """
        self._numbers += 1
        number, sums = self._numbers, self._of(handle, conn_id)
        sums.waiting[number] = time.monotonic() - ago
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.ensure_future(self._report_for_ever())
        try:
            yield
        finally:
            del sums.waiting[number]

    def polled(self, handle: JobHandle, conn_id: str, seconds: float, *, failed: bool) -> None:
        """One poll has been answered, or not."""
        sums = self._of(handle, conn_id)
        sums.polls += 1
        sums.failed += failed
        sums.seconds += seconds
        sums.slowest = max(sums.slowest, seconds)

    def report(self) -> list[Callable[[], None]]:
        """What is to be sent now; the sums begin anew, and what nobody waits for any more is forgotten."""
        now = time.monotonic()
        sends: list[Callable[[], None]] = []
        for (system, connection), sums in list(self._sums.items()):
            tags = {"system": system, "connection": connection}
            here = {**tags, "hostname": socket.gethostname()}
            oldest = max((now - since for since in sums.waiting.values()), default=0.0)
            sends.append(partial(_metrics.gauge, "waiting", len(sums.waiting), **here))
            sends.append(partial(_metrics.gauge, "oldest_wait", round(oldest, 1), **here))
            if sums.polls:
                sends.append(partial(_metrics.count, "polls", sums.polls, **tags))
                sends.append(partial(_metrics.timing, "poll_latency", sums.seconds / sums.polls, **tags))
                sends.append(partial(_metrics.timing, "poll_latency_max", sums.slowest, **tags))
            if sums.failed:
                sends.append(partial(_metrics.count, "polls_failed", sums.failed, **tags))
            if sums.waiting:
                self._sums[system, connection] = _Sums(waiting=sums.waiting)
            else:
                del self._sums[system, connection]
        return sends

    def _of(self, handle: JobHandle, conn_id: str) -> _Sums:
        key = (handle.protocol, conn_id)
        return self._sums.get(key) or self._sums.setdefault(key, _Sums())

    async def _report_for_ever(self) -> None:
        while self._sums:
            await asyncio.sleep(REPORT_EVERY)
            sends = self.report()
            await asyncio.to_thread(_send, sends)


def _send(sends: list[Callable[[], None]]) -> None:
    for send in sends:
        send()


_meters: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Meter] = weakref.WeakKeyDictionary()


def meter_of_loop() -> Meter:
    """The sums of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _meters.get(loop)
    if found is None:
        found = _meters[loop] = Meter()
    return found
