# SPDX-License-Identifier: Apache-2.0
"""
Several connections for one object, where one connection is slow.

Storages and proxies often limit the rate of a connection. When that shows, the rest of the object is read in
ranges over several connections and handed out in order, so that hash, progress and destinations work as with
one. It is a way to be faster and nothing else: whatever goes wrong here, the download goes on over a single
connection, with its rules for resuming and its errors.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from airflow_async_provider._download.source.http_connection import (
    Body,
    BrokenOffError,
    UrlOpener,
    is_range_of,
)
from airflow_async_provider.errors import AsyncJobError

MIB = 1024 * 1024

#: What a thread asks for in one go (bytes): what it gets is copied into a buffer that goes round.
READ = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """
    When to use several connections, and how.

    :param connections: how many; for the same memory many small ranges hide the delay before each answer
        better than a few large ones
    :param block: bytes of one range; (connections + 2) x block are held in memory
    :param worth: bytes that must be left
    :param slow: bytes per second of one connection, below which more of them are tried
    :param busy: part of a processor that this process may use meanwhile; above it is the process, and not the
        source, that is slow
    :param sample: bytes over which the rate is measured
    :param tries: how often in one download it may go wrong before it is left
    """

    connections: int = 16
    block: int = MIB
    worth: int = 64 * MIB
    slow: float = 120e6
    busy: float = 0.35
    sample: int = 8 * MIB
    tries: int = 3


class Chooser:
    """
    Watches the rate of a single connection and decides whether several would be faster.

    Only the time spent waiting for bytes counts, so that a slow destination is not taken for a slow source.
    """

    def __init__(self, rules: Parallel) -> None:
        self.rules = rules
        #: how often it may still be tried; 0 until the source says that it serves ranges
        self.tries = 0
        self._bytes = 0
        self._seconds = 0.0
        self._began = (time.monotonic(), time.process_time())

    def note(self, count: int, seconds: float, *, left: int | None, time_left: float | None) -> bool:
        """
        After a read from a single connection: whether to try several.

        :param left: bytes that are still to come
        :param time_left: seconds until the URL expires; a stream that has begun outlives its URL, but each
            range is a request of its own
        """
        self._bytes += count
        self._seconds += seconds
        if self._bytes < self.rules.sample:
            return False
        rate = self._bytes / max(self._seconds, 1e-9)
        self._bytes, self._seconds = 0, 0.0
        now = (time.monotonic(), time.process_time())
        busy = (now[1] - self._began[1]) / max(now[0] - self._began[0], 1e-9)
        self._began = now
        if busy > self.rules.busy:
            return False
        if not self.tries or left is None or left < self.rules.worth or rate >= self.rules.slow:
            return False
        # Half of the time that one connection would take is a cautious guess.
        return time_left is None or left / rate / 2 < time_left

    def open(self, opener: UrlOpener, *, etag: str | None, start: int, end: int | None) -> RangeReader | None:
        """Several connections, when the source answers a range as it should."""
        self.tries -= 1
        if etag is None or end is None:
            return None
        try:
            probe = opener.open(offset=start, end=min(start + self.rules.block, end), etag=etag)
        except (BrokenOffError, AsyncJobError):
            return None
        probe.body.close()
        if not is_range_of(probe, etag, start):
            self.tries = 0
            return None
        return RangeReader(opener, etag=etag, start=start, end=end, rules=self.rules)


class RangeReader:
    """
    Reads an object from ``start`` to ``end`` over several connections, in order.

    :param opener: asked for one range at a time from several threads
    :param etag: the object's strong ETag
    """

    def __init__(self, opener: UrlOpener, *, etag: str, start: int, end: int, rules: Parallel) -> None:
        self._opener = opener
        self._etag = etag
        self._next = start
        self._end = end
        self._rules = rules
        self._pool = ThreadPoolExecutor(rules.connections, thread_name_prefix="range")
        self._waiting: deque[Future[memoryview]] = deque()
        self._free: deque[bytearray] = deque()
        self._current = memoryview(b"")
        self._lock = threading.Lock()
        self._bodies: set[Body] = set()
        self._closed = False
        self._ask_ahead()

    def read(self, size: int) -> bytes:
        """
        The next bytes: at most ``size``, and none only at the end.

        :raises BrokenOffError: a range could not be had; nothing more will come from here
        """
        if not self._current and self._waiting:
            if isinstance(self._current.obj, bytearray):
                self._free.append(self._current.obj)  # all of it was copied out
            self._current = self._waiting.popleft().result()
            self._ask_ahead()
        data, self._current = bytes(self._current[:size]), self._current[size:]
        return data

    def close(self) -> None:
        """Let go of all connections, also of those that wait for bytes."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            bodies = list(self._bodies)
        for body in bodies:
            body.abort()
        self._pool.shutdown()

    def _ask_ahead(self) -> None:
        # One more than there are connections, so that none stands idle while a block waits for its turn.
        while self._next < self._end and len(self._waiting) < self._rules.connections + 1:
            end = min(self._next + self._rules.block, self._end)
            self._waiting.append(self._pool.submit(self._fetch, self._next, end))
            self._next = end

    def _buffer(self) -> bytearray:
        """A block's memory: it goes round, for new memory in each thread would pile up in their arenas."""
        try:
            return self._free.popleft()
        except IndexError:
            return bytearray(self._rules.block)

    def _fetch(self, start: int, end: int) -> memoryview:
        response = self._opener.open(offset=start, end=end, etag=self._etag)
        with self._lock:
            self._bodies.add(response.body)
            closed = self._closed
        try:
            if closed or not is_range_of(response, self._etag, start):
                raise BrokenOffError(f"HTTP {response.status} to one of several ranges")
            block = memoryview(self._buffer())[: end - start]
            done = 0
            while done < len(block):
                data = response.body.read(min(READ, len(block) - done))
                if not data:
                    raise BrokenOffError("one of several ranges ended short")
                block[done : done + len(data)] = data
                done += len(data)
            return block
        finally:
            with self._lock:
                self._bodies.discard(response.body)
            response.body.close()
