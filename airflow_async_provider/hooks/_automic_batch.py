# SPDX-License-Identifier: Apache-2.0
"""
Many waiting Automic runs, few requests: the execution list answers for all that ask in the same moments.

Automic has no request for the status of several runs, so a thousand waits are a thousand GETs an interval.
Its list of active executions shows them all in a few pages. The rules here:

* **The list may say one thing only: the run goes on.** An end, a blocked run, an unknown status, a
  record without a status and a run that the list does not show are read from the run's own record, by the
  single GET. So nothing that ends a wait hangs on what a list leaves out or shows late.
* **A list is walked when it is worth it**: when more than :data:`ASKS_PER_PAGE` polls a page have come in
  within the time for which its answer is good. A few waiting runs are asked for singly.
* **How old an answer may be** follows from the pace of the wait that asks: a quarter of the time since its
  last poll, so that an end is noticed at most that much later, and never more than :data:`OLDEST`.
* **Two lists.** The first is of our own marks (alias ``*#AF-*``). Runs without a mark, and marked ones that
  it does not show, are looked for by the time frame of their activation. Its limits come from their own
  records, so it is Automic's clock that counts, whatever it shows. A run that is not found there either is
  asked for singly for a while. Deactivated runs are left out: a run that goes on is not deactivated.
* **A list that fails** is a failed poll of each that waited for it, once; then it rests, for longer each
  time, and all ask singly, at their own pace.

All of this lives in one event loop; nothing here is shared between threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from airflow_async_provider.errors import AsyncJobError, TransientError, UnreadableAnswerError
from airflow_async_provider.hooks._automic_connection import AutomicEndpoint
from airflow_async_provider.hooks._base import AsyncApiHook, as_handle
from airflow_async_provider.protocols._automic.pagination import ExecutionWalk
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._automic.requests import MARKED, is_marked, is_timestamp
from airflow_async_provider.protocols._automic.responses import number, status_of_record
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._redaction import remember_sent, sent_last
from airflow_async_provider.protocols._registry import protocol_of

log = logging.getLogger(__name__)

#: ``max_results``. The vendor names a default (50) and no maximum; 1,000 and more are in use. A page of 500
#: is about a quarter of a megabyte. A server that gives shorter pages is asked for more of them.
PAGE_SIZE = 500

#: More is no page of a list (bytes).
MAX_PAGE_BYTES = 2 * 1024 * 1024

#: Pages of one walk: 10,000 runs.
MAX_PAGES = 20

#: Questions that a page must be expected to answer; below it single GETs are cheaper for Automic.
ASKS_PER_PAGE = 5

#: Part of a wait's pause by which its answer may be older than its poll.
PART_OF_PAUSE = 0.25

#: The same at a wait's first poll, when its interval is not known (seconds).
FIRST_AGE = 5.0

#: No answer is older than this, however slowly a wait asks (seconds).
OLDEST = 60.0

#: How often a list may fail to show a run before the run is looked for elsewhere.
MAX_MISSES = 2

#: For how long a run that no list shows is asked for singly before the list is tried again (seconds).
LOOK_AGAIN = 600.0

#: Rest of a list that failed (seconds); doubles with each failure in a row.
FIRST_REST = 30.0
MAX_REST = 600.0

#: For how long a Retry-After of the list is handed to all that ask, so that they do not ask singly instead.
MAX_HOLD = 60.0

#: A run that was not polled for so many seconds is not waited for any more.
FORGET = 900.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    What a list showed.

    :param began: when the walk over it began: the answers are not older
    :param records: execution records by RunID
    :param response: the last page's answer, without its body
    :param sent: what no message may repeat of its request
    """

    began: float
    records: Mapping[int, Mapping[str, Any]]
    response: HttpResponse | None
    sent: tuple[bytes, ...] = field(default=(), repr=False)


class SharedList:
    """
    One list, walked once for all that ask at the same time.

    :param endpoint: the Automic system
    :param protocol: builds the requests
    :param filters: the list's filters at this moment, None when there is nothing to look for
    """

    def __init__(
        self,
        endpoint: AutomicEndpoint,
        protocol: AutomicProtocol,
        filters: Callable[[], dict[str, Any] | None],
    ) -> None:
        # A page is ours to size, and there is one for many runs: it may be larger than a status.
        self._endpoint = replace(endpoint, max_status_bytes=max(endpoint.max_status_bytes, MAX_PAGE_BYTES))
        self._protocol = protocol
        self._filters = filters
        self._asks: deque[float] = deque(maxlen=ASKS_PER_PAGE * MAX_PAGES)
        self._snapshot: Snapshot | None = None
        self._pages = (0.0, 1)
        self._walk: asyncio.Task[Snapshot | AsyncJobError] | None = None
        self._failures = 0
        self._rests_until = 0.0
        self._held: tuple[float, TransientError] | None = None

    async def look(self, age: float) -> Snapshot | None:
        """
        What the list shows.

        :param age: seconds that the answer may be old
        :return: None when the run is to be asked for singly
        :raises TransientError: the walk that was waited for failed, or Automic asked us to wait
        """
        now = time.monotonic()
        self._asks.append(now)
        if self._snapshot and self._snapshot.began >= now - age:
            return self._snapshot
        if self._walk is None:
            if self._held and now < self._held[0]:
                error = copy(self._held[1])
                error.retry_after = self._held[0] - now
                raise error
            filters = self._filters() if self._is_worth_it(now, age) else None
            if filters is None:
                return None
            self._walk = asyncio.create_task(self._walked(filters, now))
        outcome = await asyncio.shield(self._walk)  # a cancelled waiter does not cancel it for the others
        if isinstance(outcome, TransientError):
            raise copy(outcome)
        return outcome if isinstance(outcome, Snapshot) else None

    def _is_worth_it(self, now: float, age: float) -> bool:
        if now < self._rests_until:
            return False
        counted, pages = self._pages
        needed = ASKS_PER_PAGE * (pages if now - counted < LOOK_AGAIN else 1)
        return len(self._asks) >= needed and self._asks[-needed] >= now - age

    async def _walked(self, filters: dict[str, Any], began: float) -> Snapshot | AsyncJobError:
        """Walk; a failure is returned, as each of those who wait raises one of its own."""
        from airflow_async_provider._transport.triggerer import send

        try:
            records: dict[int, Mapping[str, Any]] = {}
            walk = ExecutionWalk(self._protocol, page_size=PAGE_SIZE, **filters)
            response, pages = None, 0
            # Those who wait must not wait much longer than for one request.
            while walk.next and pages < MAX_PAGES and time.monotonic() < began + self._endpoint.timeout:
                response = await send(self._endpoint, walk.next)
                records |= {number(row["run_id"]) or 0: row for row in walk.take(response)}
                pages += 1
        except AsyncJobError as e:
            self._failed(e)
            return e
        else:
            self._pages, self._failures = (began, max(pages, 1)), 0
            answer = response and replace(response, body=b"")
            self._snapshot = Snapshot(began, records, answer, sent_last())
            asyncio.get_running_loop().call_later(OLDEST, self._drop, self._snapshot)
            return self._snapshot
        finally:
            self._walk = None

    def _drop(self, snapshot: Snapshot) -> None:
        """Free what is too old for everybody: it may be the last one."""
        if self._snapshot is snapshot:
            self._snapshot = None

    def _failed(self, error: AsyncJobError) -> None:
        now, asked = time.monotonic(), getattr(error, "retry_after", None) or 0.0
        rest = min(FIRST_REST * 2**self._failures, MAX_REST)
        self._failures = min(self._failures + 1, 10)
        self._rests_until = now + max(rest, asked)
        if isinstance(error, TransientError):
            # A copy: the error itself holds its traceback, and that the event loop.
            self._held = (now + min(asked, MAX_HOLD), copy(error))
            return
        log.warning(
            "The list of Automic's executions cannot be used, so waiting runs are asked for singly for "
            "%.0f s: %s If that is how it must be, set batch_polls to false in the connection's extra.",
            rest,
            error,
        )


@dataclass(slots=True)
class Waiting:
    """
    A run that is waited for.

    :param looked_for_in: the list that should show it
    :param since: since when it is looked for there; an older snapshot need not show it
    :param asked: when it was asked for last
    :param activated: its activation time, as Automic wrote it
    :param alone_until: until then it is asked for singly
    """

    looked_for_in: SharedList
    since: float
    asked: float
    activated: str = ""
    misses: int = 0
    alone_until: float = 0.0


class Batch:
    """
    All waiting runs of one client of a connection, in one event loop.

    :param endpoint: the Automic system
    :param protocol: of any of its handles
    """

    def __init__(self, endpoint: AutomicEndpoint, protocol: AutomicProtocol) -> None:
        self.endpoint = endpoint
        self._marked = SharedList(endpoint, protocol, lambda: {"alias": MARKED})
        self._activated = SharedList(endpoint, protocol, self._time_frame)
        self._waiting: dict[int, Waiting] = {}
        self._tidied = time.monotonic()

    async def status(
        self, handle: JobHandle, protocol: AutomicProtocol, ask: Callable[[], Awaitable[JobStatus]]
    ) -> JobStatus:
        """
        A run's state, from a list or by a poll of its own.

        :param ask: asks for it singly
        :raises RemoteError: no answer, or one that says nothing about the run
        """
        run_id = number(handle.job_id)
        if run_id is None:
            return await ask()
        now = time.monotonic()
        self._tidy(now)
        run, age = self._entered(run_id, protocol, now)
        snapshot = await run.looked_for_in.look(age) if now >= run.alone_until else None
        record = snapshot.records.get(run_id) if snapshot else None
        if snapshot and snapshot.response and record is not None:
            run.misses = 0
            remember_sent(snapshot.sent)  # the list was asked for by another task
            if status := _goes_on(record, snapshot.response, handle, protocol):
                return status
        status = await ask()
        if status.state is JobState.RUNNING:
            missed = snapshot is not None and record is None and snapshot.began >= run.since
            self._learn(run, status, missed=missed)
        else:
            self._waiting.pop(run_id, None)
        return status

    def _entered(self, run_id: int, protocol: AutomicProtocol, now: float) -> tuple[Waiting, float]:
        """The run, and how old an answer it may get."""
        run = self._waiting.get(run_id)
        if run is None:
            first = self._marked if protocol.correlate else self._activated
            run = self._waiting[run_id] = Waiting(first, since=now, asked=now)
            return run, FIRST_AGE
        age = min((now - run.asked) * PART_OF_PAUSE, OLDEST)
        run.asked = now
        return run, age

    def _learn(self, run: Waiting, status: JobStatus, *, missed: bool) -> None:
        """What the single answer says about where to look next time."""
        now, activated = time.monotonic(), str(status.detail.get("activation_time"))
        if run.looked_for_in is self._activated and not run.activated:
            run.since, missed = now, False  # no time frame could have held it
        run.activated = activated if is_timestamp(activated) else ""
        run.misses += missed
        lost = run.misses >= MAX_MISSES
        if run.looked_for_in is self._marked and (lost or not is_marked(status.detail.get("alias"))):
            run.looked_for_in, run.since, run.misses = self._activated, now, 0
        elif lost:
            run.alone_until, run.misses = now + LOOK_AGAIN, MAX_MISSES - 1

    def _time_frame(self) -> dict[str, Any] | None:
        """From the earliest to the latest activation of the runs that are looked for by it."""
        now = time.monotonic()
        times = [
            run.activated
            for run in self._waiting.values()
            if run.activated and run.looked_for_in is self._activated and now >= run.alone_until
        ]
        if not times:
            return None
        # All have one form, in which the order of texts is that of the moments.
        return {
            "time_frame_option": "activation",
            "time_frame_from": min(times),
            "time_frame_to": max(times),
        }

    def _tidy(self, now: float) -> None:
        if now - self._tidied > FORGET:
            self._tidied = now
            self._waiting = {n: run for n, run in self._waiting.items() if now - run.asked <= FORGET}


def _goes_on(
    record: Mapping[str, Any], response: HttpResponse, handle: JobHandle, protocol: AutomicProtocol
) -> JobStatus | None:
    """The status in a list's record when it says that the run goes on, else None."""
    try:
        status = status_of_record(
            record,
            response,
            job=f"Automic run {handle.job_id}",
            fail_on_blocked=protocol.fail_on_blocked,
        )
    except UnreadableAnswerError:
        return None
    return status if status.state is JobState.RUNNING and status.recognised else None


_batches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Batch]] = (
    weakref.WeakKeyDictionary()
)


class BatchedPolls(AsyncApiHook):
    """A hook whose polls from the event loop are answered by lists where that is cheaper."""

    async def astatus(self, job: JobHandle | Mapping[str, Any]) -> JobStatus:
        """
        What Automic says about a run, one try; many waiting runs share one list.

        :raises RemoteError: no answer, or one that says nothing about the run
        """
        handle = as_handle(job)
        protocol, endpoint = protocol_of(handle), await self.aendpoint()
        self._check_bound(handle, endpoint)
        ask = partial(super().astatus, handle)
        if not isinstance(protocol, AutomicProtocol) or not isinstance(endpoint, AutomicEndpoint):
            return await ask()
        if not endpoint.batch_polls:
            return await ask()
        batches = _batches.setdefault(asyncio.get_running_loop(), {})
        key = (self.conn_id, protocol.client)
        batch = batches.get(key)
        if batch is None or batch.endpoint is not endpoint:  # the connection was changed
            batch = batches[key] = Batch(endpoint, protocol)
        return await batch.status(handle, protocol, ask)
