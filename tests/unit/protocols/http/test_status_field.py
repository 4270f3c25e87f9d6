# SPDX-License-Identifier: Apache-2.0
"""A status word in a JSON document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    DescriptionError,
    OriginError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol

MONITOR = "https://api.example/jobs/7"
PROFILE = StatusFieldProtocol()
HANDLE = JobHandle("http_status_field", "7", 0.0, MONITOR)


def answer(status: int, body: Any = b"", url: str = MONITOR, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1000.0, url)


# -- where the monitor is


def test_a_status_url_in_the_answer_with_its_expiry() -> None:
    profile = StatusFieldProtocol(status_url_field="links.status", status_expires_field="links.ttl")
    handle = profile.read_submit(answer(202, {"id": 5, "links": {"status": "/jobs/7", "ttl": "1800"}})).handle
    assert (handle.status_url, handle.job_id, handle.expires_at) == (MONITOR, "5", 2800.0)


@pytest.mark.parametrize("ttl", [None, True, "soon", 1e400, [], "nan"])
def test_an_expiry_that_is_no_number_is_none(ttl: Any) -> None:
    profile = StatusFieldProtocol(status_expires_field="ttl")
    assert profile.read_submit(answer(202, {"statusUrl": MONITOR, "ttl": ttl})).handle.expires_at is None


@pytest.mark.parametrize(("job_id", "url"), [(7, "jobs/7"), ("a/b", "jobs/a%2Fb")])
def test_an_id_and_a_path(job_id: Any, url: str) -> None:
    profile = StatusFieldProtocol(
        status_path="jobs/{job_id}", id_field="job.id", cancel_by="jobs/{job_id}/cancel"
    )
    handle = profile.read_submit(answer(200, {"job": {"id": job_id}, "status": "queued"})).handle
    assert (handle.status_url, handle.job_id) == (url, str(job_id))
    request = profile.cancel(handle)
    assert request is not None
    assert request.url == url + "/cancel"


def test_the_location_header_serves_where_the_body_names_nothing() -> None:
    assert PROFILE.read_submit(answer(202, Location="/jobs/7")).handle.status_url == MONITOR


@pytest.mark.parametrize("body", [{}, {"id": ".."}, b"text", {"status": "queued"}])
def test_202_that_names_no_job_is_unreadable(body: Any) -> None:
    with pytest.raises(DescriptionError, match="names no status URL"):
        StatusFieldProtocol(status_path="jobs/{job_id}").read_submit(answer(202, body))
    with pytest.raises(DescriptionError, match="names no status URL"):
        PROFILE.read_submit(answer(202, body))


def test_200_that_is_running_but_names_no_job_is_unreadable() -> None:
    with pytest.raises(DescriptionError, match="names no status URL"):
        PROFILE.read_submit(answer(200, {"status": "queued"}))


# -- done at once


def test_200_that_names_no_job_and_no_status_is_the_result() -> None:
    status = PROFILE.read_submit(answer(200, {"rows": 1})).status
    assert status is not None
    assert status.result is not None
    assert (status.state, status.result.value) == (JobState.SUCCEEDED, {"rows": 1})


def test_201_with_location_is_polled_unless_the_description_says_that_it_is_the_finished_thing() -> None:
    assert PROFILE.read_submit(answer(201, Location="/jobs/7")).handle.status_url == MONITOR
    created = StatusFieldProtocol(start={"done_on": [201]})
    submitted = created.read_submit(answer(201, Location="/things/1"))
    assert submitted.handle.status_url is None
    assert submitted.status is not None
    assert submitted.status.result is not None
    assert submitted.status.result.url == "https://api.example/things/1"


@pytest.mark.parametrize("extra", [{}, {"statusUrl": "/jobs/7"}])
def test_an_end_in_the_first_answer_is_taken(extra: dict[str, str]) -> None:
    done = PROFILE.read_submit(answer(200, {"id": "7", "status": "done", **extra}))
    assert done.status is not None
    assert (done.status.state, done.handle.job_id) == (JobState.SUCCEEDED, "7")
    failed = PROFILE.read_submit(answer(200, {"status": "failed", "message": "no", **extra}))
    assert failed.status is not None
    assert (failed.status.state, failed.status.message) == (JobState.FAILED, "no")


# -- words


@pytest.mark.parametrize("word", ["queued", "PENDING", "running", "a word nobody told us", "7"])
def test_unknown_words_mean_running(word: str) -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"status": word}, Retry_After="2"))
    assert (status.state, status.remote_status, status.retry_after, status.recognised) == (
        JobState.RUNNING,
        word,
        2.0,
        word not in ("a word nobody told us", "7"),
    )
    assert status.recognised == (not status.unknown_words)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Succeeded", JobState.SUCCEEDED),
        ("SUCCESS", JobState.SUCCEEDED),
        (" completed ", JobState.SUCCEEDED),
        ("JobComplete", JobState.SUCCEEDED),
        ("done", JobState.SUCCEEDED),
        ("failed", JobState.FAILED),
        ("Error", JobState.FAILED),
        ("expired", JobState.FAILED),
        ("Canceled", JobState.CANCELLED),
        ("ABORTED", JobState.CANCELLED),
    ],
)
def test_the_usual_words_are_known_whatever_their_case(word: str, state: JobState) -> None:
    assert PROFILE.read_status(HANDLE, answer(200, {"status": word})).state is state


def test_the_authors_words_go_before_the_usual_ones() -> None:
    profile = StatusFieldProtocol(
        status_field="job.state",
        running=("Done",),
        succeeded=("SHIPPED",),
        failed=("broken", "aborted"),
        cancelled=("expired",),
    )
    states = {
        word: profile.read_status(HANDLE, answer(200, {"job": {"state": word}})).state
        for word in ("done", "Shipped", "succeeded", "broken", "aborted", "expired", "cancelled")
    }
    assert states == {
        "done": JobState.RUNNING,
        "Shipped": JobState.SUCCEEDED,
        "succeeded": JobState.SUCCEEDED,
        "broken": JobState.FAILED,
        "aborted": JobState.FAILED,
        "expired": JobState.CANCELLED,
        "cancelled": JobState.CANCELLED,
    }


def test_truth_values_and_numbers_are_words_too() -> None:
    profile = StatusFieldProtocol(status_field="done", succeeded=("true", "2"))
    assert profile.read_status(HANDLE, answer(200, {"done": False})).state is JobState.RUNNING
    assert profile.read_status(HANDLE, answer(200, {"done": True})).state is JobState.SUCCEEDED
    assert profile.read_status(HANDLE, answer(200, {"done": 2})).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    "options",
    [
        {"succeeded": ["ok"], "failed": ["OK"]},
        {"succeeded": "ok"},
        {"failed": [{}]},
        {"running": 5},
        {"status_path": "jobs/{id}"},
        {"status_field": None},
        {"status_field": "a..b"},
    ],
)
def test_options_that_contradict_themselves_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        StatusFieldProtocol(**options)


def test_lists_of_words_travel_as_json() -> None:
    profile = StatusFieldProtocol(succeeded=("ok",))
    assert profile.options() == {"succeeded": ["ok"]}
    assert StatusFieldProtocol(**profile.options()) == profile


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", UnreadableAnswerError),
        (b"<html>", UnreadableAnswerError),
        (b"[]", DescriptionError),
        ({}, DescriptionError),
        ({"status": {}}, DescriptionError),
        ({"status": " "}, DescriptionError),
    ],
)
def test_a_document_without_the_word_is_reported_at_once(body: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="no status word at 'status'"):
        PROFILE.read_status(HANDLE, answer(200, body))


def test_what_the_description_may_have_meant_is_named() -> None:
    body = {"jobId": "7", "state": "queued", "link": {"href": "https://s3.example/f?X-Amz-Signature=abc"}}
    with pytest.raises(DescriptionError, match=r"Seen were jobId: '7', state: 'queued'") as e:
        PROFILE.read_status(HANDLE, answer(200, body))
    assert "Signature=abc" not in str(e.value)


def test_a_state_of_null_is_not_yet() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"status": None, "building": True}))
    assert (status.state, status.recognised) == (JobState.RUNNING, True)


def test_202_without_the_word_goes_on() -> None:
    assert PROFILE.read_status(HANDLE, answer(202)).remote_status == "202"


@pytest.mark.parametrize(
    ("options", "body", "message"),
    [
        ({}, {"error": {"code": "E", "message": "m"}}, "E: m"),
        ({"message_field": "why"}, {"why": "because", "message": "m"}, "because"),
        ({"message_field": "why"}, {"message": "m"}, None),
    ],
)
def test_a_failure_is_explained_in_the_remotes_words(
    options: dict[str, Any], body: dict[str, Any], message: str | None
) -> None:
    status = StatusFieldProtocol(**options).read_status(HANDLE, answer(200, {"status": "failed", **body}))
    assert status.message == message


# -- results


def test_the_shape_of_jaggaer_aso_can_be_described() -> None:
    profile = StatusFieldProtocol(
        status_expires_field="statusUrlExpiresInSeconds",
        result_url_field="resultUrl",
        result_expires_field="resultUrlExpiresInSeconds",
    )
    url = "https://s3.example/f?X-Amz-Signature=s"
    body = {"status": "completed", "resultUrl": url, "resultUrlExpiresInSeconds": 289}
    result = profile.read_status(HANDLE, answer(200, body)).result
    assert result is not None
    assert (result.url, result.expires_at, result.authorized) == (url, 1289.0, False)
    gone = profile.read_status(HANDLE, answer(200, {**body, "resultUrlExpiresInSeconds": -1})).result
    assert gone is not None
    assert (gone.url, gone.expires_at) == (None, 999.0)


def test_a_success_without_the_promised_url_is_unreadable() -> None:
    profile = StatusFieldProtocol(result_url_field="resultUrl")
    with pytest.raises(DescriptionError, match="resultUrl"):
        profile.read_status(HANDLE, answer(200, {"status": "completed"}))


def test_the_whole_document_is_the_result_where_nothing_is_said() -> None:
    result = PROFILE.read_status(HANDLE, answer(200, {"status": "done", "rows": 1})).result
    assert result is not None
    assert result.value == {"status": "done", "rows": 1}


# -- redirects and expiry


def test_a_redirect_that_was_followed_brings_the_result() -> None:
    profile = StatusFieldProtocol(result_url_field="resultUrl")
    status = profile.read_status(HANDLE, answer(200, {"rows": 1}, url="https://api.example/files/7"))
    assert status.result is not None
    assert (status.state, status.result.value) == (JobState.SUCCEEDED, {"rows": 1})
    with pytest.raises(DescriptionError):
        profile.read_status(HANDLE, answer(200, {"rows": 1}))


@pytest.mark.parametrize("code", [302, 303])
def test_a_redirect_to_elsewhere_is_done_and_fetched_without_credentials(code: int) -> None:
    status = PROFILE.read_status(HANDLE, answer(code, Location="https://bucket.example/f"))
    assert status.result is not None
    assert (status.state, status.result.authorized) == (JobState.SUCCEEDED, False)


def test_a_redirect_may_be_declared_an_error() -> None:
    profile = StatusFieldProtocol(redirect_means_done=False)
    with pytest.raises(OriginError):
        profile.read_status(HANDLE, answer(302, Location="https://login.example/"))
    with pytest.raises(DescriptionError):
        profile.read_status(HANDLE, answer(200, {"rows": 1}, url="https://api.example/files/7"))
    with pytest.raises(AuthenticationError, match="logs in"):
        PROFILE.read_status(HANDLE, answer(200, {"rows": 1}, url="https://api.example/login"))
    with pytest.raises(AuthenticationError, match="logs in"):
        PROFILE.read_status(HANDLE, answer(302, Location="https://login.example/?next=x"))


def test_403_after_the_expiry_of_the_status_url_is_its_expiry() -> None:
    expired = JobHandle("http_status_field", "7", 0.0, MONITOR, expires_at=999.0)
    assert PROFILE.read_status(expired, answer(403)).state is JobState.EXPIRED
    early = JobHandle("http_status_field", "7", 0.0, MONITOR, expires_at=1001.0)
    with pytest.raises(AuthorizationError):
        PROFILE.read_status(early, answer(403))


# -- callbacks


@pytest.mark.parametrize(
    ("body", "state", "message"),
    [
        ({"status": "completed", "message": "fine"}, JobState.SUCCEEDED, None),
        ({"status": "failed", "message": "no"}, JobState.FAILED, "no"),
        ({"status": "failed"}, JobState.FAILED, None),
        ({"status": "queued"}, JobState.RUNNING, None),
    ],
)
def test_a_callback_with_the_status_word(body: dict[str, Any], state: JobState, message: str | None) -> None:
    status = PROFILE.read_callback(Headers(), json.dumps(body).encode())
    assert (status.state, status.message) == (state, message)
