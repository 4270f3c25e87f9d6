# SPDX-License-Identifier: Apache-2.0
"""What a description of a remote API has without writing a word."""

from __future__ import annotations

import pytest

from airflow_async_provider.errors import TransientError
from airflow_async_provider.protocols import (
    Headers,
    HttpRequest,
    HttpResponse,
    JobHandle,
    JobProtocol,
    JobState,
    JobStatus,
    Submitted,
)

HANDLE = JobHandle("x", "7", 0.0)


class Plain(JobProtocol):
    name = "plain"

    def read_submit(self, response: HttpResponse) -> Submitted:
        return Submitted(HANDLE)

    def status(self, handle: JobHandle) -> HttpRequest:
        return HttpRequest("GET", "jobs/7")

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        return JobStatus(JobState.RUNNING)


def test_nothing_can_be_cancelled_found_or_called_back() -> None:
    protocol = Plain()
    assert protocol.pollable
    assert protocol.options() == {}
    assert protocol.cancel(HANDLE) is None
    assert protocol.find("id") is None
    with pytest.raises(NotImplementedError):
        protocol.read_callback(Headers(), b"{}")


def test_a_cancellation_is_accepted_refused_or_unknown() -> None:
    assert Plain().read_cancel(HANDLE, HttpResponse(204, Headers(), b"", 0.0)) is True
    assert Plain().read_cancel(HANDLE, HttpResponse(409, Headers(), b"", 0.0)) is False
    with pytest.raises(TransientError):
        Plain().read_cancel(HANDLE, HttpResponse(503, Headers(), b"", 0.0))


def test_what_every_api_needs_must_be_written() -> None:
    with pytest.raises(TypeError, match="abstract"):
        JobProtocol()  # type: ignore[abstract]
