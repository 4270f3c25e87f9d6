# SPDX-License-Identifier: Apache-2.0
"""
Who may send now: sockets of one event loop, shared so that a silent remote slows only its own jobs.

* In all, :data:`MAX_SOCKETS` requests are in flight at once. One that has not been answered after
  :data:`SLOW_AFTER` no longer counts (up to :data:`MAX_SLOW` of them): healthy remotes answer long before.
* To one host so many as it deserves: a new host begins with :data:`FIRST_SOCKETS`, each answer adds one up to
  :data:`MAX_SOCKETS_PER_HOST`, and each silence halves it, down to one.
* No more requests to one host in a minute than the connection says, evenly after a first burst. What a host
  could not get while it was silent does not come at once when it is back.

All of this lives in one event loop; nothing here is shared between threads.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable

#: Sockets of one event loop that wait for answers as they should: ten thousand waits share these.
MAX_SOCKETS = 100

#: Seconds after which a request counts as slow, and how many slow ones there may be.
SLOW_AFTER = 1.0
MAX_SLOW = 300

#: Sockets to one host, at the beginning and at most.
FIRST_SOCKETS = 4
MAX_SOCKETS_PER_HOST = 32

#: Requests of a host's budget that may come at once: those of so many seconds.
BURST = 10.0


async def _turn_in(waiting: deque[asyncio.Future[None]], pass_on: Callable[[], None]) -> None:
    """Wait in a queue for a turn; one that comes to a cancelled waiter is passed on."""
    future = asyncio.get_running_loop().create_future()
    waiting.append(future)
    try:
        await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled():
            pass_on()
        raise


def _let_in(waiting: deque[asyncio.Future[None]], room: int) -> int:
    """Let so many of a queue go on, and return how much room is left."""
    while waiting and room > 0:
        future = waiting.popleft()
        if not future.done():
            future.set_result(None)
            room -= 1
    return room


class Turns:
    """
    Turns of a whole event loop.

    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        limit: int = MAX_SOCKETS,
        *,
        slow_after: float = SLOW_AFTER,
        max_slow: int = MAX_SLOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._slow_after = slow_after
        self._max_slow = max_slow
        self._clock = clock
        #: request -> when it was sent; the oldest first, as dictionaries keep their order
        self._quick: dict[object, float] = {}
        self._slow: set[object] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self) -> object:
        """Wait for a turn; it is given back with :meth:`give_back`."""
        turn = object()
        while len(self._quick) >= self._limit:
            self._sort_out()
            if len(self._quick) < self._limit:
                break
            await _turn_in(self._waiting, self._wake)
        self._quick[turn] = self._clock()
        return turn

    def give_back(self, turn: object) -> None:
        """The request has been answered, or given up."""
        self._quick.pop(turn, None)
        self._slow.discard(turn)
        self._wake()

    def _wake(self) -> None:
        _let_in(self._waiting, self._limit - len(self._quick))

    def _sort_out(self) -> None:
        """Let slow requests no longer count, and look again when the next one becomes slow."""
        now = self._clock()
        for turn, sent in list(self._quick.items()):
            if now - sent < self._slow_after or len(self._slow) >= self._max_slow:
                break
            del self._quick[turn]
            self._slow.add(turn)
        if self._timer is None and self._quick:
            oldest = next(iter(self._quick.values()))
            pause = max(oldest + self._slow_after - now, 0.01)
            self._timer = asyncio.get_running_loop().call_later(pause, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        if self._waiting:
            self._sort_out()
            self._wake()


class HostTurns:
    """
    Turns of one host.

    :param clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sockets = FIRST_SOCKETS
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        #: when the budget allows the next request at an even pace
        self._due = 0.0
        self._was_silent = False

    async def take(self, per_minute: float) -> None:
        """
        Wait until the host's budget and its number of sockets allow one more request.

        :param per_minute: budget of requests; the turn is given back with :meth:`give_back`
        """
        while self._active >= self._sockets:
            await _turn_in(self._waiting, self._wake)
        self._active += 1
        pause = self._pause(60.0 / per_minute)
        if pause > 0:
            try:
                await asyncio.sleep(pause)
            except asyncio.CancelledError:
                self.give_back()
                raise

    def _pause(self, interval: float) -> float:
        now = self._clock()
        self._due = max(self._due, now - BURST) + interval
        return self._due - now

    def give_back(self) -> None:
        """The request is over."""
        self._active -= 1
        self._wake()

    def answered(self) -> None:
        """The host has answered: it deserves one socket more, and after a silence no burst."""
        if self._was_silent:
            self._was_silent = False
            self._due = max(self._due, self._clock())
        if self._sockets < MAX_SOCKETS_PER_HOST:
            self._sockets += 1
            self._wake()

    def silent(self) -> None:
        """The host has not answered in time, or cannot be reached."""
        self._was_silent = True
        self._sockets = max(self._sockets // 2, 1)

    def _wake(self) -> None:
        _let_in(self._waiting, self._sockets - self._active)


class OneAtATime:
    """
    Large answers, one in each round of the event loop: reading a hundred in one round would be one long
    pause.

    What is done with an answer follows at once after :meth:`take`; the next one's turn comes two rounds
    later.
    """

    def __init__(self) -> None:
        self._free = True
        self._collects = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a round of one's own."""
        loop = asyncio.get_running_loop()
        if not self._free or self._waiting:
            await _turn_in(self._waiting, self._next)
        self._free = False
        # Parsing makes a hundred thousand objects, for which the garbage collector would go through all of
        # the process's, and most of them are gone again in a moment.
        self._collects = self._collects or gc.isenabled()
        gc.disable()
        loop.call_soon(self._next)

    def _next(self) -> None:
        if self._collects:
            self._collects = False
            gc.enable()
        self._free = _let_in(self._waiting, 1) == 1
