# SPDX-License-Identifier: Apache-2.0
"""
Storing a job's result in the triggerer, in a few threads of its own, as it would not wait for a worker.

It is the worker's own way, over the same source and destination and within the same limits, but for what
costs an event loop most: one connection to the source, one part under way, one client for a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._download.limits import Bounds, DownloadLimits
from airflow_async_provider._download.locations import Location, is_folder
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._polling.wait_log import Log
from airflow_async_provider._settings import triggerer_paths, triggerer_store_threads
from airflow_async_provider.errors import DownloadError
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.protocols._job import JobHandle, JobStatus
from airflow_async_provider.protocols._registry import protocol_of
from airflow_async_provider.triggers._claim import Claim

if TYPE_CHECKING:
    from airflow_async_provider._download.destination.base import Destination
    from airflow_async_provider._download.destination.s3 import S3Object
    from airflow_async_provider._download.source.base import ByteSource

#: A thread that was asked to stop is waited for so long (seconds), and Airflow so long to take note of that:
#: when a triggerer ends, it listens no more.
STOPPED_WITHIN = 5.0
NOTED_WITHIN = 1.0

#: Schemes of fsspec's that lead to no other machine.
OF_ONE_MACHINE = frozenset({"local", "memory"})

#: What of a URL's life may pass until its result is on its way to the destination; later it is a worker's.
#: Triggerers may reach less than workers do: the storage may be silent to them.
PART_OF_LIFE = 0.5

#: So long an attempt to reach S3 takes (seconds).
CONNECTED_WITHIN = 5.0

#: A client for S3 takes a tenth of a second of CPU to make, and serves so long (seconds).
CLIENT_LIFE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRequest:
    """
    What the trigger is asked to store, as JSON-able data without secrets.

    :param destination: where the result goes
    :param options: :class:`~airflow_async_provider._download.options.StoreOptions`, those that differ from
        the defaults
    :param below: only a result whose URL lives for fewer seconds; None: any
    """

    destination: str
    options: Mapping[str, Any]
    below: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For the trigger's arguments."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> StoreRequest:
        """Rebuild; keys of later versions are ignored."""
        return cls(**{name: value[name] for name in cls.__slots__ if name in value})

    @property
    def store_options(self) -> StoreOptions:
        """
        How it is stored.

        :raises ConfigurationError: options that cannot be
        """
        return StoreOptions(**self.options)


def in_reach(location: Location) -> bool:
    """Whether a triggerer may store there: an object storage, or a directory that it shares with workers."""
    if location.kind != "file":
        return location.uri.partition(":")[0].lower() not in OF_ONE_MACHINE
    path = os.path.normpath(location.path)
    return any(
        os.path.commonpath([path, shared]) == shared
        for shared in map(os.path.normpath, triggerer_paths())
        if shared.startswith("/")
    )


def why_not(request: StoreRequest, handle: JobHandle, status: JobStatus) -> str:
    """What keeps a triggerer from storing a result; empty where nothing does."""
    result = status.result
    if status.no_data or result is None or result.is_status:
        return "there is no result with the status"
    if result.files or result.paged:
        return "it has several files or pages"
    if result.value is None and result.body is None and result.url is None:
        return "it is no longer offered"
    if protocol_of(handle).result_request(handle, status) is not None:
        return "another document says where it is"
    if not in_reach(request.store_options.read(request.destination, folder=is_folder(request.destination))):
        return "[async_provider] triggerer_paths of this triggerer does not have the destination"
    if not triggerer_store_threads():
        return "[async_provider] triggerer_store_threads of this triggerer is 0"
    return ""


def is_short_lived(request: StoreRequest, status: JobStatus) -> bool:
    """Whether the result shall not wait for a worker."""
    if request.below is None:
        return True
    expires_at = None if status.result is None else status.result.expires_at
    return expires_at is not None and expires_at - time.time() < request.below


async def stored_result(
    request: StoreRequest,
    handle: JobHandle,
    status: JobStatus,
    *,
    conn_id: str | None,
    task: TaskKey | None,
    log: Log,
) -> dict[str, Any]:
    """
    Store the result; JSON-able facts for the worker, without secrets.

    :param conn_id: Airflow connection of the job
    :param task: whose result it is
    :raises StoppedError: another triggerer does it
    :raises ResultExpiredError: its URL has expired
    :raises ResultError: it could not be fetched or stored, also: the threads were busy, or the destination
        silent, for so long that a worker shall try while the URL is still good
    """
    expires_at = None if status.result is None else status.result.expires_at
    patience = None if expires_at is None else max(0.0, expires_at - time.time()) * PART_OF_LIFE
    try:
        async with asyncio.timeout(patience) as limit, _turns():
            claim = Claim(task, f"{handle.protocol}/{handle.job_id}/{handle.submitted_at}")
            if (stored := await claim.take()) is not None:
                return dict(stored)
            facts, work = None, _Storing(request, handle, status, conn_id, claim, log, limit)
            try:
                facts = await _in_thread(work)
            finally:
                if work.over.is_set():  # else the next one waits until the claim has run out
                    await _released(claim, facts, log)
    except TimeoutError:
        if not limit.expired():
            raise
        raise DownloadError(
            f"it had not begun after {patience:.0f} seconds, half of what its URL has left (all threads are "
            "busy, or the storage does not answer here)",
            job=handle.shown_id,
        ) from None
    return facts


async def _in_thread(work: _Storing) -> dict[str, Any]:
    """Run it in the pool; a cancelled waiter stops it, and waits for that."""
    from asgiref.sync import sync_to_async

    # Not run_in_executor: up to Airflow 3.2 a look-up of a connection finds its way back out of asgiref's
    # threads only.
    call = sync_to_async(work, thread_sensitive=False, executor=_pool(triggerer_store_threads()))
    running = asyncio.ensure_future(call())
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        work.stop()
        running.add_done_callback(_forget)
        over = asyncio.get_running_loop().run_in_executor(None, work.over.wait, STOPPED_WITHIN)
        await asyncio.wait({over})
        raise


async def _released(claim: Claim, facts: Mapping[str, Any] | None, log: Log) -> None:
    try:
        async with asyncio.timeout(NOTED_WITHIN):
            await claim.release(facts)
    except Exception as e:  # noqa: BLE001 - whatever Airflow raises: the claim runs out by itself
        log.info("Whether the result is stored could not be noted (%s).", type(e).__name__)


def _forget(running: asyncio.Future[Any]) -> None:
    """Nobody waits for its error any more."""
    if not running.cancelled():
        running.exception()


class _Storing:
    """One result on its way, in a thread."""

    def __init__(
        self,
        request: StoreRequest,
        handle: JobHandle,
        status: JobStatus,
        conn_id: str | None,
        claim: Claim,
        log: Log,
        limit: asyncio.Timeout,
    ) -> None:
        self._limit, self._loop = limit, asyncio.get_running_loop()
        self._request, self._handle, self._status = request, handle, status
        self._conn_id, self._claim, self._log = conn_id, claim, log
        self._source: ByteSource | None = None
        #: Set once the thread is at it no more.
        self.over = threading.Event()

    def stop(self) -> None:
        """From the event loop: end soon, with nothing left over."""
        self._claim.stop()
        if self._source is not None:
            self._source.abort()

    def __call__(self) -> dict[str, Any]:
        try:
            return self._store()
        finally:
            self.over.set()

    def _store(self) -> dict[str, Any]:
        from airflow_async_provider._download.fetch import download
        from airflow_async_provider.hooks._result_source import source_of

        self._claim.check()
        uri, options = self._request.destination, self._request.store_options
        hook = hook_for(self._handle, self._conn_id)
        result = hook.result(self._handle, self._status)  # looks whether the job is one of this connection
        if options.unpack is None and result is not None and result.unpack in ("gzip", "zip"):
            options = StoreOptions(**{**self._request.options, "unpack": result.unpack})
        place = _place(uri, options)
        place.check()  # first: some sources are read once only
        self._loop.call_soon_threadsafe(self._begin)
        source = self._source = source_of(hook, self._handle, self._status, result, uri)
        source.use_one_connection()
        bounds = _StoppableBounds(options.limits, self._claim)
        report = download(source, place, options, uploads=self._claim, bounds=bounds, log=self._log)
        return {**report.to_dict(), "fingerprint": self._fingerprint(place), "link": report.link}

    def _begin(self) -> None:
        with contextlib.suppress(RuntimeError):  # just too late
            self._limit.reschedule(None)

    def _fingerprint(self, place: Destination) -> str | None:
        try:
            return place.fingerprint()
        except Exception as e:  # noqa: BLE001 - a right to write may come without one to look
            self._log.info("%s cannot be looked up (%s).", place.uri, type(e).__name__)
            return None


class _StoppableBounds(Bounds):
    """The limits of a download, which is asked to stop in the same places."""

    def __init__(self, limits: DownloadLimits, claim: Claim) -> None:
        super().__init__(limits)
        self._claim = claim

    def check_time(self) -> None:
        """After every block."""
        self._claim.check()
        super().check_time()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="store-result")


_turns_of: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
    weakref.WeakKeyDictionary()
)


def _turns() -> asyncio.Semaphore:
    """So that who waits for a thread has not claimed anything yet."""
    loop = asyncio.get_running_loop()
    if loop not in _turns_of:
        _turns_of[loop] = asyncio.Semaphore(triggerer_store_threads())
    return _turns_of[loop]


_known: dict[str | None, tuple[float, S3Object]] = {}


def _place(uri: str, options: StoreOptions) -> Destination:
    """The destination, with the client of others at the same connection."""
    from airflow_async_provider._download.destination.opening import open_destination
    from airflow_async_provider._download.destination.s3 import S3Object

    place = open_destination(uri, options)
    if isinstance(place, S3Object):
        now = time.monotonic()
        for old in [conn_id for conn_id, (at, _) in list(_known.items()) if now - at > CLIENT_LIFE]:
            _known.pop(old, None)
        if place.aws_conn_id not in _known:
            place.connect_within(CONNECTED_WITHIN)
        place.share(_known.setdefault(place.aws_conn_id, (now, place))[1])
    return place
