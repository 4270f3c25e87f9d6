# SPDX-License-Identifier: Apache-2.0
"""RFC 9110: 202, Location, Retry-After, and an end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import (
    AuthenticationError,
    DescriptionError,
    OriginError,
    RemoteError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
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
    with pytest.raises(DescriptionError, match=r"Seen were id: '7'.*status_field"):
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
        (201, {"id": 9}, {}, {"id": 9}, None),
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


def test_a_redirect_to_where_a_person_logs_in_is_no_result() -> None:
    with pytest.raises(AuthenticationError, match="logs in"):
        PROFILE.read_status(HANDLE, answer(302, Location="https://sso.example/login?next=/monitors/7"))


@pytest.mark.parametrize("headers", [{}, {"Location": ""}])
def test_a_redirect_to_nowhere_is_an_error(headers: dict[str, str]) -> None:
    with pytest.raises(OriginError):
        PROFILE.read_status(HANDLE, answer(303, **headers))


@pytest.mark.parametrize("code", [301, 307, 308])
def test_a_monitor_that_moved_to_a_foreign_host_is_not_followed(code: int) -> None:
    with pytest.raises(OriginError):
        PROFILE.read_status(HANDLE, answer(code, Location="https://other.example/m"))
    signed = "https://bucket.example/f?X-Amz-Signature=s"
    assert PROFILE.read_status(HANDLE, answer(code, Location=signed)).state is JobState.SUCCEEDED


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


@pytest.mark.parametrize("location", ["/monitors/7", MONITOR])
@pytest.mark.parametrize(
    "body", [b"", b"null", {"jobID": "7", "status": "accepted"}, {"id": 1, "state": "starting"}]
)
def test_201_with_location_is_polled(location: str, body: Any) -> None:
    submitted = PROFILE.read_submit(answer(201, body, url="https://api.example/jobs", Location=location))
    assert (submitted.status, submitted.handle.status_url) == (None, MONITOR)


def test_201_may_be_declared_the_finished_thing() -> None:
    profile = LocationProtocol(start={"done_on": [201]})
    status = profile.read_submit(answer(201, url="https://api.example/jobs", Location="/things/9")).status
    assert status is not None
    assert status.result is not None
    assert (status.result.url, status.result.authorized) == ("https://api.example/things/9", True)


@pytest.mark.parametrize(
    ("body", "headers", "state"),
    [
        ({"state": "PENDING"}, {}, JobState.RUNNING),
        ({"status": "Running"}, {"Location": MONITOR, "Retry_After": "9"}, JobState.RUNNING),
        ({"percent": 3}, {"Retry_After": "9"}, JobState.RUNNING),
        ({"percent": 3}, {"Location": "/monitors/7"}, JobState.RUNNING),
        ({"done": False}, {}, JobState.RUNNING),
        ({"status": "Failed", "error": {"code": "Q"}}, {}, JobState.FAILED),
        ({"status": "Succeeded", "error": {"code": "Q"}}, {}, JobState.FAILED),
        ({"success": False, "errors": [{"code": "1", "message": "no"}]}, {}, JobState.FAILED),
    ],
)
def test_a_200_that_says_otherwise_is_no_success(body: Any, headers: dict[str, str], state: JobState) -> None:
    assert PROFILE.read_status(HANDLE, answer(200, body, **headers)).state is state


def test_a_200_that_may_be_either_is_an_error() -> None:
    with pytest.raises(DescriptionError, match="status 'CRUNCHING'"):
        PROFILE.read_status(HANDLE, answer(200, {"status": "CRUNCHING"}))
    plain = LocationProtocol(outcome={"state": False})
    assert plain.read_status(HANDLE, answer(200, {"status": "CRUNCHING"})).state is JobState.SUCCEEDED


def test_a_status_document_is_distinguished_from_a_result() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"status": "Succeeded"}))
    assert status.result is not None
    assert status.result.is_status
    result = PROFILE.read_status(HANDLE, answer(200, {"rows": 3})).result
    assert result is not None
    assert not result.is_status
    asked = LocationProtocol(result_field="$").read_status(HANDLE, answer(200, {"status": "Succeeded"}))
    assert asked.result is not None
    assert not asked.result.is_status


def test_an_empty_result_is_a_result_and_204_is_none() -> None:
    empty = PROFILE.read_status(HANDLE, answer(200, b""))
    assert empty.result is not None
    assert (empty.result.body, empty.result.value, empty.no_data) == (b"", None, False)
    nothing = PROFILE.read_status(HANDLE, answer(204))
    assert (nothing.state, nothing.result, nothing.no_data) == (JobState.SUCCEEDED, None, True)


def test_304_is_no_end() -> None:
    assert PROFILE.read_status(HANDLE, answer(304)).state is JobState.RUNNING


def test_an_http_address_of_the_own_host_is_taken_to_its_https_origin() -> None:
    first = answer(202, url="https://api.example/jobs", Location="http://api.example/monitors/7")
    assert PROFILE.read_submit(first).handle.status_url == MONITOR
    foreign = answer(202, url="https://api.example/jobs", Location="http://other.example/m")
    assert PROFILE.read_submit(foreign).handle.status_url == "http://other.example/m"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"progress": 0.4}, "application/json"),
        ({"jobStatus": "Running"}, "application/json"),
        (b"RUNNING", "text/plain"),
        (b"<job><state>queued</state></job>", "application/xml"),
    ],
)
def test_a_200_that_says_that_the_job_runs_is_no_result(body: Any, kind: str) -> None:
    assert PROFILE.read_status(HANDLE, answer(200, body, Content_Type=kind)).state is JobState.RUNNING


@pytest.mark.parametrize(
    "body",
    [{"ok": False}, {"errors": [{"message": "disk full"}]}, {"progress": 100, "state": "error"}, b"FAILED"],
)
def test_a_200_that_says_that_the_job_has_failed_is_no_result(body: Any) -> None:
    assert PROFILE.read_status(HANDLE, answer(200, body)).state is JobState.FAILED


def test_problem_details_are_no_result_whatever_the_status_code() -> None:
    problem = {"title": "Export failed", "status": 500}
    status = PROFILE.read_status(HANDLE, answer(200, problem, Content_Type="application/problem+json"))
    assert (status.state, status.message) == (JobState.FAILED, "Export failed")


def test_a_page_that_asks_for_a_password_is_no_result() -> None:
    page = b'<html><form><input type="password" name="p"></form></html>'
    with pytest.raises(AuthenticationError, match="where a person logs in"):
        PROFILE.read_status(HANDLE, answer(200, page, Content_Type="text/html"))


def test_a_page_that_stands_in_for_the_remote_is_no_result_unless_it_is_said_to_be_one() -> None:
    page = answer(200, b"<title>Down for maintenance</title>", Content_Type="text/html")
    with pytest.raises(UnreadableAnswerError, match=r"set result\.media_type to text/html"):
        PROFILE.read_status(HANDLE, page)
    told = LocationProtocol(result={"media_type": "text/html"})
    assert told.read_status(HANDLE, page).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ({"code": 13, "message": "internal", "details": []}, "application/json", "13"),
        ({"code": 40301, "msg": "quota exceeded", "data": None}, "application/json", "quota exceeded"),
        ({"error": "expired"}, "application/json", "expired"),
        (b"<ns:Fault><reason>disk</reason></ns:Fault>", "text/xml", "disk"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "application/xml", "NoSuchKey"),
        (b'<s:Envelope xmlns:s="x"><s:Body><s:Fault>no</s:Fault></s:Body></s:Envelope>', "text/xml", "Fault"),
        (b"ERROR: out of memory", "text/plain", "out of memory"),
    ],
)
def test_an_answer_that_is_nothing_but_an_error_is_no_result(body: Any, kind: str, message: str) -> None:
    status = PROFILE.read_status(HANDLE, answer(200, body, Content_Type=kind))
    assert status.state is JobState.FAILED
    assert message in str(status.message) + str(status.remote_status)
    assert "outcome: {state: false}" in str(status.message)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_error_that_will_pass_is_asked_again(code: int) -> None:
    with pytest.raises(TransientError, match="the answer is an error"):
        PROFILE.read_status(HANDLE, answer(200, {"status": code, "message": "come back"}))


@pytest.mark.parametrize(
    "text", [b"Not ready yet", b"Your export is being generated.", b"Still running, please wait"]
)
def test_a_text_that_asks_for_patience_is_no_result(text: bytes) -> None:
    assert PROFILE.read_status(HANDLE, answer(200, text, Content_Type="text/plain")).state is JobState.RUNNING


@pytest.mark.parametrize(
    "body",
    [
        {"code": 7, "name": "Rome"},
        {"message": "hello"},
        {"code": 200, "message": "OK"},
        [{"error": "expired"}],
        b"error_id,text\n7,full",
        b"<Errata><Error>7</Error></Errata>",
    ],
)
def test_what_only_resembles_an_error_is_a_result(body: Any) -> None:
    assert PROFILE.read_status(HANDLE, answer(200, body)).state is JobState.SUCCEEDED


def test_a_list_of_jobs_that_run_is_no_result() -> None:
    assert PROFILE.read_status(HANDLE, answer(200, [{"state": "queued"}])).state is JobState.RUNNING
    assert PROFILE.read_status(HANDLE, answer(200, [{"state": "failed"}])).state is JobState.FAILED
    rows = [{"order": 1, "status": "pending"}, {"order": 2, "status": "paid"}]
    assert PROFILE.read_status(HANDLE, answer(200, rows)).state is JobState.SUCCEEDED


def test_a_condition_goes_before_the_status_code() -> None:
    profile = LocationProtocol(outcome={"state": False, "running_if": ["position"]}, result={"url": "url"})
    assert profile.read_status(HANDLE, answer(200, {"position": 3})).state is JobState.RUNNING
    found = profile.read_status(HANDLE, answer(200, {"position": 0, "url": "https://api.example/f"}))
    assert found.state is JobState.SUCCEEDED


def test_201_of_a_poll_that_says_nothing_is_no_result() -> None:
    """Yandex's reports: 201 is "taken on", 202 "being made", 200 the report."""
    repeated = {"start": {"status_url": "http:url"}, "poll": {"method": "POST"}}
    handle = JobHandle("http_location", "d", 1.0, status_url="https://api.example/reports", named=False)
    with pytest.raises(DescriptionError, match=r"outcome\.http: {201: running}"):
        LocationProtocol(**repeated).read_status(handle, answer(201, b""))
    described = LocationProtocol(**repeated, outcome={"http": {"201": "running"}})
    assert described.read_status(handle, answer(201, b"")).state is JobState.RUNNING
    declared = LocationProtocol(**repeated, outcome={"http": {"201": "succeeded"}})
    assert declared.read_status(handle, answer(201, b"")).state is JobState.SUCCEEDED
    assert LocationProtocol(**repeated).read_status(handle, answer(201, {"a": 1})).state is JobState.SUCCEEDED
