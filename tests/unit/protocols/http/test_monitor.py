# SPDX-License-Identifier: Apache-2.0
"""Monitors of every kind, and what their status codes mean by a description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import TransientError, UnreadableAnswerError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol

BASE = "https://api.example"


def answer(status: int = 200, body: Any = b"", url: str = f"{BASE}/jobs", **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1000.0, url)


def ask(profile: HttpProfile, handle: JobHandle, *response: Any, **headers: str) -> JobStatus:
    url = profile.status(handle).url
    return profile.read_status(handle, answer(*response, url=url, **headers))


def test_any_header_may_name_the_monitor() -> None:
    fhir = HttpProfile(
        start={"status_url": "header:Content-Location"},
        poll={"headers": {"Accept": "application/json"}},
        outcome={"http": {"4xx": "failed", "5xx": "failed"}, "running_if": ["issue[*].code==transient"]},
        result={"url": ["output[*].url", "error[*].url"]},
        cancel="DELETE {status_url}",
    )
    handle = fhir.read_submit(answer(202, Content_Location="/status/7")).handle
    request = fhir.status(handle)
    assert (request.method, request.url, request.headers) == (
        "GET",
        f"{BASE}/status/7",
        {"Accept": "application/json"},
    )
    waiting = ask(fhir, handle, 202, X_Progress="busy", Retry_After="3")
    assert (waiting.state, waiting.message, waiting.retry_after) == (JobState.RUNNING, "busy", 3.0)
    done = ask(fhir, handle, 200, {"output": [{"url": f"{BASE}/f/1"}, {"url": f"{BASE}/f/2"}], "error": []})
    assert done.result is not None
    assert [f.url for f in done.result.files] == [f"{BASE}/f/1", f"{BASE}/f/2"]
    empty = ask(fhir, handle, 200, {"output": []})
    assert (empty.state, empty.no_data) == (JobState.SUCCEEDED, True)
    failed = ask(fhir, handle, 500, {"issue": [{"code": "exception", "diagnostics": "broken"}]})
    assert (failed.state, failed.message) == (JobState.FAILED, "broken")
    again = ask(fhir, handle, 503, {"issue": [{"code": "transient"}]})
    assert again.state is JobState.RUNNING
    assert fhir.cancel(handle).method == "DELETE"  # type: ignore[union-attr] # a failure shows


def test_the_same_url_again() -> None:
    github = HttpProfile(
        start={"method": "GET", "status_url": "http:url"}, outcome={"http": {"204": "no_data"}}
    )
    submitted = github.read_submit(answer(202, b"{}", url=f"{BASE}/stats"))
    assert (submitted.status, submitted.handle.status_url) == (None, f"{BASE}/stats")
    at_once = github.read_submit(answer(200, [{"total": 1}], url=f"{BASE}/stats")).status
    assert at_once is not None
    assert at_once.result is not None
    assert at_once.result.value == [{"total": 1}]  # nothing has to be asked twice
    assert ask(github, submitted.handle, 204).no_data


def test_a_second_monitor_after_the_first() -> None:
    jenkins = HttpProfile(
        start={"status_url": "header:Location", "id": r"header:Location ~ item/(\d+)"},
        poll={"path": "{status_url}api/json", "moves_to": "executable.url"},
        outcome={"state": "result", "cancelled_if": ["cancelled"], "failed": ["UNSTABLE"]},
        cancel=[
            {"at": "/queue/item/", "path": "queue/cancelItem", "query": {"id": "{job_id}"}},
            {"path": "{status_url}stop"},
        ],
    )
    handle = jenkins.read_submit(answer(201, Location=f"{BASE}/queue/item/8/")).handle
    assert jenkins.status(handle).url == f"{BASE}/queue/item/8/api/json"
    assert ask(jenkins, handle, 200, {"why": "in the quiet period"}).state is JobState.RUNNING
    assert ask(jenkins, handle, 200, {"why": None, "cancelled": True}).state is JobState.CANCELLED
    request = jenkins.cancel(handle)
    assert request is not None
    assert (request.url, request.params) == ("queue/cancelItem", {"id": "8"})
    moved = ask(jenkins, handle, 200, {"executable": {"url": f"{BASE}/job/x/1/"}})
    assert (moved.state, moved.status_url) == (JobState.RUNNING, f"{BASE}/job/x/1/")
    build = JobHandle.from_dict({**handle.to_dict(), "status_url": moved.status_url})
    assert jenkins.status(build).url == f"{BASE}/job/x/1/api/json"
    assert jenkins.cancel(build).url == f"{BASE}/job/x/1/stop"  # type: ignore[union-attr] # a failure shows
    assert ask(jenkins, build, 200, {"building": True, "result": None}).state is JobState.RUNNING
    assert ask(jenkins, build, 200, {"building": False, "result": "SUCCESS"}).state is JobState.SUCCEEDED
    assert ask(jenkins, build, 200, {"building": False, "result": "UNSTABLE"}).state is JobState.FAILED


def test_a_poll_by_post_with_a_body() -> None:
    rclone = HttpProfile(
        start={"id": "jobid"},
        poll={"method": "POST", "path": "job/status", "json": {"jobid": "{job_id}"}},
        outcome={"state": "finished", "conclusion": "success"},
        result={"value": "output", "optional": True},
        cancel={"path": "job/stop", "json": {"jobid": "{job_id}"}},
    )
    handle = JobHandle.from_dict(rclone.read_submit(answer(200, {"jobid": 5})).handle.to_dict())
    for request, url in ((rclone.status(handle), "job/status"), (rclone.cancel(handle), "job/stop")):
        assert request is not None
        assert (request.method, request.url, request.json, request.repeatable) == (
            "POST",
            url,
            {"jobid": 5},
            True,
        )


def test_a_poll_by_graphql() -> None:
    query = 'query { node(id: "{job_id}") { ... on BulkOperation { id status url } } }'
    shopify = HttpProfile(
        start={"id": "data.run.op.id", "failed_if": ["data.run.userErrors"]},
        poll={"method": "POST", "path": "graphql.json", "json": {"query": query}},
        outcome={"state": "data.node.status"},
        result={"url": "data.node.url"},
    )
    handle = shopify.read_submit(
        answer(200, {"data": {"run": {"op": {"id": "gid://x/1"}, "userErrors": []}}})
    ).handle
    assert shopify.status(handle).json["query"].startswith('query { node(id: "gid://x/1") { ... on')
    empty = ask(shopify, handle, 200, {"data": {"node": {"status": "COMPLETED", "url": None}}})
    assert (empty.state, empty.no_data) == (JobState.SUCCEEDED, True)


def test_a_poll_in_plain_text() -> None:
    profile = StatusFieldProtocol(id_field="$", status_path="b/{job_id}", status_field="$")
    handle = profile.read_submit(answer(200, b"job-77", Content_Type="text/plain")).handle
    assert handle.status_url == "b/job-77"
    assert profile.read_status(handle, answer(200, b"COMPLETED")).state is JobState.SUCCEEDED
    assert profile.read_status(handle, answer(200, b"RUNNING\n")).state is JobState.RUNNING


def test_an_id_in_the_query_and_headers_of_the_api() -> None:
    ads = HttpProfile(
        parameters={"scope": None},
        headers={"X-Scope": "{scope}"},
        start={"id": "token", "keep": {"region": "where.region"}},
        poll={"path": "reports", "query": {"token": "{job_id}", "location": "{region}"}},
        outcome={"state": "report_status"},
        scope="s-1",
    )
    assert ads.submit("POST", "reports").headers == {"X-Scope": "s-1"}
    handle = JobHandle.from_dict(
        ads.read_submit(answer(200, {"token": "t/1+=", "where": {"region": "eu"}})).handle.to_dict()
    )
    request = ads.status(handle)
    assert (request.url, request.params, request.headers) == (
        "reports",
        {"token": "t/1+=", "location": "eu"},
        {"X-Scope": "s-1"},
    )


@pytest.mark.parametrize(
    ("http", "status", "state"),
    [
        ({"422": "failed"}, 422, JobState.FAILED),
        ({"4xx": "failed"}, 404, JobState.FAILED),
        ({"408": "failed"}, 408, JobState.FAILED),
        ({"404": "running"}, 404, JobState.RUNNING),
        ({"404": "running", "4xx": "failed"}, 404, JobState.RUNNING),
        ({"409": "cancelled"}, 409, JobState.CANCELLED),
        ({"404": "expired"}, 404, JobState.EXPIRED),
        ({"200": "running"}, 200, JobState.RUNNING),
    ],
)
def test_a_status_code_with_a_meaning(http: dict[str, str], status: int, state: JobState) -> None:
    profile = LocationProtocol(outcome={"http": http})
    read = profile.read_status(JobHandle("x", "7", 0.0, f"{BASE}/m"), answer(status, {"message": "so"}))
    assert read.state is state
    assert read.message == ("so" if state is not JobState.RUNNING else None)


@pytest.mark.parametrize("status", [401, 403, 429])
def test_credentials_and_pace_are_never_the_jobs_own_affair(status: int) -> None:
    profile = LocationProtocol(client_errors_are_final=True)
    with pytest.raises(Exception, match=f"HTTP {status}"):
        profile.read_status(JobHandle("x", "7", 0.0, f"{BASE}/m"), answer(status))


def test_a_condition_goes_before_the_meaning_of_a_status_code() -> None:
    snowflake = LocationProtocol(outcome={"http": {"422": "failed"}, "cancelled_if": ["code==000604"]})
    handle = JobHandle("x", "7", 0.0, f"{BASE}/m")
    assert snowflake.read_status(handle, answer(422, {"code": "000604"})).state is JobState.CANCELLED
    failed = snowflake.read_status(handle, answer(422, {"code": "002003", "message": "compile error"}))
    assert (failed.state, failed.message) == (JobState.FAILED, "compile error")


def test_a_200_that_could_not_answer_is_worth_another_try() -> None:
    profile = StatusFieldProtocol(status_field="result[0].status")
    handle = JobHandle("x", "7", 0.0, f"{BASE}/m")
    body = {"success": False, "errors": [{"code": "606", "message": "too many calls"}]}
    with pytest.raises(TransientError, match="606: too many calls"):
        ask(profile, handle, 200, body)
    with pytest.raises(UnreadableAnswerError, match="not a JSON document"):
        ask(profile, handle, 200, b"<html>maintenance</html>")


def test_an_end_without_its_conclusion_says_what_is_missing_and_names_no_list() -> None:
    profile = StatusFieldProtocol(outcome={"state": "status", "conclusion": "how", "ended": ["over"]})
    handle = JobHandle(profile.name, "7", 0.0, f"{BASE}/jobs/7")
    status = profile.read_status(handle, answer(200, {"status": "over"}))
    assert status.remote_status == "over, and nothing yet at how"
    assert (status.state, status.recognised, status.unknown_words) == (JobState.RUNNING, False, ())
