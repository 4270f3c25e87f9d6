# SPDX-License-Identifier: Apache-2.0
"""From a job's result to its destination: the way that all operators share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_async_provider._download.locations import is_folder
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._jobs.last_of import LastOf
from airflow_async_provider._jobs.memory import TaskMemory
from airflow_async_provider._jobs.results import asset_events
from airflow_async_provider._jobs.results.openlineage import lineage, remote_dataset, stored_dataset
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider._jobs.results.upload_memory import TaskUploadMemory
from airflow_async_provider._metrics import count
from airflow_async_provider.errors import AsyncJobError, ResultExpiredError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._result_source import source_of, url_source
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result

if TYPE_CHECKING:
    from airflow_async_provider._download.destination.base import UploadMemory
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._download.files import FilesReport
    from airflow_async_provider._download.source.base import ByteSource
    from airflow_async_provider._jobs.task import DeliveringTask, StoringTask

    Stored = DownloadReport | FilesReport

_reports: LastOf[Any] = LastOf()


class ResultStore:
    """
    The part of a task that brings a result to its destination.

    What all of them do stands here once: look at the destination first, store, and say what was stored in
    the return value, in the events of the task's outlets, in the link on the task's page, and in the lineage.

    :param task: the operator
    :param context: Airflow's task context
    :param settings: where the result goes
    :param memory: of the task's job, where it has one
    :param stored: what the triggerer has stored there already
    """

    def __init__(
        self,
        task: StoringTask,
        context: Mapping[str, Any],
        settings: StoreSettings,
        *,
        memory: TaskMemory | None = None,
        stored: DownloadReport | None = None,
    ) -> None:
        self._task = task
        self._context = context
        self._settings = settings
        self._memory = memory
        self._stored = stored

    def existing(self, **facts: Any) -> dict[str, Any] | None:
        """
        The return value when what is there already is enough: then nothing is started.

        :param facts: further entries of the return value
        :raises DestinationExistsError: ``if_exists="fail"`` and something is there
        """
        options = self._settings.options
        if options.if_exists == "fail" and self._stored_by_earlier_try():
            options = replace(options, if_exists="skip")
        report = _existing(self._settings.destination, options)
        if report is None:
            return None
        self._task.log.info("%s exists already; nothing is started.", report.uri)
        return deliver(self._task, self._context, report, **facts)

    def check(self) -> None:
        """
        Whether the destination can be written to, asked before a job is started for it.

        :raises ConfigurationError: it cannot: a connection, a bucket, credentials or rights are missing
        :raises DownloadError: it is out of reach
        """
        from airflow_async_provider._download.destination.opening import open_destination
        from airflow_async_provider._download.files import FilesWriter

        uri, options = self._settings.destination, self._settings.options
        place = FilesWriter(uri, options) if is_folder(uri) else open_destination(uri, options)
        try:
            place.check()
        except AsyncJobError as e:
            e.args = (f"{e} Nothing was started at the remote system.",)
            raise

    def _stored_by_earlier_try(self) -> bool:
        """Whether one has stored the result and was killed before Airflow knew."""
        memory = self._memory
        return memory is not None and memory.now.done and memory.cleared is False

    def store(self, handle: JobHandle, status: JobStatus, *, since: float, **facts: Any) -> dict[str, Any]:
        """
        Bring the result of a succeeded job to the destination, unless the triggerer has done that.

        :param since: when the task set out for it (seconds since the epoch)
        :param facts: further entries of the return value
        :return: the return value
        :raises ResultExpiredError: the result is gone
        :raises ResultError: it could not be fetched or stored
        """
        tags = {"system": handle.protocol, "connection": self._task.hook.conn_id}
        try:
            report = self._stored or fetch(
                self._task.hook,
                handle,
                status,
                self._settings.destination,
                self._settings.options,
                uploads=TaskUploadMemory(
                    self._context, self._task.log, triggerer=self._settings.triggerer_may_store
                ),
                log=self._task.log,
            )
        except ResultExpiredError:
            count("results_expired", **tags)
            raise
        count("bytes_stored", report.bytes, **tags)
        return deliver(self._task, self._context, report, since=since, **facts)


def deliver(
    task: DeliveringTask,
    context: Mapping[str, Any],
    report: Stored,
    *,
    since: float | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """
    Put what lies at the destination into the events of the task's outlets, its link and its lineage.

    :param since: when the task set out for it (seconds since the epoch)
    :return: the return value: the report, ``seconds`` and the facts
    """
    _reports.put(task, report)
    asset_events.add_to_outlets(context, task.outlets, report, task.log)
    took = 0.0 if since is None else round(time.time() - since, 3)
    return {**report.to_dict(), "seconds": took, **facts}


def stored_by(task: object) -> Stored | None:
    """What a task object has stored, or found at its destination, in this process."""
    return _reports.get(task)


def lineage_of(task: StoringTask, path: str) -> Any:
    """
    Lineage for Airflow's OpenLineage provider: the remote endpoint in, the destination out.

    :param path: path of the remote endpoint that the result comes from; empty when it is not known
    """
    report = stored_by(task)
    if report is None or report.skipped:
        return None
    source = remote_dataset(task.hook.endpoint.base_url, path) if path else None
    return lineage(source, stored_dataset(report.uri), size=report.bytes)


def _existing(uri: str, options: StoreOptions) -> Stored | None:
    from airflow_async_provider._download.destination.opening import open_destination
    from airflow_async_provider._download.fetch import already_there
    from airflow_async_provider._download.files import FilesWriter

    if is_folder(uri):
        return FilesWriter(uri, options).existing()
    return already_there(open_destination(uri, options))


def fetch(
    hook: AsyncApiHook,
    handle: JobHandle,
    status: JobStatus,
    destination: str,
    options: StoreOptions | None = None,
    *,
    log: Any,
    uploads: UploadMemory | None = None,
) -> Stored:
    """
    Download the result of a succeeded job, or write it where it came inside the answer.

    A result on the remote itself gets the connection's credentials; a pre-signed URL gets none, as it
    refuses them and its host has no business with them.

    :param status: the status that reported the success, its ``result`` as ``hook.result`` gave it
    :param options: how to store it, None for the defaults
    :raises ResultExpiredError: the result is gone
    :raises ResultError: it could not be fetched or stored
    """
    from airflow_async_provider._download.fetch import download
    from airflow_async_provider._jobs.results.parts import options_for, store_files_of, store_pages_of

    options = options or StoreOptions()
    result = status.result

    def opener(one: Result) -> ByteSource:
        return source_of(hook, handle, status, one, destination)

    if result is not None and is_folder(destination) and not (result.files or result.paged):
        result = Result(files=(result,))
    if result is not None and result.files:
        options = options_for(result.files[0], options)
        return store_files_of(handle, result, destination, options, opener=opener, log=log)
    if result is not None:
        options = options_for(result, options)
    if result is not None and result.paged:
        return store_pages_of(handle, result, destination, options, opener=opener, log=log, uploads=uploads)
    return download(
        source_of(hook, handle, status, result, destination), destination, options, uploads=uploads, log=log
    )


def stream_of(hook: AsyncApiHook, handle: JobHandle, status: JobStatus) -> ByteSource:
    """
    The result for a return value: pages one behind the other, and JSON where the remote has a choice.

    :raises ResultExpiredError: there is no URL (any more)
    :raises OriginError: plain http, while the connection is https
    """
    result = status.result
    if result is None or not result.paged:
        return url_source(hook, handle, status, _as_json(result))
    from airflow_async_provider._jobs.results.parts import paged_source

    return paged_source(handle, result, lambda one: url_source(hook, handle, status, _as_json(one)))


def _as_json(result: Result | None) -> Result | None:
    """A result on the remote itself, asked for like a status: some servers have pages for persons as well."""
    if result is None or not result.authorized or any(name.lower() == "accept" for name in result.headers):
        return result
    return replace(result, headers={**result.headers, "Accept": "application/json, */*;q=0.5"})
