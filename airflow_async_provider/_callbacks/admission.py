# SPDX-License-Identifier: Apache-2.0
"""
Whom the receiver listens to, decided before a body is read and, for most, without the database.

A secret that this package has made carries a proof: a hash of the address and the secret, keyed with
something that workers and API servers share (see
:func:`~airflow_async_provider._callbacks.address.proof_keys`). The proof is no authentication, for that
every secret is compared with the hash that its task has registered. It says who may use the database first:

* what cannot be a secret of ours is refused at once;
* a secret with its proof goes to the fast lane;
* any other goes to the slow lane. It may be authentic: made by a worker that does not share the key.
  But after a number of refusals in a short time that lane is closed for a moment, and answers 503 without
  asking the database.

Refusals are slowed down when there are very many of them: someone who waits for each answer before the next
try (as all HTTP clients do, on each of their connections) cannot take up the event loop then. That counts
for everything that is no callback, as anonymous senders need not keep to our addresses. Who disconnects is
forgotten at once, so that requests do not pile up in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

#: Threads, and with them connections of the API server's pool (15 by default), for those who have yet to
#: prove who they are, and for those who have: a flood of the former holds up neither the latter nor Airflow.
UNAUTHENTICATED_WORKERS = 4
AUTHENTICATED_WORKERS = 6

#: So many callbacks may be in one lane at a time, at work or waiting; the next ones are asked to come again.
MAX_UNPROVEN = 100
MAX_PROVEN = 1000

#: So many callbacks of one task may be at work or waiting: its sender alone cannot fill the lane.
MAX_PER_TASK = 8

#: Bytes of bodies that may be in memory together.
MAX_BUFFERED = 64 * 1024 * 1024

#: Refusals of the slow lane in one go, and how many of them are forgotten in a second.
MAX_REFUSALS = 200
REFUSALS_FORGOTTEN = 20.0

#: Refusals are answered at once up to so many a second; beyond that they wait, and so many a second are let
#: go. Airflow's own layers around ours, its access log among them, take about 3 ms of CPU for each request,
#: whatever comes of it.
MAX_PROMPT_REFUSALS = 20.0

#: So many refusals may wait for their turn together; the next ones are answered at once.
MAX_DELAYED = 2000

#: So much of what a client sends meanwhile is read and dropped (bytes), to notice when it disconnects.
MAX_DROPPED = 64 * 1024

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BusyError(Exception):
    """There is no room for this callback at the moment; its sender shall repeat it."""


class Lane:
    """
    Threads, with a bounded number of callbacks in them and before them.

    :param name: of the threads
    :param workers: number of threads
    :param limit: callbacks that are at work or wait
    """

    def __init__(self, name: str, workers: int, limit: int) -> None:
        self._pool = ThreadPoolExecutor(workers, f"async-provider-{name}")
        self._limit = limit
        self._inside = 0
        self._by_task: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, task: str) -> Iterator[None]:
        """
        Room for one callback, from its first look at the database to its answer.

        :param task: the path segment that names the task
        :raises BusyError: there is none, or the task has too much of it already
        """
        if self._inside >= self._limit or self._by_task[task] >= MAX_PER_TASK:
            raise BusyError
        self._inside += 1
        self._by_task[task] += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._by_task[task] -= 1
            if not self._by_task[task]:
                del self._by_task[task]

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


class Refusals:
    """How many there have been of late, and those that wait for their turn."""

    def __init__(self) -> None:
        self._count = 0.0
        self._at = time.monotonic()
        self._next_answer = 0.0
        #: who waits, in order; each is let go by ending its time
        self._waiting: dict[asyncio.Timeout, None] = {}
        self._letting_go: asyncio.Task[None] | None = None

    def too_many(self) -> bool:
        """Whether the slow lane is closed at the moment."""
        now = time.monotonic()
        self._count = max(0.0, self._count - (now - self._at) * REFUSALS_FORGOTTEN)
        self._at = now
        return self._count >= MAX_REFUSALS

    def count(self) -> None:
        """The slow lane has asked the database for nothing."""
        self._count += 1

    async def wait_for_turn(self, receive: Receive) -> None:
        """
        Wait until this refusal may be answered, or until nobody waits for it any more.

        Turns are given out one after the other and not beforehand: an event loop that was busy for a moment
        must not find all turns of that moment at once, be busy with them, and so on.
        """
        if not self._waiting:
            now = time.monotonic()
            turn = max(now, self._next_answer)
            if turn <= now + 1.0:
                self._next_answer = turn + 1.0 / MAX_PROMPT_REFUSALS
                return
        if len(self._waiting) >= MAX_DELAYED:
            return
        if self._letting_go is None:
            # Requests that wait grow old, so that Python's garbage collector looks through all that is alive,
            # again and again: for half a second and more of CPU each time, in which nobody is answered. What
            # the API server has loaded by now is left out from now on, as Airflow does it in its scheduler.
            gc.freeze()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as turn_of_mine:
                self._waiting[turn_of_mine] = None
                if self._letting_go is None or self._letting_go.done():
                    self._letting_go = asyncio.create_task(self._let_go())
                try:
                    await _has_left(receive)
                finally:
                    self._waiting.pop(turn_of_mine, None)

    async def _let_go(self) -> None:
        while self._waiting:
            await asyncio.sleep(1.0 / MAX_PROMPT_REFUSALS)
            for first in self._waiting:
                del self._waiting[first]
                first.reschedule(asyncio.get_running_loop().time())
                break


async def _has_left(receive: Receive) -> None:
    """Wait until a sender has closed its connection; one who sends too much for that is not heard."""
    dropped = 0
    while dropped <= MAX_DROPPED:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        dropped += len(message.get("body", b""))
    await asyncio.Event().wait()


class Buffered:
    """The bytes of bodies that are in memory."""

    def __init__(self) -> None:
        self._bytes = 0

    def take(self, size: int) -> None:
        """
        Room for so many bytes.

        :raises BusyError: there is none
        """
        if self._bytes + size > MAX_BUFFERED:
            raise BusyError
        self._bytes += size

    def release(self, size: int) -> None:
        """The bytes are no longer needed."""
        self._bytes -= size
