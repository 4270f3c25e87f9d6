# SPDX-License-Identifier: Apache-2.0
"""
The two loops that watch a job: one that sleeps in a worker, one that sleeps in the triggerer.

All that could be wrong about a wait is in ``policy`` (when) and in the protocol (what an answer means);
these loops only carry the answers from one to the other.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from airflow_async_provider._polling.meter import meter_of_loop
from airflow_async_provider._polling.policy import Sleep, Stop, Wait
from airflow_async_provider._polling.wait_log import Clock, Log, WaitLogger
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result

EVENT_VERSION = 1

#: Key of the result in an event, and how large it may be as JSON (bytes); for jobs that give theirs once.
RESULT = "result"
MAX_EVENT_RESULT = 64 * 1024

#: Key of what the triggerer has stored already: where, how many bytes, and their hash.
STORED = "stored"

#: ``via`` of an event that a person has caused on the page "Remote jobs", and what such a person may want.
BY_HAND = "person"
POLL, CANCEL = "poll", "cancel"


class Report(Protocol):
    """What is told of each poll: the page "Remote jobs"."""

    def polled(
        self, wait: Wait, step: Sleep | Stop, status: JobStatus | None, error: Exception | None
    ) -> None:
        """After a poll and before the next one, also before the first; must not block."""

    def located(self, address: str) -> None:
        """Where the job is at the remote system."""


#: States of an event that no answer brought: the callbacks' sender gives no sign of life; a worker shall ask.
HEARTBEAT_LOST, DUE = "heartbeat_timeout", "due"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a wait ended.

    :param state: a :class:`~..protocols.JobState` value, or ``timeout``, ``error``
    :param remote_status: the remote's last word
    :param via: ``poll`` or ``callback``
    :param error: what made us give up, for ``error``
    :param status: the answer that ended the wait, where there was one
    :param keep_result: the remote system gives the result once, so the event carries it
    :param status_url: where the job is to be asked for from now on, where the remote has moved that
    """

    state: str
    remote_status: str = ""
    via: str = "poll"
    polls: int = 0
    errors: int = 0
    error: Exception | None = None
    status: JobStatus | None = None
    status_url: str | None = field(default=None, repr=False)
    keep_result: bool = False

    def to_event(self) -> dict[str, Any]:
        """What may travel to the worker: states and counters, as events are logged and stored in clear."""
        event: dict[str, Any] = {
            "version": EVENT_VERSION,
            "state": self.state,
            "remote_status": self.remote_status,
            "via": self.via,
            "polls": self.polls,
            "errors": self.errors,
        }
        if self.error is not None:
            event["error"] = type(self.error).__name__
            event["http_status"] = getattr(self.error, "http_status", None)
        if self.status_url is not None:
            event["status_url"] = self.status_url
        result = self.status.result if self.status is not None and self.keep_result else None
        if result is not None and result.value is not None and _is_small(result.value):
            event[RESULT] = result.value
        return event


def event_by_hand(wish: str, by: str) -> dict[str, Any]:
    """
    The event with which a person resumes a task.

    :param wish: :data:`POLL` or :data:`CANCEL`
    :param by: the user's name in Airflow
    """
    return {**Outcome("running", via=BY_HAND).to_event(), "wish": wish, "by": by}


class Asked(Protocol):
    """Whom :func:`watch` asks: a hook, or what stands before one."""

    @property
    def min_poll_interval(self) -> float:
        """Seconds below which no Retry-After brings the pause between two polls."""

    def status(self, job: JobHandle, *, tries: int = 5) -> JobStatus:
        """What is known of the job now."""


def watch(
    hook: Asked,
    handle: JobHandle,
    wait: Wait,
    log: Log,
    *,
    sleep: Callable[[float], None] = time.sleep,
    location: str = "",
) -> Outcome:
    """
    Watch a job from the worker until it ends or the wait gives up.

    :param sleep: waits for so many seconds; may raise to break off
    :param location: where the job is at the remote system, for the log
    """
    wait.floor = hook.min_poll_interval
    logger, step, begun = WaitLogger(log, handle, wait, time.time), wait.first(time.time()), handle
    logger.location = location
    status: JobStatus | None = None
    while isinstance(step, Sleep):
        left = step.seconds
        while (pause := logger.pause) < left:
            sleep(pause)
            left -= pause
            logger.alive()
        sleep(left)
        status, asked = None, time.monotonic()
        try:
            status = hook.status(handle, tries=1)
        except AsyncJobError as e:
            step = wait.failed(time.time(), e, took=time.monotonic() - asked)
            logger.failed(e, step)
        else:
            step = _after(wait, status, time.time())
            handle = with_status_url(handle, status)
            logger.status(status, step)
    return _outcome(step, wait, status, handle.status_url if handle is not begun else None)


def _is_small(value: Any) -> bool:
    """Whether a result may travel in an event."""
    try:
        return len(json.dumps(value, allow_nan=False)) <= MAX_EVENT_RESULT
    except (TypeError, ValueError):
        return False


async def awatch(
    hook: AsyncApiHook,
    handle: JobHandle,
    wait: Wait,
    log: Log,
    *,
    now: Clock = time.time,
    report: Report | None = None,
    hint: str = "",
) -> Outcome:
    """
    Async twin of :func:`watch`, for the triggerer.

    :param now: the clock that the wait's times are of; the triggerer's own may be wrong
    :param report: is told of each poll
    :param hint: what a person who reads the log can do about the job
    """
    logger, step, begun = WaitLogger(log, handle, wait, now, hint), wait.first(now()), handle
    located: JobHandle | None = None
    meter = meter_of_loop()
    status: JobStatus | None = None
    error: AsyncJobError | None = None
    while isinstance(step, Sleep):
        if report is not None:
            report.polled(wait, step, status, error)
        left = step.seconds
        while (pause := logger.pause) < left:
            await asyncio.sleep(pause)
            left -= pause
            logger.alive()
        await asyncio.sleep(left)
        status, error, asked = None, None, time.monotonic()
        try:
            wait.floor = (await hook.aendpoint()).min_poll_interval
            if located is not handle:
                located, logger.location = handle, await _location(hook, handle)
                if report is not None:
                    report.located(logger.location)
            status = await hook.astatus(handle)
            meter.polled(handle, hook.conn_id, time.monotonic() - asked, failed=False)
        except AsyncJobError as e:
            took = time.monotonic() - asked
            meter.polled(handle, hook.conn_id, took, failed=True)
            error, step = e, wait.failed(now(), e, took=took)
            logger.failed(e, step)
        else:
            step = _after(wait, status, now())
            handle = with_status_url(handle, status)
            logger.status(status, step)
    if report is not None:
        report.polled(wait, step, status, error)
    return _outcome(step, wait, status, handle.status_url if handle is not begun else None)


async def _location(hook: AsyncApiHook, handle: JobHandle) -> str:
    try:
        return await hook.ajob_location(handle)
    except AsyncJobError:  # a poll tells what is wrong, if anything
        return ""


def result_in(event: Mapping[str, Any]) -> JobStatus | None:
    """The status with the result, where the trigger's event carries it as it is given once."""
    if RESULT not in event:
        return None
    state = JobState(event["state"])
    return JobStatus(state, remote_status=event.get("remote_status", ""), result=Result(value=event[RESULT]))


def with_status_url(handle: JobHandle, status: JobStatus) -> JobHandle:
    """The handle to ask with from now on: some remotes move the status URL while the job runs."""
    return replace(handle, status_url=status.status_url) if status.status_url else handle


def _after(wait: Wait, status: JobStatus, now: float) -> Sleep | Stop:
    return wait.answered(
        now,
        # A blocked job ends the wait too: whether to go on is the operator's decision, with the protocol.
        ended=status.state is not JobState.RUNNING,
        remote_status=status.remote_status,
        retry_after=status.retry_after,
    )


def _outcome(step: Stop, wait: Wait, status: JobStatus | None, status_url: str | None) -> Outcome:
    state = status.state.value if step.reason == "ended" and status else step.reason
    return Outcome(
        state=state,
        remote_status=status.remote_status if status else wait.remote_status,
        polls=wait.polls,
        errors=wait.errors,
        error=step.error,
        status=status if step.reason == "ended" else None,
        status_url=status_url,
    )
