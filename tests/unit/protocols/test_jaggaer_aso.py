# SPDX-License-Identifier: Apache-2.0
"""The wire format of JAGGAER ASO: what the vendor documents, and whatever else a network may answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    OriginError,
    RequestRefusedError,
    SubmitError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._jaggaer_aso import EXPIRY_SLACK, JaggaerAsoProtocol
from airflow_async_provider.protocols._registry import protocol_class, protocol_for, protocol_of

NOW = 1_700_000_000.0
#: the vendor's example
STATUS_URL = (
    "https://ees.aso-demo-api.va.jaggaer.com/asyncStatus/"
    "MTYyNjg0MTc3MjI4NzoyMjg1MDoxNTphNTNhZjZhMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA="
)
RESULT_URL = "https://s3.us-east-2.amazonaws.com/b/k?X-Amz-Expires=300&X-Amz-Signature=canary5e7"
ASO = JaggaerAsoProtocol()


def response(status: int, body: Any = b"", at: float = NOW, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, Headers({k.replace("_", "-"): v for k, v in headers.items()}), raw, at)


def accepted(**changes: Any) -> HttpResponse:
    return response(202, {"statusUrl": STATUS_URL, "statusUrlExpiresInSeconds": 1800, **changes})


def a_handle(**changes: Any) -> JobHandle:
    return ASO.read_submit(accepted(**changes)).handle


def read(body: Any, status: int = 200, at: float = NOW, **headers: str) -> JobStatus:
    return ASO.read_status(a_handle(), response(status, body, at, **headers))


# -- submitting


def test_a_get_may_be_repeated_and_a_post_must_not() -> None:
    get = ASO.submit("event/7/apiItems/async", params={"a": 1})
    assert (get.method, get.url, get.params, get.repeatable) == (
        "GET",
        "event/7/apiItems/async",
        {"a": 1},
        True,
    )
    post = ASO.submit(
        "chost/1/x/async", method="post", json={"eventName": "Steel"}, content_type="application/x"
    )
    assert (post.method, post.json, post.repeatable) == ("POST", {"eventName": "Steel"}, False)
    assert post.headers == {"Content-Type": "application/x"}


@pytest.mark.parametrize("body", [{}, {"eventName": "Steel"}, []])
def test_a_get_has_no_body(body: Any) -> None:
    with pytest.raises(ConfigurationError, match="method='POST'"):
        ASO.submit("event/7/apiItems/async", json=body)


def test_a_body_that_is_not_there_has_no_media_type() -> None:
    assert ASO.submit("e", method="POST", content_type="application/x").headers == {}


@pytest.mark.parametrize("method", ["DELETE", "PUT", "", "GET /x HTTP/1.1\r\nX: y"])
def test_no_other_method_starts_a_job(method: str) -> None:
    with pytest.raises(ConfigurationError):
        ASO.submit("event/7/apiItems/async", method=method)


def test_the_vendor_s_202_becomes_a_handle() -> None:
    submitted = ASO.read_submit(accepted())
    handle = submitted.handle
    assert submitted.status is None
    assert handle.status_url == STATUS_URL
    assert handle.expires_at == NOW + 1800
    assert handle.submitted_at == NOW
    assert handle.protocol == "jaggaer_aso"
    assert handle.job_id not in STATUS_URL
    assert len(handle.job_id) == 12
    assert not handle.named  # a person is shown what ASO itself has given: the path of that URL


def test_the_status_url_goes_back_verbatim() -> None:
    odd = "HTTPS://EES.example:443//a/../asyncStatus/MT%2fYy%2FNj=+/?x=%7e&y=a+b&&z#frag"
    handle = JobHandle.from_dict(json.loads(json.dumps(a_handle(statusUrl=odd).to_dict())))
    request = ASO.status(handle)
    assert (request.method, request.url, request.params) == ("GET", odd, None)
    assert request.repeatable


@pytest.mark.parametrize(
    ("life", "expires_at"),
    [
        (1800, NOW + 1800),
        (0.5, NOW + 0.5),
        (None, None),
        ("1800", None),
        (True, None),
        (0, None),
        (-1, None),
        (1e400, None),
        (10**400, None),
        ([], None),
    ],
)
def test_the_life_of_a_status_url(life: Any, expires_at: float | None) -> None:
    assert a_handle(statusUrlExpiresInSeconds=life).expires_at == expires_at


def test_not_a_number_is_no_life() -> None:
    body = b'{"statusUrl": "https://h/x", "statusUrlExpiresInSeconds": NaN}'
    assert ASO.read_submit(response(202, body)).handle.expires_at is None


@pytest.mark.parametrize("url", [None, "", "  ", 7, ["https://h/x"], "https://h/\ud800", "https://h/ü"])
def test_an_acceptance_without_a_usable_status_url_is_unreadable(url: Any) -> None:
    with pytest.raises(UnreadableAnswerError, match="/async"):
        ASO.read_submit(accepted(statusUrl=url))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"'])
def test_an_acceptance_that_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        ASO.read_submit(response(202, body))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, SubmitError),
        (404, SubmitError),
        (406, SubmitError),
        (415, SubmitError),
        (422, SubmitError),
        (501, SubmitError),
        (401, AuthenticationError),
        (403, AuthorizationError),
        (429, TransientError),
        (503, TransientError),
        (302, OriginError),
        (100, UnreadableAnswerError),
    ],
)
def test_a_refused_submission(status: int, error: type[AsyncJobError]) -> None:
    with pytest.raises(AsyncJobError) as caught:
        ASO.read_submit(response(status, {"message": "because"}, x_amzn_requestid="r-1"))
    assert type(caught.value) is error
    assert (caught.value.http_status, caught.value.request_id) == (status, "r-1")


# -- asking


def test_a_job_that_runs() -> None:
    status = read({"status": "processing"}, retry_after="9")
    assert (status.state, status.remote_status, status.recognised) == (JobState.RUNNING, "processing", True)
    assert status.retry_after == 9
    assert status.result is None


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("failed", JobState.FAILED),
        ("cancelled", JobState.CANCELLED),
        ("canceled", JobState.CANCELLED),
        (" FAILED ", JobState.FAILED),
    ],
)
def test_a_job_that_ended_badly(word: str, state: JobState) -> None:
    status = read({"status": word})
    assert (status.state, status.result) == (state, None)
    assert status.state.ended


def test_a_job_that_completed_has_its_result() -> None:
    status = read({"status": "completed", "resultUrl": RESULT_URL, "resultUrlExpiresInSeconds": 289})
    assert status.state is JobState.SUCCEEDED
    assert status.result is not None
    assert (status.result.url, status.result.expires_at) == (RESULT_URL, NOW + 289)
    assert not status.result.authorized
    assert "canary" not in repr(status)


def test_a_result_without_an_expiry_is_taken_as_it_is() -> None:
    status = read({"status": "completed", "resultUrl": RESULT_URL})
    assert status.result is not None
    assert (status.result.url, status.result.expires_at) == (RESULT_URL, None)


@pytest.mark.parametrize("url", [RESULT_URL, None, ""])
def test_minus_one_means_that_the_file_is_gone(url: str | None) -> None:
    status = read({"status": "completed", "resultUrl": url, "resultUrlExpiresInSeconds": -1})
    assert status.state is JobState.SUCCEEDED
    assert status.result is not None
    assert status.result.url is None
    assert status.result.expires_at == NOW - 1


@pytest.mark.parametrize("url", [None, "", " ", 7, {}, "https://h/\udfff"])
def test_completed_without_a_result_url_is_unreadable(url: Any) -> None:
    with pytest.raises(UnreadableAnswerError, match="resultUrl"):
        read({"status": "completed", "resultUrl": url, "resultUrlExpiresInSeconds": 10})


@pytest.mark.parametrize("body", [{}, {"status": None}, {"status": 7}, [], b"", b"<html>gateway"])
def test_an_answer_without_a_status_is_unreadable(body: Any) -> None:
    with pytest.raises(UnreadableAnswerError):
        read(body)


def test_an_excerpt_of_an_unreadable_answer_holds_no_signature() -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        read({"state": "completed", "resultUrl": RESULT_URL})
    assert "canary" not in str(caught.value)
    assert "s3.us-east-2" in str(caught.value)


def test_an_unknown_word_is_running_but_not_understood() -> None:
    status = read({"status": "dancing"})
    assert (status.state, status.remote_status, status.recognised) == (JobState.RUNNING, "dancing", False)


def test_an_unknown_word_cannot_carry_anything_into_events_and_logs() -> None:
    status = read({"status": f"see\n{RESULT_URL} " + "\ud800x" * 100})
    assert "canary" not in status.remote_status
    assert "\n" not in status.remote_status
    assert len(status.remote_status) <= 81


# -- 403


def test_403_after_the_status_url_s_life_is_an_expiry() -> None:
    status = read(b"", 403, NOW + 1800, x_request_id="r-1")
    assert (status.state, status.remote_status, status.request_id) == (JobState.EXPIRED, "403", "r-1")


def test_403_before_it_is_a_matter_of_rights() -> None:
    with pytest.raises(AuthorizationError):
        read(b"", 403, NOW + 1800 - EXPIRY_SLACK - 0.1)


def test_the_remote_s_own_reckoning_may_end_a_moment_before_ours() -> None:
    assert read(b"", 403, NOW + 1800 - EXPIRY_SLACK).state is JobState.EXPIRED


def test_the_slack_does_not_eat_up_a_short_life() -> None:
    short = a_handle(statusUrlExpiresInSeconds=2)
    with pytest.raises(AuthorizationError):
        ASO.read_status(short, response(403, at=NOW + 1.7))
    assert ASO.read_status(short, response(403, at=NOW + 1.8)).state is JobState.EXPIRED


def test_403_without_a_known_expiry_stays_a_matter_of_rights() -> None:
    handle = a_handle(statusUrlExpiresInSeconds=None)
    with pytest.raises(AuthorizationError):
        ASO.read_status(handle, response(403, at=NOW + 1e9))


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationError), (404, RequestRefusedError), (429, TransientError), (500, TransientError)],
)
def test_other_answers_say_nothing_about_the_job(status: int, error: type[AsyncJobError]) -> None:
    with pytest.raises(error) as caught:
        read(b"", status, NOW + 9999)
    assert caught.value.job == f"ASO job {a_handle().shown_id}"


# -- what ASO does not have


def test_nothing_can_be_cancelled_or_found() -> None:
    assert ASO.cancel(a_handle()) is None
    assert ASO.find("our-id") is None


def test_a_handle_without_a_status_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="status_url"):
        ASO.status(JobHandle("jaggaer_aso", "x", NOW))


# -- whatever comes

numbers = st.one_of(st.integers(), st.floats(), st.integers(-(10**400), 10**400))
values = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.text(st.characters()),
    st.sampled_from(["processing", "completed", "failed", RESULT_URL, "\ud800", "http://[", ""]),
    st.lists(st.integers(), max_size=2),
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "status": values,
        "resultUrl": values,
        "resultUrlExpiresInSeconds": values,
        "statusUrl": values,
        "statusUrlExpiresInSeconds": values,
    },
).map(lambda d: json.dumps(d).encode())
bodies = st.one_of(documents, st.binary(max_size=200))
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "Location", "x-request-id", "Content-Type"]), st.text(max_size=30)
)
answers = st.builds(
    HttpResponse,
    st.one_of(st.sampled_from([200, 202, 302, 401, 403, 404, 429, 500]), st.integers(0, 1000)),
    headers.map(Headers),
    bodies,
    st.floats(0, 4e9),
)


@settings(deadline=None)
@given(answers)
def test_any_answer_to_a_submission_is_a_handle_or_an_error_of_ours(answer: HttpResponse) -> None:
    try:
        handle = ASO.read_submit(answer).handle
    except AsyncJobError as e:
        assert "canary" not in str(e)  # noqa: PT017 - either way out is fine, both are looked at
    else:
        assert json.loads(json.dumps(handle.to_dict(), allow_nan=False)) == handle.to_dict()
        assert handle.status_url
        assert ASO.status(handle).url == handle.status_url


@settings(deadline=None)
@given(answers, st.one_of(st.none(), st.floats(0, 4e9)))
def test_any_answer_about_a_job_is_a_state_or_an_error_of_ours(
    answer: HttpResponse, expires_at: float | None
) -> None:
    handle = JobHandle("jaggaer_aso", "0123456789ab", NOW, STATUS_URL, expires_at)
    try:
        status = ASO.read_status(handle, answer)
    except AsyncJobError as e:
        assert "canary" not in str(e)  # noqa: PT017 - either way out is fine, both are looked at
    else:
        assert isinstance(status.state, JobState)
        assert status.remote_status.isprintable()
        assert "canary" not in status.remote_status
        assert (status.result is not None) == (status.state is JobState.SUCCEEDED)
        if status.result is not None and status.result.url is not None:
            assert status.result.url.isascii()


# -- from a name to a protocol


def test_a_name_and_a_dotted_path_lead_to_the_protocol() -> None:
    assert protocol_class("jaggaer_aso") is JaggaerAsoProtocol
    path = "airflow_async_provider.protocols._jaggaer_aso.JaggaerAsoProtocol"
    assert protocol_class(path) is JaggaerAsoProtocol
    assert isinstance(protocol_of(a_handle()), JaggaerAsoProtocol)


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "json.loads", "json.JSONDecoder", "no.such.Module", "json.NoSuch", ".x", "..", "x."],
)
def test_what_is_no_protocol_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        protocol_class(name)


def test_options_that_a_protocol_does_not_take_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="options"):
        protocol_for("jaggaer_aso", {"no_such": 1})
