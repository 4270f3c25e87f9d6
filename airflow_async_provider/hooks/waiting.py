# SPDX-License-Identifier: Apache-2.0
"""
The two loops that watch a job: one that sleeps in a worker, one that sleeps in the triggerer.

All that could be wrong about a wait is in ``policy`` (when) and in the protocol (what an answer means);
these loops only carry the answers from one to the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.hooks.base import AsyncApiHook
from airflow_async_provider.policy import Sleep, Stop, Wait
from airflow_async_provider.protocols.base import JobHandle, JobState, JobStatus

#: A sign of life in the task log after so many seconds, then at ever longer intervals (factor 2).
FIRST_HEARTBEAT = 60.0

EVENT_VERSION = 1


class Log(Protocol):
    """What we need of a logger; Airflow's operators and triggers bring different kinds."""

    def info(self, event: str, /, *args: Any) -> Any:
        """For the person who reads the task log."""

    def warning(self, event: str, /, *args: Any) -> Any:
        """For the person who should act."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a wait ended.

    :param state: a :class:`~..protocols.base.JobState` value, or ``timeout``, ``error``
    :param native: the remote's last word
    :param via: ``poll`` or ``callback``
    :param error: what made us give up, for ``error``
    :param status: the answer that ended the wait, where there was one
    """

    state: str
    native: str = ""
    via: str = "poll"
    polls: int = 0
    errors: int = 0
    error: Exception | None = None
    status: JobStatus | None = None

    def to_event(self) -> dict[str, Any]:
        """What may travel to the worker: states and counters, as events are logged and stored in clear."""
        event: dict[str, Any] = {
            "version": EVENT_VERSION,
            "state": self.state,
            "native": self.native,
            "via": self.via,
            "polls": self.polls,
            "errors": self.errors,
        }
        if self.error is not None:
            event["error"] = type(self.error).__name__
            event["http_status"] = getattr(self.error, "http_status", None)
        return event


class _Teller:
    """What a person reads in the task log meanwhile: changes, and signs of life that get rarer."""

    def __init__(self, log: Log, handle: JobHandle, wait: Wait) -> None:
        self._log = log
        self._handle = handle
        self._wait = wait
        self._started = time.monotonic()
        self._heartbeat = FIRST_HEARTBEAT
        self._told = ""

    def status(self, status: JobStatus) -> None:
        if status.native != self._told:
            self._told = status.native
            self._log.info("Job %s: %s (%s)", self._handle.job_id, status.state.value, status.native)
        self.alive()

    def failed(self, error: Exception) -> None:
        self._log.warning(
            "Job %s: question %d brought no answer (%d in a row): %s",
            self._handle.job_id,
            self._wait.polls,
            self._wait.errors_in_row,
            error,
        )

    def alive(self) -> None:
        waited = time.monotonic() - self._started
        if waited >= self._heartbeat:
            self._heartbeat *= 2
            self._log.info(
                "Job %s: still %s after %d s of watching, %d questions, %d failed",
                self._handle.job_id,
                self._told,
                waited,
                self._wait.polls,
                self._wait.errors,
            )


def watch(
    hook: AsyncApiHook,
    handle: JobHandle,
    wait: Wait,
    log: Log,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """
    Watch a job from the worker until it ends or the wait gives up.

    :param sleep: waits for so many seconds; may raise to break off
    """
    teller = _Teller(log, handle, wait)
    step = wait.first(time.time())
    while isinstance(step, Sleep):
        sleep(step.seconds)
        status: JobStatus | None = None
        try:
            status = hook.status(handle, tries=1)
        except AsyncJobError as e:
            step = wait.failed(time.time(), e)
            teller.failed(e)
        else:
            step = _after(wait, status)
            handle = moved(handle, status)
            teller.status(status)
    return _outcome(step, wait, status if wait.polls else None)


async def awatch(hook: AsyncApiHook, handle: JobHandle, wait: Wait, log: Log) -> Outcome:
    """Async twin of :func:`watch`, for the triggerer."""
    teller = _Teller(log, handle, wait)
    step = wait.first(time.time())
    while isinstance(step, Sleep):
        await asyncio.sleep(step.seconds)
        status: JobStatus | None = None
        try:
            status = await hook.astatus(handle)
        except AsyncJobError as e:
            step = wait.failed(time.time(), e)
            teller.failed(e)
        else:
            step = _after(wait, status)
            handle = moved(handle, status)
            teller.status(status)
    return _outcome(step, wait, status if wait.polls else None)


def moved(handle: JobHandle, status: JobStatus) -> JobHandle:
    """The handle to ask with from now on: some remotes move the monitor while the job runs."""
    return replace(handle, status_url=status.status_url) if status.status_url else handle


def _after(wait: Wait, status: JobStatus) -> Sleep | Stop:
    return wait.asked(
        time.time(),
        # A blocked job ends the wait too: whether to go on is the operator's decision, with the protocol.
        ended=status.state is not JobState.RUNNING,
        native=status.native,
        understood=status.understood,
        retry_after=status.retry_after,
    )


def _outcome(step: Stop, wait: Wait, status: JobStatus | None) -> Outcome:
    state = status.state.value if step.reason == "ended" and status else step.reason
    return Outcome(
        state=state,
        native=status.native if status else wait.native,
        polls=wait.polls,
        errors=wait.errors,
        error=step.error,
        status=status if step.reason == "ended" else None,
    )
