# SPDX-License-Identifier: Apache-2.0
"""What all answers have in common: Retry-After, request ids, excerpts, and the errors of status codes."""

from __future__ import annotations

import json
from email.utils import formatdate
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    AuthorizationError,
    OriginError,
    RemoteError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpRequest, HttpResponse, JobHandle, excerpt
from airflow_async_provider.protocols._responses import (
    MAX_RETRY_AFTER,
    http_date,
    is_transient,
    raise_for_answer,
    request_id,
    retry_after,
)

NOW = 1_700_000_000.0
HOUR = 3600.0


def answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, Headers(named), body, received_at=NOW, url="https://remote.example/x?sig=s")


def asked(value: str, **headers: str) -> float | None:
    return retry_after(Headers({"retry-AFTER": value, **headers}), NOW)


# -- Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("  7 ", 7),
        ("0", 0),
        ("1.5", 1.5),
        ("-5", 0),
        ("1e3", 1000),
        ("9" * 400, MAX_RETRY_AFTER),
        ("999999999", MAX_RETRY_AFTER),
    ],
)
def test_retry_after_in_seconds(value: str, seconds: float) -> None:
    assert asked(value) == seconds


@pytest.mark.parametrize(
    "value", ["", " ", "soon", "nan", "inf", "-inf", "1 2", "Fri, 31 Foo 1999 23:59:59 GMT", "12:30"]
)
def test_a_retry_after_that_says_nothing(value: str) -> None:
    assert asked(value) is None


def test_no_retry_after_at_all() -> None:
    assert retry_after(Headers(), NOW) is None


def test_retry_after_as_a_date() -> None:
    assert asked(formatdate(NOW + 90, usegmt=True)) == 90


def test_a_date_in_the_past_means_now() -> None:
    assert asked(formatdate(NOW - 90, usegmt=True)) == 0


@pytest.mark.parametrize("off", [HOUR, -HOUR, 30 * 24 * HOUR])
def test_a_remote_whose_clock_is_off_still_gets_its_wish(off: float) -> None:
    their_now = NOW + off
    wish = formatdate(their_now + 45, usegmt=True)
    assert asked(wish, Date=formatdate(their_now, usegmt=True)) == 45


def test_a_broken_date_header_leaves_our_own_clock() -> None:
    assert asked(formatdate(NOW + 45, usegmt=True), Date="yesterday") == 45


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_retry_after_breaks_anything(value: str, date: str) -> None:
    seconds = asked(value, Date=date)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@settings(deadline=None)
@given(
    st.one_of(
        st.text(alphabet="0123456789:;,+-.GMTadeFnSuZ ", max_size=40),
        st.builds(
            "{}, {} {} {} {}:{}:{} {}".format,
            st.sampled_from(["Fri", "Mon", ""]),
            st.integers(-1, 99),
            st.sampled_from(["Dec", "Feb", "13"]),
            st.integers(-1, 99999),
            st.integers(-1, 99),
            st.integers(-1, 99),
            st.integers(-1, 99),
            st.sampled_from(["GMT", "+0000", "-9999", "+99999999", "EST", ""]),
        ),
    )
)
def test_no_date_breaks_anything(value: str) -> None:
    moment = http_date(value)
    assert moment is None or isinstance(moment, float)


# -- request ids


def test_the_request_id_of_the_vendor_goes_first() -> None:
    assert request_id(Headers({"X-Request-ID": "x-1", "Elements-Request-Id": "e-1"})) == "e-1"
    assert request_id(Headers({"X-Request-ID": "x-1", "Elements-Request-Id": ""})) == "x-1"
    assert request_id(Headers()) is None


def test_an_address_is_no_request_id() -> None:
    assert request_id(Headers({"X-Request-ID": "https://files.example/r?sig=secret"})) is None
    assert request_id(Headers({"X-Request-ID": "Root=1-67891233-abcdef/0="})) == "Root=1-67891233-abcdef/0="


def test_a_request_id_stays_on_its_line_and_short() -> None:
    found = request_id(Headers({"x-request-id": "abc\r\n\tERROR forged " + "x" * 500}))
    assert found is not None
    assert found.startswith("abc ERROR forged x")
    assert len(found) == 200


# -- status codes


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_no_error(status: int) -> None:
    raise_for_answer(answer(status), job="j", doing="asking for")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationError),
        (403, AuthorizationError),
        (301, OriginError),
        (302, OriginError),
        (304, OriginError),
        (400, RequestRefusedError),
        (404, RequestRefusedError),
        (410, RequestRefusedError),
        (422, RequestRefusedError),
        (408, TransientError),
        (425, TransientError),
        (429, TransientError),
        (500, TransientError),
        (502, TransientError),
        (503, TransientError),
        (599, TransientError),
        (501, UnreadableAnswerError),
        (505, UnreadableAnswerError),
        (100, UnreadableAnswerError),
        (600, UnreadableAnswerError),
        (999, UnreadableAnswerError),
    ],
)
def test_every_status_has_its_error(status: int, error: type[AsyncJobError]) -> None:
    with pytest.raises(RemoteError) as caught:
        raise_for_answer(
            answer(status, b'{"message": "because"}', x_request_id="r-1"), job="job 7", doing="asking for"
        )
    assert type(caught.value) is error
    assert (caught.value.http_status, caught.value.request_id, caught.value.job) == (status, "r-1", "job 7")
    assert f"HTTP {status}" in str(caught.value)
    assert "job 7" in str(caught.value)
    assert "r-1" in str(caught.value)
    assert is_transient(status) == (error is TransientError)


def test_a_transient_error_brings_its_retry_after() -> None:
    with pytest.raises(TransientError) as caught:
        raise_for_answer(answer(429, retry_after="17"), job="j", doing="asking for")
    assert caught.value.retry_after == 17
    assert caught.value.sent


def test_a_redirect_that_was_not_followed_says_where_to_but_no_more() -> None:
    with pytest.raises(OriginError) as caught:
        raise_for_answer(
            answer(302, location="https://u:pw@Other.example:8443/canary?canary"), job="j", doing="d"
        )
    assert "https://other.example" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("location", ["", "/relative?canary", "http://[canary", "//[::1"])
def test_a_redirect_to_nowhere_is_still_told(location: str) -> None:
    with pytest.raises(OriginError) as caught:
        raise_for_answer(answer(307, location=location), job="j", doing="d")
    assert "canary" not in str(caught.value)


@settings(deadline=None)
@given(st.integers(0, 1100), st.binary(max_size=300), st.text(max_size=40))
def test_any_status_ends_in_our_tree(status: int, body: bytes, header: str) -> None:
    response = answer(status, body, retry_after=header, date=header)
    if 200 <= status < 300:
        raise_for_answer(response, job="j", doing="d")
    else:
        with pytest.raises(RemoteError) as caught:
            raise_for_answer(response, job="j", doing="d")
        assert caught.value.http_status == status


# -- excerpts

SIGNED = "https://s3.example/bucket/key?X-Amz-Date=20200908&X-Amz-Signature=canary5e7"


@pytest.mark.parametrize(
    "text",
    [
        SIGNED,
        f"see {SIGNED} for more",
        f'{{"status":"odd","resultUrl":"{SIGNED}","x":1}}',
        json.dumps({"resultUrl": SIGNED}).replace("/", "\\/"),
        json.dumps({"resultUrl": SIGNED}).replace("&", "\\u0026"),
        f"<Url>{SIGNED.replace('&', '&amp;')}</Url>",
        "https://s3.example/with space?X-Amz-Signature=canary5e7",
        "https://s3.example/k?X-Amz-Date=2020 0908&X-Amz-Signature=canary5e7",
        "https://s3.example/k?canary5e7",
        "/bucket/key?sig=canary5e7",
        "Authorization: Bearer canary5e7",
        "authorization:\nbasic Y2FuYXJ5canary5e7",
        "the token 'Bearer canary5e7' is not known",
        '{"access_token": "canary5e7"}',
        '{"access_token":"canary5e7"}',
        '{\\"refresh_token\\":\\"canary5e7\\"}',
        "client_secret=canary5e7&scope=x",
        "X-API-Key: canary5e7",
        "api_key=canary5e7",
        "<Password>canary5e7</Password>",
        "X-Amz-Signature%3Dcanary5e7",
        "X-Amz-Security-Token=canary5e7",
        "sig=canary5e7",
    ],
)
def test_an_excerpt_masks_what_looks_secret(text: str) -> None:
    assert "canary" not in excerpt(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "Bad Request",
        "The bearer token has expired",
        "basic design: no such endpoint",
        "What? No.",
        '{"error":"invalid_token"}',
        '{"requestId":"5b0437c6e4b07731ae39b533","message":"No account found with ID 123456"}',
        "<Code>SignatureDoesNotMatch</Code>",
    ],
)
def test_an_excerpt_leaves_what_helps(text: str) -> None:
    assert excerpt(text.encode()) == text


def test_an_excerpt_is_bounded_and_on_one_line() -> None:
    shown = excerpt(b"a\r\nb\x1b[31m\x00c " + b"x" * 100_000, limit=50)
    assert shown.startswith("a b [31m c x")
    assert len(shown) == 51
    assert shown.isprintable()


secrets = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_.~", min_size=12, max_size=40).map(
    "Zq9-{}".format
)


@settings(deadline=None)
@given(st.text(max_size=80), secrets, st.text(max_size=80), st.booleans())
def test_no_query_gets_into_an_excerpt(before: str, secret: str, after: str, as_json: bool) -> None:
    url = f"https://s3.example/{quote(before[:10])}key?X-Amz-Signature={secret}&X-Amz-Expires=300"
    text = json.dumps({before: url, "after": after}) if as_json else f"{before} {url} {after}"
    assert secret not in excerpt(text.encode("utf-8", "replace"), 10_000)


@settings(deadline=None)
@given(st.binary(max_size=1000), st.integers(1, 300))
def test_any_bytes_have_an_excerpt(body: bytes, limit: int) -> None:
    shown = excerpt(body, limit)
    assert len(shown) <= limit + 1
    assert shown.isprintable()


# -- what the data types show


def test_no_repr_shows_what_travels() -> None:
    canary = "canary5e7"
    request = HttpRequest(
        "POST",
        f"https://h/{canary}?{canary}",
        params={"p": canary},
        json={"j": canary},
        body=canary.encode(),
        headers={"Authorization": canary},
    )
    handle = JobHandle("jaggaer_aso", "id", 1.0, status_url=f"https://h/{canary}")
    response = HttpResponse(200, Headers({"Set-Cookie": canary}), canary.encode(), 1.0, f"https://h/{canary}")
    assert canary not in repr([request, handle, response])
    assert "POST" in repr(request)


# -- headers, handles


def test_header_names_have_no_case() -> None:
    headers = Headers([("Retry-After", "1"), ("RETRY-AFTER", "2"), ("X", "y")])
    assert headers["retry-after"] == "2"
    assert sorted(headers) == ["RETRY-AFTER", "X"]
    assert len(headers) == 2
    assert headers.get("nothing") is None
    assert "2" not in repr(headers)


def test_a_handle_survives_its_dictionary() -> None:
    handle = JobHandle("p", "j", 1.5, "https://h/s", 9.0, {"a": 1}, {"b": [2]})
    assert JobHandle.from_dict(json.loads(json.dumps(handle.to_dict()))) == handle


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "text",
        [],
        {},
        {"protocol": "p"},
        {"protocol": "p", "job_id": "j", "version": 2},
        {"protocol": "p", "job_id": "j", "submitted_at": [1]},
        {"protocol": "p", "job_id": "j", "submitted_at": 10**400},
        {"protocol": "p", "job_id": "j", "expires_at": "soon"},
        {"protocol": "p", "job_id": "j", "options": 7},
        {"protocol": "p", "job_id": "j", "data": "text"},
    ],
)
def test_what_is_no_handle_is_said_to_be_none(wrong: object) -> None:
    with pytest.raises(ValueError, match="job handle"):
        JobHandle.from_dict(wrong)


def test_a_handle_of_an_odd_version_field_is_read() -> None:
    assert JobHandle.from_dict({"protocol": "p", "job_id": 7, "version": None, "later": 1}).job_id == "7"


@pytest.mark.parametrize("body", [b"", b"[1]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000])
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        answer(200, body).json_object(job="j")
    assert caught.value.http_status == 200
