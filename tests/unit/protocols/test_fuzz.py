# SPDX-License-Identifier: Apache-2.0
"""
Whatever a remote sends, every protocol makes a state of it or an error of our tree, within bounds.

Bodies are of three kinds: any bytes; any JSON; and, as those seldom get past the first check, real answers of
the remote with a few values replaced, removed or added. What a protocol says of them goes on into a database,
a log and other processes, so it must be JSON without NaN, valid UTF-8, printable and short.
"""

from __future__ import annotations

import copy
import json
import math
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_async_provider.errors import AsyncJobError
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
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._http.azure import AzureProtocol
from airflow_async_provider.protocols._http.google import GoogleProtocol
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.odata import ODataProtocol
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from airflow_async_provider.protocols._open_connectors.bulk import OpenConnectorsBulkProtocol
from airflow_async_provider.protocols._open_connectors.protocol import OpenConnectorsProtocol
from airflow_async_provider.protocols._open_connectors.queue import OpenConnectorsQueueProtocol
from airflow_async_provider.protocols._registry import PROTOCOLS
from airflow_async_provider.protocols._remote_job import RemoteJobProtocol
from tests.support.inputs import examples

ASO, AUTOMIC = JaggaerAsoProtocol(), AutomicProtocol("100")
REQUEST, BULK = OpenConnectorsProtocol(), OpenConnectorsBulkProtocol(object_name="contacts")
QUEUE = OpenConnectorsQueueProtocol(queue_url="https://queue.example/x")
UPLOAD = OpenConnectorsBulkProtocol(object_name="contacts", direction="upload")
PROTOCOL_SET: list[JobProtocol] = [
    ASO,
    AUTOMIC,
    AutomicProtocol("0100", fail_on_blocked=False, correlate=False),
    REQUEST,
    OpenConnectorsProtocol(success_rule=["response.ok==true"], failure_rule=["response.ok==false"]),
    QUEUE,
    BULK,
    UPLOAD,
    LocationProtocol(),
    AzureProtocol(),
    GoogleProtocol(),
    ODataProtocol(),
    StatusFieldProtocol(),
    RemoteJobProtocol(),
    HttpProfile(
        start={"id": "id", "keep": {"name": "name"}},
        poll={"path": "j/{job_id}", "moves_to": "statusUrl"},
        outcome={"state": ["status", "a[*].status"], "conclusion": "jobStatus", "failed_if": ["errors"]},
        result={"url": ["resultUrl", "a[*].url"], "pages": {"next": "nextPageToken", "into": "t"}},
    ),
]

WEBHOOK = {
    "eventId": "e-7",
    "eventStatus": "completed",
    "instanceId": 5,
    "notificationId": 9,
    "response": {"rows": [1]},
    "message": {"eventId": "e-7", "response": {"message": "no", "requestId": "r"}},
    "error": {"message": "no", "requestId": "r"},
}
#: Answers as the remotes give them, to be spoilt.
REAL: list[Any] = [
    {"statusUrl": "https://api.example/s/1", "statusUrlExpiresInSeconds": 3600},
    {"status": "completed", "resultUrl": "https://s3.example/x?X-Amz-Signature=s",
     "resultUrlExpiresInSeconds": 60},
    {"run_id": 1000001},
    {"code": 11049, "error": "no such run", "details": "none"},
    {
        "run_id": 7,
        "status": 1900,
        "status_text": "ENDED_OK",
        "name": "JOBS.A",
        "alias": "A#AF-0123456789ABCDEF",
        "type": "JOBP",
        "start_time": "2026-01-01T00:00:00Z",
        "runtime": 5,
        "estimated_runtime": 9,
        "reference_run_id": 7,
        "return_code": 0,
    },
    {
        "data": [
            {"run_id": 8, "alias": "A#AF-0123456789ABCDEF", "type": "JOBS", "reference_run_id": 7, "page": 1,
             "content": "a line"}
        ],
        "total": 1,
        "hasmore": True,
    },
    {"eventId": "e-7"},
    WEBHOOK,
    [{"id": 4, "status": "queued", "notification": {"message": json.dumps(WEBHOOK)}, "body": WEBHOOK}],
    {"id": 12, "jobStatus": "COMPLETED", "recordsCount": 5, "recordsFailedCount": 1, "message": "well",
     "callback-payload": {"correlationId": "c"}, "status": "COMPLETED", "error": None, "nextPageToken": "t",
     "errors": [{"message": "no"}]},
    {"id": 12, "status": "STARTED", "recordCount": "7", "payload": {}, "statusMessage": "m", "error": []},
    {"code": 11049, "error": 5, "details": []},
    {"name": "operations/7", "done": True, "response": {"a": 1}, "error": {"code": 5, "message": "no"}},
    {"id": "7", "status": "Succeeded", "properties": {"output": 1}, "resultUrl": "/r", "statusUrl": "/s"},
    {"state": "running", "job_id": "7", "message": "m", "progress": 0.5, "result": {"rows": 1}},
    {"status": "completed", "code": 200, "message": "m", "errorCount": 0, "failed": "0", "progress": "50%"},
]  # fmt: skip

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "completed", "failed", "FAILED", "Succeeded", "\x00", "\ud800", "a\nb\x1b[31m", "x" * 5000,
            "1e999", " completed\n", "completed" + " " * 5000, "http://[", "//x", "../..",
            "https://other.example/?sig=s", "1900", "1560", -1, 0, 1900, 1850, 1560, 1800, 1e308,
            "Infinity", "\uff11\uff19\uff10\uff10", "\xb2",
        ]
    )
)  # fmt: skip
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted({k for d in REAL if isinstance(d, dict) for k in d})), inner, max_size=6
        )
    ),
    max_leaves=12,
)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A real answer with up to three changes, somewhere."""
    document = copy.deepcopy(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(0, 3))):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.integers(0, 3)):
                place[key] = draw(documents)
            else:
                del place[key]
            break
    return document


EXTREME = [
    b"",
    b"null",
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"status": "\\ud800", "run_id": "\\ud800", "eventId": "\\udfff", "id": "\\ud800"}',
    b'{"status": ' + b"9" * 5000 + b', "run_id": ' + b"9" * 5000 + b"}",
    b'{"status": 1e400}',
    b'{"status": NaN, "run_id": Infinity, "eventId": NaN, "id": -Infinity}',
    '{"status": "completed"}'.encode("utf-16"),
    '{"status": "completed"}'.encode("utf-32-be"),
    b'\xef\xbb\xbf{"status": "completed", "resultUrl": "https://a/b"}',
    b"<html>" + b"x" * 10_000,
    b"\x1f\x8b\x08\x00" + b"\x00" * 100,
]
bodies = (
    spoilt().map(lambda d: json.dumps(d).encode())
    | documents.map(lambda d: json.dumps(d).encode())
    | st.binary(max_size=60)
    | st.sampled_from(EXTREME)
)
names = st.sampled_from(
    ["Location", "Operation-Location", "Azure-AsyncOperation", "AsyncResult", "Retry-After", "Content-Type",
     "Date", "X-Request-Id", "Elements-Webhook-Id", "WWW-Authenticate"]
)  # fmt: skip
values = st.text(st.characters(max_codepoint=255), max_size=30) | st.sampled_from(
    ["/m/1", "https://api.example/m", "https://other.example/m?sig=s", "http://[", "200", "-1", "9" * 5000,
     "nan", "inf", "1e999", "application/json", "Fri, 31 Dec 1999 23:59:59 GMT",
     "Fri, 31 Dec 99999 23:59:59 GMT", "x" * 60_000]
)  # fmt: skip
headers = st.dictionaries(names, values, max_size=4).map(Headers)
statuses = st.sampled_from(
    [200, 200, 200, 201, 202, 204, 301, 303, 400, 401, 403, 404, 408, 409, 410, 422, 429, 500, 502, 503, 504]
) | st.integers(100, 999)
responses = st.builds(
    HttpResponse,
    status=statuses,
    headers=headers,
    body=bodies,
    received_at=st.sampled_from([0.0, 1.7e9, 4e9]),
    url=st.sampled_from(["https://api.example/jobs", "http://[", "", "/x"]),
    complete=st.sampled_from([True, True, False]),
)
handles = st.builds(
    JobHandle,
    protocol=st.just("x"),
    job_id=st.sampled_from(["7", "e-7", "1000001"]),
    submitted_at=st.sampled_from([0.0, 1.7e9]),
    status_url=st.sampled_from([None, "https://api.example/s/1", "/jobs/7", "http://["]),
    expires_at=st.none() | st.sampled_from([0.0, 1.7e9, 4e9]),
    data=st.sampled_from([{}, {"type": "JOBP"}, {"monitor": "location"}, {"final_url": 5}, {"label": "x"}]),
)


def storable(value: Any) -> None:
    """What goes into JSON columns and on to other processes."""
    json.dumps(value, allow_nan=False).encode()
    text = json.dumps(value, ensure_ascii=False)
    text.encode()  # no half surrogates
    # Six characters that look like an escaped NUL are no NUL; their backslash is escaped itself.
    assert "\\u0000" not in text.replace("\\\\", "")


def check_status(status: JobStatus) -> None:
    assert isinstance(status.state, JobState)
    storable([status.remote_status, status.message, status.request_id, dict(status.detail)])
    assert len(status.remote_status) <= 200
    assert status.remote_status.isprintable()
    assert len(status.message or "") <= 4000
    assert (status.message or "").isprintable()
    assert len(status.request_id or "") <= 320
    if status.retry_after is not None:
        assert math.isfinite(status.retry_after)
        assert status.retry_after >= 0
    if status.result is not None:
        assert status.state is JobState.SUCCEEDED
        assert status.result.expires_at is None or math.isfinite(status.result.expires_at)
        if status.result.url and len(status.result.url) > 8:
            assert status.result.url not in repr(status)
    assert "X-Amz-Signature=s" not in repr(status)


def check_handle(handle: JobHandle, protocol: JobProtocol) -> None:
    storable(handle.to_dict())
    assert JobHandle.from_dict(json.loads(json.dumps(handle.to_dict()))) == handle
    assert handle.job_id
    assert handle.job_id.isprintable()
    assert len(handle.job_id) <= 300
    assert handle.expires_at is None or math.isfinite(handle.expires_at)


def check_questions(handle: JobHandle, protocol: JobProtocol) -> None:
    """A job that was named can be asked for."""
    if protocol.pollable:
        assert isinstance(protocol.status(handle), HttpRequest)
    protocol.cancel(handle)


def check(found: Any, protocol: JobProtocol) -> None:
    if isinstance(found, Submitted):
        check_handle(found.handle, protocol)
        if found.status is None:
            check_questions(found.handle, protocol)
        else:
            check_status(found.status)
    elif isinstance(found, JobStatus):
        check_status(found)
    elif isinstance(found, JobHandle):
        check_handle(found, protocol)


def error_id(error: AsyncJobError) -> str:
    return str(getattr(error, "request_id", None) or "\0")


def tried(call: Callable[[], Any], protocol: JobProtocol) -> None:
    """Only an error of our tree may come out; its text holds no control characters and no secrets."""
    try:
        found = call()
    except AsyncJobError as error:
        text = str(error)
        text.encode()
        assert len(text) <= 4000
        assert text.isprintable()
        assert "X-Amz-Signature=s" not in text
        said = text.replace(error_id(error), "")  # an id of a request is quoted whatever it is
        assert "sig=s" not in said
        return
    check(found, protocol)


ids = lambda p: p.name + "-" + "-".join(map(str, p.options().values()))  # noqa: E731 - a name for parametrize
over_all = pytest.mark.parametrize("protocol", PROTOCOL_SET, ids=ids)
MANY = settings(
    max_examples=examples(100),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@contextmanager
def told(protocol: JobProtocol, question: str) -> Iterator[None]:
    """Who has failed at what, beside what has failed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{ids(protocol)}, answer to a {question}")
        raise


def test_none_is_forgotten() -> None:
    assert {p.name for p in PROTOCOL_SET} == set(PROTOCOLS)


@MANY
@given(handle=handles, response=responses)
def test_any_answer_to_any_poll(handle: JobHandle, response: HttpResponse) -> None:
    """Making an answer up takes longer than reading it: all read each, as the answer to everything."""
    for protocol in PROTOCOL_SET:
        for question, read in (
            ("submission", lambda p=protocol: p.read_submit(response)),
            ("job", lambda p=protocol: p.read_status(handle, response)),
            ("cancellation", lambda p=protocol: bool(p.read_cancel(handle, response))),
        ):
            with told(protocol, question):
                tried(read, protocol)
    for question, (protocol, read_other) in FURTHER.items():
        with told(protocol, question):
            tried(partial(read_other, handle, response), protocol)
    for mark in ("x", "A#AF-0123456789ABCDEF"):
        with told(AUTOMIC, f"search for {mark}"):
            tried(partial(AUTOMIC.read_find, mark, response), AUTOMIC)


@MANY
@given(headers=headers, body=bodies)
def test_any_callback(headers: Headers, body: bytes) -> None:
    for protocol in PROTOCOL_SET:
        if protocol is ASO:
            continue  # it has none
        with told(protocol, "callback"):
            tried(partial(protocol.read_callback, headers, body), protocol)
            key = getattr(protocol, "delivery_id", lambda h, b: None)(headers, body)
            assert key is None or isinstance(key, str)


#: A number is not what Python reads without a word: too large for a float, for text, or a digit of its own.
NUMBERS = [10**400, -(10**400), "9" * 5000, "\xb2", "\u0663", 1e308, 1e-308]


def leaves(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document that holds a single value: what it is in, and its key there."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(value, dict | list):
            yield from leaves(value)
        else:
            yield document, key


@over_all
def test_any_number_in_any_place(protocol: JobProtocol) -> None:
    handle = JobHandle("x", "7", 0.0, status_url="https://api.example/s/1")
    for document in map(copy.deepcopy, REAL):
        for place, key in leaves(document):
            before = place[key]
            for number in NUMBERS:
                place[key] = number
                body = json.dumps(document).encode()
                response = HttpResponse(200, Headers(), body, 1.7e9, "https://api.example/s/1")
                tried(partial(protocol.read_submit, response), protocol)
                tried(partial(protocol.read_status, handle, response), protocol)
                if protocol is not ASO:
                    tried(partial(protocol.read_callback, Headers(), body), protocol)
            place[key] = before


@over_all
def test_every_extreme_and_every_real_answer(protocol: JobProtocol) -> None:
    """What made-up answers meet by chance only: each of these, with each kind of status, to each question."""
    handle = JobHandle("x", "7", 0.0, status_url="https://api.example/s/1")
    for body in [*EXTREME, *(json.dumps(document).encode() for document in REAL)]:
        for status in (200, 202, 302, 404, 500):
            response = HttpResponse(status, Headers(), body, 1.7e9, "https://api.example/s/1")
            for call in (
                lambda r=response: protocol.read_submit(r),
                lambda r=response: protocol.read_status(handle, r),
                lambda r=response: protocol.read_cancel(handle, r),
                *(partial(read, handle, response) for other, read in FURTHER.values() if other is protocol),
            ):
                tried(call, protocol)
        if protocol is not ASO:
            tried(lambda b=body: protocol.read_callback(Headers(), b), protocol)


FURTHER: dict[str, tuple[JobProtocol, Callable[[JobHandle, HttpResponse], Any]]] = {
    "automic restarts": (AUTOMIC, lambda h, r: AUTOMIC.read_restarts(AUTOMIC.handle(7, at=0), r)),
    "automic execution": (AUTOMIC, lambda h, r: AUTOMIC.read_execution(7, r)),
    "automic executions": (AUTOMIC, lambda h, r: AUTOMIC.read_executions(r)),
    "automic restart": (AUTOMIC, lambda h, r: AUTOMIC.read_restart(7, r)),
    "automic reports": (AUTOMIC, lambda h, r: AUTOMIC.read_reports(r)),
    "automic pages of a report": (AUTOMIC, lambda h, r: AUTOMIC.read_report_pages(r)),
    "automic variables": (AUTOMIC, lambda h, r: AUTOMIC.read_variables(r)),
    "automic comment": (AUTOMIC, lambda h, r: AUTOMIC.read_add_comment(r)),
    "automic health": (AUTOMIC, lambda h, r: AUTOMIC.read_health(r)),
    "bulk errors": (BULK, lambda h, r: BULK.read_errors(h, r)),
}


# -- time and memory: what the transport lets through is at most some megabytes; a part shows the growth

SIZE = 256 * 1024

#: One of each reader: the others inherit how they read, or differ in an option.
READERS = [ASO, AUTOMIC, REQUEST, QUEUE, BULK, LocationProtocol(), RemoteJobProtocol(), PROTOCOL_SET[-1]]


@cache
def large() -> dict[str, bytes]:
    """Bodies of about a quarter of a megabyte, of the kinds that make naive readers slow or hungry."""
    many = SIZE // 40
    webhook = json.dumps({k: v for k, v in WEBHOOK.items() if k != "message"})
    nested = webhook
    while len(nested) < SIZE // 4:  # JSON in JSON in JSON: each level doubles the backslashes
        nested = json.dumps({"body": nested, "a": 1})
    return {
        "one text": json.dumps({"status": "x" * SIZE, "eventId": "e-7", "message": "?" * SIZE}).encode(),
        "spaces": b'{"status": "completed' + b" " * SIZE + b'"}',
        "many members": json.dumps({f"k{n}": {"message": str(n)} for n in range(many)}).encode(),
        "many entries": json.dumps({"data": [{"run_id": n, "alias": "a"} for n in range(many)]}).encode(),
        "a list": json.dumps([{"eventId": "e-8", "n": n} for n in range(many)]).encode(),
        "brackets": b"[" * SIZE,
        "braces": b'{"a":' * (SIZE // 5),
        "nested": b'{"message":' * 400 + b"1" + b"}" * 400 + b" " * SIZE,
        "digits": b'{"status": ' + b"9" * SIZE + b"}",
        "quotes": json.dumps({"error": '"' * SIZE}).encode(),
        "named like secrets": b'{"error": "' + b"token=" * (SIZE // 6) + b'"}',
        "schemes": b"Bearer " * (SIZE // 7),
        "addresses": b"https://a/?" * (SIZE // 11),
        "JSON in JSON": json.dumps([json.loads(nested)]).encode(),
        "binary": bytes(range(256)) * (SIZE // 256),
    }


@pytest.mark.thorough
@pytest.mark.timeout(60)  # whatever grows with the square of the length takes longer than that
@pytest.mark.parametrize("kind", large())
def test_large_answers_take_bounded_time_and_memory(kind: str) -> None:
    body = large()[kind]
    handle = JobHandle("x", "7", 0.0, status_url="https://api.example/s/1")
    tracemalloc.start()
    try:
        for protocol in READERS:
            for status in (200, 500):
                response = HttpResponse(status, Headers(), body, 1.7e9, "https://api.example/s/1")
                for call in (
                    lambda p=protocol, r=response: p.read_submit(r),
                    lambda p=protocol, r=response: p.read_status(handle, r),
                    lambda p=protocol, r=response: p.read_cancel(handle, r),
                ):
                    tried(call, protocol)
            if protocol is not ASO:
                tried(lambda p=protocol: p.read_callback(Headers(), body), protocol)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60 * len(body) + 20 * SIZE
