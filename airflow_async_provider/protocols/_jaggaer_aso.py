# SPDX-License-Identifier: Apache-2.0
"""
JAGGAER ASO asynchronous download endpoints (EES and CHES).

Source, unless stated otherwise: JAGGAER, "ASO APIs - Working With Asynchronous Download Endpoints".

* ``GET …/async`` (one CHES endpoint is a POST) answers 202 with ``statusUrl`` and
  ``statusUrlExpiresInSeconds``. The URL is opaque: sent back exactly as received.
* ``GET statusUrl`` answers 200 with ``status`` processing, completed, failed or cancelled; 403 once it has
  expired. ``completed`` has ``resultUrl`` and ``resultUrlExpiresInSeconds``.
* ``resultUrlExpiresInSeconds`` counts down to -1 (EES and CHES API documentation): the URL is signed once
  and asking again does not sign a new one.
* Not documented, hence not relied on: a reason for ``failed``, a way to cancel, rate limits, the bodies of
  401, 403 and 404.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.errors import ConfigurationError, SubmitError, UnreadableAnswerError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import (
    is_transient,
    raise_for_answer,
    request_id,
    retry_after,
    unreadable,
)

STATES: Mapping[str, JobState] = {
    "processing": JobState.RUNNING,
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "canceled": JobState.CANCELLED,  # not seen; the spelling differs between JAGGAER's services
}


#: A status URL's life began when ASO wrote its answer, before we read it: so a 403 this long before the end
#: by our reckoning (seconds, and at most a tenth of that life) is taken for the expiry.
EXPIRY_SLACK = 5.0

#: Numbers beyond this are no seconds that anybody meant (about 30 years); not-a-number is neither.
MAX_LIFE = 1e9


class JaggaerAsoProtocol(JobProtocol):
    """The wire format of an ASO asynchronous download."""

    name: ClassVar[str] = "jaggaer_aso"

    def submit(
        self,
        endpoint: str,
        *,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content_type: str | None = None,
    ) -> HttpRequest:
        """
        The request that starts the job.

        A GET only prepares an export, so it may be repeated; the POST of CHES creates an event and JAGGAER
        documents no idempotency key for it.

        :param endpoint: path below the connection's host, ending in ``/async``
        :param method: GET or POST
        :param params: query parameters
        :param json: JSON body of a POST
        :param content_type: media type of that body; CHES wants its own (CHES API documentation)
        :raises ConfigurationError: another method, or a body for a GET
        """
        method = method.strip().upper()
        if method not in ("GET", "POST"):
            raise ConfigurationError(f"ASO starts asynchronous downloads by GET or POST, not by {method!r}.")
        if method == "GET" and json is not None:
            raise ConfigurationError("json is the body of a POST; a GET has none. Set method='POST'?")
        return HttpRequest(
            method,
            endpoint,
            params=params,
            json=json,
            headers={"Content-Type": content_type} if json is not None and content_type else {},
            repeatable=method == "GET",
        )

    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the 202.

        :raises SubmitError: the remote refused (a 4xx)
        :raises UnreadableAnswerError: an answer without ``statusUrl``
        """
        if not 200 <= response.status < 300:
            if response.status in (401, 403) or response.status < 400 or is_transient(response.status):
                raise_for_answer(response, job="an ASO job", doing="starting")
            raise SubmitError(
                f"ASO refused the start: HTTP {response.status}. Response: {excerpt(response.body)!r}. "
                "Check endpoint, parameters and the Accept media type of the connection.",
                http_status=response.status,
                request_id=request_id(response.headers),
            )
        answer = response.json_object(job="an ASO job")
        status_url = answer.get("statusUrl")
        if not isinstance(status_url, str) or not status_url.isascii() or not status_url.strip():
            raise unreadable(
                response,
                "ASO accepted the request but gave no statusUrl. Only endpoints that end in /async answer "
                "with one.",
            )
        seconds = _seconds(answer.get("statusUrlExpiresInSeconds"))
        return Submitted(
            JobHandle(
                protocol=self.name,
                job_id=hashlib.sha256(status_url.encode()).hexdigest()[:12],
                named=False,
                submitted_at=response.received_at,
                status_url=status_url,
                # A life that is over before it has begun says nothing; then a 403 is what it looks like.
                expires_at=response.received_at + seconds if seconds and seconds > 0 else None,
            )
        )

    def status(self, handle: JobHandle) -> HttpRequest:
        """The status URL exactly as received."""
        if not handle.status_url:
            raise ConfigurationError("An ASO job handle without status_url cannot be asked for.")
        return HttpRequest("GET", handle.status_url)

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        Read the answer of the status URL.

        :raises AuthorizationError: 403 before the status URL's expiry (after it the state is EXPIRED)
        :raises RemoteError: any other answer that says nothing about the job
        """
        job = f"ASO job {handle.shown_id}"
        if response.status == 403 and _has_expired(handle, response.received_at):
            return JobStatus(
                JobState.EXPIRED,
                remote_status="403",
                message="the status URL has expired",
                request_id=request_id(response.headers),
            )
        raise_for_answer(response, job=job, doing="asking for the status of")
        answer = response.json_object(job=job)
        remote_status = answer.get("status")
        if not isinstance(remote_status, str):
            raise unreadable(response, "the answer has no status.", job=job)
        state = STATES.get(remote_status.strip().lower())
        return JobStatus(
            state or JobState.RUNNING,
            remote_status=remote_status.strip() if state else excerpt(remote_status, 80),
            recognised=state is not None,
            retry_after=retry_after(response.headers, response.received_at),
            result=self._result(answer, response, job) if state is JobState.SUCCEEDED else None,
            request_id=request_id(response.headers),
        )

    @staticmethod
    def _result(answer: Mapping[str, Any], response: HttpResponse, job: str) -> Result:
        url = answer.get("resultUrl")
        seconds = _seconds(answer.get("resultUrlExpiresInSeconds"))
        if seconds is not None and seconds < 0:
            # -1: the file is gone. The URL, if there is one, is of no use.
            return Result(url=None, expires_at=response.received_at + seconds)
        if not isinstance(url, str) or not url.isascii() or not url.strip():
            raise UnreadableAnswerError(
                f"HTTP {response.status} for {job}: completed, but without a usable resultUrl.",
                job=job,
                http_status=response.status,
            )
        return Result(url=url, expires_at=None if seconds is None else response.received_at + seconds)


def _has_expired(handle: JobHandle, now: float) -> bool:
    """Whether the status URL's life is over, by our clock and but for a moment."""
    if handle.expires_at is None:
        return False
    life = max(0.0, handle.expires_at - handle.submitted_at)
    return now >= handle.expires_at - min(EXPIRY_SLACK, life / 10)


def _seconds(value: Any) -> float | None:
    """A JSON number as seconds; None for anything else (a bool is no number)."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_LIFE:
        return float(value)
    return None
