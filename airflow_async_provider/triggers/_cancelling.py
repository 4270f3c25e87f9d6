# SPDX-License-Identifier: Apache-2.0
"""A job whose trigger Airflow ends: it is cancelled if a person meant that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.mailbox import is_still_deferred, was_resumed_by_hand
from airflow_async_provider._polling.wait_log import Log, describe_error
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobState
from airflow_async_provider.protocols._registry import protocol_of

#: A killed task gives us half a minute (``[triggerer] on_kill_timeout``), and cancelling is what counts.
LOOK_BEFORE_CANCEL = 10.0

#: Cancelling may take this long (seconds); Airflow's own limit, ``on_kill_timeout``, cannot hold it.
MAX_CANCELLING = 60.0

NOT_CANCELLED = "Job %s may still be running: cancelling it failed: %s"

#: What cancels jobs beside the triggers that it began in; an event loop itself does not hold its tasks.
_cancelling: set[asyncio.Task[None]] = set()


async def cancel_beside(wait: KilledWait) -> None:
    """
    Cancel a job beside its trigger.

    Airflow (3.3.2) tells a trigger about once a second to end, until it has ended, and each time cuts off
    what runs here. When many tasks are marked at once, a second is not enough, so the work is a task of
    its own, which is not cut off.
    """
    work = asyncio.create_task(wait.cancel())
    _cancelling.add(work)
    work.add_done_callback(_cancelling.discard)
    await asyncio.shield(work)


@dataclass(frozen=True, kw_only=True)
class KilledWait:
    """
    A wait that Airflow has ended.

    :param handle: the job
    :param hook: to look at it and cancel it with
    :param task: the task that waited; None where Airflow did not say
    :param trigger_id: Airflow's number of the trigger
    :param look: looks for a callback that the task has not dealt with; None where none is expected
    :param log: the trigger's
    """

    handle: JobHandle
    hook: AsyncApiHook
    task: TaskKey | None
    trigger_id: int | None
    look: Callable[[], Awaitable[object | None]] | None
    log: Log

    async def cancel(self) -> None:
        """Cancel the job, unless something else than a person has ended its wait, or it has ended itself."""
        try:
            async with asyncio.timeout(MAX_CANCELLING):
                await self._cancel()
        except Exception as e:  # noqa: BLE001 - Airflow would log it whole, and a foreign one may hold a URL
            self.log.warning(NOT_CANCELLED, self.handle.shown_id, describe_error(e))

    async def _cancel(self) -> None:
        if why := await self._not_killed():
            self.log.info(
                "Job %s: %s. The line above about a user action is Airflow's word for that; nothing is "
                "cancelled here.",
                self.handle.shown_id,
                why,
            )
            return
        if await self._has_ended():
            return
        done = await self.hook.acancel(self.handle)
        self.log.info(
            "Job %s: %s", self.handle.shown_id, "cancelled" if done else f"it was not cancelled: {done}"
        )

    async def _not_killed(self) -> str:
        """What else has ended the wait; empty where somebody has killed, cleared or marked the task."""
        if self.look is not None and await self.look() is not None:
            return "its callback has resumed or ended the task"
        if await self._ask_airflow(was_resumed_by_hand, self.trigger_id):
            return "a person has resumed the task on the page Remote jobs"
        if await self._ask_airflow(is_still_deferred):
            return "its task still waits, so another triggerer has taken it over"
        return ""

    async def _ask_airflow(self, check: Callable[..., Awaitable[bool]], *more: Any) -> bool:
        """Whether nobody has killed anything, by one of the signs of that."""
        if self.task is None:
            return False
        try:
            return await check(self.task, *more)
        except Exception as e:  # noqa: BLE001 - in doubt a person has killed it, which is the usual reason
            self.log.warning("Could not ask Airflow why the wait was ended: %s", describe_error(e))
            return False

    async def _has_ended(self) -> bool:
        """Whether there is nothing to cancel; False when that cannot be learned in a moment."""
        handle = self.handle
        if not protocol_of(handle).pollable:
            return False
        try:
            async with asyncio.timeout(LOOK_BEFORE_CANCEL):
                status = await self.hook.astatus(handle)
        except (AsyncJobError, TimeoutError) as e:
            self.log.warning(
                "Could not read job %s before cancelling it: %s", handle.shown_id, describe_error(e)
            )
            return False
        if status.state in (JobState.RUNNING, JobState.BLOCKED):
            return False
        self.log.info("Job %s has ended (%s); nothing to cancel.", handle.shown_id, status.remote_status)
        return True
