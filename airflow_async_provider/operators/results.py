# SPDX-License-Identifier: Apache-2.0
"""From a job's result to its destination: the way that all operators share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from airflow_async_provider.errors import OriginError, ResultExpiredError
from airflow_async_provider.hooks.base import AsyncApiHook
from airflow_async_provider.operators.outcome import describe
from airflow_async_provider.protocols.base import JobHandle, JobStatus, Result

if TYPE_CHECKING:
    from airflow_async_provider.download.fetch import DownloadReport
    from airflow_async_provider.download.source import HttpSource


def already_there(
    destination: str, *, if_exists: Literal["replace", "skip", "fail"], aws_conn_id: str | None
) -> DownloadReport | None:
    """
    Look at the destination before anything is asked of a remote.

    :return: a report for ``skip`` when something is there, else None
    :raises DestinationExistsError: ``fail`` and something is there
    """
    from airflow_async_provider.download.destination import open_destination
    from airflow_async_provider.download.fetch import DownloadReport

    place = open_destination(destination, aws_conn_id=aws_conn_id, if_exists=if_exists)
    if if_exists == "replace":
        return None
    size = place.size()
    if size is None:
        return None
    if if_exists == "fail":
        raise place.exists_error()
    return DownloadReport(uri=place.uri, bytes=size, sha256=None, skipped=True)


def fetch(
    hook: AsyncApiHook,
    handle: JobHandle,
    status: JobStatus,
    destination: str,
    *,
    if_exists: Literal["replace", "skip", "fail"],
    aws_conn_id: str | None,
    log: Any,
) -> DownloadReport:
    """
    Download the result of a succeeded job, or write it where it came inside the answer.

    A result on the remote itself gets the connection's credentials; a pre-signed URL gets none, as it
    refuses them and its host has no business with them.

    :raises ResultExpiredError: the result is gone
    :raises ResultError: it could not be fetched or stored
    """
    from airflow_async_provider.download.fetch import download, write_chunks

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
            log=log,
        )
    source = source_of(hook, handle, status)
    return download(source, destination, if_exists=if_exists, aws_conn_id=aws_conn_id, log=log)


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
    from airflow_async_provider.download.source import HttpSource

    result = status.result
    if result is None or result.url is None:
        raise ResultExpiredError(
            f"The result of the {describe(handle)} is no longer offered: its URL has expired.",
            job=handle.job_id,
            state=status.state.value,
            native=status.native,
        )
    remote = hook.remote
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
        verify=remote.verify_for(url),
        proxy=remote.proxy,
        expires_at=result.expires_at,
    )
