# SPDX-License-Identifier: Apache-2.0
"""
Schedule a DAG by "this remote job, or this status document, has finished", without a task that waits.

The sibling of :class:`~.async_job.AsyncJobTrigger` for asset watchers. All watchers of one connection share
one stream (Airflow >= 3.3): one loop asks for their documents in turn, spread over the interval. Older
Airflows run each watcher by itself, over the same pool of sockets.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Collection, Hashable, Mapping
from inspect import signature
from typing import Any, ClassVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_async_provider._polling.loop import EVENT_VERSION
from airflow_async_provider._polling.policy import SHORTEST_SLEEP
from airflow_async_provider._transport.triggerer import pool
from airflow_async_provider.errors import AsyncJobError, ConfigurationError
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

log = logging.getLogger(__name__)

#: One thing that is watched: its key and the handle to ask with.
Document = tuple[str, Mapping[str, Any]]

#: What is remembered of a job that has not ended.
RUNNING = "running"

#: Whether asset watchers can be given to certain triggerers. Not needed from Airflow 3.4 on.
HAS_QUEUES = "queue" in signature(BaseEventTrigger.__init__).parameters


class AsyncJobEventTrigger(BaseEventTrigger):
    """
    Fires an asset event each time a job, or the job behind a status document, comes to an end.

    A document that says "running" again arms it for the next end, so one fixed address of a remote that runs
    the same job every night gives one event a night. What has fired is remembered with the asset (Airflow >=
    3.3); before that, a restarted triggerer may fire the last end once more.

    The event's payload: ``{"version", "state", "remote_status", "protocol", "job_id"}``.

    :param job: the job handle, as a dictionary: a submit task's return value, or the ``handle()`` of an
        :class:`~airflow_async_provider.sensors.http_async.HttpAsyncJobSensor` for a status document
    :param conn_id: Airflow connection, None for the default of the job's hook
    :param poll_interval: seconds between two polls of the same document
    :param states: which ends fire, values of :class:`~airflow_async_provider.protocols.JobState`
    :param queue: only triggerers that serve this queue (``airflow triggerer --queues``) watch, None for those
        that serve none in particular (Airflow >= 3.4; ignored before)
    """

    #: Documents by shared stream; one set for all watchers of this process's event loop.
    _watched: ClassVar[dict[Hashable, dict[str, tuple[Mapping[str, Any], int]]]] = {}

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        conn_id: str | None = None,
        poll_interval: float = 60.0,
        states: Collection[str] = (JobState.SUCCEEDED.value,),
        queue: str | None = None,
        version: int = 1,
    ) -> None:
        super().__init__(**({"queue": queue} if HAS_QUEUES else {}))  # type: ignore[no-untyped-call] # Airflow gives no types here
        if queue and not HAS_QUEUES:
            log.warning("queue=%r is ignored: asset watchers have queues from Airflow 3.4 on.", queue)
        known = {state.value for state in JobState if state.ended}
        if not set(states) <= known or not states:
            raise ConfigurationError(f"states must be some of {sorted(known)}, not {sorted(states)}.")
        JobHandle.from_dict(job)
        self.job = dict(job)
        self.conn_id = conn_id
        self.poll_interval = float(poll_interval)
        self.states = sorted(states)
        self.version = version
        self._last: str | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, JSON-able and stable: Airflow distinguishes watchers by them."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "job": self.job,
                "conn_id": self.conn_id,
                "poll_interval": self.poll_interval,
                "states": self.states,
                "version": self.version,
            },
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.job.get('protocol')} job {self.job.get('job_id')}>"

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone: what Airflow calls where it knows no shared streams."""
        async with pool():
            while True:
                async for event in self._events(await _poll(self._document, self.conn_id)):
                    yield event
                await asyncio.sleep(max(self.poll_interval, SHORTEST_SLEEP))

    # -- shared stream (Airflow >= 3.3) ----------------------------------------------------------------

    def shared_stream_key(self) -> Hashable | None:
        """One stream for all watchers of a connection that keep the same pace."""
        return _key_of(self.serialize()[1])

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        """Ask for every watched document of the connection in turn, for ever."""
        conn_id, interval = kwargs.get("conn_id"), float(kwargs.get("poll_interval", 60.0))
        async with pool():
            while True:
                documents = [(key, job) for key, (job, _) in cls._watched.get(_key_of(kwargs), {}).items()]
                # Spread over the interval: a thousand documents are no burst.
                pause = max(interval / max(len(documents), 1), SHORTEST_SLEEP / 10)
                for document in documents:
                    yield document[0], await _poll(document, conn_id)
                    await asyncio.sleep(pause)
                if not documents:
                    await asyncio.sleep(min(interval, 1.0))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Take this watcher's own document out of the stream."""
        group = self._watched.setdefault(self.shared_stream_key(), {})
        mine, job = self._document
        group[mine] = (job, group.get(mine, (job, 0))[1] + 1)
        try:
            async for key, status in shared_stream:
                if key == mine:
                    async for event in self._events(status):
                        yield event
        finally:
            users = group[mine][1] - 1
            if users:
                group[mine] = (job, users)
            else:
                del group[mine]

    # -- edges ------------------------------------------------------------------------------------------

    @property
    def _document(self) -> Document:
        return _digest(self.job), self.job

    async def _events(self, status: JobStatus | None) -> AsyncIterator[TriggerEvent]:
        """One event for each end that is new."""
        if status is None:
            return
        if self._last is None:
            self._last = await self._remembered()
        facts = {
            "state": status.state.value,
            "remote_status": status.remote_status,
            "detail": dict(status.detail),
        }
        seen = _digest(facts) if status.state.ended else RUNNING
        if seen == self._last:
            return
        self._last = seen
        if status.state.value in self.states:
            handle = JobHandle.from_dict(self.job)
            yield TriggerEvent(
                {
                    "version": EVENT_VERSION,
                    "state": status.state.value,
                    "remote_status": status.remote_status,
                    "protocol": handle.protocol,
                    "job_id": handle.job_id,
                }
            )
        # Remembered after the event: better fired twice than never.
        await self._remember(seen)

    async def _remembered(self) -> str:
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return ""
        try:
            return str(await store.aget(self._memory_key) or "")
        except Exception as e:  # noqa: BLE001 - several assets share this watcher, or the store is away
            log.warning("What this watcher has fired cannot be read (%s).", type(e).__name__)
            return ""

    async def _remember(self, seen: str) -> None:
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return
        try:
            await store.aset(self._memory_key, seen)
        except Exception as e:  # noqa: BLE001 - see _remembered
            log.warning("What this watcher has fired cannot be remembered (%s).", type(e).__name__)

    @property
    def _memory_key(self) -> str:
        return f"async_job_event_{self._document[0]}"


async def _poll(document: Document, conn_id: str | None) -> JobStatus | None:
    """The state of one document; None when it could not be read this time."""
    handle = JobHandle.from_dict(document[1])
    try:
        return await hook_for(handle, conn_id).astatus(handle)
    except AsyncJobError as e:
        log.warning("Polling the watched job %s failed: %s", handle.shown_id, e)
        return None


def _key_of(kwargs: Mapping[str, Any]) -> Hashable:
    return (__name__, kwargs.get("conn_id"), float(kwargs.get("poll_interval", 60.0)))


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
