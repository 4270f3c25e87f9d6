# SPDX-License-Identifier: Apache-2.0
"""What all generic profiles share: starting, cancelling, callbacks, addresses, results, options."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    DescriptionError,
    OriginError,
    SubmitError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._http.azure import AzureProtocol
from airflow_async_provider.protocols._http.google import GoogleProtocol
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.odata import ODataProtocol
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol
from airflow_async_provider.protocols._http.urls import (
    absolute,
    is_signed,
    was_redirected,
)
from airflow_async_provider.protocols._http.values import body_value, error_text, id_text

PROFILES: list[type[HttpProfile]] = [
    LocationProtocol,
    AzureProtocol,
    GoogleProtocol,
    ODataProtocol,
    StatusFieldProtocol,
]
MONITOR = "https://api.example/monitors/7"


def answer(
    status: int, body: Any = b"", url: str = "https://api.example/jobs", **headers: str
) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1000.0, url)


def job(profile: HttpProfile, status_url: str | None = MONITOR, job_id: str = "7") -> JobHandle:
    return JobHandle(profile.name, job_id, 0.0, status_url)


# -- starting


def test_a_submission_carries_what_it_was_given() -> None:
    request = LocationProtocol().submit(
        "post", "exports", params={"year": 2026}, json={"a": 1}, headers={"X-Tenant": "t"}
    )
    assert (request.method, request.url, request.params, request.json) == (
        "POST",
        "exports",
        {"year": 2026},
        {"a": 1},
    )
    assert request.headers == {"X-Tenant": "t"}


@pytest.mark.parametrize(
    ("method", "repeatable"), [("POST", False), ("PATCH", False), ("GET", True), ("PUT", True)]
)
def test_only_an_idempotent_method_may_be_sent_again(method: str, repeatable: bool) -> None:
    assert LocationProtocol().submit(method, "x").repeatable is repeatable


def test_an_idempotency_key_allows_to_send_again_and_is_quoted() -> None:
    request = LocationProtocol().submit("POST", "x", idempotency_key='a "b" \\c')
    assert request.headers["Idempotency-Key"] == '"a \\"b\\" \\\\c"'
    assert request.repeatable


def test_an_idempotency_key_under_another_name_goes_without_quotes() -> None:
    request = AzureProtocol().submit(
        "POST", "x", idempotency_key="k", idempotency_header="Repeatability-Request-ID"
    )
    assert request.headers == {"Repeatability-Request-ID": "k"}


@pytest.mark.parametrize("key", ["ü", "a\nb", "a\x7f"])
def test_an_idempotency_key_of_other_characters_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="ASCII"):
        LocationProtocol().submit("POST", "x", idempotency_key=key)


def test_the_author_may_say_whether_a_submission_is_repeatable() -> None:
    assert LocationProtocol().submit("POST", "x", repeatable=True).repeatable
    assert not LocationProtocol().submit("GET", "x", repeatable=False).repeatable


@pytest.mark.parametrize(
    ("wait", "own", "sent"),
    [
        (None, None, None),
        (0, None, "respond-async"),
        (10, None, "respond-async, wait=10"),
        (10, "return=minimal", "return=minimal, respond-async, wait=10"),
    ],
)
def test_prefer_is_sent_when_asked_for(wait: int | None, own: str | None, sent: str | None) -> None:
    headers = {"prefer": own} if own else {}
    request = LocationProtocol().submit("POST", "x", prefer_wait=wait, headers=headers)
    assert request.headers.get("Prefer") == sent
    assert "prefer" not in request.headers


def test_the_callback_address_goes_into_body_and_header() -> None:
    body = {"options": {"keep": True}}
    request = LocationProtocol().submit(
        "POST",
        "x",
        json=body,
        callback_url="https://me.example/cb",
        callback_field='options.notify["url"]',
        callback_header="X-Callback",
    )
    assert request.json == {"options": {"keep": True, "notify": {"url": "https://me.example/cb"}}}
    assert request.headers["X-Callback"] == "https://me.example/cb"
    assert body == {"options": {"keep": True}}


def test_the_callback_address_makes_a_body_where_there_is_none() -> None:
    request = LocationProtocol().submit(
        "POST", "x", callback_url="https://me.example/cb", callback_field="cb"
    )
    assert request.json == {"cb": "https://me.example/cb"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "callback_field or callback_header"),
        ({"callback_field": "cb", "body": b"raw"}, "callback_header"),
        ({"callback_field": "a..b"}, "callback_field"),
        ({"callback_field": "a.b", "json": {"a": 1}}, "in the way"),
    ],
)
def test_a_callback_that_cannot_be_asked_for_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        LocationProtocol().submit("POST", "x", callback_url="https://me.example/cb", **arguments)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", 7, None])
def test_a_header_value_that_is_no_line_of_text_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="one line"):
        LocationProtocol().submit("POST", "x", headers={"X": value})


# -- refusals


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, SubmitError),
        (404, SubmitError),
        (409, SubmitError),
        (422, SubmitError),
        (401, AuthenticationError),
        (403, AuthorizationError),
        (429, TransientError),
        (503, TransientError),
        (302, OriginError),
        (307, OriginError),
        (100, UnreadableAnswerError),
        (501, UnreadableAnswerError),
    ],
)
def test_a_refused_submission_is_the_right_error(
    profile: type[HttpProfile], status: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        profile().read_submit(answer(status, {"message": "no"}, Retry_After="3"))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_conflict_over_the_idempotency_key_is_worth_another_try(profile: type[HttpProfile]) -> None:
    with pytest.raises(TransientError, match="Idempotency-Key") as e:
        profile(idempotent=True).read_submit(answer(409, Retry_After="3"))
    assert e.value.retry_after == 3.0


def test_a_reused_idempotency_key_is_explained() -> None:
    with pytest.raises(SubmitError, match="another body") as e:
        LocationProtocol(idempotent=True).read_submit(answer(422, X_Request_Id="r-1"))
    assert (e.value.http_status, e.value.request_id) == (422, "r-1")


# -- asking and cancelling


@pytest.mark.parametrize("profile", PROFILES)
def test_the_status_url_is_asked_exactly_as_it_was_given(profile: type[HttpProfile]) -> None:
    url = "https://api.example/m/a%2Fb==?x=1&sig=%2B#f"
    request = profile().status(job(profile(), url))
    assert (request.method, request.url, request.repeatable) == ("GET", url, True)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_job_that_ended_at_once_cannot_be_asked_for(profile: type[HttpProfile]) -> None:
    with pytest.raises(ValueError, match="ended when it was submitted"):
        profile().status(job(profile(), None))
    assert profile(cancel_by="delete").cancel(job(profile(), None)) is None


@pytest.mark.parametrize("profile", PROFILES)
def test_404_means_running_only_where_allowed(profile: type[HttpProfile]) -> None:
    patient = profile(not_found_means_running=True)
    status = patient.read_status(job(patient), answer(404, Retry_After="4"))
    assert (status.state, status.remote_status, status.retry_after) == (JobState.RUNNING, "404", 4.0)
    with pytest.raises(Exception, match="HTTP 404") as e:
        profile().read_status(job(profile()), answer(404))
    assert e.type.__name__ == "RequestRefusedError"


@pytest.mark.parametrize("profile", PROFILES)
def test_410_means_that_the_remote_has_forgotten_the_job(profile: type[HttpProfile]) -> None:
    assert profile().read_status(job(profile()), answer(410)).state is JobState.EXPIRED


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationError), (403, AuthorizationError), (429, TransientError), (500, TransientError)],
)
def test_an_error_reading_the_monitor_is_no_failure_of_the_job(
    profile: type[HttpProfile], status: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        profile().read_status(
            job(profile()), answer(status, {"status": "failed", "done": True, "error": {"code": 3}})
        )


@pytest.mark.parametrize("profile", [AzureProtocol, GoogleProtocol, ODataProtocol])
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_status_document_is_no_end(profile: type[HttpProfile], code: int) -> None:
    with pytest.raises(OriginError, match="allowed_hosts"):
        profile().read_status(job(profile()), answer(code, Location="https://other.example/m"))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("cancel_by", "method", "url"),
    [
        ("delete", "DELETE", MONITOR),
        ("DELETE", "DELETE", MONITOR),
        ("jobs/{job_id}/cancel", "POST", "jobs/7/cancel"),
        ("PUT jobs/{job_id}/abort", "PUT", "jobs/7/abort"),
        ("POST {status_url}/cancel", "POST", MONITOR + "/cancel"),
        ("DELETE jobs/{job_id}", "DELETE", "jobs/7"),
    ],
)
def test_a_job_is_cancelled_the_way_the_option_says(
    profile: type[HttpProfile], cancel_by: str, method: str, url: str
) -> None:
    request = profile(cancel_by=cancel_by).cancel(job(profile()))
    assert request is not None
    assert (request.method, request.url) == (method, url)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_job_that_cannot_be_cancelled_is_not(profile: type[HttpProfile]) -> None:
    assert profile(cancel_by=None).cancel(job(profile())) is None


@pytest.mark.parametrize(
    ("status", "accepted"),
    [(200, True), (202, True), (204, True), (404, False), (405, False), (409, False), (410, False)],
)
def test_the_answer_to_a_cancellation_says_whether_it_was_accepted(status: int, accepted: bool) -> None:
    assert LocationProtocol().read_cancel(job(LocationProtocol()), answer(status)) is accepted


@pytest.mark.parametrize("status", [401, 403, 500, 429])
def test_a_cancellation_that_could_not_be_asked_for_is_an_error(status: int) -> None:
    with pytest.raises(Exception, match="cancelling job 7"):
        LocationProtocol().read_cancel(job(LocationProtocol()), answer(status))


# -- callbacks


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'"done"', b'{"status": 1.5}'])
def test_a_callback_that_names_no_state_means_look_for_yourself(
    profile: type[HttpProfile], body: bytes
) -> None:
    status = profile().read_callback(Headers(), body)
    assert (status.state, status.remote_status, status.recognised) == (JobState.RUNNING, "callback", True)


# -- addresses


@pytest.mark.parametrize(
    ("reference", "asked", "url"),
    [
        ("/m/7", "https://api.example:8443/v1/jobs?x=1", "https://api.example:8443/m/7"),
        ("m/7", "https://api.example/v1/jobs", "https://api.example/v1/m/7"),
        ("../m/7?a=b", "https://api.example/v1/jobs/", "https://api.example/v1/m/7?a=b"),
        ("?job=7", "https://api.example/v1/jobs", "https://api.example/v1/jobs?job=7"),
        ("//other.example/m", "https://api.example/", "https://other.example/m"),
        ("https://other.example/a/../b%2f?", "https://api.example/", "https://other.example/a/../b%2f?"),
        (" https://other.example/m ", "https://api.example/", "https://other.example/m"),
        ("/m/7", "", "/m/7"),
    ],
)
def test_a_relative_address_is_resolved_against_the_url_that_answered(
    reference: str, asked: str, url: str
) -> None:
    assert absolute(reference, answer(202, url=asked), job="j", what="Location") == url


@pytest.mark.parametrize(
    "reference",
    [
        "ftp://a/b",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://[",
        "https://",
        "https://user:pw@host/",
        "https://host:0/",
        "https://host:99999/",
        "https://host\\@evil/",
        "https://a b/",
        "https://a/\nb",
        "https://a/\x85",
        "https://a/\udc80",
        "https://a/" + "x" * 9000,
    ],
)
def test_an_address_that_is_none_is_refused(reference: str) -> None:
    with pytest.raises(UnreadableAnswerError, match="not a usable http"):
        absolute(reference, answer(202), job="j", what="Location")


def test_an_address_without_scheme_needs_a_url_to_be_resolved_against() -> None:
    with pytest.raises(UnreadableAnswerError):
        absolute("//host/x", answer(202, url=""), job="j", what="Location")


def test_a_signed_url_is_recognised() -> None:
    assert is_signed("https://s3.example/f?X-Amz-Signature=abc")
    assert is_signed("https://blob.example/f?sv=1&sig=abc")
    assert not is_signed("https://api.example/f?page=1")
    assert not is_signed("http://[")


@pytest.mark.parametrize(
    ("asked", "answered", "redirected"),
    [
        ("https://a/m/7", "https://a/m/7", False),
        ("https://a/m/%37", "https://a/m/7", False),
        ("https://a/m/7", "https://a/files/7", True),
        ("https://a/m/7", "https://b/m/7", True),
        ("m/7?x=1", "https://a/base/m/7?x=1", False),
        ("/m/7", "https://a/files/7", True),
        ("https://a/m/7", "", False),
        ("m/7", "http://[", False),
    ],
)
def test_a_redirect_is_seen_by_the_path(asked: str, answered: str, redirected: bool) -> None:
    assert was_redirected(asked, answer(200, url=answered)) is redirected


# -- values and results


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        (b"", "application/json", None),
        (b'{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "application/vnd.acme+json", {"a": 1}),
        (b"7", "application/json", 7),
        (b"null", "application/json", None),
        (b"7", "", "7"),
        (b"[1]", "", [1]),
        (b'{"a": 1}', "text/plain", '{"a": 1}'),
        (b"{broken", "application/json", "{broken"),
        (b"a;b", "text/csv", "a;b"),
        (b"<a/>", "application/xml", "<a/>"),
        (b"\xff\x00", "text/plain", b"\xff\x00"),
        (b"PK\x03", "application/zip", b"PK\x03"),
    ],
)
def test_a_body_is_json_or_text_or_bytes(body: bytes, kind: str, value: Any) -> None:
    assert body_value(answer(200, body, Content_Type=kind)) == value


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"error": {"code": "Bad", "message": "no"}}, "Bad: no"),
        ({"error": {"code": 3}}, "3"),
        ({"error": "text"}, "text"),
        ({"title": "t", "detail": "d"}, "d"),
        ({"message": " "}, None),
        (None, None),
        ([], None),
    ],
)
def test_an_error_document_is_put_in_words(document: Any, text: str | None) -> None:
    assert error_text(document) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (7, "7"),
        (True, None),
        ("", None),
        ("a\n", None),
        ("x" * 501, None),
        (1.5, None),
        (10**200, None),
        ("\udc80", None),
    ],
)
def test_an_id_is_short_printable_text_or_a_number(value: Any, text: str | None) -> None:
    assert id_text(value) == text


def test_the_result_is_taken_from_the_field_that_the_option_names() -> None:
    profile = LocationProtocol(result_field="out.rows[0]")
    status = profile.read_status(job(profile), answer(200, {"out": {"rows": [5]}}))
    assert status.result is not None
    assert status.result.value == 5


def test_a_whole_answer_keeps_its_bytes() -> None:
    body = b'{ "rows" :3}'
    whole = LocationProtocol().read_status(job(LocationProtocol()), answer(200, body)).result
    assert whole is not None
    assert (whole.value, whole.body) == ({"rows": 3}, body)
    part = LocationProtocol(result_field="rows")
    picked = part.read_status(job(part), answer(200, body)).result
    assert picked is not None
    assert (picked.value, picked.body) == (3, None)


def test_a_delivery_is_known_by_its_webhook_id() -> None:
    assert LocationProtocol().delivery_id(Headers({"Webhook-Id": "msg_1"}), b"") == "msg_1"
    assert LocationProtocol().delivery_id(Headers(), b"") is None


def test_a_result_that_is_not_where_the_option_says_is_an_error() -> None:
    for profile in (LocationProtocol(result_field="out"), LocationProtocol(result_url_field="out")):
        with pytest.raises(DescriptionError, match="no result at 'out'"):
            profile.read_status(job(profile), answer(200, {"other": 1}))
    with pytest.raises(DescriptionError):
        LocationProtocol(result_url_field="out").read_status(job(LocationProtocol()), answer(200, {"out": 1}))


@pytest.mark.parametrize(
    ("url", "authorized"),
    [
        ("https://api.example/files/1", True),
        ("/files/1", True),
        ("https://api.example/files/1?X-Amz-Signature=s", False),
        ("https://api.example:444/files/1", False),
        ("http://other.example/files/1", False),
        ("https://bucket.example/files/1", False),
    ],
)
def test_a_result_url_gets_credentials_on_the_same_origin_only(url: str, authorized: bool) -> None:
    profile = LocationProtocol(result_url_field="url")
    result = profile.read_status(job(profile), answer(200, {"url": url})).result
    assert result is not None
    assert result.authorized is authorized
    assert url not in repr(result)


def test_the_author_may_say_whether_a_result_url_wants_credentials() -> None:
    profile = LocationProtocol(result_url_field="url", result_authorized=False)
    result = profile.read_status(job(profile), answer(200, {"url": "/files/1"})).result
    assert result is not None
    assert not result.authorized


def test_the_last_address_may_be_fetched_again_for_a_large_result() -> None:
    profile = LocationProtocol(refetch_result=True)
    result = profile.read_status(job(profile), answer(200, b"first part", url=MONITOR)).result
    assert result is not None
    assert (result.url, result.authorized, result.value) == (MONITOR, True, None)
    assert profile.read_status(job(profile), answer(204, url=MONITOR)).result is None


def test_a_body_that_was_not_read_whole_is_fetched_from_its_address() -> None:
    cut = replace(answer(200, b'{"rows": [1, 2', url=MONITOR), complete=False)
    for profile in (LocationProtocol(), ODataProtocol()):
        result = profile.read_status(job(profile), cut).result
        assert result is not None
        assert (result.url, result.authorized, result.value) == (MONITOR, True, None)
    with pytest.raises(UnreadableAnswerError, match="larger than 14 bytes"):
        LocationProtocol().read_submit(cut)
    wrapped = replace(
        cut, body=b"HTTP/1.1 200 OK\r\n\r\nx", headers=Headers({"Content-Type": "application/http"})
    )
    with pytest.raises(UnreadableAnswerError, match="larger than"):
        ODataProtocol().read_status(job(ODataProtocol()), wrapped)


@pytest.mark.parametrize(
    ("profile", "data", "bounded"),
    [
        (LocationProtocol(), {}, True),
        (LocationProtocol(result_field="a"), {}, False),
        (ODataProtocol(), {}, True),
        (AzureProtocol(), {"monitor": "location"}, True),
        (AzureProtocol(result_url_field="a"), {"monitor": "location"}, False),
        (AzureProtocol(), {}, False),
        (GoogleProtocol(), {}, False),
        (StatusFieldProtocol(), {}, False),
    ],
)
def test_only_a_part_is_read_where_the_answer_may_be_the_result(
    profile: HttpProfile, data: dict[str, str], bounded: bool
) -> None:
    request = profile.status(JobHandle(profile.name, "7", 0.0, MONITOR, data=data))
    assert (request.max_body_bytes is not None) is bounded


def test_a_synchronous_result_is_never_fetched_again() -> None:
    submitted = LocationProtocol(refetch_result=True).read_submit(answer(200, {"rows": 1}))
    assert submitted.status is not None
    assert submitted.status.result is not None
    assert submitted.status.result.value == {"rows": 1}


# -- options


@pytest.mark.parametrize("profile", PROFILES)
def test_options_travel_through_the_handle_and_rebuild_the_profile(profile: type[HttpProfile]) -> None:
    made = profile(
        cancel_by="jobs/{job_id}/x", not_found_means_running=True, result_field="a.b", idempotent=True
    )
    options = json.loads(json.dumps(made.options()))
    assert profile(**options) == made
    assert profile.from_options(options) == made
    assert profile().options() == {}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "options",
    [
        {"cancel_by": "x y"},
        {"cancel_by": 5},
        {"result_field": "a..b"},
        {"not_found_means_running": "yes"},
        {"not_found_means_running": None},
        {"result_authorized": 5},
        {"result_url_field": "a", "result_field": "b"},
        {"result_url_field": "a", "refetch_result": True},
    ],
)
def test_an_option_that_cannot_be_is_refused(profile: type[HttpProfile], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        profile(**options)


def test_an_unknown_option_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no option 'colour'.*cancel_by"):
        LocationProtocol.from_options({"colour": 1})


def test_names_are_unique_and_a_users_own_class_is_called_by_its_path() -> None:
    assert len({p.name for p in PROFILES}) == len(PROFILES)

    class Own(LocationProtocol):
        pass

    handle = Own().read_submit(answer(202, Location="/m/7")).handle
    assert handle.protocol.endswith("Own")
    assert "." in handle.protocol
    ours = LocationProtocol().read_submit(answer(202, Location="/m/7")).handle
    assert ours.protocol == "http_location"


@pytest.mark.parametrize(
    ("said", "accepted"), [({"success": False}, False), ({"success": True}, True), ({}, True)]
)
def test_a_cancellation_that_is_refused_in_a_2xx_is_none(said: Any, accepted: bool) -> None:
    response = answer(200, said)
    assert LocationProtocol().read_cancel(job(LocationProtocol()), response) is accepted


@pytest.mark.parametrize("profile", PROFILES)
def test_an_empty_201_of_the_monitor_is_no_success(profile: type[HttpProfile]) -> None:
    made = profile()
    with pytest.raises((DescriptionError, UnreadableAnswerError)):
        made.read_status(job(made), answer(201, url=MONITOR))
