# SPDX-License-Identifier: Apache-2.0
"""From a job's result to its destination: the way that all operators share."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperatorLink

from airflow_async_provider._jobs.memory import Durable, Uploads, max_tries_of
from airflow_async_provider._jobs.messages import describe
from airflow_async_provider._jobs.results import asset_events
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.openlineage import Place, lineage, remote_place, stored_place
from airflow_async_provider.errors import OriginError, ResultExpiredError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result

if TYPE_CHECKING:
    from airflow_async_provider._download.destination.base import UploadMemory
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._download.source.http import HttpSource


class StoresResult:
    """
    Mixin for operators that bring a result to a destination.

    What all of them do stands here once: look at the destination first, store, and say what was stored in
    the return value, in the events of the task's outlets, in the link on the task's page, and in the lineage.
    """

    operator_extra_links: Collection[BaseOperatorLink] = (ResultLink(),)
    log: Any
    hook: Any
    outlets: Any
    destination: str | None
    aws_conn_id: str | None
    if_exists: Literal["replace", "skip", "fail"]
    #: What this task has stored or found at its destination.
    stored: DownloadReport | None = None

    def lineage_path(self) -> str:
        """Path of the remote endpoint that the result comes from; empty when it is not known."""
        return ""

    def found(self, context: Mapping[str, Any], **facts: Any) -> dict[str, Any] | None:
        """
        The return value when what is there already is enough: then nothing is started.

        :param facts: further entries of the return value
        :raises DestinationExistsError: ``if_exists="fail"`` and something is there
        """
        if self.destination is None:
            return None
        from airflow_async_provider._download.destination.base import open_destination
        from airflow_async_provider._download.fetch import already_there

        if_exists = self.if_exists
        if if_exists == "fail" and Durable(context, self.log).is_done(max_tries_of(context)):
            if_exists = "skip"  # an earlier try has stored it, and was killed before Airflow knew
        report = already_there(
            open_destination(self.destination, aws_conn_id=self.aws_conn_id, if_exists=if_exists)
        )
        if report is None:
            return None
        self.log.info("%s exists already; nothing is started.", report.uri)
        return self.delivered(context, report, **facts)

    def store(
        self,
        context: Mapping[str, Any],
        handle: JobHandle,
        status: JobStatus,
        *,
        since: float,
        **facts: Any,
    ) -> dict[str, Any]:
        """
        Bring the result of a succeeded job to the destination.

        :param since: when the task set out for it (seconds since the epoch)
        :param facts: further entries of the return value
        :return: the return value
        :raises ResultExpiredError: the result is gone
        :raises ResultError: it could not be fetched or stored
        """
        report = fetch(
            self.hook,
            handle,
            status,
            str(self.destination),
            if_exists=self.if_exists,
            aws_conn_id=self.aws_conn_id,
            uploads=Uploads(context, self.log),
            log=self.log,
        )
        return self.delivered(context, report, since=since, **facts)

    def delivered(
        self, context: Mapping[str, Any], report: DownloadReport, *, since: float | None = None, **facts: Any
    ) -> dict[str, Any]:
        """
        Tell everybody what lies at the destination.

        :return: the return value: the report, ``seconds`` and the facts
        """
        self.stored = report
        asset_events.tell(context, self.outlets, report, self.log)
        took = 0.0 if since is None else round(time.time() - since, 3)
        return {**report.to_dict(), "seconds": took, **facts}

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage for Airflow's OpenLineage provider: the remote endpoint in, the destination out."""
        report = self.stored
        if report is None or report.skipped:
            return None
        return lineage(self._remote_place(), stored_place(report.uri), size=report.bytes)

    def _remote_place(self) -> Place | None:
        path = self.lineage_path()
        return remote_place(self.hook.endpoint.base_url, path) if path else None


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

    result = status.result
    if result is not None and result.url is None and result.value is not None:
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
        source, destination, if_exists=if_exists, aws_conn_id=aws_conn_id, uploads=uploads, log=log
    )


def bytes_of(result: Result) -> tuple[bytes, str | None]:
    """A result that came inside an answer, as the remote sent it where that is known, and its media type."""
    value = result.value
    media_type = None if isinstance(value, str | bytes) else "application/json"
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
