# SPDX-License-Identifier: Apache-2.0
"""Cookies and CSRF token of one job: who gets them back, and how many are kept."""

from __future__ import annotations

import pytest

from airflow_async_provider._transport.session import MAX_COOKIE, MAX_COOKIES, Session
from airflow_async_provider.errors import AuthorizationError
from airflow_async_provider.protocols import Headers, HttpRequest, HttpResponse

A = "https://a.example"


def cookies(session: Session, url: str = f"{A}/x") -> str:
    return session.headers_for("GET", url).get("Cookie", "")


def answer(status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(
        status, Headers({k.replace("_", "-"): v for k, v in headers.items()}.items()), b"", 0.0
    )


# -- cookies


def test_a_cookie_goes_back_to_the_origin_that_has_set_it_and_nowhere_else() -> None:
    session = Session()
    session.take(f"{A}/login", ["sid=1; HttpOnly; Secure", 'q="two words"'])
    assert cookies(session) == 'sid=1; q="two words"'
    assert cookies(session, A) == 'sid=1; q="two words"'  # an address without a path
    for elsewhere in ("https://b.example/x", "http://a.example/x", f"{A}:8443/x", "https://x.a.example/x"):
        assert cookies(session, elsewhere) == ""


@pytest.mark.parametrize(
    ("path", "goes"), [("/sap", True), ("/sap/", True), ("/sap/a/b", True), ("/sapling", False), ("/", False)]
)
def test_a_cookie_of_a_path_goes_below_that_path(path: str, goes: bool) -> None:
    session = Session()
    session.take(f"{A}/login", ["sid=1; Path=/sap"])
    assert bool(cookies(session, A + path)) is goes


def test_a_cookie_without_a_usable_path_is_the_whole_origin_s() -> None:
    session = Session()
    session.take(f"{A}/deep/down", ["sid=1; Path=sap"])
    assert cookies(session) == "sid=1"


def test_the_latest_value_counts_and_a_cookie_of_no_age_is_gone() -> None:
    session = Session()
    session.take(A, ["sid=1", "other=1"])
    session.take(A, ["sid=2"])
    assert cookies(session) == "sid=2; other=1"
    session.take(A, ["sid=; Max-Age=0"])
    assert cookies(session) == "other=1"


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ("Max-Age=-100", False),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("Expires=Thu, 01-Jan-1970 00:00:01 GMT", False),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("Expires=Fri, 31 Dec 2100 00:00:00 GMT", True),
        ("Expires=never", True),
        ("Max-Age=long", True),
    ],
)
def test_a_cookie_that_is_over_is_deleted(attributes: str, kept: bool) -> None:
    session = Session()
    session.take(A, ["sid=1"])
    session.take(A, [f"sid=2; {attributes}"])
    assert cookies(session) == ("sid=2" if kept else "")


def test_a_remote_cannot_fill_the_memory() -> None:
    session = Session()
    session.take(A, [f"c{number}=1" for number in range(MAX_COOKIES + 10)])
    assert len(cookies(session).split("; ")) == MAX_COOKIES
    session.take(A, ["c0=2"])  # one that is known is not one more
    assert "c0=2" in cookies(session)
    session = Session()
    session.take(A, ["long=" + "x" * MAX_COOKIE])
    assert cookies(session) == ""


@pytest.mark.parametrize("text", ["", "no cookie", "=1", "a\r\nX-Injected: 1=1", "a=\x001"])
def test_what_is_no_cookie_is_not_kept_and_disturbs_nobody(text: str) -> None:
    session = Session()
    session.take(A, [text, "sid=1"])
    assert cookies(session) == "sid=1"


def test_its_repr_shows_no_value() -> None:
    session = Session()
    session.take(A, ["sid=canary"])
    assert repr(session) == "Session(1 cookies)"


# -- the CSRF token


def test_a_token_is_fetched_before_the_first_change_and_sent_with_changes_only() -> None:
    session = Session(csrf="odata/")
    assert session.csrf_request(HttpRequest("GET", "x")) is None
    fetching = session.csrf_request(HttpRequest("POST", "x"))
    assert fetching is not None
    assert (fetching.method, fetching.url, fetching.headers["X-CSRF-Token"]) == ("GET", "odata/", "Fetch")
    session.take_csrf(answer(404, x_csrf_token="t-1"))  # whatever the status
    assert session.csrf_request(HttpRequest("POST", "x")) is None
    assert session.headers_for("POST", A) == {"X-CSRF-Token": "t-1"}
    assert session.headers_for("DELETE", A) == {"X-CSRF-Token": "t-1"}
    assert session.headers_for("GET", A) == {}


def test_a_remote_without_tokens_is_asked_for_none() -> None:
    session = Session()
    assert session.csrf_request(HttpRequest("POST", "x")) is None
    assert not session.csrf_refused(answer(403, x_csrf_token="Required"))


@pytest.mark.parametrize("token", [None, "", "Fetch", "Required"])
def test_an_answer_without_a_token_says_what_to_set(token: str | None) -> None:
    headers = {} if token is None else {"x_csrf_token": token}
    session = Session(csrf="x")
    with pytest.raises(AuthorizationError, match=r"no CSRF token \(HTTP 200.*not sent.*Set csrf") as caught:
        session.take_csrf(answer(200, **headers))
    assert caught.value.http_status == 200
    assert session.headers_for("POST", A) == {}


def test_a_refused_token_is_forgotten() -> None:
    session = Session(csrf="x")
    session.take_csrf(answer(x_csrf_token="t-1"))
    for other in (answer(403), answer(403, x_csrf_token="t-2"), answer(401, x_csrf_token="Required")):
        assert not session.csrf_refused(other)
    assert session.headers_for("POST", A) == {"X-CSRF-Token": "t-1"}
    assert session.csrf_refused(answer(403, x_csrf_token=" required "))
    assert session.csrf_request(HttpRequest("POST", "x")) is not None
    assert session.headers_for("POST", A) == {}
