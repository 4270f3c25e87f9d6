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

from airflow_async_provider._polling.policy import Sleep, Stop, Wait
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result

#: A sign of life in the task log after so many seconds, then at ever longer intervals (factor 2), but at
#: least once in so many seconds.
FIRST_HEARTBEAT = 60.0
MAX_HEARTBEAT = 600.0

#: Of a remote's explanation, in a line of the task log (characters).
MAX_MESSAGE = 200

EVENT_VERSION = 1

#: Key of the result in an event, and how large it may be as JSON (bytes); for jobs that give theirs once.
RESULT = "result"
MAX_EVENT_RESULT = 64 * 1024

#: Epoch seconds of whoever counts.
Clock = Callable[[], float]


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


class Heartbeat:
    """When the next sign of life is due: ever more rarely."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._next = FIRST_HEARTBEAT

    @property
    def waited(self) -> float:
        """Seconds since the wait began."""
        return time.monotonic() - self._started

    @property
    def pause(self) -> float:
        """Seconds until the next one is due."""
        return max(0.0, self._next - self.waited)

    def beats(self) -> bool:
        """Whether one is due, which is then done."""
        waited = self.waited
        if waited < self._next:
            return False
        self._next = waited + min(waited, MAX_HEARTBEAT)
        return True


class WaitLogger:
    """What a person reads in the task log during a wait: changes, failures, and signs of life."""

    def __init__(self, log: Log, handle: JobHandle, wait: Wait, now: Clock) -> None:
        self._log = log
        self._job = handle.shown_id
        self._wait = wait
        self._now = now
        self._heartbeat = Heartbeat()
        self._last = ""
        self._unknown: set[str] = set()

    def status(self, status: JobStatus) -> None:
        """After a poll that was answered."""
        if status.remote_status != self._last:
            self._last = status.remote_status
            self._log.info("Job %s: %s (%s)", self._job, status.state.value, format_status(status))
        words = status.unknown_words or (() if status.recognised else (status.remote_status,))
        if new := [word for word in words if word not in self._unknown]:
            self._unknown.update(new)
            self._log.warning(
                "Job %s: the status %s is not a known one. It counts as running until the deadline; if it is "
                "an end, name it in the lists of words of the profile. %s",
                self._job,
                ", ".join(map(repr, new)),
                status.message or "",
            )
        self.alive()

    def failed(self, error: Exception) -> None:
        """After a poll that was not."""
        self._log.warning(
            "Job %s: poll %d failed (%d in a row): %s",
            self._job,
            self._wait.polls,
            self._wait.errors_in_row,
            error,
        )

    def alive(self) -> None:
        """Write a sign of life where one is due."""
        if self._heartbeat.beats():
            self._log.info(
                "Job %s: still %s after %s; %d polls, %d failed; deadline in %s",
                self._job,
                self._last or "unknown",
                format_duration(self._heartbeat.waited),
                self._wait.polls,
                self._wait.errors,
                format_duration(max(0.0, self._wait.deadline - self._now())),
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
    wait.floor = hook.endpoint.min_poll_interval
    logger, step, begun = WaitLogger(log, handle, wait, time.time), wait.first(time.time()), handle
    status: JobStatus | None = None
    while isinstance(step, Sleep):
        sleep(step.seconds)
        status = None
        try:
            status = hook.status(handle, tries=1)
        except AsyncJobError as e:
            step = wait.failed(time.time(), e)
            logger.failed(e)
        else:
            step = _after(wait, status, time.time())
            handle = with_status_url(handle, status)
            logger.status(status)
    return _outcome(step, wait, status, handle.status_url if handle is not begun else None)


def _is_small(value: Any) -> bool:
    """Whether a result may travel in an event."""
    try:
        return len(json.dumps(value, allow_nan=False)) <= MAX_EVENT_RESULT
    except (TypeError, ValueError):
        return False


async def awatch(
    hook: AsyncApiHook, handle: JobHandle, wait: Wait, log: Log, *, now: Clock = time.time
) -> Outcome:
    """
    Async twin of :func:`watch`, for the triggerer.

    :param now: the clock that the wait's times are of; the triggerer's own may be wrong
    """
    logger, step, begun = WaitLogger(log, handle, wait, now), wait.first(now()), handle
    status: JobStatus | None = None
    while isinstance(step, Sleep):
        await asyncio.sleep(step.seconds)
        status = None
        try:
            wait.floor = (await hook.aendpoint()).min_poll_interval
            status = await hook.astatus(handle)
        except AsyncJobError as e:
            step = wait.failed(now(), e)
            logger.failed(e)
        else:
            step = _after(wait, status, now())
            handle = with_status_url(handle, status)
            logger.status(status)
    return _outcome(step, wait, status, handle.status_url if handle is not begun else None)


def format_status(status: JobStatus) -> str:
    """The remote's word, with the beginning of its explanation where there is one."""
    message = " ".join((status.message or "").split())
    word = status.remote_status
    if status.progress is not None:
        word = f"{word}, {status.progress:.0%}" if word else f"{status.progress:.0%}"
    if not message or message == status.remote_status:
        return word
    short = message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "…"
    return f"{word}: {short}" if word else short


def result_in(event: Mapping[str, Any]) -> JobStatus | None:
    """The status with the result, where the trigger's event carries it as it is given once."""
    if RESULT not in event:
        return None
    state = JobState(event["state"])
    return JobStatus(state, remote_status=event.get("remote_status", ""), result=Result(value=event[RESULT]))


def format_duration(seconds: float) -> str:
    """A time for a person: ``0.5 s``, ``45 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def format_range(first: float, last: float) -> str:
    """``10 s``, or ``10 s to 5 min``."""
    one, other = format_duration(first), format_duration(last)
    return one if one == other else f"{one} to {other}"


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
