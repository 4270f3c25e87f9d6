# SPDX-License-Identifier: Apache-2.0
"""How the runs of an Automic object go: the plan of an object, and one run of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from airflow_async_provider.protocols._automic.status_codes import text_of
from airflow_async_provider.simulators import _plans as plans
from airflow_async_provider.simulators._plans import Plans

#: What an object's type follows from where nothing else is said: the first part of its name.
TYPES = ("JOBS", "JOBP", "JSCH", "JOBG", "JOBF", "SCRI", "EVNT", "JOBQ", "JOBD", "CALL")
WITH_CHILDREN = ("JOBP", "JSCH", "JOBG")
#: Blocked, stopped or held: no end comes by itself.
BLOCKED = range(1560, 1565)

#: When a callback goes out: once the run has ended; as soon as it has started (it then says 1900 too soon);
#: or while the answer to the start has not even been sent.
CALLBACK_MOMENTS = ("end", "start", "submit")


@dataclass(frozen=True, slots=True)
class Plan(plans.Plan):
    """
    How a run goes. Seconds are simulated ones.

    :param run_seconds: from its start to its end (or to being blocked), None: until it is told to
    :param status: the status at the end; one of 1560 to 1564 leaves the run there, blocked, without an end
    :param status_text: its text, None: the usual one
    :param phases: ``[[second, status], …]`` instead of 1300, 1550 and ``status``
    :param object_type: JOBS, JOBP …; None: what the object's name begins with
    :param children: number of child runs, for JOBP, JSCH and JOBG
    :param cancel_seconds: how long a cancellation takes (1571 until then)
    :param refuse: HTTP status with which a start is refused, None: it is accepted
    :param deactivate_after: seconds after the end at which the run leaves the default list, None: never
    :param forget_after: seconds after the end at which nobody knows the run any more, None: never
    :param restart_after: seconds after the end at which "somebody in Automic" restarts it, None: never
    :param restart: changes to this plan for a restarted run
    :param report: pages of the REP report
    :param variables: object variables
    :param last_error_message: fills the template's placeholder
    :param callbacks: how often the callback is sent: 0 swallows it, 2 is a duplicate
    :param callback_at: one of :data:`CALLBACK_MOMENTS`
    """

    run_seconds: float | None = 0.3
    status: int = 1900
    status_text: str | None = None
    phases: tuple[tuple[float, int], ...] = ()
    object_type: str | None = None
    children: int = 0
    cancel_seconds: float = 0.1
    refuse: int | None = None
    deactivate_after: float | None = None
    forget_after: float | None = None
    restart_after: float | None = None
    restart: Mapping[str, Any] = field(default_factory=dict)
    report: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    last_error_message: str = ""
    callbacks: int = 1
    callback_at: str = "end"

    def __post_init__(self) -> None:
        if not 1000 <= self.status <= 2000:
            raise ValueError(f"{self.status} is no status of Automic (1000 to 2000)")
        if self.callback_at not in CALLBACK_MOMENTS:
            raise ValueError(f"unknown callback_at {self.callback_at!r}; known are {CALLBACK_MOMENTS}")
        if (self.run_seconds or 0.0) < 0 or self.children < 0 or self.callbacks < 0:
            raise ValueError("run_seconds, children and callbacks cannot be negative")


#: Objects that every simulator has, for demos and tests: what their runs do differently.
OBJECTS: Mapping[str, Mapping[str, Any]] = {
    "JOBS.OK": {},
    "JOBS.FAIL": {
        "status": 1800,
        "last_error_message": "U00011409 exit code 1",
        "report": ("job started\nreading input\n", "error: exit code 1\n"),
    },
    "JOBS.LOST": {"status": 1815},
    "JOBS.CANCELLED": {"status": 1850},
    "JOBS.EMPTY": {"status": 1912},
    "JOBS.INACTIVE": {"status": 1922},
    "JOBS.SKIPPED": {"status": 1930},
    "JOBS.TIMEOUT": {"status": 1940},
    "JOBS.FOREVER": {"run_seconds": None},
    "JOBS.SILENT": {"callbacks": 0},
    "JOBS.TWICE": {"callbacks": 2},
    "JOBS.EARLY": {"callback_at": "start"},
    "JOBS.EAGER": {"callback_at": "submit", "run_seconds": 0.0},
    "JOBS.DEACTIVATED": {"deactivate_after": 0.0},
    "JOBS.GONE": {"forget_after": 0.0},
    "JOBS.RESTARTED": {
        "status": 1800,
        "restart_after": 0.0,
        "restart": {"status": 1900},
    },
    "JOBP.OK": {"children": 3},
    "JOBP.FOREVER": {"children": 2, "run_seconds": None},
    "JOBP.BLOCKED": {"children": 1, "status": 1560},
    "UNKNOWN.*": {"refuse": 404},
    "DENIED.*": {"refuse": 403},
}


class Objects(Plans[Plan]):
    """
    Which plan the next run gets.

    :param base: plan of all runs
    :param by_name: changes by object name, where ``*`` stands for any text; they come on top of
        :data:`OBJECTS`
    :raises ValueError: unknown field
    """

    def __init__(self, base: Plan, by_name: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(base, {**OBJECTS, **by_name}, what="object", fits=fnmatchcase)


class Run:
    """
    One execution. Its status follows from the clock.

    :param run_id: RunID
    :param name: object name
    :param plan: how it goes
    :param body: the start's body
    :param now: simulated epoch seconds
    :param start_at: simulated epoch seconds of a later start, None: at once
    :param parent: RunID of the parent, 0 for none
    :param reference: RunID that this is a restart of, 0 for none
    :param object_type: JOBS, JOBP, C_PERIOD, CBCK …
    :param on_change: told when its course was changed from outside
    """

    def __init__(
        self,
        *,
        run_id: int,
        name: str,
        plan: Plan,
        body: Mapping[str, Any],
        now: Callable[[], float],
        user: str,
        on_change: Callable[[Run], None],
        start_at: float | None = None,
        parent: int = 0,
        reference: int = 0,
        object_type: str | None = None,
    ) -> None:
        self.run_id = run_id
        self.name = name
        self.plan = plan
        self.body = body
        self._now = now
        self._on_change = on_change
        self.user = user
        self.parent = parent
        self.reference = reference
        prefix = name.split(".", 1)[0]
        self.type = object_type or plan.object_type or (prefix if prefix in TYPES else "JOBS")
        self.activated_at = now()
        self.children: list[Run] = []
        self.comments: list[dict[str, str]] = []
        self.deactivated_by_hand = False
        self.forgotten_by_hand = False
        self.restarted = False
        self._timeline: list[tuple[float, int]] = []
        self._go(self.activated_at if start_at is None else start_at, waiting=start_at is not None)

    def _go(self, begin: float, *, waiting: bool) -> None:
        plan = self.plan
        phases = plan.phases or ((0.0, 1300), (0.0, 1550))
        self._timeline = [(self.activated_at, 1698)] if waiting else []
        self._timeline += [(begin + after, code) for after, code in phases]
        if not plan.phases and plan.run_seconds is not None:
            self._timeline.append((begin + plan.run_seconds, plan.status))

    # -- what it is now

    @property
    def status(self) -> int:
        """The status code now."""
        now, code = self._now(), self._timeline[0][1]
        for moment, later in self._timeline:
            if moment <= now:
                code = later
        return code

    @property
    def ended_at(self) -> float | None:
        """Simulated epoch seconds of its end, also of one to come; None when none is in sight."""
        return next((moment for moment, code in self._timeline if 1800 <= code < 2000), None)

    @property
    def ended(self) -> bool:
        """Whether it has an end status."""
        return 1800 <= self.status < 2000

    @property
    def deactivated(self) -> bool:
        """Whether it has left the default list."""
        return self.deactivated_by_hand or self._past_end(self.plan.deactivate_after)

    @property
    def forgotten(self) -> bool:
        """Whether nobody knows it any more."""
        return self.forgotten_by_hand or self._past_end(self.plan.forget_after)

    @property
    def to_be_restarted(self) -> bool:
        """Whether "somebody in Automic" restarts it now."""
        return not self.restarted and self._past_end(self.plan.restart_after)

    def _past_end(self, seconds: float | None) -> bool:
        end = self.ended_at
        return seconds is not None and end is not None and self._now() >= end + seconds

    # -- what is done to it

    def set_status(self, code: int, *, after: float = 0.0) -> None:
        """
        Give it another status; what was to come does not.

        :param after: in so many simulated seconds
        """
        now = self._now()
        self._timeline = [(moment, known) for moment, known in self._timeline if moment <= now]
        self._timeline.append((now + after, code))
        self._on_change(self)

    def cancel(self, *, recursive: bool, code: int = 1850) -> None:
        """Cancel it, and with ``recursive`` its children, those that have not ended."""
        self.set_status(1571)
        self._timeline.append((self._now() + self.plan.cancel_seconds, code))
        self._on_change(self)
        for child in self.children if recursive else ():
            if not child.ended:
                child.cancel(recursive=True, code=1851)

    def go(self) -> None:
        """Let a run that waits or is blocked go on, from now."""
        self.plan = self.plan.changed({} if self.plan.status not in BLOCKED else {"status": 1900})
        self._go(self._now(), waiting=False)
        self._on_change(self)

    # -- as Automic tells it

    def record(self) -> dict[str, Any]:
        """The execution record; what is null is left out."""
        code = self.status
        active = next((m for m, c in self._timeline if c in (1550, 1560) and m <= self._now()), None)
        ended = self.ended_at if self.ended else None
        value: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "alias": self.body.get("alias"),
            "queue": self.body.get("queue", "CLIENT_QUEUE"),
            "user": self.user,
            "run_id": self.run_id,
            "parent": self.parent,
            "reference_run_id": self.reference or None,
            "status": code,
            "status_text": self.text,
            "activation_time": stamp(self.activated_at),
            "start_time": None if active is None else stamp(active),
            "end_time": None if ended is None else stamp(ended),
            "runtime": None if active is None or ended is None else max(0, round(ended - active)),
        }
        return {k: v for k, v in value.items() if v is not None}

    @property
    def text(self) -> str:
        """Text of the status now."""
        code = self.status
        planned = self.plan.status_text if code == self.plan.status else None
        return planned if planned is not None else text_of(code)

    @property
    def variables(self) -> dict[str, Any]:
        """Inputs and object variables."""
        return {**self.plan.variables, **self.body.get("inputs", {})}

    def reports(self) -> list[dict[str, Any]]:
        """The list of reports; those of a running one are not in the database yet."""
        end = self.ended_at if self.ended else None
        done = {} if end is None else {"end_timestamp": stamp(end)}
        return [{**done, "type": kind, "is_db": self.ended} for kind in ("ACT", "REP")]

    def report_pages(self, kind: str) -> list[str]:
        """Pages of a report."""
        if kind == "REP" and self.plan.report:
            return list(self.plan.report)
        return [f"{kind} of RunID {self.run_id:010}: {self.status} {self.text}\r\n"]


def stamp(moment: float) -> str:
    """Epoch seconds in Automic's form."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
