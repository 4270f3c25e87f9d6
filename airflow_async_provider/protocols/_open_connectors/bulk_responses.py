# SPDX-License-Identifier: Apache-2.0
"""
What SAP Open Connectors says about a bulk job, in every spelling of its versions 1 to 3.

Sources: see :mod:`~airflow_async_provider.protocols._open_connectors.bulk`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_async_provider.protocols._http_messages import Headers, HttpResponse
from airflow_async_provider.protocols._job import JobState, JobStatus
from airflow_async_provider.protocols._open_connectors.responses import (
    MAX_MESSAGE,
    identifier,
    list_in,
    object_of,
    parsed,
    raise_for_platform_answer,
)
from airflow_async_provider.protocols._redaction import excerpt

STATES: Mapping[str, JobState] = {
    "CREATED": JobState.RUNNING,
    "STARTED": JobState.RUNNING,
    "RUNNING": JobState.RUNNING,
    "CANCELLATION_PENDING": JobState.RUNNING,
    "COMPLETED": JobState.SUCCEEDED,
    "COMPLETE": JobState.SUCCEEDED,
    "ABORTED": JobState.FAILED,
    "FAILED": JobState.FAILED,  # not documented, but there is only one way to read it
    "ERROR": JobState.FAILED,
    "CANCELED": JobState.CANCELLED,
    "CANCELLED": JobState.CANCELLED,
}

_COUNTS: Mapping[str, Sequence[str]] = {
    "record_count": ("recordCount", "recordsCount", "record_count"),
    "error_count": ("errorCount", "recordsFailedCount", "error_count", "numOfRowsFailed"),
}


@dataclass(frozen=True, slots=True)
class ErrorsPage:
    """
    One page of what went wrong with single records.

    :param entries: one text each, bounded
    :param next_page: token of the following page, None on the last one
    """

    entries: tuple[str, ...]
    next_page: str | None = None


def read_state(answer: Mapping[str, Any]) -> JobStatus:
    """State, explanation and counts (``record_count``, ``error_count``) of an answer or a callback."""
    word = next((w for w in (answer.get("jobStatus"), answer.get("status")) if isinstance(w, str) and w), "")
    state = STATES.get(word.strip().upper().replace(" ", "_"))
    detail: dict[str, Any] = {}
    for name, spellings in _COUNTS.items():
        # In two spellings at once, the larger one counts: a 0 must not hide records that went wrong.
        counts = [c for c in (_count(answer.get(s)) for s in spellings) if c is not None]
        if counts:
            detail[name] = max(counts)
    error = answer.get("error") if state is JobState.SUCCEEDED else None
    if error:
        state = JobState.FAILED  # in the vendor's samples, an error is a failure
    status_message = str(error) if error else answer.get("statusMessage") or answer.get("message")
    return JobStatus(
        state or JobState.RUNNING,
        remote_status=excerpt(word, 80),
        message=excerpt(status_message, MAX_MESSAGE) if isinstance(status_message, str) else None,
        recognised=state is not None,
        detail=detail,
    )


def read_errors(response: HttpResponse, *, job: str) -> ErrorsPage:
    """
    Read one page of errors; entries may be text or objects.

    :raises RemoteError: no page
    """
    raise_for_platform_answer(response, job=job, doing="asking for the errors of")
    entries = list_in(response, "errors", job=job) if response.body.strip() else []
    return ErrorsPage(
        tuple(excerpt(e if isinstance(e, str) else json.dumps(e), MAX_MESSAGE) for e in entries),
        response.headers.get("Elements-Next-Page-Token") or None,
    )


def read_notification(headers: Headers, body: bytes) -> JobStatus:
    """
    Read the notification of a job's end.

    :raises CallbackError: no JSON object
    """
    document = object_of(headers, body, "notification")
    status = read_state(document)
    detail = dict(status.detail)
    if (job_id := identifier(document.get("id"))) is not None:
        detail["job_id"] = job_id
    if (correlation_id := _correlation(document)) is not None:
        detail["correlation_id"] = correlation_id
    error = document.get("error")
    return JobStatus(
        JobState.FAILED if error else status.state,
        remote_status=status.remote_status or ("error" if error else ""),
        message=excerpt(str(error), MAX_MESSAGE) if error else status.message,
        recognised=status.recognised or bool(error),
        detail=detail,
    )


def _count(value: Any) -> int | None:
    """A number of records: SAP documents them as "Double", older versions send integers or text."""
    text = identifier(value)
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _correlation(document: Mapping[str, Any]) -> str | None:
    metadata = document.get("metaData")
    payloads = [document.get("payload"), document.get("callback-payload")]
    if isinstance(metadata, Mapping):
        payloads.append(metadata.get("callback-payload"))
    for payload in map(_object, payloads):
        if isinstance(payload, Mapping) and (found := identifier(payload.get("correlationId"))):
            return found
    return None


def _object(value: Any) -> Any:
    """The value, or what it says when it is JSON written as text."""
    return parsed(value.encode("utf-8", "replace")) if isinstance(value, str) else value
