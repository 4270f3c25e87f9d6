# SPDX-License-Identifier: Apache-2.0
"""
OData's asynchronous requests.

Source: OASIS, "OData Version 4.01 Part 1: Protocol" §11.6 (and 4.0, same section). The client sends ``Prefer:
respond-async``; the service may answer 202 with ``Location``, the status monitor. The monitor answers 202,
again with ``Location``, until the request is done, then 200 with the header ``AsyncResult`` (the status code
that the request itself would have brought) and the answer's own headers and body. Version 4.0 wraps
that answer into a body of type ``application/http`` instead. DELETE of the monitor cancels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.urls import absolute
from airflow_async_provider.protocols._http.values import error_text, json_or_none
from airflow_async_provider.protocols._http_messages import Headers, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import raise_for_answer

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})(?: [^\r\n]*)?\r?\n")
_HEADERS_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, kw_only=True)
class ODataProtocol(HttpProfile):
    """
    ``Prefer: respond-async`` and ``AsyncResult``.

    :param cancel_by: as in :class:`HttpProfile`. Default ``delete``
    """

    name: ClassVar[str] = "http_odata"
    asks_for_async: ClassVar[bool] = True
    # More than elsewhere: an answer that is wrapped (4.0) must be whole.
    largest_inline: ClassVar[int | None] = 8 * 1024 * 1024

    cancel_by: str | None = "delete"

    def read_accepted(self, response: HttpResponse) -> Submitted:
        """
        The status monitor of a 202; any other 2xx means that the service did not take up the preference.

        :raises UnreadableAnswerError: 202 without ``Location``, which OData does not allow
        """
        if response.status != 202:
            return self.synchronous(response)
        location = response.headers.get("Location", "")
        if not location:
            raise UnreadableAnswerError(
                "HTTP 202 without a Location header, which an OData service must send.",
                excerpt=excerpt(response.body),
                http_status=202,
            )
        return Submitted(self.handle(response, absolute(location, response, job="the job", what="Location")))

    def read_monitor(self, handle: JobHandle, response: HttpResponse, job: str) -> JobStatus:
        """202 goes on; 200 brings the answer of the request itself, which may be a failure."""
        if response.status == 410:
            return self.gone(response)
        raise_for_answer(response, job=job, doing="asking for the status of")
        if response.status == 202:
            return self.going_on(response, "202", status_url=self.moved(handle, response, job=job))
        final = _unwrapped(response, job)
        remote_status = str(final.status)
        location = final.headers.get("Location", "")
        if 200 <= final.status < 300:
            # A wrapped answer cannot be had unwrapped by asking for it again.
            return self.finished(
                final, job=job, remote_status=remote_status, again=final.body is response.body
            )
        if final.status in (302, 303) and location:
            return replace(
                self.ended(JobState.SUCCEEDED, final, remote_status),
                result=self.result_at(location, final, job=job),
            )
        text = error_text(json_or_none(final.body)) or excerpt(final.body)
        return self.ended(JobState.FAILED, final, remote_status, text)


def _unwrapped(response: HttpResponse, job: str) -> HttpResponse:
    """The answer of the request itself, out of the monitor's."""
    verdict = response.headers.get("AsyncResult")
    if verdict is not None:
        # The standard says a status code; services were seen that send "200 OK".
        code = re.match(r"\s*([1-5][0-9]{2})(?![0-9])", verdict)
        if code is None:
            raise UnreadableAnswerError(
                f"HTTP {response.status} for {job}: the header AsyncResult holds no status code.",
                job=job,
                http_status=response.status,
            )
        return replace(response, status=int(code[1]))
    kind = response.headers.get("Content-Type", "").split(";", 1)[0].strip().lower()
    if kind != "application/http":
        return response
    line = _STATUS_LINE.match(response.body)
    if line is None:
        raise UnreadableAnswerError(
            f"HTTP {response.status} for {job}: the application/http body holds no answer.",
            excerpt=excerpt(response.body),
            job=job,
            http_status=response.status,
        )
    # The line break that ends the status line belongs to the empty line when there are no headers.
    start = line.end()
    end = _HEADERS_END.search(response.body, start - 2)
    head, body = (
        (response.body[start : end.start()], response.body[end.end() :])
        if end
        else (response.body[start:], b"")
    )
    pairs = (row.partition(":") for row in head.decode("latin-1").splitlines())
    headers = Headers((name.strip(), value.strip()) for name, colon, value in pairs if colon)
    return replace(response, status=int(line[1]), headers=headers, body=body)
