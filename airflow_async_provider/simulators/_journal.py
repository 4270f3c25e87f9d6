# SPDX-License-Identifier: Apache-2.0
"""
What a simulator was asked, so that a test can say "one submission, no download twice".

The journal holds no credential: of headers it keeps the names, and values only of those listed in
:data:`SHOWN_HEADERS`; of ``Authorization`` it keeps the scheme; of a query it keeps the names, because a
pre-signed URL carries its signature there. It lives in memory and is never logged.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: headers whose values are no secret and say how a client behaves
SHOWN_HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Content-Type",
    "Host",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Prefer",
    "Range",
    "User-Agent",
)

#: entries kept; counts go on being exact beyond it
KEPT_ENTRIES = 50_000


@dataclass(slots=True)
class Entry:
    """
    One request.

    :param at: real epoch seconds at which it came in
    :param listener: which port it came in on ("api", "results", ...)
    :param kind: the route's kind ("submit", "status", "result", "token", "cancel", "unknown", ...)
    :param path: path as sent, without the query
    :param header_names: names of all headers, as sent
    :param shown: values of the headers in :data:`SHOWN_HEADERS`
    :param auth_scheme: first word of ``Authorization``, None without that header
    :param status: status of the answer; None while there is none, or when the connection was broken off
    :param sent: bytes of the answer's body handed to the socket
    :param fault: name of the fault that struck
    :param ended_at: real epoch seconds at which the answer had been sent or broken off
    """

    at: float
    listener: str
    kind: str
    method: str
    path: str
    query_names: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict)
    auth_scheme: str | None = None
    status: int | None = None
    sent: int = 0
    fault: str | None = None
    ended_at: float | None = None

    @property
    def done(self) -> bool:
        """Whether the answer has been sent or broken off."""
        return self.ended_at is not None

    def has_header(self, name: str) -> bool:
        """Whether the request carried that header, whatever its value."""
        return name.lower() in {n.lower() for n in self.header_names}

    def to_dict(self) -> dict[str, Any]:
        """The entry as a JSON-able dictionary."""
        return {
            "at": self.at,
            "listener": self.listener,
            "kind": self.kind,
            "method": self.method,
            "path": self.path,
            "query_names": list(self.query_names),
            "header_names": list(self.header_names),
            "shown": dict(self.shown),
            "auth_scheme": self.auth_scheme,
            "status": self.status,
            "sent": self.sent,
            "fault": self.fault,
            "ended_at": self.ended_at,
        }


class Journal:
    """All requests of one simulator; may be read from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # re-entrant: a condition may call count()
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self._kinds: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Enter a request, at once when it comes in."""
        with self._changed:
            self._entries.append(entry)
            self._kinds[entry.kind] += 1
            self._changed.notify_all()

    def close(self, entry: Entry) -> None:
        """Say that the answer is out, or will never come."""
        with self._changed:
            entry.ended_at = time.time()
            self._changed.notify_all()

    def note(self, what: str) -> None:
        """Count something that happened inside the simulator ("job_started")."""
        with self._changed:
            self._notes[what] += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._entries.clear()
            self._kinds.clear()
            self._notes.clear()

    def entries(
        self, kind: str | None = None, *, status: int | None = None, method: str | None = None
    ) -> list[Entry]:
        """Entries in order of arrival, filtered by what is given."""
        with self._changed:
            return [
                e
                for e in self._entries
                if (kind is None or e.kind == kind)
                and (status is None or e.status == status)
                and (method is None or e.method == method)
            ]

    def count(self, kind: str) -> int:
        """How many requests of that kind came in."""
        with self._changed:
            return self._kinds[kind]

    def noted(self, what: str) -> int:
        """How often :meth:`note` was told that."""
        with self._changed:
            return self._notes[what]

    @property
    def jobs_started(self) -> int:
        """Jobs that really began, also those whose answer was lost."""
        return self.noted("job_started")

    @property
    def submits(self) -> int:
        """Requests to start a job, refused ones included."""
        return self.count("submit")

    @property
    def polls(self) -> int:
        """Questions for a job's state."""
        return self.count("status")

    @property
    def downloads(self) -> int:
        """Requests for a result, parts included."""
        return self.count("result")

    @property
    def cancels(self) -> int:
        """Requests to cancel a job."""
        return self.count("cancel")

    def counts(self) -> dict[str, int]:
        """All counts: requests per kind, and what was noted."""
        with self._changed:
            return {**self._kinds, **self._notes}

    def wait(self, condition: Callable[[Journal], bool], timeout: float = 5.0) -> bool:
        """
        Wait until ``condition(journal)`` holds; False when it did not within ``timeout`` real seconds.

        Blocks the calling thread: from a coroutine, call it through ``asyncio.to_thread``.
        """
        end = time.monotonic() + timeout
        with self._changed:
            while not condition(self):
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True
