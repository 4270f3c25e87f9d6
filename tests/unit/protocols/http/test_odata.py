# SPDX-License-Identifier: Apache-2.0
"""OData 4.01 Part 1 §11.6, and the wrapped answers of 4.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import DescriptionError, RequestRefusedError, UnreadableAnswerError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._http.odata import ODataProtocol

MONITOR = "https://api.example/async/7"
PROFILE = ODataProtocol()
HANDLE = JobHandle("http_odata", "7", 0.0, MONITOR)


def answer(status: int, body: Any = b"", **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1000.0, MONITOR)


def test_respond_async_is_always_asked_for() -> None:
    assert PROFILE.submit("POST", "Orders").headers["Prefer"] == "respond-async"
    assert PROFILE.submit("POST", "Orders", prefer_wait=5).headers["Prefer"] == "respond-async, wait=5"


def test_202_must_have_a_location() -> None:
    assert PROFILE.read_submit(answer(202, Location="/async/7")).handle.status_url == MONITOR
    with pytest.raises(DescriptionError, match="Location"):
        PROFILE.read_submit(answer(202))


def test_a_service_may_ignore_the_preference() -> None:
    status = PROFILE.read_submit(answer(200, {"value": []})).status
    assert status is not None
    assert status.result is not None
    assert status.result.value == {"value": []}


def test_202_goes_on_with_location_again() -> None:
    status = PROFILE.read_status(HANDLE, answer(202, Location="/async/7?n=2", Retry_After="3"))
    assert (status.state, status.retry_after) == (JobState.RUNNING, 3.0)
    assert status.status_url == MONITOR + "?n=2"


@pytest.mark.parametrize("verdict", ["200", "200 OK", " 200"])
def test_async_result_200_is_success(verdict: str) -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"value": [1]}, AsyncResult=verdict))
    assert (status.state, status.remote_status) == (JobState.SUCCEEDED, "200")
    assert status.result is not None
    assert status.result.value == {"value": [1]}


def test_async_result_201_and_303_name_where_the_result_is() -> None:
    for verdict in ("201", "303"):
        status = PROFILE.read_status(HANDLE, answer(200, AsyncResult=verdict, Location="/Orders(7)"))
        assert status.state is JobState.SUCCEEDED
        assert status.result is not None
        assert (status.result.url, status.result.authorized) == ("https://api.example/Orders(7)", True)


def test_async_result_204_is_success_without_a_result() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, AsyncResult="204"))
    assert (status.state, status.result) == (JobState.SUCCEEDED, None)


@pytest.mark.parametrize("verdict", ["400", "409", "500", "503 Service Unavailable", "304"])
def test_async_result_of_an_error_is_a_failure_of_the_job(verdict: str) -> None:
    body = {"error": {"code": "E1", "message": "no"}}
    status = PROFILE.read_status(HANDLE, answer(200, body, AsyncResult=verdict))
    assert (status.state, status.remote_status, status.message) == (JobState.FAILED, verdict[:3], "E1: no")


@pytest.mark.parametrize("verdict", ["", "ok", "2000", "999"])
def test_async_result_without_a_status_code_is_unreadable(verdict: str) -> None:
    with pytest.raises(UnreadableAnswerError, match="AsyncResult"):
        PROFILE.read_status(HANDLE, answer(200, AsyncResult=verdict))


def test_200_without_async_result_is_the_result() -> None:
    assert PROFILE.read_status(HANDLE, answer(200, {"value": []})).state is JobState.SUCCEEDED


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
@pytest.mark.parametrize("refetch", [False, True])
def test_a_wrapped_answer_is_unwrapped(eol: bytes, refetch: bool) -> None:
    wrapped = eol.join([b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"no colon", b"", b'{"a": 1}'])
    profile = ODataProtocol(refetch_result=refetch)
    status = profile.read_status(HANDLE, answer(200, wrapped, Content_Type="application/http"))
    assert status.result is not None
    assert status.result.value == {"a": 1}


def test_a_wrapped_failure_fails() -> None:
    wrapped = b"HTTP/1.1 503 Service Unavailable\r\n\r\ncancelled by the service"
    status = PROFILE.read_status(HANDLE, answer(200, wrapped, Content_Type="application/http;v=1"))
    assert (status.state, status.remote_status, status.message) == (
        JobState.FAILED,
        "503",
        "cancelled by the service",
    )


def test_a_wrapped_answer_without_headers_or_end() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, b"HTTP/1.1 204\r\n", Content_Type="application/http"))
    assert (status.state, status.result) == (JobState.SUCCEEDED, None)
    with pytest.raises(UnreadableAnswerError, match="application/http"):
        PROFILE.read_status(HANDLE, answer(200, b"garbage", Content_Type="application/http"))


def test_delete_cancels_and_404_follows() -> None:
    request = PROFILE.cancel(HANDLE)
    assert request is not None
    assert (request.method, request.url) == ("DELETE", MONITOR)
    assert PROFILE.read_cancel(HANDLE, answer(202))
    assert not PROFILE.read_cancel(HANDLE, answer(405))
    with pytest.raises(RequestRefusedError):
        PROFILE.read_status(HANDLE, answer(404))
