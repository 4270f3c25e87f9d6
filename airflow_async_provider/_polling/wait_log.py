# SPDX-License-Identifier: Apache-2.0
"""
What a person reads in the task log during a wait, in short lines that carry what they are opened for.

Each line stands alone: the last word of the remote, the next poll, the deadline. Whoever opens a log at night
sees its end first.
"""

from __future__ import annotations

import re
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from airflow_async_provider._polling.policy import Sleep, Stop, Wait
from airflow_async_provider.errors import AsyncJobError, TransientError
from airflow_async_provider.protocols._job import JobHandle, JobStatus

#: A sign of life in the task log after so many seconds, then at ever longer intervals (factor 2), but at
#: least once in so many seconds.
FIRST_HEARTBEAT = 60.0
MAX_HEARTBEAT = 600.0

#: Of a remote's explanation, in a line of the task log (characters).
MAX_MESSAGE = 200

#: What failed is told once for each kind, up to so many kinds; later ones are counted together.
MAX_KINDS = 10

#: Epoch seconds of whoever counts.
Clock = Callable[[], float]


class Log(Protocol):
    """What we need of a logger; Airflow's operators and triggers bring different kinds."""

    def info(self, event: str, /, *args: Any) -> Any:
        """For the person who reads the task log."""

    def warning(self, event: str, /, *args: Any) -> Any:
        """For the person who should act."""


class Heartbeat:
    """When the next sign of life is due: ever more rarely, but every ten minutes."""

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

    def __init__(self, log: Log, handle: JobHandle, wait: Wait, now: Clock, hint: str = "") -> None:
        self._log = log
        self._job = handle.shown_id
        self._submitted_at = handle.submitted_at
        self._wait = wait
        self._now = now
        self._hint = hint
        #: Where the job is at the remote system, as far as that may be shown; empty where it is not known.
        self.location = ""
        self._polled_at: float | None = None
        self._next_at = 0.0
        self._heartbeat = Heartbeat()
        self._last = ""
        self._logged = ""
        self._unknown: set[str] = set()
        self._failures: Counter[str] = Counter()
        #: A failure has been told that no answer has followed yet.
        self._is_away = False

    @property
    def pause(self) -> float:
        """Seconds until the next sign of life is due."""
        return self._heartbeat.pause

    def status(self, status: JobStatus, step: Sleep | Stop) -> None:
        """After a poll that was answered."""
        self._polled(step)
        self._logged = format_status(status)
        if self._is_away:
            self._is_away = False
            self._log.info("Job %s: answers again; %s", self._job, self._counters())
        if status.remote_status != self._last:
            self._last = status.remote_status
            self._log.info(
                "Job %s: %s (%s)%s", self._job, status.state.value, self._logged, self._outlook(step)
            )
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
        self.alive(step)

    def failed(self, error: Exception, step: Sleep | Stop) -> None:
        """After a poll that was not: the first of its kind is told, further ones are counted."""
        self._polled(step)
        kind = kind_of(error)
        if kind not in self._failures and len(self._failures) >= MAX_KINDS:
            kind = "others"
        self._failures[kind] += 1
        if self._failures[kind] == 1 or isinstance(step, Stop):
            self._is_away = True
            self._log.warning(
                "Job %s: poll %d failed (%d in a row): %s%s",
                self._job,
                self._wait.polls,
                self._wait.errors_in_row,
                str(error).removesuffix("."),
                self._outlook(step),
            )
            self._advise()
        self.alive(step)

    def alive(self, step: Sleep | Stop | None = None) -> None:
        """
        Write a sign of life where one is due.

        :param step: what comes next, None in the middle of a long pause
        """
        if not isinstance(step, Stop) and self._heartbeat.beats():
            self._log.info(
                "Job %s: still %s after %s; %s%s",
                self._job,
                self._logged or "unknown",
                format_duration(self._age()),
                self._counters(),
                self._outlook(step),
            )
            self._advise()

    def _polled(self, step: Sleep | Stop) -> None:
        self._polled_at = self._now()
        self._next_at = self._polled_at + step.seconds if isinstance(step, Sleep) else 0.0

    def _age(self) -> float:
        """Seconds since the job was submitted, which may be longer ago than this wait began."""
        age = self._now() - self._submitted_at if self._submitted_at else 0.0
        return max(age, self._heartbeat.waited)

    def _advise(self) -> None:
        """What the reader can do; told once, with the first sign of life or failure."""
        if self._hint:
            self._log.info("Job %s: %s", self._job, self._hint)
            self._hint = ""

    def _counters(self) -> str:
        polls = self._wait.polls
        text = f"{polls} poll" + ("" if polls == 1 else "s")
        if self._failures:
            kinds = ", ".join(f"{n} x {kind}" for kind, n in self._failures.most_common(3))
            text += f", {self._failures.total()} failed ({kinds})"
        return text

    def _outlook(self, step: Sleep | Stop | None) -> str:
        """When it was and will be asked, until when, and where."""
        if isinstance(step, Stop):
            return ""
        now, parts = self._now(), []
        if isinstance(step, Sleep):
            parts.append(f"next poll in {format_duration(step.seconds)}")
        elif self._polled_at is not None:
            parts.append(f"last poll {format_duration(max(0.0, now - self._polled_at))} ago")
            parts.append(f"next poll in {format_duration(max(0.0, self._next_at - now))}")
        parts.append(f"deadline in {format_duration(max(0.0, self._wait.deadline - now))}")
        return f"; {', '.join(parts)}" + (f"; {self.location}" if self.location else "")


def kind_of(error: Exception) -> str:
    """What failed, in few words, the same for failures of one kind."""
    status = getattr(error, "http_status", None)
    if isinstance(error, TransientError):
        return f"HTTP {status}" if status else "no answer"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__.removesuffix("Error")).lower()
    return f"{words} (HTTP {status})" if status else words


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


def describe_error(error: Exception) -> str:
    """An error for the log: ours speak for themselves; a foreign one may hold a URL, so only its place."""
    if isinstance(error, AsyncJobError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where} (a defect: please report it)"
