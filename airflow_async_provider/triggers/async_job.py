# SPDX-License-Identifier: Apache-2.0
"""Wait for one remote job in the triggerer's event loop."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.hooks.base import AsyncApiHook
from airflow_async_provider.hooks.registry import hook_for
from airflow_async_provider.hooks.waiting import Outcome, awatch
from airflow_async_provider.policy import PollPolicy, Wait
from airflow_async_provider.protocols.base import JobHandle, JobState
from airflow_async_provider.transport.triggerer import pool

TRIGGER_VERSION = 1

#: A deferral older than this was surely seen by the scheduler, so a restarted triggerer need not wait again.
LONG_AGO = 120.0


class AsyncJobTrigger(BaseTrigger):
    """
    Watches one job of any protocol and fires once, with states and counters only.

    Events: ``{"version", "state", "native", "via", "polls", "errors"}`` and, for the state ``error``,
    ``"error"`` (class name) and ``"http_status"``. ``state`` is a
    :class:`~airflow_async_provider.protocols.base.JobState` value, ``timeout`` or ``error``. Never raises for
    a remote failure: the operator, back on a worker, reads the truth once more and raises.

    :param job: the job handle, as a dictionary
    :param conn_id: Airflow connection, None for the hook's default
    :param policy: :class:`~airflow_async_provider.policy.PollPolicy` as a dictionary
    :param deadline: epoch seconds at which to give up
    :param deferred_at: epoch seconds at which the task deferred (the worker's clock)
    :param settle: seconds that must pass after the deferral before the task may be resumed: a task resumed
        before the scheduler has processed its worker's exit is taken for failed
    :param cancel_on_kill: cancel the remote job when a user clears the task or marks it (Airflow >= 3.3)
    :param version: layout of these arguments
    """

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        conn_id: str | None,
        policy: Mapping[str, Any],
        deadline: float,
        deferred_at: float,
        settle: float = 10.0,
        cancel_on_kill: bool = True,
        version: int = TRIGGER_VERSION,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow gives no types here
        self.job = dict(job)
        self.conn_id = conn_id
        self.policy = dict(policy)
        self.deadline = deadline
        self.deferred_at = deferred_at
        self.settle = settle
        self.cancel_on_kill = cancel_on_kill
        self.version = version

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, JSON-able."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "job": self.job,
                "conn_id": self.conn_id,
                "policy": self.policy,
                "deadline": self.deadline,
                "deferred_at": self.deferred_at,
                "settle": self.settle,
                "cancel_on_kill": self.cancel_on_kill,
                "version": self.version,
            },
        )

    def __repr__(self) -> str:
        # The inherited form prints every argument, and with it the opaque status URL.
        return f"<{type(self).__name__} {self.job.get('protocol')} job {self.job.get('job_id')}>"

    @property
    def _handle(self) -> JobHandle:
        return JobHandle.from_dict(self.job)

    def _hook(self) -> AsyncApiHook:
        return hook_for(self._handle, self.conn_id)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire once."""
        started = time.monotonic()
        try:
            async with pool():
                outcome = await self._wait()
        except Exception as e:  # noqa: BLE001 - a trigger that raises fails its task without execute_complete
            self.log.warning("Watching the job broke off: %s", _said(e))
            outcome = Outcome("error", error=e)
        await asyncio.sleep(self._until_settled(started))
        self.log.info(
            "Job %s: %s (%s) after %d questions; resuming the task",
            self.job.get("job_id"),
            outcome.state,
            outcome.native,
            outcome.polls,
        )
        yield TriggerEvent(outcome.to_event())

    async def _wait(self) -> Outcome:
        handle = self._handle
        wait = Wait(PollPolicy.from_dict(self.policy), self.deadline, handle.expires_at)
        return await awatch(self._hook(), handle, wait, self.log)

    def _until_settled(self, started: float) -> float:
        """Seconds until the task may be resumed, counted from our start, which is after the deferral."""
        if time.time() - self.deferred_at > LONG_AGO + self.settle:
            return 0.0
        return max(0.0, started + self.settle - time.monotonic())

    async def on_kill(self) -> None:
        """Cancel the remote job when a user acted on the task, after a look at whether it still runs."""
        if not self.cancel_on_kill:
            return
        handle, hook = self._handle, self._hook()
        try:
            status = await hook.astatus(handle)
            if status.state not in (JobState.RUNNING, JobState.BLOCKED):
                self.log.info("Job %s has ended (%s); nothing to cancel.", handle.job_id, status.native)
                return
        except AsyncJobError as e:
            self.log.warning("Could not read job %s before cancelling it: %s", handle.job_id, e)
        try:
            done = await hook.acancel(handle)
            self.log.info(
                "Job %s: %s", handle.job_id, "cancelled" if done else "the remote has no way to cancel it"
            )
        except AsyncJobError as e:
            self.log.warning("Job %s may still be running: cancelling it failed: %s", handle.job_id, e)


def _said(error: Exception) -> str:
    """An error for the log: ours speak for themselves; a foreign one may hold a URL, so only its place."""
    if isinstance(error, AsyncJobError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where} (a defect: please report it)"
