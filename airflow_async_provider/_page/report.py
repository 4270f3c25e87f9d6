# SPDX-License-Identifier: Apache-2.0
"""
What a triggerer reports of its jobs, for the page "Remote jobs": gathered in memory, sent rarely, in batches.

A trigger has no database of its own and may store one XCom at a time, for which the triggerer stands still.
So each triggerer sends a signed report to the API server, which stores it with one statement for 200 jobs:
every ``[async_provider] page_report_seconds``, and only of jobs that were polled since. Nothing waits for a
report: where none arrives, the next one holds what is new, and the wait for the job goes on all the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp

from airflow_async_provider import _settings as settings
from airflow_async_provider._page.facts import MAX_JOBS, MOMENTS, REPORT_VERSION, TEXTS, address_of, system_of
from airflow_async_provider._page.signing import HEADER, report_keys, signature_of
from airflow_async_provider._polling.policy import Sleep, Stop, Wait
from airflow_async_provider._polling.wait_log import format_status
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.protocols._job import JobHandle, JobStatus
from airflow_async_provider.protocols._redaction import one_line

log = logging.getLogger(__name__)

#: Where the API server takes reports, below its own address.
PATH = "/remote-jobs/reports"

#: The first report of a triggerer goes out after so many seconds: a person may be watching.
FIRST = 3.0

#: An API server that does not answer is asked again ever more rarely, up to once in so many seconds.
MAX_PAUSE = 600.0

#: For one report (seconds).
MAX_SENDING = 20.0

#: Jobs whose JSON is made in one go.
AT_ONCE = 25

#: Lines of a timeline that wait for the next report.
MAX_PENDING = 30


class JobReport:
    """
    One waiting job, updated after each poll.

    :param facts: what does not change during the wait
    :param changed: called when there is something to report
    :param now: the clock of the wait's times
    """

    def __init__(
        self, facts: dict[str, Any], changed: Callable[[JobReport], None], now: Callable[[], float]
    ) -> None:
        self._facts = facts
        self._changed = changed
        self._now = now
        self._state = "running"
        self._status = self._shown_status = ""
        self._progress: float | None = None
        self._error = ""
        self._last: float | None = None
        self._next: float | None = None
        self._counts = {"polls": 0, "failures": 0, "failures_in_row": 0}
        self._over = False
        self.events: list[tuple[float, str, str]] = [(now(), "waiting", "the triggerer waits for the job")]

    def polled(
        self, wait: Wait, step: Sleep | Stop, status: JobStatus | None, error: Exception | None = None
    ) -> None:
        """
        After a poll, and once before the first one.

        :param step: what comes next
        :param status: the answer, None where there was none
        """
        now = self._now()
        self._counts = {"polls": wait.polls, "failures": wait.errors, "failures_in_row": wait.errors_in_row}
        self._next = now + step.seconds if isinstance(step, Sleep) else None
        if status is not None:
            self._last = now
            if status.remote_status != self._status or status.state.value != self._state:
                self._add_event(now, "status", f"{status.state.value}: {format_status(status)}")
            elif self._error:
                self._add_event(now, "status", "polls are answered again")
            self._state, self._status, self._error = status.state.value, status.remote_status, ""
            self._shown_status = _cleaned("remote_status", _in_words(status), self._shown_status)
            self._progress = status.progress
        elif error is not None:
            self._last = now
            # What an error says is for the log; a foreign one may say anything.
            words = str(error) if isinstance(error, AsyncJobError) else type(error).__name__
            if type(error).__name__ != self._error.partition(":")[0]:
                self._add_event(now, "failure", f"poll {wait.polls} failed: {words}")
            self._error = _cleaned("last_error", f"{type(error).__name__}: {words}", self._error)
        self._changed(self)

    def located(self, address: str) -> None:
        """Where the job is at the remote system, as its connection says."""
        if address:
            self._facts["remote_url"] = one_line(address, TEXTS["remote_url"])

    def ended(self, event: dict[str, Any]) -> None:
        """The wait is over, as the trigger's event says."""
        self._state, self._next, self._over = str(event["state"]), None, True
        self._add_event(self._now(), "end", f"{event['state']}, reported by {event['via']}")
        self._changed(self)

    def left(self) -> None:
        """Nothing waits here any more; without an end a user or Airflow has ended the wait."""
        if not self._over:
            self._next = None
            self._add_event(self._now(), "end", "the wait was ended from outside, or goes on elsewhere")
            self._changed(self)

    def _add_event(self, now: float, kind: str, text: str) -> None:
        if len(self.events) < MAX_PENDING:
            self.events.append((now, kind, one_line(text, 300)))

    def to_dict(self) -> dict[str, Any]:
        """The row, with moments as seconds from now."""
        now = self._now()
        row = {
            **self._facts,
            **self._counts,
            "state": self._state,
            "remote_status": self._shown_status,
            "progress": self._progress,
            "last_error": self._error,
            "last_poll_at": self._last,
            "next_poll_at": self._next,
            "events": [
                {"at": round(at - now, 2), "kind": kind, "text": text} for at, kind, text in self.events
            ],
        }
        return row | {n: None if row[n] is None else round(row[n] - now, 2) for n in MOMENTS}


class Reporter:
    """
    The reports of one event loop.

    :param url: where they go
    :param key: what they are signed with
    :param interval: seconds between two of them
    """

    def __init__(self, url: str, key: bytes, interval: float) -> None:
        self._url = url
        self._key = key
        self._interval = interval
        self._changed: dict[str, JobReport] = {}
        self._users = 0
        self._task: asyncio.Task[None] | None = None
        self._pause = interval
        self._trouble = ""

    @contextmanager
    def watching(self, ti_id: str, facts: dict[str, Any], now: Callable[[], float]) -> Iterator[JobReport]:
        """A job, for as long as a trigger waits for it here."""

        def changed(report: JobReport) -> None:
            self._changed[ti_id] = report

        self._users += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        # Made once: cleaning texts costs more than all the rest of a report.
        texts = {name: one_line(facts.get(name) or "", length) for name, length in TEXTS.items()}
        report = JobReport({"ti_id": ti_id, **facts, **texts}, changed, now)
        changed(report)
        try:
            yield report
        finally:
            self._users -= 1
            report.left()

    async def _run(self) -> None:
        await asyncio.sleep(min(FIRST, self._interval))
        while True:
            try:
                await self._flush()
            except Exception as e:  # noqa: BLE001 - a page without news must not end anybody's wait
                self._failed(type(e).__name__)
            if not self._users and (not self._changed or self._trouble):
                self._changed.clear()
                self._task = None
                return
            await asyncio.sleep(self._pause * random.uniform(0.9, 1.1))  # noqa: S311 - spreads triggerers

    async def _flush(self) -> None:
        while self._changed:
            ids = list(self._changed)[:MAX_JOBS]
            reports = [self._changed.pop(ti_id) for ti_id in ids]
            sent = [list(report.events) for report in reports]
            try:
                await self._send(reports)
            except BaseException:
                for ti_id, report in zip(ids, reports, strict=True):
                    self._changed.setdefault(ti_id, report)
                raise
            for report, events in zip(reports, sent, strict=True):
                del report.events[: len(events)]
        self._pause = self._interval
        if self._trouble:
            self._trouble = ""
            log.info('The page "Remote jobs" gets news of this triggerer\'s jobs again.')

    async def _send(self, reports: Sequence[JobReport]) -> None:
        body = await body_of(reports)
        headers = {"Content-Type": "application/json", HEADER: signature_of(self._key, body)}
        connector = (
            aiohttp.TCPConnector(ssl=await asyncio.to_thread(_tls)) if self._url[:5] == "https" else None
        )
        timeout = aiohttp.ClientTimeout(total=MAX_SENDING)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status >= 300:
                raise RuntimeError(f"HTTP {answer.status}")

    def _failed(self, what: str) -> None:
        self._pause = min(self._pause * 2, MAX_PAUSE)
        if what != self._trouble:
            self._trouble = what
            log.info(
                'The page "Remote jobs" gets no news of this triggerer\'s jobs (%s at %s); waiting for them '
                "goes on as always.",
                what,
                self._url,
            )


async def body_of(reports: Sequence[JobReport]) -> bytes:
    """The JSON of a report; the event loop gets a turn after every few jobs."""
    jobs = []
    for begin in range(0, len(reports), AT_ONCE):
        jobs += [json.dumps(report.to_dict()) for report in reports[begin : begin + AT_ONCE]]
        await asyncio.sleep(0)
    return f'{{"version": {REPORT_VERSION}, "jobs": [{", ".join(jobs)}]}}'.encode()


def _in_words(status: JobStatus) -> str:
    """The remote's word; a number with what the remote says it means."""
    word = status.remote_status
    return f"{word} {status.message}" if status.message and word.isdecimal() else word


def _cleaned(name: str, text: str, before: str) -> str:
    """A text as it may be shown; cleaning costs more than all the rest, and most are what they were."""
    return text if text == before else one_line(text, TEXTS[name])


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority := settings.api_ssl_cert():
        context.load_verify_locations(authority)
    return context


_reporters: WeakKeyDictionary[asyncio.AbstractEventLoop, Reporter | None] = WeakKeyDictionary()


def _reporter() -> Reporter | None:
    """That of this event loop; None where nothing is to be reported, or there is no way to."""
    loop = asyncio.get_running_loop()
    if loop not in _reporters:
        interval, keys = settings.page_report_seconds(), report_keys()
        base = settings.execution_api_server_url() or settings.api_base_url() or ""
        if not base.startswith("http"):  # what Airflow's own workers take then
            base = f"http://localhost:8080{base}"
        url = base.rstrip("/").removesuffix("/execution") + PATH
        _reporters[loop] = Reporter(url, keys[0], interval) if interval and keys else None
    return _reporters[loop]


@contextmanager
def reported(trigger: Any, handle: JobHandle) -> Iterator[JobReport | None]:
    """
    The report of a trigger's job while it waits; None where there is none (no task, no key, switched off).

    :param trigger: an ``AsyncJobTrigger``, which lies above this module
    """
    reporter = _reporter() if trigger.task_instance is not None else None
    ti_id = getattr(trigger.task_instance, "id", None)
    if reporter is None or ti_id is None:
        yield None
        return
    facts = {
        "trigger_id": trigger.trigger_id or 0,
        "system": system_of(handle.protocol),
        "conn_id": trigger.conn_id or handle.conn_id,
        "label": handle.data.get("label"),
        "job_id": handle.shown_id,
        "remote_url": address_of(handle),
        "submitted_at": handle.submitted_at or None,
        "waiting_since": trigger.deferred_at,
        "deadline": trigger.deadline,
        "callback": trigger.callback,
    }
    with reporter.watching(str(ti_id), facts, trigger.now) as report:
        yield report
