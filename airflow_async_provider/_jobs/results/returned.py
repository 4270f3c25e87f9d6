# SPDX-License-Identifier: Apache-2.0
"""A job's result as a task's return value, within its bound."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_async_provider._jobs.results.parts import names_of_files
from airflow_async_provider._jobs.results.store import stream_of
from airflow_async_provider._polling.task_end import checked, too_large
from airflow_async_provider.errors import DownloadError
from airflow_async_provider.hooks._result_source import check_body
from airflow_async_provider.protocols._http.values import body_value
from airflow_async_provider.protocols._http_messages import Headers, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result
from airflow_async_provider.protocols._registry import protocol_of

if TYPE_CHECKING:
    from airflow_async_provider.hooks._base import AsyncApiHook

#: A result for XCom may be this large unless the task says otherwise (bytes).
DEFAULT_MAX_XCOM_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReturnedResult:
    """
    Hands a result over to XCom.

    :param hook: fetches it, where it is behind a URL
    :param log: Airflow's task log
    :param max_xcom_bytes: how large it may be (bytes)
    """

    hook: AsyncApiHook
    log: Any
    max_xcom_bytes: int

    def value(self, handle: JobHandle, status: JobStatus) -> Any:
        """
        The return value.

        :param status: its ``result`` as ``hook.result`` gave it
        :raises ResultError: it is too large, no JSON, or could not be fetched
        """
        result = status.result or Result()
        if result.files and protocol_of(handle).delete(handle) is not None:
            raise DownloadError(
                f"The {handle.describe()} has {len(result.files)} files, and the description deletes the job "
                "afterwards: give a destination.",
                job=handle.shown_id,
            )
        if result.files:
            return names_of_files(handle, result, self.log)
        check_body(handle, result)
        value = result.value
        if value is None and (result.url is not None or result.body is None):
            value = self._fetched(handle, status)
        if isinstance(value, bytes):
            raise DownloadError(
                f"The result of the {handle.describe()} is neither JSON nor text: give a destination for it.",
                job=handle.shown_id,
            )
        return checked(handle, value, self.max_xcom_bytes)

    def _fetched(self, handle: JobHandle, status: JobStatus) -> Any:
        content = bytearray()
        with closing(stream_of(self.hook, handle, status)) as source:
            while block := source.read():
                content += block
                if len(content) > self.max_xcom_bytes:
                    raise too_large(handle, self.max_xcom_bytes)
        headers = Headers({"Content-Type": source.content_type or ""})
        return body_value(HttpResponse(200, headers, bytes(content), time.time()))
