# SPDX-License-Identifier: Apache-2.0
"""
Azure's long-running operations, for the services and for the Resource Manager.

Sources: Microsoft, "Azure REST API Guidelines" (``Operation-Location``: a monitor that always answers 200
with ``status``) and "Resource Manager RPC: async API reference" (``Azure-AsyncOperation``; or ``Location``
alone, which answers 202 while the job goes on and then with exactly the final answer, 4xx included).
Succeeded, Failed and Canceled are final, any other word means that the job goes on. A 4xx or 5xx from a
status monitor is a failure to read it, not one of the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from airflow_async_provider.errors import ConfigurationError, UnreadableAnswerError
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.urls import absolute
from airflow_async_provider.protocols._http.values import error_text, id_text, json_or_none, one_line
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import raise_for_answer

MONITOR_HEADERS: Final = ("Operation-Location", "Azure-AsyncOperation")

STATES: Mapping[str, JobState] = {
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "canceled": JobState.CANCELLED,
    "cancelled": JobState.CANCELLED,  # a few services spell it so
}


@dataclass(frozen=True, kw_only=True)
class AzureProtocol(HttpProfile):
    """
    ``Operation-Location``, ``Azure-AsyncOperation`` or, without either, ``Location``.

    :param final_state_via: where the result of a succeeded job is: ``"monitor"`` (its last answer),
        ``"location"`` (the ``Location`` of the first answer) or ``"original-uri"`` (the resource that was
        created or changed). Default None: ``result`` of the monitor, else its ``resourceLocation``, else
        ``Location`` of the first answer, else ``properties`` of the monitor, else all of it
    """

    name: ClassVar[str] = "http_azure"

    final_state_via: str | None = None

    def __post_init__(self) -> None:
        """:raises ConfigurationError: an option that cannot be understood."""
        super().__post_init__()
        if self.final_state_via not in (None, "monitor", "location", "original-uri"):
            raise ConfigurationError(
                f"final_state_via is monitor, location or original-uri, not {self.final_state_via!r}."
            )

    def read_accepted(self, response: HttpResponse) -> Submitted:
        """
        The monitor of the headers, else the result.

        :raises UnreadableAnswerError: 202 without any of the three headers
        """
        monitor = next((h for h in MONITOR_HEADERS if response.headers.get(h)), None)
        location = response.headers.get("Location", "")
        if monitor is not None:
            url = absolute(response.headers[monitor], response, job="the job", what=monitor)
            document = json_or_none(response.body)
            job_id = id_text(document.get("id")) if response.status == 202 and document else None
            return Submitted(self.handle(response, url, job_id=job_id, data=self._final(response, location)))
        if response.status != 202:
            return self.synchronous(response)
        if not location:
            raise UnreadableAnswerError(
                "HTTP 202 without Operation-Location, Azure-AsyncOperation or Location: there is no place "
                "to ask for this job.",
                excerpt=excerpt(response.body),
                http_status=response.status,
            )
        url = absolute(location, response, job="the job", what="Location")
        return Submitted(self.handle(response, url, data={"monitor": "location"}))

    def _final(self, response: HttpResponse, location: str) -> dict[str, Any]:
        if self.final_state_via == "original-uri" and response.url:
            return {"final_url": response.url}
        if location and self.final_state_via != "monitor":
            return {"final_url": absolute(location, response, job="the job", what="Location")}
        return {}

    def max_body_bytes(self, handle: JobHandle) -> int | None:
        """Of a ``Location`` alone, the last answer is the result."""
        whole = self.result_field or self.result_url_field or handle.data.get("monitor") != "location"
        return None if whole else 1024 * 1024

    def read_monitor(self, handle: JobHandle, response: HttpResponse, job: str) -> JobStatus:
        """Read the status document, or, of a ``Location``, the final answer."""
        if handle.data.get("monitor") == "location":
            return self._read_location(handle, response, job)
        if response.status == 410:
            return self.gone(response)
        raise_for_answer(response, job=job, doing="asking for the status of")
        document = json_or_none(response.body)
        remote_status = document.get("status") if document else None
        if not isinstance(remote_status, str):
            if response.status == 202:
                return self.going_on(response, "202")
            raise UnreadableAnswerError(
                f"HTTP {response.status} for {job}: the status monitor's answer has no status.",
                excerpt=excerpt(response.body),
                job=job,
                http_status=response.status,
            )
        state = STATES.get(remote_status.strip().lower(), JobState.RUNNING)
        if state is JobState.RUNNING:
            header = next((h for h in MONITOR_HEADERS if response.headers.get(h)), MONITOR_HEADERS[0])
            return self.going_on(
                response, remote_status, status_url=self.moved(handle, response, job=job, header=header)
            )
        if state is not JobState.SUCCEEDED:
            return self.ended(state, response, remote_status, error_text(document))
        return self._succeeded(handle, document or {}, response, job, remote_status)

    def _succeeded(
        self,
        handle: JobHandle,
        document: Mapping[str, Any],
        response: HttpResponse,
        job: str,
        remote_status: str,
    ) -> JobStatus:
        own = self.result_field or self.result_url_field or self.refetch_result
        if own or self.final_state_via == "monitor":
            return self.finished(response, job=job, remote_status=remote_status)
        resource = document.get("resourceLocation")
        inline = document.get("result")
        final = handle.data.get("final_url")
        if self.final_state_via is None and inline is not None:
            return self.finished(response, job=job, remote_status=remote_status, value=inline)
        if self.final_state_via is None and isinstance(resource, str) and resource:
            final = resource
        if isinstance(final, str) and final:
            result: Result = self.result_at(final, response, job=job)
            return JobStatus(JobState.SUCCEEDED, remote_status=one_line(remote_status, 80), result=result)
        return self.finished(
            response, job=job, remote_status=remote_status, value=document.get("properties", document)
        )

    def _read_location(self, handle: JobHandle, response: HttpResponse, job: str) -> JobStatus:
        """202 goes on; then comes exactly the job's final answer, so a 4xx is the job's own failure."""
        if failure := self.client_error(response):
            return failure
        status = response.status
        raise_for_answer(response, job=job, doing="asking for the status of")
        if status == 202:
            return self.going_on(response, "202", status_url=self.moved(handle, response, job=job))
        return self.finished(response, job=job, remote_status=str(status))

    def callback_status(self, document: Mapping[str, Any]) -> JobStatus | None:
        """A status document may come as a callback, too."""
        remote_status = document.get("status")
        if not isinstance(remote_status, str):
            return None
        state = STATES.get(remote_status.strip().lower(), JobState.RUNNING)
        message = error_text(document) if state is JobState.FAILED else None
        return JobStatus(
            state,
            remote_status=one_line(remote_status, 80),
            message=one_line(message, 500) if message else None,
        )
