# SPDX-License-Identifier: Apache-2.0
"""The result of a job as a stream, wherever its bytes are: for the worker, and for a triggerer's thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_async_provider.errors import DownloadError, OriginError, ResultExpiredError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result

if TYPE_CHECKING:
    from airflow_async_provider._download.source.base import ByteSource
    from airflow_async_provider._download.source.expected import Expected
    from airflow_async_provider._download.source.http import HttpSource


def source_of(
    hook: AsyncApiHook, handle: JobHandle, status: JobStatus, result: Result | None, destination: str
) -> ByteSource:
    """One result as a stream, wherever its bytes are."""
    from airflow_async_provider._download.source.base import ChunkSource

    if result is None or result.url is not None or (result.value is None and result.body is None):
        return url_source(hook, handle, status, result, destination)
    check_body(handle, result, destination)
    content, media_type = bytes_of(result.value, body=result.body, media_type=result.media_type)
    return ChunkSource([content], length=len(content), content_type=media_type)


def bytes_of(
    value: Any, *, body: bytes | None = None, media_type: str | None = None
) -> tuple[bytes, str | None]:
    """
    The bytes of a result, and their media type.

    What the remote sent as a whole answer stays as it was sent. Text and bytes are stored as they are, all
    else as JSON in UTF-8. Halves of surrogate pairs, which UTF-8 has no bytes for, become the escapes that
    they were in the remote's JSON; in plain text they are kept in three bytes each, so that nothing is lost.
    NaN and infinities are written as the remote wrote them, as ``NaN`` and ``Infinity``.

    :param value: text, bytes, or anything that JSON knows
    :param body: the value as the remote sent it, where it was a whole answer
    :param media_type: what the remote called it; None for the usual one of such a value
    """
    if not isinstance(value, str | bytes):
        media_type = media_type or "application/json"
    if body is not None:
        return body, media_type
    if isinstance(value, bytes):
        return value, media_type
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass"), media_type
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"), media_type


def check_body(handle: JobHandle, result: Result, destination: str | None = None) -> None:
    """
    Refuse a result that came as a whole answer and is none: a page, an error.

    :raises DownloadError: with what it is
    """
    if result.body is None:
        return
    headers = {"Content-Type": result.media_type or ""}
    expected, where = _expected(result, destination), f"The {handle.describe()}"
    if (unready := expected.look(result.body, whole=True, headers=headers, where=where)) is not None:
        raise DownloadError(f"The result is not ready: {unready}.", job=handle.shown_id)


def _expected(result: Result, destination: str | None) -> Expected:
    from airflow_async_provider._download.source.expected import Expected

    return Expected.of(result, destination)


def url_source(
    hook: AsyncApiHook,
    handle: JobHandle,
    status: JobStatus,
    result: Result | None,
    destination: str | None = None,
) -> HttpSource:
    from airflow_async_provider._download.source.http import HttpSource
    from airflow_async_provider._download.source.http_connection import UrlOpener

    if result is None or result.url is None:
        raise ResultExpiredError(
            f"The result of the {handle.describe()} is no longer offered: its URL has expired.",
            job=handle.shown_id,
            state=status.state.value,
            remote_status=status.remote_status,
        )
    endpoint = hook.endpoint
    url = endpoint.resolve(result.url)
    if url.lower().startswith("http:") and endpoint.base_url.lower().startswith("https:"):
        raise OriginError(
            f"The result of the {handle.describe()} lies behind plain http while the connection is https; it "
            "was not fetched, as anyone on the way could read or change it.",
            job=handle.shown_id,
        )
    opener = UrlOpener(
        url,
        headers=result.headers,
        credentials=hook.credentials_for if result.authorized else None,
        verify=endpoint.verify_for,
        proxy=endpoint.proxy,
        reach=endpoint.reach,
        cert=endpoint.cert_for,
    )
    return HttpSource(opener, expires_at=result.expires_at, expected=_expected(result, destination))
