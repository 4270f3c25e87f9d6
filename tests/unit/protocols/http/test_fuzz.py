# SPDX-License-Identifier: Apache-2.0
"""
Any bytes, headers and status codes lead to a state or to an error of our tree, and leak nothing.

Here with options; without any, the conventions are tried beside all other protocols (``../test_fuzz.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._http.azure import AzureProtocol
from airflow_async_provider.protocols._http.google import GoogleProtocol
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.odata import ODataProtocol
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol
from tests.support.inputs import examples

PLAIN: list[HttpProfile] = [
    LocationProtocol(),
    AzureProtocol(),
    GoogleProtocol(),
    ODataProtocol(),
    StatusFieldProtocol(),
]
PROFILES: list[HttpProfile] = [
    LocationProtocol(result_url_field="resultUrl"),
    LocationProtocol(refetch_result=True, redirect_means_done=False),
    AzureProtocol(final_state_via="original-uri"),
    GoogleProtocol(result_field="response.a", not_found_means_running=True),
    StatusFieldProtocol(
        status_path="jobs/{job_id}",
        status_expires_field="ttl",
        result_url_field="resultUrl",
        result_expires_field="ttl",
    ),
    HttpProfile(
        start={"id": "id", "keep": {"code": "code"}, "failed_if": ["error.code==3"]},
        poll={"path": "j/{job_id}", "query": {"code": "{job_id}"}, "moves_to": "statusUrl"},
        outcome={
            "state": ["status", "result[*].status"],
            "conclusion": "done",
            "running_if": ["a"],
            "no_data_if": ["code==0"],
            "http": {"4xx": "failed", "503": "running"},
            "progress": "ttl / code",
        },
        result={"url": ["resultUrl", "result[*].a"], "name": "result[*].id", "pages": {"next": "name"}},
        cancel={"path": "j/{job_id}/stop", "json": {"id": "{job_id}"}, "accepted_if": ["status==done"]},
        polling={"interval": 1},
    ),
    HttpProfile(
        start={"status_url": "header:Location"},
        outcome={"state": "properties", "strict": True},
        result={"from": "files/{id}", "path": ["f/{name}", "g/{a[*]}"]},
    ),
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
words = st.sampled_from(
    ["Succeeded", "failed", "Canceled", "running", "done", "completed", "https://a/b", "/x", ".."]
)
keys = st.sampled_from(
    ["status", "done", "error", "response", "result", "name", "id", "statusUrl", "resultUrl", "ttl", "code",
     "message", "properties", "resourceLocation", "a"]
)  # fmt: skip
documents = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=12,
)
bodies = (
    st.binary(max_size=60)
    | documents.map(lambda d: json.dumps(d).encode())
    | documents.map(lambda d: b"HTTP/1.1 200 OK\r\nLocation: /x\r\n\r\n" + json.dumps(d).encode())
    | st.just(b"[" * 100_000)
    | st.just(b'{"status": "\\ud800", "id": "\\ud800", "name": "\\udfff"}')
    | st.just(b'{"status": ' + b"9" * 5000 + b"}")
)
values = (
    st.text(st.characters(max_codepoint=255), max_size=30)
    | st.sampled_from(
        ["/monitors/1", "https://api.example/m", "https://other.example/m?sig=s", "http://[", "200", "503 no",
         "-1",
         "application/http", "application/json", "text/plain", "Fri, 31 Dec 1999 23:59:59 GMT", "1e999"]
    )
)  # fmt: skip
names = st.sampled_from(
    ["Location", "Operation-Location", "Azure-AsyncOperation", "AsyncResult", "Retry-After", "Content-Type",
     "Date", "X-Request-Id"]
)  # fmt: skip
responses = st.builds(
    HttpResponse,
    status=st.sampled_from(
        [200, 201, 202, 204, 301, 302, 303, 307, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503]
    )
    | st.integers(100, 999),
    headers=st.dictionaries(names, values, max_size=5).map(Headers),
    body=bodies,
    received_at=st.floats(0, 4e9),
    url=st.sampled_from(["https://api.example/jobs", "https://api.example/monitors/1", "http://[", "", "/x"]),
)
handles = st.builds(
    JobHandle,
    protocol=st.just("x"),
    job_id=st.text(max_size=10),
    submitted_at=st.just(0.0),
    status_url=st.sampled_from(["https://api.example/monitors/1", "jobs/7", "/jobs/7", "http://["]),
    expires_at=st.none() | st.floats(0, 4e9),
    data=st.sampled_from([{}, {"monitor": "location"}, {"final_url": "/x"}, {"final_url": 5}]),
)


def check(status: JobStatus) -> None:
    assert isinstance(status.state, JobState)
    json.dumps([status.remote_status, status.message]).encode()
    (status.remote_status + (status.message or "")).encode()  # what a database refuses must not get that far
    assert len(status.remote_status) <= 90
    assert "\0" not in status.remote_status
    if status.result is not None and status.result.url:
        url = status.result.url
        # Anything short, and any id, may be the same by chance.
        assert url not in repr(replace(status, request_id=None)) or len(url) < 4
        assert "://" not in (status.request_id or "")


MANY = settings(max_examples=examples(100))


@contextmanager
def told(profile: HttpProfile) -> Iterator[None]:
    """Who has failed, beside what has failed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{profile.name}, {profile.options()}")
        raise


def check_submission(profile: HttpProfile, response: HttpResponse) -> None:
    try:
        submitted = profile.read_submit(response)
    except AsyncJobError:
        return
    assert JobHandle.from_dict(json.loads(json.dumps(submitted.handle.to_dict()))) == submitted.handle
    assert submitted.handle.job_id
    if submitted.status is None:
        assert profile.status(submitted.handle).url == submitted.handle.status_url
        profile.cancel(submitted.handle)
    else:
        check(submitted.status)


def check_result_and_page(profile: HttpProfile, handle: JobHandle, response: HttpResponse) -> None:
    for read in (profile.read_result, profile.next_page):
        try:
            found = read(handle, response)
        except AsyncJobError:
            continue
        for result in () if found is None else (found, *found.files):
            assert not result.url or len(result.url) < 4 or result.url not in repr(result)


@MANY
@given(handle=handles, response=responses)
def test_any_answer_to_any_poll(handle: JobHandle, response: HttpResponse) -> None:
    """Making an answer up takes longer than reading it: each is read by all, as the answer to everything."""
    for profile in PROFILES:
        with told(profile):
            check_submission(profile, response)
            with suppress(AsyncJobError):
                check(profile.read_status(handle, response))
            with suppress(AsyncJobError):
                assert profile.read_cancel(handle, response) in (True, False)
    for profile in (*PLAIN, *PROFILES):
        with told(profile):
            check_result_and_page(profile, handle, response)


@MANY
@given(body=bodies)
def test_any_callback(body: bytes) -> None:
    for profile in PROFILES:
        with told(profile):
            check(profile.read_callback(Headers(), body))
