# SPDX-License-Identifier: Apache-2.0
"""
What a remote API is to the rest of the package, for authors of their own.

See ``docs/adding_a_remote_api.md``. The modules below this one are private.
"""

from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import (
    Cancellation,
    JobHandle,
    JobState,
    JobStatus,
    Result,
    Submitted,
)
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import raise_for_answer, request_id, retry_after

__all__ = [
    "Cancellation",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "JobHandle",
    "JobProtocol",
    "JobState",
    "JobStatus",
    "Result",
    "Submitted",
    "excerpt",
    "raise_for_answer",
    "request_id",
    "retry_after",
]
