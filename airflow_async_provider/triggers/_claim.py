# SPDX-License-Identifier: Apache-2.0
"""
Who stores a task's result: one triggerer at a time, also while another takes its triggers over.

The claim is an XCom of the task, as that is all that a trigger can write. It is a lease: who has it looks
every few seconds whether he still does, and stops when he has not known that for longer than the lease; who
takes it from another one waits for that long, unless the other has noted that it is over. With it is noted
what a triggerer that is killed outright would leave behind.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.mailbox import alook_storing, anote_storing
from airflow_async_provider.errors import DownloadError

T = TypeVar("T")

#: So often who stores a result looks whether it is still his (seconds).
LOOK_EVERY = 2.0

#: So long he goes on without knowing it (seconds).
LEASE = 10.0

#: How soon a thread that waits for Airflow notices that it shall stop (seconds).
NOTICED = 0.2


async def lease_over() -> None:
    """Wait until the previous owner of the claim must have noticed that it has lost it."""
    await asyncio.sleep(LEASE)


class StoppedError(DownloadError):
    """Storing was stopped: the trigger has ended, or another triggerer does it."""


class Claim:
    """
    One triggerer's claim to the result of one job, and its memory of the upload under way.

    It is the :class:`~airflow_async_provider._download.destination.base.UploadMemory` of that upload.

    :param task: whose result it is; None where no other trigger can store it
    :param job: distinguishes the job from another one of the same task
    """

    def __init__(self, task: TaskKey | None, job: str) -> None:
        self._task = task
        self._job = job
        self._owner = secrets.token_hex(8)
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._upload: Mapping[str, str] | None = None
        #: Whether an upload may have been begun that was not noted.
        self._unnoted = False
        self._known_at = 0.0

    # -- in the event loop --------------------------------------------------------------------------------

    async def take(self) -> Mapping[str, Any] | None:
        """
        Claim the result.

        :return: what an earlier triggerer has stored already, None where there is work to do
        :raises StoppedError: another one has claimed it meanwhile
        :raises Exception: Airflow did not answer
        """
        if self._task is None:
            return None
        there = await alook_storing(self._task)
        self._upload = there.get("upload")
        if (stored := self._stored(there)) is not None:
            return stored
        self._unnoted = bool(there.get("owner")) and not there.get("over")
        await self._note()
        if self._unnoted:
            await lease_over()
            there = await alook_storing(self._task)
            if (stored := self._stored(there)) is not None:
                return stored
            if there.get("owner") != self._owner:
                raise StoppedError("Another triggerer stores the result.")
        self._known_at = time.monotonic()
        return None

    async def release(self, stored: Mapping[str, Any] | None = None) -> None:
        """
        Say that it is over.

        :param stored: what lies at the destination now
        :raises Exception: Airflow did not answer
        """
        if self._task is not None and await self._is_ours():
            await self._note(over=True, stored=stored)

    def stop(self) -> None:
        """Let the thread that stores the result end."""
        self._stopped.set()

    def _stored(self, there: Mapping[str, Any]) -> Mapping[str, Any] | None:
        found = there.get("stored") if there.get("job") == self._job else None
        return found if isinstance(found, Mapping) else None

    async def _is_ours(self) -> bool:
        assert self._task is not None  # noqa: S101 - who calls this has looked
        return (await alook_storing(self._task)).get("owner") == self._owner

    async def _note(self, **facts: Any) -> None:
        assert self._task is not None  # noqa: S101 - who calls this has looked
        noted = {"job": self._job, "owner": self._owner, "upload": self._upload, **facts}
        await anote_storing(self._task, {name: value for name, value in noted.items() if value})

    # -- in the thread ------------------------------------------------------------------------------------

    def check(self) -> None:
        """
        Whether to go on.

        :raises StoppedError: not
        """
        if self._stopped.is_set():
            raise StoppedError("Storing the result was stopped.")
        now = time.monotonic()
        if self._task is None or now - self._known_at < LOOK_EVERY:
            return
        try:
            ours = self._ask(self._is_ours)
        except StoppedError:
            raise
        except Exception as e:
            if now - self._known_at < LEASE:
                return
            raise StoppedError("Airflow does not say whether another triggerer stores the result.") from e
        if not ours:
            raise StoppedError("Another triggerer stores the result.")
        self._known_at = time.monotonic()

    def left(self) -> Mapping[str, str] | None:
        """What an earlier triggerer has begun and not ended."""
        return {} if self._upload is None and self._unnoted else self._upload

    def began(self, upload: Mapping[str, str]) -> None:
        """Remember an upload; one that would not be remembered is not begun."""
        self._remember(dict(upload))

    def ended(self) -> None:
        """Forget it."""
        self._remember(None)

    def _remember(self, upload: Mapping[str, str] | None) -> None:
        self._upload, self._unnoted = upload, False
        if self._task is not None:
            self._ask(self._note)

    def _ask(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the event loop says; it may have ended before it does."""
        if self._loop.is_closed():
            raise StoppedError("The triggerer has ended.")
        asked = asyncio.run_coroutine_threadsafe(ask(), self._loop)
        while True:
            try:
                return asked.result(NOTICED)
            except NotYet:
                if asked.done():
                    raise
                # Not cancelled: Airflow 3.1 would take its response for that to the next request.
                if self._stopped.is_set():
                    raise StoppedError("Storing the result was stopped.") from None
