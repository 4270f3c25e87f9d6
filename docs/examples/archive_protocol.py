# SPDX-License-Identifier: Apache-2.0
"""The wire format of an imaginary archive: orders are numbers, their phases are, too."""

from collections.abc import Mapping
from typing import Any

from airflow_async_provider.errors import SubmitError, UnreadableAnswerError
from airflow_async_provider.protocols import (
    HttpRequest,
    HttpResponse,
    JobHandle,
    JobProtocol,
    JobState,
    JobStatus,
    Result,
    Submitted,
    excerpt,
)
from airflow_async_provider.protocols._responses import raise_for_answer, request_id, retry_after

PHASES: Mapping[Any, JobState] = {
    0: JobState.RUNNING,  # queued
    1: JobState.RUNNING,  # being worked on
    7: JobState.CANCELLED,
    8: JobState.SUCCEEDED,
    9: JobState.FAILED,
}


class ArchiveProtocol(JobProtocol):
    """``POST orders`` gives a number; ``GET orders/{number}`` gives a phase, and at the end a file."""

    name = "archive_protocol.ArchiveProtocol"  # where it can be imported from: handles carry it

    def submit(
        self, method: str, endpoint: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> HttpRequest:
        """Sent once: a second POST would be a second order."""
        return HttpRequest(method, endpoint, json=json, headers=headers or {}, repeatable=False)

    def read_submit(self, response: HttpResponse) -> Submitted:
        """202 ``{"order": 17}``; any 4xx is a refusal."""
        if 400 <= response.status < 500 and response.status not in (401, 403, 429):
            raise SubmitError(f"The archive refused the order: {excerpt(response.body)}")
        raise_for_answer(response, job="an order", doing="placing")
        number = response.json_object().get("order")
        if not isinstance(number, int):
            raise UnreadableAnswerError("The archive named no order.", excerpt=excerpt(response.body))
        return Submitted(JobHandle(self.name, str(number), submitted_at=response.received_at))

    def status(self, handle: JobHandle) -> HttpRequest:
        """Ask for the order."""
        return HttpRequest("GET", f"orders/{handle.job_id}")

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """A phase, unknown ones count as running; 410 is an order that the archive has forgotten."""
        if response.status == 410:
            return JobStatus(JobState.EXPIRED, remote_status="410")
        raise_for_answer(response, job=f"order {handle.job_id}", doing="asking for")
        answer = response.json_object(job=handle.job_id)
        state = PHASES.get(answer.get("phase"))
        file = answer.get("file")
        return JobStatus(
            state or JobState.RUNNING,
            remote_status=str(answer.get("phase")),
            recognised=state is not None,
            message=answer.get("note"),
            retry_after=retry_after(response.headers, response.received_at),
            result=Result(url=file, authorized=True) if file else None,
            request_id=request_id(response.headers),
        )

    def cancel(self, handle: JobHandle) -> HttpRequest:
        """Withdraw the order; 204 when it was, 409 when it had ended."""
        return HttpRequest("DELETE", f"orders/{handle.job_id}")
