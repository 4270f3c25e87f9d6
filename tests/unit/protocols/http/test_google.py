# SPDX-License-Identifier: Apache-2.0
"""AIP-151 operations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError, DescriptionError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._http.google import GoogleProtocol

PROFILE = GoogleProtocol()
NAME = "projects/p/locations/l/operations/7"
HANDLE = JobHandle("http_google", NAME, 0.0, f"v1/{NAME}")


def answer(status: int, body: Any = b"", **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1000.0, "https://api.example/v1/books:export")


def test_an_operation_is_asked_for_by_its_name() -> None:
    submitted = PROFILE.read_submit(answer(200, {"name": NAME, "metadata": {"progress": 1}}))
    assert submitted.status is None
    assert submitted.handle.job_id == NAME
    assert PROFILE.status(submitted.handle).url == f"v1/{NAME}"


def test_the_path_of_operations_is_an_option() -> None:
    profile = GoogleProtocol(operation_path="v2/ops/{job_id}")
    assert profile.read_submit(answer(200, {"name": "a b"})).handle.status_url == "v2/ops/a%20b"
    with pytest.raises(ConfigurationError):
        GoogleProtocol(operation_path="v1/{name}")


def test_an_operation_that_is_done_at_once() -> None:
    submitted = PROFILE.read_submit(answer(200, {"name": NAME, "done": True, "response": {"rows": 3}}))
    assert submitted.status is not None
    assert submitted.status.state is JobState.SUCCEEDED
    assert submitted.status.result is not None
    assert submitted.status.result.value == {"rows": 3}
    unnamed = PROFILE.read_submit(answer(200, {"done": True, "response": {}}))
    assert unnamed.handle.status_url is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", {}, {"name": ""}, {"name": 1.5}, {"name": "a/../b"}, {"name": "x//y"}]
)
def test_an_answer_that_is_no_operation_is_unreadable(body: Any) -> None:
    with pytest.raises(DescriptionError):
        PROFILE.read_submit(answer(200, body))


@pytest.mark.parametrize("body", [{"name": NAME}, {"name": NAME, "done": False, "error": {"code": 3}}])
def test_done_false_or_left_out_means_running(body: Any) -> None:
    status = PROFILE.read_status(HANDLE, answer(200, body, Retry_After="9"))
    assert (status.state, status.remote_status, status.retry_after) == (
        JobState.RUNNING,
        "false" if "done" in body else "running",
        9.0,
    )


def test_done_with_response_is_success() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"name": NAME, "done": True, "response": {"uri": "x"}}))
    assert (status.state, status.remote_status) == (JobState.SUCCEEDED, "true")
    assert status.result is not None
    assert status.result.value == {"uri": "x"}


def test_done_with_neither_is_success_without_a_result() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"name": NAME, "done": True}))
    assert (status.state, status.result) == (JobState.SUCCEEDED, None)


@pytest.mark.parametrize("body", [{}, {"response": {}}, {"response": {"other": 1}}])
def test_a_result_that_the_task_names_must_be_there(body: dict[str, Any]) -> None:
    profile = GoogleProtocol(result_field="response.outputUri")
    with pytest.raises(DescriptionError, match="outputUri"):
        profile.read_status(HANDLE, answer(200, {"name": NAME, "done": True, **body}))
    may = GoogleProtocol(result_field="response.outputUri", result_optional=True)
    assert may.read_status(HANDLE, answer(200, {"name": NAME, "done": True, **body})).result is None


def test_a_result_url_inside_the_response() -> None:
    profile = GoogleProtocol(result_url_field="response.outputUri")
    body = {
        "name": NAME,
        "done": True,
        "response": {"outputUri": "https://storage.example/o?X-Goog-Signature=s"},
    }
    result = profile.read_status(HANDLE, answer(200, body)).result
    assert result is not None
    assert not result.authorized


@pytest.mark.parametrize(
    ("error", "state", "remote_status", "message"),
    [
        ({"code": 3, "message": "bad"}, JobState.FAILED, "true", "3: bad"),
        ({"code": 1, "message": "stopped"}, JobState.CANCELLED, "true", "1: stopped"),
        ({}, JobState.FAILED, "true", "an error stands beside the state"),
        ("text", JobState.FAILED, "true", "text"),
    ],
)
def test_done_with_error_is_failure_and_code_1_is_cancelled(
    error: Any, state: JobState, remote_status: str, message: str | None
) -> None:
    body = {"name": NAME, "done": True, "error": error}
    status = PROFILE.read_status(HANDLE, answer(200, body))
    assert (status.state, status.remote_status, status.message) == (state, remote_status, message)
    called = PROFILE.read_callback(Headers(), json.dumps(body).encode())
    assert (called.state, called.message) == (state, message)


@pytest.mark.parametrize("done", ["perhaps", 1])
def test_done_that_is_no_truth_value_is_an_error(done: Any) -> None:
    with pytest.raises(DescriptionError, match="in none of the lists"):
        PROFILE.read_status(HANDLE, answer(200, {"name": NAME, "done": done}))


def test_an_operation_is_cancelled_by_its_own_method() -> None:
    request = PROFILE.cancel(HANDLE)
    assert request is not None
    assert (request.method, request.url) == ("POST", f"v1/{NAME}:cancel")


def test_an_operation_may_come_as_a_callback() -> None:
    status = PROFILE.read_callback(Headers(), b'{"done": true, "response": {"rows": 1}}')
    assert status.state is JobState.SUCCEEDED
    assert status.result is None  # it is read from the operation itself, once more
