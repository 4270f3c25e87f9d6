# SPDX-License-Identifier: Apache-2.0
"""What a simulator sends of itself: callbacks and webhooks, each when it is due."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

import aiohttp

#: Real seconds: how often the clock is looked at, and how long a receiver may take.
TICK = 0.02
ANSWER_SECONDS = 10.0
#: Messages under way at the same time.
MAX_AT_ONCE = 64

Message = TypeVar("Message")


class Outbox(Generic[Message]):
    """
    Messages and when they are due; one HTTP client that sends them.

    Assumptions about all senders, which their vendors do not document: POST; ten seconds for an answer;
    redirects are not followed.

    :param now: simulated epoch seconds
    :param send: does one try; puts the message back with :meth:`put` when it failed
    :param user_agent: how the sender calls itself
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        send: Callable[[Message], Coroutine[Any, Any, None]],
        user_agent: str,
    ) -> None:
        self._now = now
        self._send = send
        self._user_agent = user_agent
        self._waiting: list[tuple[float, int, Message]] = []
        self._count = itertools.count()
        self._lock = threading.Lock()  # jobs are changed from the threads of tests too
        self._session: aiohttp.ClientSession | None = None

    def put(self, message: Message, due: float) -> None:
        """
        Send a message at its time.

        :param due: simulated epoch seconds
        """
        with self._lock:
            heapq.heappush(self._waiting, (due, next(self._count), message))

    def clear(self) -> None:
        """Forget what is still to be sent."""
        with self._lock:
            self._waiting.clear()

    def reschedule(self, due: Callable[[Message, float], float]) -> None:
        """
        Look again when each message is due.

        :param due: from the message and its old time to the new one
        """
        with self._lock:
            self._waiting = [(due(message, at), number, message) for at, number, message in self._waiting]
            heapq.heapify(self._waiting)

    def _due(self) -> list[Message]:
        due, now = [], self._now()
        with self._lock:
            while self._waiting and self._waiting[0][0] <= now:
                due.append(heapq.heappop(self._waiting)[2])
        return due

    async def background(self, app: Any) -> AsyncIterator[None]:
        """Send for as long as the application lives."""
        connector = aiohttp.TCPConnector(limit=MAX_AT_ONCE, ssl=False)  # a demo's receiver signs for itself
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            headers={"User-Agent": self._user_agent},
        ) as self._session:
            sender = asyncio.create_task(self._send_what_is_due())
            yield
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        self._session = None

    async def _send_what_is_due(self) -> None:
        async with asyncio.TaskGroup() as tries:
            while True:
                for message in self._due():
                    tries.create_task(self._send(message))
                await asyncio.sleep(TICK)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """
        Send one message now.

        :return: the receiver's HTTP status
        :raises NoAnswerError: there was none
        :raises RuntimeError: while the simulator is not running
        """
        if self._session is None:
            raise RuntimeError("the simulator is not running: use `with running(simulator):`")
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NoAnswerError(type(error).__name__) from error


class NoAnswerError(Exception):
    """The receiver did not answer; the text is the kind of error."""


def accepted(status: int | None) -> bool:
    """Whether a receiver took a message: any 2xx (an assumption, where the vendor says nothing)."""
    return status is not None and 200 <= status < 300
