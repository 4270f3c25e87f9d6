# SPDX-License-Identifier: Apache-2.0
"""RFC 9110: 202, Location, Retry-After, and an end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import OriginError, RemoteError, RequestRefusedError, UnreadableAnswerError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._http.location import LocationProtocol

MONITOR = "https://api.example/monitors/7"
PROFILE = LocationProtocol()
HANDLE = JobHandle("http_location", "7", 0.0, MONITOR)


def answer(status: int, body: Any = b"", url: str = MONITOR, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1_000_000_000.0, url)


@pytest.mark.parametrize("location", [MONITOR, "/monitors/7", "monitors/7"])
def test_202_with_location_absolute_or_relative(location: str) -> None:
    submitted = PROFILE.read_submit(answer(202, url="https://api.example/jobs", Location=location))
    assert submitted.status is None
    assert submitted.handle.status_url == MONITOR
    assert submitted.handle.protocol == "http_location"
    assert len(submitted.handle.job_id) == 12


def test_202_without_location_says_which_profile_to_take() -> None:
    with pytest.raises(UnreadableAnswerError, match="status_field"):
        PROFILE.read_submit(answer(202, {"id": 7}))


def test_303_to_a_submission_names_the_monitor() -> None:
    submitted = PROFILE.read_submit(answer(303, url="https://api.example/jobs", Location="/monitors/7"))
    assert submitted.handle.status_url == MONITOR
    with pytest.raises(OriginError):
        PROFILE.read_submit(answer(303))


@pytest.mark.parametrize(
    ("status", "body", "headers", "value", "url"),
    [
        (200, {"rows": 3}, {}, {"rows": 3}, None),
        (201, {"id": 9}, {"Location": "/things/9"}, {"id": 9}, None),
        (201, b"", {"Location": "/things/9"}, None, "https://api.example/things/9"),
    ],
)
def test_synchronous_completion_is_success_at_once(
    status: int, body: Any, headers: dict[str, str], value: Any, url: str | None
) -> None:
    submitted = PROFILE.read_submit(answer(status, body, **headers))
    assert submitted.handle.status_url is None
    assert submitted.status is not None
    assert submitted.status.state is JobState.SUCCEEDED
    assert submitted.status.result is not None
    assert (submitted.status.result.value, submitted.status.result.url) == (value, url)


def test_synchronous_completion_without_content_has_no_result() -> None:
    status = PROFILE.read_submit(answer(204)).status
    assert status is not None
    assert (status.state, status.result) == (JobState.SUCCEEDED, None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Sun, 09 Sep 2001 01:47:10 GMT", 30.0),
        ("Sun, 09 Sep 2001 01:40:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_in_both_forms(value: str, seconds: float | None) -> None:
    status = PROFILE.read_status(HANDLE, answer(202, Retry_After=value))
    assert (status.state, status.remote_status, status.retry_after) == (JobState.RUNNING, "202", seconds)


def test_202_may_move_the_monitor() -> None:
    moved = PROFILE.read_status(HANDLE, answer(202, Location="/monitors/7b"))
    assert moved.status_url == "https://api.example/monitors/7b"
    assert "7b" not in repr(moved)
    assert PROFILE.read_status(HANDLE, answer(202, Location=MONITOR)).status_url is None


def test_200_is_the_result() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"rows": 3}, X_Request_Id="r"))
    assert (status.state, status.remote_status, status.request_id) == (JobState.SUCCEEDED, "200", "r")
    assert status.result is not None
    assert status.result.value == {"rows": 3}


@pytest.mark.parametrize("code", [302, 303])
def test_a_redirect_to_elsewhere_is_done_and_fetched_without_credentials(code: int) -> None:
    status = PROFILE.read_status(HANDLE, answer(code, Location="https://bucket.example/f?sig=s"))
    assert (status.state, status.remote_status) == (JobState.SUCCEEDED, str(code))
    assert status.result is not None
    assert status.result.url == "https://bucket.example/f?sig=s"
    assert not status.result.authorized


@pytest.mark.parametrize("code", [302, 303])
def test_a_redirect_to_elsewhere_may_be_declared_an_error(code: int) -> None:
    profile = LocationProtocol(redirect_means_done=False)
    with pytest.raises(OriginError, match="allowed_hosts"):
        profile.read_status(HANDLE, answer(code, Location="https://login.example/"))


@pytest.mark.parametrize("headers", [{}, {"Location": ""}])
def test_a_redirect_to_nowhere_is_an_error(headers: dict[str, str]) -> None:
    with pytest.raises(OriginError):
        PROFILE.read_status(HANDLE, answer(303, **headers))


@pytest.mark.parametrize("code", [301, 307, 308])
def test_a_monitor_that_moved_to_a_foreign_host_is_not_followed(code: int) -> None:
    with pytest.raises(OriginError):
        PROFILE.read_status(HANDLE, answer(code, Location="https://other.example/m"))


def test_a_4xx_of_the_monitor_may_be_declared_the_jobs_own_failure() -> None:
    profile = LocationProtocol(client_errors_are_final=True)
    status = profile.read_status(HANDLE, answer(422, {"title": "Broken", "detail": "no rows"}))
    assert (status.state, status.remote_status, status.message) == (JobState.FAILED, "422", "no rows")
    assert profile.read_status(HANDLE, answer(410)).state is JobState.FAILED
    for code in (401, 403, 429, 503):
        with pytest.raises(RemoteError):
            profile.read_status(HANDLE, answer(code))
    with pytest.raises(RequestRefusedError):
        PROFILE.read_status(HANDLE, answer(422))
