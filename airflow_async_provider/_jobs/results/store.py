# SPDX-License-Identifier: Apache-2.0
"""From a job's result to its destination: the way that all operators share."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_async_provider._jobs.arguments import one_of
from airflow_async_provider._jobs.last_of import LastOf
from airflow_async_provider._jobs.memory import TaskMemory, TaskUploadMemory, was_cleared
from airflow_async_provider._jobs.messages import describe
from airflow_async_provider._jobs.results import asset_events
from airflow_async_provider._jobs.results.openlineage import lineage, remote_dataset, stored_dataset
from airflow_async_provider.errors import OriginError, ResultExpiredError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result

if TYPE_CHECKING:
    from airflow_async_provider._download.destination.base import UploadMemory
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._download.source.http import HttpSource


_reports: LastOf[Any] = LastOf()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """
    Where a result goes.

    :param uri: ``s3://bucket/key``, an absolute path or ``file://`` URL, or any URL that Airflow's
        ObjectStoragePath opens; None where the result is returned instead
    :param aws_conn_id: Airflow connection for ``s3://`` destinations
    :param if_exists: ``replace``, ``skip`` or ``fail``
    """

    uri: str | None
    aws_conn_id: str | None
    if_exists: Literal["replace", "skip", "fail"]


def if_exists_of(value: str) -> Any:
    """
    The argument ``if_exists``, checked when the DAG is parsed.

    :raises ConfigurationError: it is none of the three words
    """
    return one_of(value, "if_exists", ("replace", "skip", "fail"))


class ResultStore:
    """
    The part of a task that brings a result to its destination.

    What all of them do stands here once: look at the destination first, store, and say what was stored in
    the return value, in the events of the task's outlets, in the link on the task's page, and in the lineage.

    :param task: the operator
    :param context: Airflow's task context
    :param destination: where the result goes
    """

    def __init__(self, task: Any, context: Mapping[str, Any], destination: Destination) -> None:
        self._task = task
        self._context = context
        self._to = destination

    def existing(self, **facts: Any) -> dict[str, Any] | None:
        """
        The return value when what is there already is enough: then nothing is started.

        :param facts: further entries of the return value
        :raises DestinationExistsError: ``if_exists="fail"`` and something is there
        """
        if self._to.uri is None:
            return None
        from airflow_async_provider._download.destination.base import open_destination
        from airflow_async_provider._download.fetch import already_there

        if_exists = self._to.if_exists
        if if_exists == "fail" and self._stored_by_earlier_try():
            if_exists = "skip"
        report = already_there(
            open_destination(self._to.uri, aws_conn_id=self._to.aws_conn_id, if_exists=if_exists)
        )
        if report is None:
            return None
        self._task.log.info("%s exists already; nothing is started.", report.uri)
        return self.deliver(report, **facts)

    def _stored_by_earlier_try(self) -> bool:
        """Whether one has stored the result and was killed before Airflow knew."""
        remembered = TaskMemory(self._context, self._task.log).now
        return remembered.done and was_cleared(remembered, self._context) is False

    def store(self, handle: JobHandle, status: JobStatus, *, since: float, **facts: Any) -> dict[str, Any]:
        """
        Bring the result of a succeeded job to the destination.

        :param since: when the task set out for it (seconds since the epoch)
        :param facts: further entries of the return value
        :return: the return value
        :raises ResultExpiredError: the result is gone
        :raises ResultError: it could not be fetched or stored
        """
        report = fetch(
            self._task.hook,
            handle,
            status,
            str(self._to.uri),
            if_exists=self._to.if_exists,
            aws_conn_id=self._to.aws_conn_id,
            uploads=TaskUploadMemory(self._context, self._task.log),
            log=self._task.log,
        )
        return self.deliver(report, since=since, **facts)

    def deliver(self, report: DownloadReport, *, since: float | None = None, **facts: Any) -> dict[str, Any]:
        """
        Tell everybody what lies at the destination.

        :return: the return value: the report, ``seconds`` and the facts
        """
        _reports.put(self._task, report)
        asset_events.add_to_outlets(self._context, self._task.outlets, report, self._task.log)
        took = 0.0 if since is None else round(time.time() - since, 3)
        return {**report.to_dict(), "seconds": took, **facts}


def stored_by(task: Any) -> DownloadReport | None:
    """What a task object has stored, or found at its destination, in this process."""
    return _reports.get(task)


def lineage_of(task: Any, path: str) -> Any:
    """
    Lineage for Airflow's OpenLineage provider: the remote endpoint in, the destination out.

    :param path: path of the remote endpoint that the result comes from; empty when it is not known
    """
    report = stored_by(task)
    if report is None or report.skipped:
        return None
    source = remote_dataset(task.hook.endpoint.base_url, path) if path else None
    return lineage(source, stored_dataset(report.uri), size=report.bytes)


def fetch(
    hook: AsyncApiHook,
    handle: JobHandle,
    status: JobStatus,
    destination: str,
    *,
    if_exists: Literal["replace", "skip", "fail"],
    aws_conn_id: str | None,
    log: Any,
    uploads: UploadMemory | None = None,
) -> DownloadReport:
    """
    Download the result of a succeeded job, or write it where it came inside the answer.

    A result on the remote itself gets the connection's credentials; a pre-signed URL gets none, as it
    refuses them and its host has no business with them.

    :raises ResultExpiredError: the result is gone
    :raises ResultError: it could not be fetched or stored
    """
    from airflow_async_provider._download.fetch import download, write_chunks

    result = status.result or Result()
    if result.files or result.paged:
        report: DownloadReport = _fetch_parts(
            hook,
            handle,
            status,
            destination,
            if_exists=if_exists,
            aws_conn_id=aws_conn_id,
            log=log,
            uploads=uploads,
        )
        return report
    if result.url is None and (result.value is not None or result.body is not None):
        content, content_type = bytes_of(result)
        return write_chunks(
            [content],
            destination,
            length=len(content),
            content_type=content_type,
            if_exists=if_exists,
            aws_conn_id=aws_conn_id,
            uploads=uploads,
            log=log,
        )
    source = source_of(hook, handle, status)
    return download(
        source,
        destination,
        if_exists=if_exists,
        aws_conn_id=aws_conn_id,
        unpack=result.unpack,
        uploads=uploads,
        log=log,
    )


def _fetch_parts(
    hook: AsyncApiHook,
    handle: JobHandle,
    status: JobStatus,
    destination: str,
    *,
    if_exists: Literal["replace", "skip", "fail"],
    aws_conn_id: str | None,
    log: Any,
    uploads: UploadMemory | None,
) -> Any:
    from airflow_async_provider._download.options import StoreOptions
    from airflow_async_provider._jobs.results.parts import options_for, store_files_of, store_pages_of

    result = status.result or Result()
    options = StoreOptions(if_exists=if_exists, aws_conn_id=aws_conn_id)

    def opener(one: Result) -> HttpSource:
        return source_of(hook, handle, replace(status, result=one))

    if result.files:
        return store_files_of(
            handle, result, destination, options_for(result.files[0], options), opener=opener, log=log
        )
    return store_pages_of(
        handle, result, destination, options_for(result, options), opener=opener, log=log, uploads=uploads
    )


def stream_of(hook: AsyncApiHook, handle: JobHandle, status: JobStatus) -> Any:
    """
    The result as one stream, its pages one behind the other.

    :raises ResultExpiredError: there is no URL (any more)
    :raises OriginError: plain http, while the connection is https
    """
    result = status.result
    if result is None or not result.paged:
        return source_of(hook, handle, status)
    from airflow_async_provider._jobs.results.parts import paged_source

    return paged_source(handle, result, lambda one: source_of(hook, handle, replace(status, result=one)))


def bytes_of(result: Result) -> tuple[bytes, str | None]:
    """A result that came inside an answer, as the remote sent it where that is known, and its media type."""
    value = result.value
    media_type = result.media_type
    if media_type is None and value is not None and not isinstance(value, str | bytes):
        media_type = "application/json"
    if result.body is not None:
        return result.body, media_type
    if isinstance(value, bytes):
        return value, media_type
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass"), media_type


def source_of(hook: AsyncApiHook, handle: JobHandle, status: JobStatus) -> HttpSource:
    """
    The result's URL as a stream, with the connection's credentials where it lies on the remote itself.

    :raises ResultExpiredError: there is no URL (any more)
    :raises OriginError: plain http, while the connection is https
    """
    from airflow_async_provider._download.source.http import HttpSource

    result = status.result
    if result is None or result.url is None:
        raise ResultExpiredError(
            f"The result of the {describe(handle)} is no longer offered: its URL has expired.",
            job=handle.job_id,
            state=status.state.value,
            remote_status=status.remote_status,
        )
    remote = hook.endpoint
    url = remote.resolve(result.url)
    if url.lower().startswith("http:") and remote.base_url.lower().startswith("https:"):
        raise OriginError(
            f"The result of the {describe(handle)} lies behind plain http while the connection is https; it "
            "was not fetched, as anyone on the way could read or change it.",
            job=handle.job_id,
        )
    return HttpSource(
        url,
        headers=result.headers,
        credentials=hook.credentials_for if result.authorized else None,
        verify=remote.verify_for,
        proxy=remote.proxy,
        expires_at=result.expires_at,
    )
