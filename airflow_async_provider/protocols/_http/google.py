# SPDX-License-Identifier: Apache-2.0
"""
Google's long-running operations.

Source: Google, AIP-151 "Long-running operations". The answer is an Operation ``{name, metadata, done,
error | response}``: while ``done`` is false there is neither error nor response, afterwards exactly one of
them. ``error`` is a ``google.rpc.Status {code, message, details}``. What goes wrong before the operation
starts is an ordinary error answer. ``GET v1/{name}`` asks, ``POST v1/{name}:cancel`` cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.values import error_text, id_text, one_line
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import raise_for_answer, request_id

#: google.rpc.Code.CANCELLED
CANCELLED: Final = 1


@dataclass(frozen=True, kw_only=True)
class GoogleProtocol(HttpProfile):
    """
    Operations after AIP-151.

    :param operation_path: where an operation is asked for; ``{job_id}`` is its ``name``. Default
        ``v1/{job_id}``
    :param cancel_by: as in :class:`HttpProfile`. Default ``POST {status_url}:cancel``
    """

    name: ClassVar[str] = "http_google"
    id_has_slashes: ClassVar[bool] = True

    cancel_by: str | None = "POST {status_url}:cancel"
    operation_path: str = "v1/{job_id}"

    def __post_init__(self) -> None:
        """:raises ConfigurationError: an option that cannot be understood."""
        super().__post_init__()
        self._template(self.operation_path)

    def read_accepted(self, response: HttpResponse) -> Submitted:
        """
        The operation, which may be done already.

        :raises UnreadableAnswerError: no operation
        """
        operation = response.json_object(job="the operation")
        name = id_text(operation.get("name"))
        path = None
        if name is not None:
            try:
                path = self._template(self.operation_path).fill(job_id=name)
            except ValueError:
                name = None
        if name is None and operation.get("done") is not True:
            raise UnreadableAnswerError(
                f"HTTP {response.status}: the answer is no operation: it has no usable name.",
                excerpt=excerpt(response.body),
                http_status=response.status,
            )
        handle = self.handle(response, path, job_id=name)
        done = operation.get("done") is True
        return Submitted(handle, self._read(operation, response, handle.job_id) if done else None)

    def read_monitor(self, handle: JobHandle, response: HttpResponse, job: str) -> JobStatus:
        """Read the operation."""
        if response.status == 410:
            return self.gone(response)
        raise_for_answer(response, job=job, doing="asking for")
        return self._read(response.json_object(job=job), response, job)

    def _read(self, operation: Mapping[str, Any], response: HttpResponse, job: str) -> JobStatus:
        done = operation.get("done", False)  # proto3's JSON leaves a false out
        if not isinstance(done, bool):
            raise UnreadableAnswerError(
                f"HTTP {response.status} for {job}: done is neither true nor false.",
                job=job,
                http_status=response.status,
            )
        if not done:
            return self.going_on(response, "running")
        if operation.get("error") is not None:
            state, remote_status, message = _failure(operation)
            return self.ended(state, response, remote_status, message)
        if self.result_field or self.result_url_field:
            return self.finished(response, job=job, remote_status="done")
        value = operation.get("response")
        return JobStatus(
            JobState.SUCCEEDED,
            remote_status="done",
            result=None if value is None else Result(value=value),
            request_id=request_id(response.headers),
        )

    def callback_status(self, document: Mapping[str, Any]) -> JobStatus | None:
        """An operation may come as a callback, too."""
        if document.get("done") is not True:
            return None
        if document.get("error") is not None:
            state, remote_status, message = _failure(document)
            return JobStatus(
                state, remote_status=remote_status, message=one_line(message, 500) if message else None
            )
        value = document.get("response")
        return JobStatus(
            JobState.SUCCEEDED, remote_status="done", result=None if value is None else Result(value=value)
        )


def _failure(operation: Mapping[str, Any]) -> tuple[JobState, str, str | None]:
    error = operation["error"]
    code = error.get("code") if isinstance(error, dict) else None
    cancelled = code == CANCELLED and not isinstance(code, bool)
    remote_status = f"error {code}" if isinstance(code, int) else "error"
    return (
        JobState.CANCELLED if cancelled else JobState.FAILED,
        one_line(remote_status, 80),
        error_text(operation),
    )
