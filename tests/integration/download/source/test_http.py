# SPDX-License-Identifier: Apache-2.0
"""Reading a result URL over real sockets: resuming, patience, refusals, and what never goes over the wire."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download import DownloadRetryPolicy, HttpSource, worker_thread
from airflow_async_provider._download.limits import Bounds, DownloadLimits
from airflow_async_provider._download.source.http_connection import UrlOpener
from airflow_async_provider._transport.environment import CA_VARIABLES
from airflow_async_provider.errors import (
    ConfigurationError,
    DownloadError,
    OriginError,
    ResultChangedError,
    ResultExpiredError,
    ResultMissingError,
)
from tests.support.byte_server import (
    EXPIRED,
    ByteServer,
    Exchange,
    change,
    hang_up,
    make_certificate,
    redirect,
    running,
    serve,
    status,
)

CONTENT = random.Random(7).randbytes(1_500_000)
OTHER = random.Random(8).randbytes(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(content=CONTENT) as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Slept(list[float]):
    """A sleep that only notes for how long."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def source_of(server: ByteServer, url: str = "", **settings: Any) -> HttpSource:
    settings.setdefault("sleep", Slept())
    names = ("headers", "credentials", "verify", "proxy", "timeout")
    asked = {name: settings.pop(name) for name in names if name in settings}
    return HttpSource(UrlOpener(url or server.url, **{"timeout": (2.0, 5.0), **asked}), **settings)


def read_all(source: HttpSource) -> bytes:
    try:
        return b"".join(iter(source.read, b""))
    finally:
        source.close()


# -- the plain way ------------------------------------------------------------------------------------------


def test_whole_object_with_what_the_server_says_about_it(server: ByteServer) -> None:
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert source.sha256 == SHA256
    assert (source.length, source.content_type, source.etag) == (len(CONTENT), "text/csv", '"v1"')
    assert (source.offset, source.resumes, source.content_encoding) == (len(CONTENT), 0, None)
    assert server.ranges == [None]


def test_empty_object(server: ByteServer) -> None:
    server.content = b""
    source = source_of(server)
    assert read_all(source) == b""
    assert source.length == 0
    assert source.read() == b""


@pytest.mark.parametrize("how", [{"chunked": True}, {"until_close": True}])
def test_length_that_is_not_announced(server: ByteServer, how: dict[str, Any]) -> None:
    server.steps = [serve(**how)]
    source = source_of(server)
    source.open()
    assert source.length is None
    assert read_all(source) == CONTENT


def test_compressed_bytes_stay_as_they_are(server: ByteServer) -> None:
    server.headers["Content-Encoding"] = "gzip"
    source = source_of(server)
    assert read_all(source) == CONTENT  # not even valid gzip: nobody tried to decode it
    assert source.content_encoding == "gzip"
    assert server.requests[0].headers["accept-encoding"] == "identity"


# -- the connection breaks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1"]
)
def test_half_a_head_is_no_answer(server: ByteServer, head: bytes) -> None:
    """Whatever it lacks, it does not say that the result has no bytes."""

    def broken(exchange: Exchange) -> None:
        exchange.last = True
        exchange.connection.sendall(head)

    server.steps = [broken]
    assert read_all(source_of(server)) == CONTENT
    assert len(server.requests) == 2


def test_a_head_without_an_end_is_given_up_and_asked_for_again(server: ByteServer) -> None:
    pieces = iter(range(200))  # for ten seconds, each sooner than a silence is one

    def dripping(exchange: Exchange) -> None:
        exchange.last = True
        exchange.connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        with contextlib.suppress(OSError):
            for _ in pieces:
                exchange.connection.sendall(b"y")
                time.sleep(0.05)

    server.steps = [dripping]
    assert read_all(source_of(server, timeout=(0.2, 0.3))) == CONTENT
    assert next(pieces, None) is not None, "it was listened to until it ended"


@pytest.mark.parametrize("how", ["close", "reset", "silence"])
def test_goes_on_where_the_connection_broke(server: ByteServer, how: str) -> None:
    server.steps = [serve(cut=400_000, how=how), serve(cut=300_000, how=how)]
    source = source_of(server, timeout=(2.0, 0.3))
    assert read_all(source) == CONTENT
    assert source.sha256 == SHA256
    assert source.resumes == 2
    first, second, third = server.requests
    assert first.headers.get("range") is None
    # A reset may throw away what the client had not read yet, hence at most what was sent.
    assert 0 < int(second.headers["range"].removeprefix("bytes=").removesuffix("-")) <= 400_000
    assert second.headers["if-match"] == third.headers["if-match"] == '"v1"'


@pytest.mark.parametrize("how", ["close", "reset", "silence"])
def test_goes_on_over_tls(tmp_path: Path, how: str) -> None:
    certificate = make_certificate(tmp_path / "own.pem")
    with running(content=CONTENT, tls=certificate) as server:
        server.steps = [serve(cut=400_000, how=how), serve(cut=300_000, how=how)]
        source = source_of(server, verify=str(certificate), timeout=(2.0, 0.3))
        assert read_all(source) == CONTENT
        assert (source.sha256, source.resumes) == (SHA256, 2)


def test_chunked_body_that_ends_short_is_resumed(server: ByteServer) -> None:
    server.steps = [serve(cut=210_000, chunked=True), serve(chunked=True)]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert server.ranges == [None, "bytes=210000-"]


def test_no_answer_at_all_is_tried_again(server: ByteServer) -> None:
    server.steps = [hang_up(), hang_up(reset=True)]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert len(server.requests) == 3


def test_refused_connection_is_given_up_after_the_attempts(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server:
        url = server.url
    slept = Slept()
    source = HttpSource(url, sleep=slept, retry_policy=DownloadRetryPolicy(max_attempts=3))
    with pytest.raises(DownloadError, match="3 attempts in a row") as caught:
        source.read()
    assert "Connection refused" in str(caught.value)
    assert len(slept) == 2
    assert "SECRETSIGNATURE" not in str(caught.value) + caplog.text


def test_pauses_grow_with_jitter_and_are_bounded(server: ByteServer) -> None:
    server.steps = [hang_up()] * 10
    slept = Slept()
    rules = DownloadRetryPolicy(max_attempts=8, first_wait=1, max_wait=5)
    with pytest.raises(DownloadError):
        source_of(server, sleep=slept, retry_policy=rules).read()
    assert len(server.requests) == 8
    for wait, bound in zip(slept, [1, 2, 4, 5, 5, 5, 5], strict=True):
        assert bound / 2 <= wait <= bound


def test_a_server_that_gives_a_few_bytes_per_connection_is_given_up(server: ByteServer) -> None:
    server.steps = [serve(cut=10)] * 50
    with pytest.raises(DownloadError, match=r"broke off after .* of 1500000 bytes"):
        read_all(source_of(server))
    assert len(server.requests) == 5


def test_progress_sets_the_attempts_back(server: ByteServer) -> None:
    server.steps = [serve(cut=100_000)] * 14
    source = source_of(server, retry_policy=DownloadRetryPolicy(max_attempts=2))
    assert read_all(source) == CONTENT
    assert source.resumes == 14


def test_untrusted_certificate_is_final(tmp_path: Path) -> None:
    with running(content=CONTENT, tls=make_certificate(tmp_path / "own.pem")) as server:
        slept = Slept()
        with pytest.raises(DownloadError, match="certificate is not trusted"):
            source_of(server, sleep=slept).read()
        assert slept == []


@pytest.mark.parametrize("way", ["argument", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_own_certificate_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    certificate = make_certificate(tmp_path / "own.pem")
    verify: bool | str = str(certificate)
    if way != "argument":
        monkeypatch.setenv(way, str(certificate))
        verify = True
    with running(content=CONTENT, tls=certificate) as server:
        assert read_all(source_of(server, verify=verify)) == CONTENT


def test_a_ca_file_that_is_not_there_is_named_at_once(server: ByteServer, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    slept = Slept()
    with (
        running(content=CONTENT, tls=make_certificate(tmp_path / "own.pem")) as safe,
        pytest.raises(ConfigurationError, match=r"none\.pem.* does not exist"),
    ):
        source_of(safe, verify=missing, sleep=slept).read()
    assert slept == []
    # Without TLS nobody asks for it.
    assert read_all(source_of(server, verify=missing)) == CONTENT


# -- is the rest part of the same object? -------------------------------------------------------------------


def test_another_etag_is_a_change(server: ByteServer) -> None:
    server.steps = [serve(cut=400_000), change(serve(), etag='"v2"', content=OTHER)]
    with pytest.raises(ResultChangedError, match="changed after") as caught:
        read_all(source_of(server))
    assert caught.value.http_status == 412


def test_another_etag_is_a_change_even_if_the_server_ignores_if_match(server: ByteServer) -> None:
    server.steps = [serve(cut=400_000), serve(headers={"ETag": '"v2"'})]
    with pytest.raises(ResultChangedError, match="ETag"):
        read_all(source_of(server))


def test_another_length_is_a_change(server: ByteServer) -> None:
    server.etag = None
    server.steps = [serve(cut=400_000), change(serve(), content=CONTENT + b"more")]
    with pytest.raises(ResultChangedError, match="1500004 bytes now, 1500000 before"):
        read_all(source_of(server))


def test_shrunken_object_is_a_change(server: ByteServer) -> None:
    server.steps = [serve(cut=400_000), status(416)]
    with pytest.raises(ResultChangedError):
        read_all(source_of(server))


def test_what_was_read_before_a_restart_does_not_count_to_the_limit(server: ByteServer) -> None:
    source = source_of(server)
    source.bounds = Bounds(DownloadLimits(max_bytes=2_000_000))
    while source.offset < 700_000:
        assert source.read()
    assert source.restart()
    assert read_all(source) == CONTENT
    assert not source.restart()


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_strong_etag_the_beginning_is_compared(server: ByteServer, etag: str | None) -> None:
    server.etag = etag
    server.steps = [serve(cut=400_000), serve(cut=500_000)]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert source.sha256 == SHA256
    assert server.ranges == [None, None, None]


def test_without_strong_etag_another_beginning_is_a_change(server: ByteServer) -> None:
    server.etag = None
    server.steps = [serve(cut=400_000), change(serve(), content=OTHER)]
    with pytest.raises(ResultChangedError, match="other bytes"):
        read_all(source_of(server))


def test_whole_answer_to_a_range_is_compared_and_read_on(server: ByteServer) -> None:
    server.steps = [serve(cut=400_000), serve(ignore_range=True)]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert server.ranges == [None, "bytes=400000-"]


@pytest.mark.parametrize(
    "oddity",
    [
        {"headers": {"Content-Range": "bytes 1-1499999/1500000"}},
        {"headers": {"Content-Range": "elephants"}},
        {"headers": {"Content-Range": "bytes 400000-1499999/" + "9" * 5000}},
        {"headers": {"Content-Range": f"bytes {'0' * 5000}400000-1499999/1500000"}},
        {"drop": ("ETag",)},
    ],
)
def test_range_answer_that_cannot_be_trusted_leads_to_the_whole(
    server: ByteServer, oddity: dict[str, Any]
) -> None:
    server.steps = [serve(cut=400_000), serve(**oddity)]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert server.ranges == [None, "bytes=400000-", None]


@pytest.mark.parametrize("length", ["9" * 5000, "\xb2", "0x3", "-3", "3.0"])
def test_a_length_that_is_no_number_is_none(server: ByteServer, length: str) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": length, "Connection": "close"})
        exchange.connection.sendall(b"abc")
        exchange.last = True

    server.steps = [answer]
    source = source_of(server)
    assert (read_all(source), source.length) == (b"abc", None)


def test_range_answer_without_the_whole_length_is_fine(server: ByteServer) -> None:
    server.steps = [serve(cut=400_000), serve(headers={"Content-Range": "bytes 400000-1499999/*"})]
    assert read_all(source_of(server)) == CONTENT


def test_break_while_the_beginning_is_compared(server: ByteServer) -> None:
    server.etag = None
    server.steps = [serve(cut=400_000), serve(cut=100_000), serve(cut=200_000, how="reset")]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert len(server.requests) == 4


def test_server_that_says_it_has_no_ranges_is_believed(server: ByteServer) -> None:
    server.headers["Accept-Ranges"] = "none"
    server.steps = [serve(cut=400_000)]
    assert read_all(source_of(server)) == CONTENT
    assert server.ranges == [None, None]


def test_starting_over_after_a_change_works_once(server: ByteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_thread, "WORTH_A_THREAD", 1000)
    server.steps = [serve(cut=400_000), change(serve(), etag='"v2"', content=OTHER)]
    source = source_of(server)
    with pytest.raises(ResultChangedError):
        b"".join(iter(source.read, b""))
    assert source.restart()
    assert read_all(source) == OTHER
    assert source.sha256 == hashlib.sha256(OTHER).hexdigest()
    assert source.etag == '"v2"'
    assert not source.restart()
    source.close()
    assert "sha256" not in [thread.name for thread in threading.enumerate()]


# -- refusals -----------------------------------------------------------------------------------------------


def test_expired_url(server: ByteServer) -> None:
    server.steps = [status(403, EXPIRED)]
    with pytest.raises(ResultExpiredError, match="Request has expired") as caught:
        source_of(server).read()
    assert caught.value.http_status == 403
    assert caught.value.request_id == "4442587FB7D0A2F9"
    assert len(server.requests) == 1


def test_url_that_expires_in_the_middle(server: ByteServer) -> None:
    server.steps = [serve(cut=400_000), status(403, EXPIRED)]
    with pytest.raises(ResultExpiredError):
        read_all(source_of(server))


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (
            403,
            b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
            "does not give access",
        ),
        (302, b"", "HTTP 302"),
    ],
)
def test_refusals_are_final_and_say_why(server: ByteServer, code: int, body: bytes, words: str) -> None:
    server.steps = [status(code, body)]
    with pytest.raises(DownloadError, match=words) as caught:
        source_of(server).read()
    assert caught.value.http_status == code
    assert len(server.requests) == 1
    assert "SECRETSIGNATURE" not in str(caught.value)


def test_overload_is_waited_out_as_long_as_the_server_asks(server: ByteServer) -> None:
    server.steps = [
        status(503, headers={"Retry-After": "7"}),
        status(429, headers={"Retry-After": "100000"}),
        status(400, b"<Error><Code>RequestTimeout</Code><Message>idle</Message></Error>"),
    ]
    slept = Slept()
    source = source_of(server, sleep=slept, retry_policy=DownloadRetryPolicy(max_wait=60))
    assert read_all(source) == CONTENT
    assert slept[:2] == [7, 60]


def test_error_body_that_breaks_off_or_never_ends(server: ByteServer) -> None:
    endless = b"<Error><Code>Odd</Code>" + b"x" * 3_000_000

    def broken(exchange: Any) -> None:
        exchange.head(403, {"Content-Length": 500})
        exchange.connection.sendall(b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message>")
        exchange.last = True

    server.steps = [broken, status(400, endless)]
    with pytest.raises(ResultExpiredError):
        source_of(server).read()
    with pytest.raises(DownloadError, match="Odd"):
        source_of(server).read()


# -- not there yet ------------------------------------------------------------------------------------------


def test_404_at_the_start_is_waited_for(server: ByteServer) -> None:
    server.steps = [status(404)] * 4
    slept = Slept()
    assert read_all(source_of(server, sleep=slept)) == CONTENT
    assert len(slept) == 4
    assert slept == sorted(slept)


def test_404_is_given_up_after_the_patience(server: ByteServer) -> None:
    server.steps = [status(404, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")] * 50
    slept = Slept()
    with pytest.raises(ResultMissingError, match=r"not there after 30 s.*NoSuchKey") as caught:
        source_of(server, sleep=slept).read()
    assert sum(slept) == pytest.approx(30)
    assert caught.value.http_status == 404


def test_no_patience(server: ByteServer) -> None:
    server.steps = [status(404)]
    with pytest.raises(ResultMissingError, match=r"not there\. "):
        source_of(server, retry_policy=DownloadRetryPolicy(patience_404=0)).read()
    assert len(server.requests) == 1


def test_404_in_the_middle_is_final(server: ByteServer) -> None:
    server.steps = [serve(cut=400_000), status(404)]
    with pytest.raises(ResultMissingError):
        read_all(source_of(server))


# -- what goes over the wire --------------------------------------------------------------------------------

TRICKY = [
    "/a%2Fb/c%2fd?X-Amz-Credential=AKID%2F20260101%2Fus-east-1&sig=a%2bb+c~d%7Ee=f==&x=%c3%a9&empty=&&",
    "/with%20space/%7Euser/(paren)/'quote'!*;:@&=$,?q=a b".replace(" b", "%20b"),
    "/dots/../and/./dots?path=../..",
    "//double//slash?a=?b=/c",
    '/pipe|and{braces}^`?x=[1]|\\"<>',
    "/%E4%BD%A0?%e4%bd%a0=%zz%",
    "?only=query",
    "",
]


@pytest.mark.parametrize("target", TRICKY)
def test_url_is_sent_byte_for_byte(server: ByteServer, target: str) -> None:
    assert read_all(source_of(server, server.origin + target)) == CONTENT
    assert server.requests[0].target == (target if target.startswith("/") else "/" + target)


def test_what_no_request_line_can_hold_is_encoded(server: ByteServer) -> None:
    assert read_all(source_of(server, server.origin + "/naïve?q=ü\r\nX-Evil: 1#fragment")) == CONTENT
    assert server.requests[0].target == "/na%C3%AFve?q=%C3%BC%0D%0AX-Evil:%201"
    assert "x-evil" not in server.requests[0].headers


def test_nothing_but_the_needed_headers(
    server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password SECRETNETRC\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.headers["Set-Cookie"] = "session=SECRETCOOKIE; Path=/"
    server.steps = [serve(cut=400_000)]
    assert read_all(source_of(server)) == CONTENT
    for request in server.requests:
        assert set(request.headers) <= {
            "host",
            "accept",
            "accept-encoding",
            "user-agent",
            "connection",
            "range",
            "if-match",
        }


def test_caller_headers_go_to_the_own_origin_only(server: ByteServer) -> None:
    with running(content=CONTENT) as elsewhere:
        server.steps = [redirect("/moved", 307), redirect(elsewhere.url, 303)]
        assert read_all(source_of(server, headers={"Accept": "text/csv", "X-Tenant": "7"})) == CONTENT
    assert [r.headers.get("x-tenant") for r in server.requests] == ["7", "7"]
    assert [r.headers["accept"] for r in server.requests] == ["text/csv", "text/csv"]
    assert "x-tenant" not in elsewhere.requests[0].headers
    assert elsewhere.requests[0].headers["accept"] == "*/*"


def test_redirect_target_is_sent_byte_for_byte_and_asked_again_when_resuming(server: ByteServer) -> None:
    target = "/x%2fy?sig=a%2bb~%7E"
    with running(content=CONTENT) as elsewhere:
        elsewhere.steps = [serve(cut=400_000)]
        server.steps = [redirect(elsewhere.origin + target)] * 2
        assert read_all(source_of(server)) == CONTENT
    assert [r.target for r in elsewhere.requests] == [target, target]
    assert server.ranges == [None, "bytes=400000-"]


def test_redirect_to_a_unicode_address(server: ByteServer) -> None:
    server.steps = [redirect("/größe")]
    assert read_all(source_of(server)) == CONTENT
    assert server.requests[1].target == "/gr%C3%B6%C3%9Fe"


def test_redirects_end(server: ByteServer) -> None:
    server.steps = [redirect("/again")] * 20
    with pytest.raises(DownloadError, match="more than 5 times"):
        source_of(server).read()
    assert len(server.requests) == 6


def test_redirect_from_https_to_http_is_refused(server: ByteServer, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "own.pem")
    with (
        running(tls=certificate, steps=[redirect(server.url)]) as safe,
        pytest.raises(DownloadError, match="from https to http") as caught,
    ):
        source_of(safe, verify=str(certificate)).read()
    assert server.requests == []
    assert "SECRETSIGNATURE" not in str(caught.value)


@pytest.mark.parametrize("location", ["ftp://host/x", "http://host:99999/x", "http://user:SECRETPW@host/x"])
def test_redirect_to_a_strange_place_is_refused(server: ByteServer, location: str) -> None:
    server.steps = [redirect(location)]
    with pytest.raises((ConfigurationError, OriginError)) as caught:
        source_of(server).read()
    assert "SECRETPW" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "/etc/passwd", "ftp://host/x", "file:///etc/passwd", "https://me:SECRETPW@h/"]
)
def test_urls_that_are_not_fetched(url: str) -> None:
    with pytest.raises((ConfigurationError, OriginError)) as caught:
        HttpSource(url)
    assert "SECRETPW" not in str(caught.value)


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_through_a_proxy(server: ByteServer, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """The server plays the proxy: it gets the whole URL, spelled as it was."""
    url = "http://far.example:8080/a%2fb?sig=%7e+x"
    if way == "environment":
        monkeypatch.setenv("http_proxy", server.origin)
        source = source_of(server, url)
    else:
        source = source_of(server, url, proxy=server.origin.replace("//", "//user:pass@"))
    server.steps = [serve(cut=400_000)]
    assert read_all(source) == CONTENT
    assert [r.target for r in server.requests] == [url, url]
    assert all("authorization" not in r.headers for r in server.requests)
    assert ("proxy-authorization" in server.requests[0].headers) is (way == "argument")


# -- results that lie on the remote itself ------------------------------------------------------------------


class Tokens:
    """Plays the hook: one stale token, then good ones; nothing for other origins."""

    def __init__(self, origin: str, *tokens: str) -> None:
        self.origin = origin
        self.tokens = list(tokens)
        self.refused: list[dict[str, str]] = []

    def __call__(self, url: str, refused: Any) -> dict[str, str]:
        if not url.startswith(self.origin):
            return {}
        if refused is not None:
            self.refused.append(dict(refused))
            self.tokens.pop(0)
        return {"Authorization": f"Bearer {self.tokens[0]}"} if self.tokens else {}


def wants(token: str, then: Callable[[Any], None]) -> Callable[[Any], None]:
    def step(exchange: Any) -> None:
        good = exchange.request.headers.get("authorization") == f"Bearer {token}"
        (then if good else status(401))(exchange)

    return step


def test_stale_token_is_replaced_once(server: ByteServer) -> None:
    tokens = Tokens(server.origin, "stale", "good")
    server.steps = [wants("good", serve()), wants("good", serve(cut=400_000)), wants("good", serve())]
    assert read_all(source_of(server, credentials=tokens)) == CONTENT
    assert tokens.refused == [{"Authorization": "Bearer stale"}]
    assert [r.headers["authorization"] for r in server.requests] == [
        "Bearer stale",
        "Bearer good",
        "Bearer good",
    ]


def test_refused_token_without_a_better_one(server: ByteServer) -> None:
    server.steps = [status(401)] * 5
    with pytest.raises(DownloadError, match="HTTP 401"):
        source_of(server, credentials=Tokens(server.origin, "bad")).read()
    assert len(server.requests) == 1


def test_fresh_token_refused_as_well(server: ByteServer) -> None:
    server.steps = [status(401)] * 5
    with pytest.raises(DownloadError, match="HTTP 401"):
        source_of(server, credentials=Tokens(server.origin, "bad", "worse")).read()
    assert len(server.requests) == 2


def test_credentials_stay_at_home_when_the_remote_redirects_to_storage(server: ByteServer) -> None:
    with running(content=CONTENT) as storage:
        server.steps = [redirect(storage.url)]
        assert read_all(source_of(server, credentials=Tokens(server.origin, "good"))) == CONTENT
    assert server.requests[0].headers["authorization"] == "Bearer good"
    assert "authorization" not in storage.requests[0].headers


# -- secrets ------------------------------------------------------------------------------------------------


def test_the_query_never_reaches_a_log_or_an_error(
    server: ByteServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.steps = [
        status(404),
        status(503),
        hang_up(),
        serve(cut=400_000),
        serve(cut=10),
        status(403, EXPIRED),
    ]
    source = source_of(server)
    with pytest.raises(ResultExpiredError) as caught:
        read_all(source)
    assert "urllib3" in {record.name.split(".")[0] for record in caplog.records}, (
        "the test must see its lines"
    )
    seen = caplog.text + repr(source) + repr(source.opener) + "".join(map(repr, chain(caught.value)))
    assert "SECRETSIGNATURE" not in seen
    assert "/bucket/result.csv" in seen


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
