# SPDX-License-Identifier: Apache-2.0
"""What the generic profiles make of an answer: the job goes on, has ended, or has brought a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http.urls import absolute, is_signed, same_origin
from airflow_async_provider.protocols._http.values import body_value, error_text, json_or_none, one_line
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import is_transient, request_id, retry_after


@dataclass(frozen=True, kw_only=True)
class HttpOutcome(JobProtocol):
    """
    Where results are, and how states are put.

    :param result_field: JSON path of the result in the last answer. Default: the whole of it
    :param result_url_field: JSON path of the result's URL in the last answer
    :param result_authorized: whether the result's URL wants the connection's credentials. Default None: it
        does if it lies on the origin that answered and is not signed
    :param refetch_result: hand out the address of the last answer as the result's URL instead of the
        answer's body, so that a large result can be streamed from there. Default False
    """

    result_field: str | None = None
    result_url_field: str | None = None
    result_authorized: bool | None = None
    refetch_result: bool = False

    def going_on(
        self, response: HttpResponse, remote_status: str, *, status_url: str | None = None
    ) -> JobStatus:
        """
        The job goes on.

        :param status_url: where to ask from now on, when the remote has moved the monitor
        """
        return JobStatus(
            JobState.RUNNING,
            remote_status=one_line(remote_status, 80),
            retry_after=retry_after(response.headers, response.received_at),
            request_id=request_id(response.headers),
            status_url=status_url,
        )

    def ended(
        self, state: JobState, response: HttpResponse, remote_status: str, message: str | None = None
    ) -> JobStatus:
        """The job ended without a result."""
        return JobStatus(
            state,
            remote_status=one_line(remote_status, 80),
            message=one_line(message, 500) if message else None,
            request_id=request_id(response.headers),
        )

    def gone(self, response: HttpResponse) -> JobStatus:
        """410: the remote knew the job once and says that it does not any more (RFC 9110 §15.5.11)."""
        return self.ended(JobState.EXPIRED, response, "410", "the remote no longer knows this job")

    def client_error(self, response: HttpResponse) -> JobStatus | None:
        """A 4xx as the job's own failure; None for what concerns credentials or pace, and for all others."""
        status = response.status
        if not 400 <= status < 500 or status in (401, 403) or is_transient(status):
            return None
        text = error_text(json_or_none(response.body)) or excerpt(response.body)
        return self.ended(JobState.FAILED, response, str(status), text)

    def redirected(self, response: HttpResponse, *, job: str) -> JobStatus | None:
        """
        "Done, the result is there", where a 302 or 303 says so; None for any other answer.

        The transport follows redirects to where the credentials may go. What arrives here points elsewhere,
        so it is fetched without any.
        """
        target = response.headers.get("Location", "")
        if response.status not in (302, 303) or not target:
            return None
        url = absolute(target, response, job=job, what="Location")
        return JobStatus(
            JobState.SUCCEEDED,
            remote_status=str(response.status),
            result=Result(url=url, authorized=False),
            request_id=request_id(response.headers),
        )

    def moved(
        self, handle: JobHandle, response: HttpResponse, *, job: str, header: str = "Location"
    ) -> str | None:
        """The monitor's address from now on, None when it stays where it was."""
        reference = response.headers.get(header, "")
        if not reference:
            return None
        url = absolute(reference, response, job=job, what=header)
        return None if url == handle.status_url else url

    def finished(
        self,
        response: HttpResponse,
        *,
        job: str,
        remote_status: str,
        value: Any = json_path.MISSING,
        again: bool = True,
    ) -> JobStatus:
        """
        The job succeeded; the options say where in this answer its result is.

        :param value: the answer's content where the convention wraps it. Default: the body
        :param again: whether asking the same address again brings the same answer
        :raises UnreadableAnswerError: the result is not where the options say
        """
        return JobStatus(
            JobState.SUCCEEDED,
            remote_status=one_line(remote_status, 80),
            result=self.result(response, job=job, value=value, again=again),
            request_id=request_id(response.headers),
        )

    def result(
        self,
        response: HttpResponse,
        *,
        job: str,
        value: Any = json_path.MISSING,
        again: bool = True,
        expires_in: float | None = None,
    ) -> Result | None:
        """Where the result lies according to the options, None when there is none."""
        whole = value is json_path.MISSING
        refetch = self.refetch_result or not response.complete
        if refetch and again and whole and response.url and response.status != 204:
            return self.result_at(response.url, response, job=job)
        if not response.complete:
            raise UnreadableAnswerError(
                f"HTTP {response.status} for {job}: the answer is larger than {len(response.body)} bytes, "
                "and it cannot be fetched from an address of its own.",
                job=job,
                http_status=response.status,
            )
        content = body_value(response) if whole else value
        created = response.headers.get("Location", "") if response.status == 201 else ""
        if created and content is None:  # RFC 9110 §15.3.2: the resource that was made is there
            return self.result_at(created, response, job=job)
        wanted = self.result_url_field or self.result_field
        if wanted is not None:
            content = json_path.read(content, wanted)
            if content is json_path.MISSING or (self.result_url_field and not isinstance(content, str)):
                raise UnreadableAnswerError(
                    f"HTTP {response.status} for {job}: it has ended, but there is no result at {wanted!r}.",
                    excerpt=excerpt(response.body),
                    job=job,
                    http_status=response.status,
                )
        if self.result_url_field is not None:
            return self.result_at(content, response, job=job, expires_in=expires_in)
        if content is None:
            return None
        return Result(value=content, body=response.body if whole and wanted is None else None)

    def result_at(
        self, reference: str, response: HttpResponse, *, job: str, expires_in: float | None = None
    ) -> Result:
        """A result at a URL; credentials only on the origin that answered, and only to unsigned URLs."""
        url = absolute(reference, response, job=job, what="URL of the result")
        authorized = self.result_authorized
        if authorized is None:
            relative = "://" not in url.split("?", 1)[0]
            authorized = (relative or same_origin(url, response.url)) and not is_signed(url)
        return Result(
            url=url,
            expires_at=None if expires_in is None else response.received_at + expires_in,
            authorized=authorized,
        )
