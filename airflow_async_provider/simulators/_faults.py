# SPDX-License-Identifier: Apache-2.0
"""
Scripted trouble: what a simulator does wrong, to whom, and how often.

Faults wait in one queue. A request takes the first fault whose route is its own kind or ``"*"``, and each
fault strikes ``times`` times. The control routes under ``/_sim/`` never get one. Seconds in here are real
seconds: they are there to try a client's time limits, which know no simulated clock.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

EVERY_ROUTE = "*"

#: name -> parameters it knows, with their defaults
KINDS: dict[str, dict[str, Any]] = {
    # an answer with this status; ``retry_after`` seconds go out as such or, with ``as_date``, as HTTP-date;
    # a string goes out unchanged
    "http_status": {
        "status": 503,
        "retry_after": None,
        "as_date": False,
        "body": "",
        "content_type": "application/json",
        "processed": False,
    },
    # the status of the real answer, but a body that is not JSON
    "garbage": {"body": "<html><body>gateway</body", "content_type": None, "processed": True},
    # the real JSON answer without some fields and with others
    "alter": {"remove": (), "update": {}, "processed": True},
    # TCP reset; ``after_bytes`` None: before the first byte of the answer, n: after n bytes of its body, for
    # which there has to be a body, so ``processed`` is then always true
    "reset": {"after_bytes": None, "processed": False},
    # a body that ends early, under the Content-Length of the whole one; None: after half of it
    "cut": {"after_bytes": None, "processed": True},
    # nothing for so many seconds, before the answer or after n bytes of its body; then it goes on
    "silence": {"seconds": 1.0, "after_bytes": None, "processed": True},
    # the body in pieces of ``chunk_bytes``, with ``seconds`` between them
    "drip": {"chunk_bytes": 1, "seconds": 0.05, "processed": True},
    "redirect": {"location": "", "status": 302, "processed": False},
}


@dataclass(slots=True)
class Fault:
    """
    One entry of the queue.

    :param route: kind of route it strikes, ``"*"`` for every one
    :param name: one of :data:`KINDS`
    :param parameters: all parameters of that kind; ``processed`` says whether the simulator does its work
        all the same (the job starts) so that only the answer is lost
    :param times: how often it strikes, None: until it is cleared
    :param skip: how many requests it lets pass before
    """

    route: str
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    times: int | None = 1
    skip: int = 0

    def __getitem__(self, parameter: str) -> Any:
        return self.parameters[parameter]

    def to_dict(self) -> dict[str, Any]:
        """The fault as the control route takes it."""
        return {
            "route": self.route,
            "fault": self.name,
            "times": self.times,
            "skip": self.skip,
            **self.parameters,
        }


class FaultQueue:
    """The faults that still wait; may be filled from any thread."""

    def __init__(self, routes: frozenset[str] = frozenset()) -> None:
        self._lock = threading.Lock()
        self._queue: list[Fault] = []
        #: kinds of routes that exist; empty: any name is taken
        self.routes = routes

    def add(
        self, route: str, fault: str, *, times: int | None = 1, skip: int = 0, **parameters: Any
    ) -> Fault:
        """
        Put a fault at the end of the queue.

        :param route: "submit", "status", "result", "token" ... as the simulator names them, or ``"*"``
        :param fault: one of :data:`KINDS`
        :param times: how often it strikes, None: until :meth:`clear`
        :param skip: how many matching requests pass unharmed before
        :param parameters: see :data:`KINDS`
        :raises ValueError: unknown route, fault or parameter
        """
        if self.routes and route not in self.routes and route != EVERY_ROUTE:
            raise ValueError(f"unknown route {route!r}; known are {sorted(self.routes)} and '*'")
        if fault not in KINDS:
            raise ValueError(f"unknown fault {fault!r}; known are {sorted(KINDS)}")
        unknown = set(parameters) - set(KINDS[fault])
        if unknown:
            raise ValueError(f"{fault} has no {sorted(unknown)}; it knows {sorted(KINDS[fault])}")
        if times is not None and times < 1:
            raise ValueError("times must be at least 1, or None for 'until cleared'")
        entry = Fault(route, fault, {**KINDS[fault], **parameters}, times, skip)
        _check(entry)
        if entry.parameters.get("after_bytes") is not None:
            entry.parameters["processed"] = True
        with self._lock:
            self._queue.append(entry)
        return entry

    def add_json(self, value: Any) -> list[Fault]:
        """
        Put in what the control route received: one object or a list of them.

        :raises ValueError: when it is neither, or names something unknown
        """
        added = []
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, Mapping) or "fault" not in item:
                raise ValueError('a fault is an object such as {"route": "status", "fault": "http_status"}')
            options = {str(k): v for k, v in item.items()}
            added.append(self.add(options.pop("route", EVERY_ROUTE), options.pop("fault"), **options))
        return added

    def take(self, route: str) -> Fault | None:
        """The fault for a request of this kind, None when it goes unharmed."""
        with self._lock:
            for fault in self._queue:
                if fault.route not in (route, EVERY_ROUTE):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    return None
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._queue.remove(fault)
                return fault
            return None

    def clear(self) -> None:
        """Forget all faults that still wait."""
        with self._lock:
            self._queue.clear()

    def to_list(self) -> list[dict[str, Any]]:
        """The faults that still wait, in order."""
        with self._lock:
            return [fault.to_dict() for fault in self._queue]


def _check(fault: Fault) -> None:
    """
    Refuse what would only go wrong in the middle of an answer.

    :raises ValueError: a value that makes no sense
    """
    given = fault.parameters
    wrong = {
        "location": given.get("location") == "",
        "status": not 200 <= given.get("status", 200) <= 599,
        "seconds": given.get("seconds", 0) < 0,
        "chunk_bytes": given.get("chunk_bytes", 1) < 1,
        "after_bytes": (given.get("after_bytes") or 0) < 0,
        "update": not isinstance(given.get("update", {}), Mapping),
        "remove": isinstance(given.get("remove", ()), str),
    }
    bad = sorted(name for name, is_wrong in wrong.items() if is_wrong)
    if bad:
        raise ValueError(f"{fault.name}: no usable value for {', '.join(bad)}")


def retry_after(value: float | str, *, now: float, as_date: bool) -> str:
    """
    The value of a Retry-After header (RFC 9110, section 10.2.3).

    :param value: seconds, or a string that goes out unchanged (to try a client with nonsense)
    :param now: epoch seconds that a date counts from
    """
    if isinstance(value, str):
        return value
    return formatdate(now + value, usegmt=True) if as_date else str(int(value))
