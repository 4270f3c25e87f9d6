# SPDX-License-Identifier: Apache-2.0
"""
OData's asynchronous requests.

Source: OASIS, "OData Version 4.01 Part 1: Protocol" §11.6 (and 4.0, same section). The client sends ``Prefer:
respond-async``; the service may answer 202 with ``Location``, the status monitor. The monitor answers 202,
again with ``Location``, until the request is done, then 200 with the header ``AsyncResult`` (the status code
that the request itself would have had) and the answer's own headers and body. Version 4.0 wraps
that answer into a body of type ``application/http`` instead. DELETE of the monitor cancels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols._http.monitor import MonitorReader
from airflow_async_provider.protocols._http.places import Answer
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.urls import absolute
from airflow_async_provider.protocols._http.values import error_text, media_type
from airflow_async_provider.protocols._http.verdict import Verdict
from airflow_async_provider.protocols._http.words import Meaning
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import unreadable

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})(?: [^\r\n]*)?\r?\n")
_HEADERS_END = re.compile(rb"\r?\n\r?\n")


class ODataProtocol(HttpProfile):
    """``Prefer: respond-async`` and ``AsyncResult``."""

    name: ClassVar[str] = "http_odata"
    takes_see_other: ClassVar[bool] = False
    # More than elsewhere: an answer that is wrapped (4.0) must be whole.
    largest_inline: ClassVar[int | None] = 8 * 1024 * 1024
    base: ClassVar[Mapping[str, Any]] = {
        "start": {"status_url": "header:Location"},
        "outcome": {"redirect": "error"},
        "cancel": {"method": "DELETE", "path": "{status_url}"},
    }

    def submit(self, method: str | None = None, endpoint: str | None = None, **arguments: Any) -> HttpRequest:
        """As every profile, with the preference."""
        return super().submit(method, endpoint, **_asynchronous(arguments))

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """202 goes on; 200 contains the answer of the request itself, which may be a failure."""
        reader = MonitorReader(self, handle)
        if response.status != 200:
            return reader.read(response)
        final = _unwrapped(response, reader.job)
        if final is response:
            return reader.read(response)
        remote_status, location = str(final.status), final.headers.get("Location", "")
        if final.status in (302, 303) and location:
            url = absolute(location, final, job=reader.job, what="Location")
            done = reader.status(final, Verdict(Meaning.SUCCEEDED, remote_status))
            return replace(done, result=Result(url=url, authorized=self.may_have_credentials(url, final)))
        if 200 <= final.status < 300:
            # A wrapped answer cannot be had unwrapped by asking for it again.
            return reader.finished(Answer(final), again=final.body is response.body)
        text = error_text(Answer(final).document) or excerpt(final.body)
        return reader.status(final, Verdict(Meaning.FAILED, remote_status, text))


def _asynchronous(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "prefer_wait": arguments.get("prefer_wait") or 0}


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
    if media_type(response) != "application/http":
        return response
    line = _STATUS_LINE.match(response.body)
    if line is None:
        raise unreadable(response, "the application/http body holds no answer.", job=job)
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
