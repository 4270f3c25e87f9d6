# SPDX-License-Identifier: Apache-2.0
"""
Automic's callbacks: payloads, attempts and their delays.

Known (vendor pages "Polling and Callback Requests" and "UC_CALLBACK_SETTINGS"): the three forms of the
default payload, templates with placeholders, headers copied as they are, interval of at least 30 seconds,
constant, linear or squared. Assumptions: POST with JSON, as :mod:`.outbox` sends; CALLBACK_ATTEMPTS counts
the first try too (the smaller reading of a text that contradicts itself); statuses 1960 and 1860 of the CBCK
entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_async_provider.simulators._automic_runs import Run
from airflow_async_provider.simulators._journal import Journal
from airflow_async_provider.simulators._outbox import NoAnswerError, Outbox, accepted

#: The three forms in which the vendor documents the default payload.
PAYLOADS: dict[str, Callable[[Run, int], dict[str, Any]]] = {
    "padded": lambda run, status: {
        "runid": f"{run.run_id:010}",
        "object_type": run.type,
        "execution_status": str(status),
    },
    "numbers": lambda run, status: {
        "run_id": run.run_id,
        "object_type": run.type,
        "execution_status": status,
    },
    "named": lambda run, status: {"run_id": run.run_id, "name": run.name, "status": status},
}

_PLACEHOLDER = re.compile(r"&(\$?[A-Z0-9_]+)#")


@dataclass(slots=True)
class Attempt:
    """
    One try.

    :param at: simulated epoch seconds
    :param status: HTTP status of the receiver, None: no answer
    :param error: why there was none
    """

    at: float
    status: int | None = None
    error: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver took it."""
        return accepted(self.status)


@dataclass(slots=True)
class Callback:
    """
    The notification of one run; its entry in the list is of type CBCK.

    :param run: the run
    :param entry: the CBCK entry, None until the first try
    :param attempts: the tries so far
    :param status: the run's status to tell, None: the one it has
    """

    run: Run
    entry: Run | None = None
    attempts: list[Attempt] = field(default_factory=list)
    status: int | None = None

    @property
    def of_the_end(self) -> bool:
        """Whether it still waits for the end of its run."""
        return self.status is None and not self.attempts

    def to_dict(self) -> dict[str, Any]:
        """For the control routes: no address, no headers."""
        return {
            "run_id": self.run.run_id,
            "attempts": [{"at": a.at, "status": a.status, "error": a.error} for a in self.attempts],
        }


class CallbackSender:
    """
    Sends callbacks when they are due.

    :param now: simulated epoch seconds
    :param attempts: most tries, the first one included
    :param interval: simulated seconds between tries, at least 30
    :param interval_exp: 0 constant, 1 times the number of failures, 2 times its square
    :param payload: one of :data:`PAYLOADS`
    :param template: text with placeholders instead; it is filled in as text, whatever becomes of the JSON
    :param new_entry: makes the CBCK entry of a callback
    :raises ValueError: what UC_CALLBACK_SETTINGS does not allow
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        journal: Journal,
        client: str,
        attempts: int,
        interval: float,
        interval_exp: int,
        payload: str,
        template: str | None,
        new_entry: Callable[[Run], Run],
    ) -> None:
        if attempts < 1 or interval < 30 or interval_exp not in (0, 1, 2):
            raise ValueError(
                "UC_CALLBACK_SETTINGS allows attempts from 1, an interval from 30 seconds (to wait less, "
                "make the clock run faster: time_scale) and the exponents 0, 1 and 2"
            )
        if payload not in PAYLOADS:
            raise ValueError(f"unknown payload {payload!r}; known are {sorted(PAYLOADS)}")
        self._now = now
        self._journal = journal
        self._client = client
        self.most_attempts = attempts
        self.interval = interval
        self.interval_exp = interval_exp
        self.payload = payload
        self.template = template
        self._new_entry = new_entry
        self.callbacks: list[Callback] = []
        #: its background sends for as long as the application lives
        self.outbox = Outbox(now=now, send=self._try, user_agent="Automic")

    def clear(self) -> None:
        """Forget all callbacks, also those that are still to be sent."""
        self.callbacks.clear()
        self.outbox.clear()

    def expect(self, run: Run) -> None:
        """Send what the run's plan says, once it is time."""
        for _ in range(run.plan.callbacks if run.plan.callback_at != "submit" else 0):
            if run.plan.callback_at == "start":
                self.send(run, status=1900)
            else:
                self.outbox.put(Callback(run), _end(run))

    def changed(self, run: Run) -> None:
        """Look again when a run's callback is due: its course was changed."""
        self.outbox.reschedule(
            lambda callback, due: _end(run) if callback.run is run and callback.of_the_end else due
        )

    def send(self, run: Run, *, status: int | None = None) -> None:
        """
        Send a callback now, whatever the run does.

        :param status: tell this one, None: the one it has
        """
        self.outbox.put(Callback(run, status=run.status if status is None else status), self._now())

    def delay(self, failures: int) -> float:
        """Simulated seconds until the next try after so many failed ones."""
        return self.interval * float(failures**self.interval_exp)

    # -- sending

    async def _try(self, callback: Callback) -> None:
        if callback.entry is None:
            callback.entry = self._new_entry(callback.run)
            self.callbacks.append(callback)
        attempt = await self.post(callback.run, callback.status)
        callback.attempts.append(attempt)
        if attempt.accepted:
            callback.entry.set_status(1960)
            self._journal.note("callback_accepted")
        elif len(callback.attempts) >= self.most_attempts:
            callback.entry.set_status(1860)
            self._journal.note("callback_given_up")
        else:
            self.outbox.put(callback, attempt.at + self.delay(len(callback.attempts)))

    async def post(self, run: Run, status: int | None = None) -> Attempt:
        """Do one try now."""
        attempt = Attempt(self._now())
        http = run.body["callback"]["http"]
        body = self.text(run, run.status if status is None else status).encode()
        headers = {"Content-Type": "application/json", **http.get("headers", {})}
        self._journal.note("callback_sent")
        try:
            attempt.status = await self.outbox.post(http["url"], body, headers)
        except NoAnswerError as error:
            attempt.error = str(error)
        return attempt

    def text(self, run: Run, status: int) -> str:
        """The payload."""
        if self.template is None:
            return json.dumps(PAYLOADS[self.payload](run, status))
        user, _, department = run.user.partition("/")
        values = {
            "$RUNID": f"{run.run_id:010}",
            "$OBJECT_TYPE": run.type,
            "$SYSTEM": "AUTOMIC",
            "$CLIENT": f"{int(self._client):04}",
            "$CLIENT_DESC": "Simulated client",
            "$USER": user,
            "$DEPARTMENT": department,
            "$ARCHIVE_KEY1": "",
            "$EXECUTION_STATUS": str(status),
            "$EXECUTION_STATUS_TEXT": run.text,
            "$LAST_ERROR_MESSAGE": run.plan.last_error_message,
            "$LAST_ERROR_CODE": "00000000" if status >= 1900 else "00011409",
            "$LAST_ERROR_INSERT": "",
            **{name.rstrip("#"): str(value) for name, value in run.variables.items()},
        }
        return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), self.template)


def _end(run: Run) -> float:
    """Simulated epoch seconds of a run's end, infinite when none is in sight."""
    end = run.ended_at
    return float("inf") if end is None else end
