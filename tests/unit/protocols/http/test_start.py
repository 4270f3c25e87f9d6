# SPDX-License-Identifier: Apache-2.0
"""Starts in one request and in several, and what their answers must say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import (
    ConfigurationError,
    DescriptionError,
    RequestRefusedError,
    SubmitError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol


def answer(status: int = 200, body: Any = b"", **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1000.0, "https://api.example/jobs")


INGEST = {
    "start": [
        {"path": "jobs/ingest", "id": "id"},
        {"method": "PUT", "path": "{contentUrl}", "send": "data", "headers": {"Content-Type": "text/csv"}},
        {"method": "PATCH", "path": "jobs/ingest/{job_id}", "json": {"state": "UploadComplete"}},
    ],
    "poll": "jobs/ingest/{job_id}",
    "outcome": {"state": "state"},
    "cancel": {"method": "PATCH", "path": "jobs/ingest/{job_id}", "json": {"state": "Aborted"}},
}


def test_a_start_in_three_requests() -> None:
    profile, request = HttpProfile(**INGEST).starting(json={"object": "Lead"}, body=b"a,b\n1,2\n")
    assert (request.method, request.url, request.json, request.body) == (
        "POST",
        "jobs/ingest",
        {"object": "Lead"},
        None,
    )
    first = profile.read_submit(
        answer(200, {"id": "75", "state": "Open", "contentUrl": "data/v62/jobs/75/batches"})
    )
    upload = first.next
    assert upload is not None
    assert (upload.method, upload.url, upload.body, upload.headers, upload.repeatable) == (
        "PUT",
        "data/v62/jobs/75/batches",
        b"a,b\n1,2\n",
        {"Content-Type": "text/csv"},
        True,
    )
    second = profile.read_next(first, answer(201))
    assert second.next is not None
    assert (second.next.method, second.next.url, second.next.json, second.next.repeatable) == (
        "PATCH",
        "jobs/ingest/75",
        {"state": "UploadComplete"},
        False,
    )
    third = profile.read_next(second, answer(200, {"id": "75", "state": "UploadComplete"}))
    assert (third.next, third.handle.job_id, third.handle.status_url) == (None, "75", "jobs/ingest/75")
    assert "Lead" not in json.dumps(third.handle.to_dict())
    rebuilt = HttpProfile(**JobHandle.from_dict(third.handle.to_dict()).options)
    assert rebuilt.cancel(third.handle).json == {"state": "Aborted"}  # type: ignore[union-attr] # a failure shows


def test_a_later_request_that_is_refused_is_an_error() -> None:
    profile, _ = HttpProfile(**INGEST).starting(json={}, body=b"x")
    first = profile.read_submit(answer(200, {"id": "75", "contentUrl": "c"}))
    with pytest.raises(RequestRefusedError, match="HTTP 400"):
        profile.read_next(first, answer(400, {"message": "no"}))
    with pytest.raises(SubmitError, match="1029"):
        profile.read_next(
            first, answer(200, {"success": False, "errors": [{"code": "1029", "message": "full"}]})
        )
    with pytest.raises(DescriptionError, match="contentUrl"):
        profile.read_submit(answer(200, {"id": "75"}))


@pytest.mark.parametrize(
    ("profile", "body", "words"),
    [
        (
            StatusFieldProtocol(id_field="jobID", status_path="b/{job_id}"),
            {"jobId": "7"},
            "Seen were jobId: '7'",
        ),
        (StatusFieldProtocol(status_url_field="links.self"), {"link": {"href": "/x"}}, "link.href: '/x'"),
        (LocationProtocol(), {"status": "queued"}, "status: 'queued'"),
        (LocationProtocol(), {"status": "a word nobody knows"}, "names no status URL"),
        (StatusFieldProtocol(), {"id": 7}, "id: '7'"),
    ],
)
def test_found_no_monitor_is_not_done_at_once(profile: HttpProfile, body: Any, words: str) -> None:
    with pytest.raises(DescriptionError, match=words):
        profile.read_submit(answer(200, body))
    with pytest.raises(DescriptionError, match="names no status URL"):
        profile.read_submit(answer(202, body))


def test_a_refusal_in_a_200() -> None:
    with pytest.raises(SubmitError, match=r"success: false.*606: slow"):
        StatusFieldProtocol().read_submit(
            answer(200, {"success": False, "errors": [{"code": "606", "message": "slow"}]})
        )
    strict = StatusFieldProtocol(start={"failed_if": ["data.userErrors"]})
    with pytest.raises(SubmitError, match=r"data.userErrors"):
        strict.read_submit(answer(200, {"id": 7, "data": {"userErrors": [{"message": "one at a time"}]}}))


@pytest.mark.parametrize(("body", "job_id"), [([{"id": "a1"}], "a1"), ({"id": 7}, "7")])
def test_ids_of_every_shape(body: Any, job_id: str) -> None:
    place = "[0].id" if isinstance(body, list) else "id"
    profile = StatusFieldProtocol(id_field=place, status_path="b/{job_id}")
    assert profile.read_submit(answer(200, body)).handle.job_id == job_id


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, ("headers", "Idempotency-Key", '"k"')),
        ({"idempotency_quoted": False}, ("headers", "Idempotency-Key", "k")),
        ({"idempotency_key": "header:X-Request-Id"}, ("headers", "X-Request-Id", "k")),
        (
            {"idempotency_key": "header:X-Request-Id", "idempotency_quoted": True},
            ("headers", "X-Request-Id", '"k"'),
        ),
        ({"idempotency_key": "query:requestId"}, ("params", "requestId", "k")),
        ({"idempotency_key": "json:idempotency_token"}, ("json", "idempotency_token", "k")),
    ],
)
def test_where_an_idempotency_key_goes(options: dict[str, Any], where: tuple[str, str, str]) -> None:
    request = LocationProtocol(start=options).submit("POST", "x", json={"a": 1}, idempotency_key="k")
    part, name, value = where
    assert getattr(request, part)[name] == value
    assert request.repeatable


def test_the_task_goes_before_the_description() -> None:
    profile = HttpProfile(
        start={
            "path": "v1/x",
            "method": "PUT",
            "json": {"a": 1},
            "headers": {"Accept": "a"},
            "query": {"q": 1},
        }
    )
    own = profile.submit()
    assert (own.method, own.url, own.json, own.headers, own.params) == (
        "PUT",
        "v1/x",
        {"a": 1},
        {"Accept": "a"},
        {"q": "1"},
    )
    given = profile.submit("POST", "v2/y", json={"b": 2}, headers={"accept": "b"}, params={"q": 2})
    assert (given.method, given.url, given.json, given.headers, given.params) == (
        "POST",
        "v2/y",
        {"b": 2},
        {"accept": "b"},
        {"q": 2},
    )
    with pytest.raises(ConfigurationError, match="where a job is started"):
        HttpProfile().submit()


@pytest.mark.parametrize(
    "where",
    [
        {"poll": {"path": "jobs/status", "query": {"id": "{job_id}"}}},
        {"poll": {"method": "POST", "path": "graphql", "json": {"variables": {"id": "{job_id}"}}}},
        {"poll": {"method": "POST", "path": "soap", "text": "<Id>{job_id}</Id>"}},
        {"start": {"status_url": "monitor"}, "result": {"path": "jobs/{job_id}/rows"}},
    ],
)
def test_an_id_that_is_asked_by_must_be_in_the_answer(where: dict[str, Any]) -> None:
    profile = HttpProfile(**{**where, "start": {"id": "jobId", **where.get("start", {})}})
    body = {"monitor": "https://api.example/monitors/7", "jobID": "7"}
    with pytest.raises(DescriptionError, match=r"nothing usable at 'jobId' for the id.*Seen were jobID: '7'"):
        profile.read_submit(answer(200, body))


@pytest.mark.parametrize("body", [{"ok": False, "error": "quota"}, {"success": False, "error": "quota"}])
def test_a_2xx_that_says_that_it_is_none_is_a_refusal(body: Any) -> None:
    with pytest.raises(SubmitError, match=r"(ok|success): false. Response: 'quota'"):
        StatusFieldProtocol().read_submit(answer(200, body))


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [b"", b'{"ok": true}'])
def test_the_answer_to_a_start_is_not_that_of_another_address_that_is_polled(
    status: int, body: bytes
) -> None:
    profile = HttpProfile(
        start={"status_url": "http:url"}, poll="GET reindex/status", outcome={"state": "phase"}
    )
    response = HttpResponse(
        status, Headers(), b"" if status == 204 else body, 0.0, "https://api.example/reindex"
    )
    submitted = profile.read_submit(response)
    assert submitted.status is None


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_empty_answer_of_the_address_that_is_polled_ends_nothing(status: int) -> None:
    profile = HttpProfile(start={"method": "PUT", "status_url": "http:url"}, outcome={"state": "scan.phase"})
    response = HttpResponse(status, Headers(), b"", 0.0, "https://api.example/scans/7")
    submitted = profile.read_submit(response)
    assert (submitted.status, submitted.handle.status_url) == (None, "https://api.example/scans/7")


def test_an_id_that_is_asked_for_and_not_placed_is_at_id() -> None:
    profile = HttpProfile(start={"path": "t"}, poll="GET t/{job_id}", outcome={"state": "status"})
    response = HttpResponse(202, Headers(), b'{"id": 3}', 0.0, "https://api.example/t")
    assert profile.read_submit(response).handle.job_id == "3"
    elsewhere = HttpResponse(202, Headers(), b'{"key": 3}', 0.0, "https://api.example/t")
    with pytest.raises(DescriptionError, match="nothing usable at 'id' for the id"):
        profile.read_submit(elsewhere)


def test_one_of_several_jobs_is_not_the_job() -> None:
    options = {"id_field": "value[0].Id", "status_path": "jobs/{job_id}"}
    with pytest.raises(DescriptionError, match="has started 2 jobs"):
        StatusFieldProtocol(**options).read_submit(answer(201, {"value": [{"Id": 1}, {"Id": 2}]}))
    one = StatusFieldProtocol(**options).read_submit(answer(201, {"value": [{"Id": 1}]}))
    assert one.handle.job_id == "1"
    chosen = StatusFieldProtocol(**{**options, "id_field": "/value/0/Id"})  # who writes this means it
    assert chosen.read_submit(answer(201, {"value": [{"Id": 1}, {"Id": 2}]})).handle.job_id == "1"


@pytest.mark.parametrize(
    "cancel", ["POST jobs/{job_id}/cancel", {"path": "stop", "json": {"ids": ["{job_id}"]}}]
)
def test_a_cancellation_by_id_needs_the_remotes_own_id(cancel: Any) -> None:
    profile = LocationProtocol(cancel=cancel)
    named = profile.read_submit(answer(202, {"id": 7}, Location="/monitors/x")).handle
    request = profile.cancel(named)
    assert request is not None
    assert (request.url, request.json) in (("jobs/7/cancel", None), ("stop", {"ids": [7]}))
    # The job goes on, and what we call it ourselves is nobody's address.
    unnamed = profile.read_submit(answer(202, Location="/monitors/x")).handle
    assert profile.status(unnamed).url == "https://api.example/monitors/x"
    with pytest.raises(DescriptionError, match=r"cannot be named to the remote.*start\.id"):
        profile.cancel(unnamed)
