# SPDX-License-Identifier: Apache-2.0
"""
The plainest convention: 202 with ``Location``, then the monitor answers 202 until it answers otherwise.

RFC 9110 leaves most of it open (§15.3.3: 202 is "intentionally noncommittal"), so this is its common
reading: ``Location`` of the 202 is the monitor and may be relative (§10.2.2); ``Retry-After`` is seconds or
a date (§10.2.3); 202 from the monitor means that the job goes on; 200, 201 or 204 is the result; 303 (and,
as Azure's "asynchronous request-reply" pattern has it, 302) leads to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.urls import absolute
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import raise_for_answer


@dataclass(frozen=True, kw_only=True)
class LocationProtocol(HttpProfile):
    """
    202 and ``Location``.

    :param redirect_means_done: take 302 and 303 to a foreign host for "the result is there". Set it to False
        where such a redirect leads to a login page. Default True
    :param client_errors_are_final: take a 4xx of the monitor for the job's own failure, as Azure's Resource
        Manager does, not for a failure to read it; 401, 403, 408, 425 and 429 never are. Default False
    """

    name: ClassVar[str] = "http_location"
    largest_inline: ClassVar[int | None] = 1024 * 1024

    redirect_means_done: bool = True
    client_errors_are_final: bool = False

    def check_accepted(self, response: HttpResponse) -> None:
        """303 to a submission names the monitor, too (RFC 9110 §15.4.4)."""
        if response.status != 303 or not response.headers.get("Location"):
            super().check_accepted(response)

    def read_accepted(self, response: HttpResponse) -> Submitted:
        """
        202 and 303 name the monitor; any other 2xx is the result already.

        :raises UnreadableAnswerError: 202 without ``Location``
        """
        if response.status not in (202, 303):
            return self.synchronous(response)
        location = response.headers.get("Location", "")
        if not location:
            raise UnreadableAnswerError(
                "HTTP 202 without a Location header: this profile does not know where to ask. If the body "
                "names the status URL or an id, use the profile status_field.",
                excerpt=excerpt(response.body),
                http_status=response.status,
            )
        return Submitted(self.handle(response, absolute(location, response, job="the job", what="Location")))

    def read_monitor(self, handle: JobHandle, response: HttpResponse, job: str) -> JobStatus:
        """202 goes on, another 2xx is the result, a redirect to elsewhere leads to it."""
        if response.status == 410 and not self.client_errors_are_final:
            return self.gone(response)
        if self.redirect_means_done and (status := self.redirected(response, job=job)):
            return status
        if self.client_errors_are_final and (status := self.client_error(response)):
            return status
        raise_for_answer(response, job=job, doing="asking for the status of")
        if response.status == 202:
            return self.going_on(response, "202", status_url=self.moved(handle, response, job=job))
        return self.finished(response, job=job, remote_status=str(response.status))
