# SPDX-License-Identifier: Apache-2.0
"""Both HTTP clients over real sockets: what they send, what they refuse, and what they put up with."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import logging
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._transport import triggerer, turns, worker
from airflow_async_provider._transport.auth import StaticAuth
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.oauth import ClientCredentialsAuth
from airflow_async_provider._transport.retries import with_retries
from airflow_async_provider.errors import (
    AnswerTooLargeError,
    AsyncJobError,
    AuthenticationError,
    ConfigurationError,
    OriginError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import HttpRequest, HttpResponse
from airflow_async_provider.protocols._responses import request_id
from tests.support.byte_server import (
    ByteServer,
    Exchange,
    hang_up,
    make_certificate,
    redirect,
    running,
    status,
)

Send = Callable[[Endpoint, HttpRequest], HttpResponse]

CANARY = "canary-5e7b1c"
CREDENTIALS = StaticAuth({"Authorization": f"Bearer {CANARY}", "X-API-Key": f"key-{CANARY}"})
#: a port of the machine's own on which nobody listens
NOBODY = "http://127.0.0.1:1"


def send_from_triggerer(remote: Endpoint, request: HttpRequest) -> HttpResponse:
    return asyncio.run(triggerer.send(remote, request))


@pytest.fixture(params=[worker.send, send_from_triggerer], ids=["worker", "triggerer"])
def send(request: pytest.FixtureRequest) -> Send:
    return request.param


@pytest.fixture
def start() -> Iterator[Callable[..., ByteServer]]:
    with ExitStack() as stack:
        yield lambda *steps, **options: stack.enter_context(running(steps=list(steps), **options))


Start = Callable[..., ByteServer]


def get(url: str = "x", **options: Any) -> HttpRequest:
    return HttpRequest("GET", url, **options)


def raw(answer: bytes, *, then: Callable[[Exchange], None] | None = None) -> Callable[[Exchange], None]:
    """These bytes and nothing else, then the end of the connection."""

    def step(exchange: Exchange) -> None:
        exchange.connection.sendall(answer)
        exchange.last = True
        if then:
            then(exchange)

    return step


def silence(exchange: Exchange) -> None:
    exchange.server.ended.wait(20)
    exchange.last = True


# -- what goes out


@pytest.mark.parametrize(
    "target",
    [
        "/asyncStatus/MTYyNjg0MTc3MjI4NzoyMjg1MDoxNTphNTM=",
        "/asyncStatus/MTYy%2fNjg0%2FMTc3+Mjg=%3d%3D",
        "/a/../b/./c//d",
        "/%7Euser/~user/%41",
        "/x;v=1,2'()*!$&@:",
        '/x|{}^`<>"',
        "/x?X-Amz-Signature=%7e%2f&b=a+b%20c&empty=&&flag",
        "/x?q=a/b?c:d@e|f",
        "/x?trailing=?",
        "/%zz%",
    ],
)
def test_an_opaque_url_goes_out_byte_for_byte(start: Start, send: Send, target: str) -> None:
    server = start(status(200))
    send(Endpoint(server.origin), get(server.origin + target))
    assert server.requests[0].target == target


def test_a_fragment_stays_at_home_and_a_missing_path_is_a_slash(start: Start, send: Send) -> None:
    server = start(status(200), status(200))
    send(Endpoint(server.origin), get(server.origin + "/x#fragment"))
    send(Endpoint(server.origin), get(server.origin + "?a=1"))
    assert [r.target for r in server.requests] == ["/x", "/?a=1"]


def test_a_request_says_no_more_than_it_was_told(start: Start, send: Send) -> None:
    server = start(status(200), status(200))
    remote = Endpoint(server.origin + "/base", auth=CREDENTIALS, headers={"Accept": "application/vnd.x+json"})
    send(remote, get(params={"a": [1, 2]}))
    send(remote, HttpRequest("POST", "y", json={"k": "v"}))
    first, second = server.requests
    assert (first.method, first.target) == ("GET", "/base/x?a=1&a=2")
    assert first.headers == {
        "host": server.origin.removeprefix("http://"),
        "user-agent": "airflow-async-provider",
        "accept-encoding": "identity",
        "accept": "application/vnd.x+json",
        "authorization": f"Bearer {CANARY}",
        "x-api-key": f"key-{CANARY}",
    }
    assert (second.method, second.target, second.body) == ("POST", "/base/y", b'{"k":"v"}')
    assert second.headers["content-type"] == "application/json"
    assert second.headers["content-length"] == "9"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_request_without_a_body_has_none(start: Start, send: Send, method: str) -> None:
    server = start(status(204))
    assert send(Endpoint(server.origin), HttpRequest(method, "x")).status == 204
    assert server.requests[0].headers.get("content-length", "0") == "0"
    assert "transfer-encoding" not in server.requests[0].headers
    assert "content-type" not in server.requests[0].headers


def test_netrc_and_cookies_play_no_part(
    start: Start, send: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login someone password {CANARY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = start(status(200, headers={"Set-Cookie": f"session={CANARY}; Path=/"}), status(200))
    for _ in range(2):
        send(Endpoint(server.origin), get())
    for request in server.requests:
        assert "authorization" not in request.headers
        assert "cookie" not in request.headers


def test_a_credential_that_cannot_be_sent_is_named_but_not_shown(start: Start, send: Send) -> None:
    server = start()
    with pytest.raises(ConfigurationError, match="Authorization") as caught:
        send(Endpoint(server.origin, auth=StaticAuth({"Authorization": f"Bearer {CANARY}\n"})), get())
    assert CANARY not in str(caught.value)
    assert not server.requests


# -- where it goes


def test_a_url_that_points_elsewhere_is_not_asked(start: Start, send: Send) -> None:
    own, other = start(), start()
    with pytest.raises(OriginError):
        send(Endpoint(own.origin, auth=CREDENTIALS), get(other.origin + "/x"))
    assert not own.requests
    assert not other.requests


def test_a_listed_host_gets_the_credentials(start: Start, send: Send) -> None:
    own, other = start(), start(status(200))
    remote = Endpoint(
        own.origin, auth=CREDENTIALS, allowed_hosts=frozenset({other.origin.removeprefix("http://")})
    )
    send(remote, get(other.origin + "/x"))
    assert other.requests[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("where", ["{other}/x", "//{other_host}/x", "https://127.0.0.1:{port}/x", "http://["])
def test_a_redirect_that_leads_elsewhere_is_the_answer(start: Start, send: Send, where: str) -> None:
    other = start()
    own = start()
    location = where.format(
        other=other.origin, other_host=other.origin.removeprefix("http://"), port=own.port
    )
    own.steps.append(redirect(location))
    answer = send(Endpoint(own.origin, auth=CREDENTIALS), get())
    assert answer.status == 302
    assert not other.requests
    assert len(own.requests) == 1


def test_a_redirect_within_the_origin_is_followed_byte_for_byte(start: Start, send: Send) -> None:
    server = start(redirect("/moved/%7e%2f?a=%2f"), redirect("again"), status(200, b"there"))
    answer = send(Endpoint(server.origin, auth=CREDENTIALS), get())
    assert (answer.status, answer.body) == (200, b"there")
    assert [r.target for r in server.requests] == ["/x", "/moved/%7e%2f?a=%2f", "/moved/again"]
    assert {r.headers["authorization"] for r in server.requests} == {f"Bearer {CANARY}"}
    assert answer.url.endswith("again")


def test_a_post_is_not_sent_a_second_time(start: Start, send: Send) -> None:
    server = start(redirect("/y", 307))
    assert send(Endpoint(server.origin), HttpRequest("POST", "x", json={}, repeatable=False)).status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [307, 308])
def test_a_post_that_asks_for_a_state_follows_with_method_and_body(
    start: Start, send: Send, code: int
) -> None:
    server = start(redirect("/y", code), status(200, b"there"))
    assert send(Endpoint(server.origin), HttpRequest("POST", "x", json={"id": 1})).body == b"there"
    assert [(r.method, r.target, r.body) for r in server.requests] == [
        ("POST", "/x", b'{"id":1}'),
        ("POST", "/y", b'{"id":1}'),
    ]


@pytest.mark.parametrize("code", [301, 302, 303])
def test_a_post_never_becomes_a_get(start: Start, send: Send, code: int) -> None:
    server = start(redirect("/y", code))
    assert send(Endpoint(server.origin), HttpRequest("POST", "x", json={})).status == code


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_get_follows_every_kind_of_redirect(start: Start, send: Send, code: int) -> None:
    server = start(redirect("/y", code), status(200, b"there"))
    assert send(Endpoint(server.origin), get()).body == b"there"


def test_redirects_in_a_circle_end(start: Start, send: Send) -> None:
    server = start(*[redirect("/x")] * 20)
    with pytest.raises(OriginError, match="more than"):
        send(Endpoint(server.origin), get())
    assert len(server.requests) == worker.MAX_REDIRECTS + 1


# -- no answer


def test_nobody_listens(send: Send) -> None:
    with pytest.raises(TransientError) as caught:
        send(Endpoint(NOBODY), get("secret?canary"))
    assert not caught.value.sent
    assert NOBODY in str(caught.value)
    assert "refused" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_there_is_no_such_host(send: Send) -> None:
    with pytest.raises(TransientError) as caught:
        send(Endpoint("http://no-such-host.invalid"), get())
    assert not caught.value.sent


@pytest.mark.parametrize("reset", [True, False])
def test_a_connection_that_ends_without_an_answer(start: Start, send: Send, reset: bool) -> None:
    # aiohttp asks a second time by itself when a kept connection ends so: it was never answered
    server = start(hang_up(reset=reset), hang_up(reset=reset))
    with pytest.raises(TransientError) as caught:
        send(Endpoint(server.origin), get("secret?canary"))
    assert caught.value.sent
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x00\x01\x02\xff" * 100,
    ],
    ids=["half", "half chunk", "no chunk", "no gzip", "long header", "no HTTP", "bytes"],
)
def test_half_and_broken_answers_are_worth_another_try(start: Start, send: Send, answer: bytes) -> None:
    server = start(*[raw(answer)] * 3)
    with pytest.raises(TransientError) as caught:
        send(Endpoint(server.origin, timeout=5), get("secret?canary"))
    assert caught.value.sent
    assert "secret" not in str(caught.value)


def test_silence_has_an_end(start: Start, send: Send) -> None:
    server = start(silence)
    with pytest.raises(TransientError, match="did not answer") as caught:
        send(Endpoint(server.origin, timeout=0.3), get())
    assert caught.value.sent


def test_silence_in_the_middle_has_an_end(start: Start, send: Send) -> None:
    server = start(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then=silence))
    with pytest.raises(TransientError):
        send(Endpoint(server.origin, timeout=0.3), get())


def test_a_byte_now_and_then_does_not_keep_us(start: Start, send: Send) -> None:
    sent: list[int] = []

    def drip(exchange: Exchange) -> None:
        exchange.last = True
        exchange.head(200, {"Content-Length": 1000})
        for number in range(1000):
            exchange.connection.sendall(b"x")
            sent.append(number)
            if exchange.server.ended.wait(0.05):
                return

    server = start(drip)
    with pytest.raises(TransientError):
        send(Endpoint(server.origin, timeout=0.4), get())
    assert len(sent) < 200


# -- too much of an answer


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(worker, "LARGEST_ANSWER", 1_000_000)
    return 1_000_000


def test_an_answer_of_the_largest_size_is_read(start: Start, send: Send, small_limit: int) -> None:
    server = start(status(200, b"x" * small_limit))
    assert len(send(Endpoint(server.origin, max_status_bytes=small_limit), get()).body) == small_limit


@pytest.mark.parametrize("chunked", [True, False])
def test_a_larger_one_is_given_up(start: Start, send: Send, small_limit: int, chunked: bool) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.last = True
        exchange.head(200, {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": 10**12})
        block = b"x" * 65536
        while not exchange.server.ended.is_set():
            exchange.connection.sendall(b"10000\r\n" + block + b"\r\n" if chunked else block)

    server = start(endless)
    with pytest.raises((UnreadableAnswerError, AnswerTooLargeError), match="larger than"):
        send(Endpoint(server.origin, max_status_bytes=small_limit), get())


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_does_not_go_off(start: Start, send: Send, small_limit: int, encoding: str) -> None:
    content = b"\0" * 60_000_000
    bomb = gzip.compress(content) if encoding == "gzip" else zlib.compress(content)
    del content
    server = start(status(200, bomb, {"Content-Encoding": encoding}))
    tracemalloc.start()
    try:
        with pytest.raises((UnreadableAnswerError, AnswerTooLargeError), match="larger than"):
            send(Endpoint(server.origin, max_status_bytes=small_limit), get())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_a_compressed_answer_is_still_read(start: Start, send: Send) -> None:
    body = json.dumps({"status": "processing"}).encode()
    server = start(status(200, gzip.compress(body), {"Content-Encoding": "gzip"}))
    assert send(Endpoint(server.origin), get()).body == body


@pytest.mark.parametrize("second", ["gzip", "identity", "br"])
def test_codings_in_several_headers_are_several(start: Start, send: Send, second: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: {second}\r\n"
    packed = gzip.compress(b'{"status": "running"}')
    server = start(raw(f"{head}Content-Length: {len(packed)}\r\n\r\n".encode() + packed))
    with pytest.raises(UnreadableAnswerError, match=f"'gzip, {second}', which was not asked for"):
        send(Endpoint(server.origin), get())


# -- what nobody may read


@pytest.mark.parametrize("code", [200, 400, 503])
@pytest.mark.parametrize("name", ["X-Request-Id", "X-Amz-Request-Id", "X-Correlation-Id"])
def test_an_echo_in_a_header_is_masked_where_it_is_quoted(start: Start, name: str, code: int) -> None:
    remote = Endpoint(start(*[status(code, b"{}", {name: f"Bearer {CANARY}"})] * 2).origin, auth=CREDENTIALS)

    async def in_triggerer() -> str | None:  # what was sent is remembered for the task that sent it
        return request_id((await triggerer.send(remote, get())).headers)

    assert request_id(worker.send(remote, get()).headers) == "***"
    assert asyncio.run(in_triggerer()) == "***"


def test_an_echo_as_a_coding_is_masked(start: Start, send: Send) -> None:
    server = start(status(200, b"{}", {"Content-Encoding": f"key-{CANARY}"}))
    with pytest.raises(UnreadableAnswerError, match=r"'\*\*\*'") as caught:
        send(Endpoint(server.origin, auth=CREDENTIALS), get())
    assert CANARY not in str(caught.value)


def test_an_echo_of_the_credentials_is_masked(start: Start, send: Send) -> None:
    server = start(
        status(403, f"token {CANARY} may not; key-{CANARY} neither".encode()), status(200, CANARY.encode())
    )
    remote = Endpoint(server.origin, auth=CREDENTIALS)
    assert send(remote, get()).body == b"token *** may not; *** neither"
    assert send(remote, get()).body == CANARY.encode()  # an answer that succeeds is nobody's error text


def test_no_client_logs_what_it_sends(
    start: Start, send: Send, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("urllib3"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    server = start(status(200), hang_up(), hang_up())
    remote = Endpoint(server.origin, auth=CREDENTIALS)
    send(remote, get(f"asyncStatus/{CANARY}?sig={CANARY}"))
    with pytest.raises(TransientError):
        send(remote, get(f"asyncStatus/{CANARY}?sig={CANARY}"))
    assert CANARY not in caplog.text


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def test_a_certificate_that_nobody_knows_is_refused(start: Start, send: Send, certificate: Path) -> None:
    server = start(status(200), tls=certificate)
    with pytest.raises(TransientError, match=r"(?i)certificate") as caught:
        send(Endpoint(server.origin, auth=CREDENTIALS), get("secret?canary"))
    assert not caught.value.sent
    assert "secret" not in str(caught.value)
    assert not server.requests


def test_a_ca_file_makes_it_known(start: Start, send: Send, certificate: Path) -> None:
    server = start(status(200), tls=certificate)
    assert send(Endpoint(server.origin, verify=str(certificate)), get()).status == 200


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_so_does_the_environment(
    start: Start, send: Send, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(certificate))
    server = start(status(200), tls=certificate)
    assert send(Endpoint(server.origin), get()).status == 200


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verification_can_be_switched_off(start: Start, send: Send, certificate: Path) -> None:
    server = start(status(200), tls=certificate)
    assert send(Endpoint(server.origin, verify=False), get()).status == 200


def test_a_certificate_for_another_host_is_refused(start: Start, send: Send, certificate: Path) -> None:
    server = start(status(200), tls=certificate)
    with pytest.raises(TransientError) as caught:
        send(Endpoint(f"https://localhost:{server.port}", verify=str(certificate)), get())
    assert not caught.value.sent
    assert not server.requests


def test_a_ca_file_that_is_not_there_is_a_configuration_error(
    start: Start, send: Send, certificate: Path, tmp_path: Path
) -> None:
    server = start(status(200), tls=certificate)
    with pytest.raises(ConfigurationError, match="does not exist"):
        send(Endpoint(server.origin, verify=str(tmp_path / "none.pem")), get())
    # Without TLS nobody asks for it.
    plain = start(status(200))
    assert send(Endpoint(plain.origin, verify=str(tmp_path / "none.pem")), get()).status == 200


def test_a_ca_file_that_is_none_does_not_verify_anything(
    start: Start, send: Send, certificate: Path, tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("-----BEGIN NOTHING-----")
    server = start(status(200), tls=certificate)
    with pytest.raises((ConfigurationError, TransientError)):
        send(Endpoint(server.origin, verify=str(garbage)), get())
    assert not server.requests


def test_a_folder_of_certificates_is_taken_as_one(
    start: Start, send: Send, certificate: Path, tmp_path: Path
) -> None:
    server = start(status(200), tls=certificate)
    with pytest.raises(TransientError):  # an empty folder knows nobody
        send(Endpoint(server.origin, verify=str(tmp_path)), get())
    assert not server.requests


def test_a_post_whose_tls_connection_broke_may_have_arrived(
    start: Start, send: Send, certificate: Path
) -> None:
    """So a broken TLS connection is not taken for one that was never made."""

    def break_off(exchange: Exchange) -> None:
        exchange.last = True
        # not through TLS: what arrives instead of an answer is no TLS record
        socket.socket(fileno=exchange.connection.detach()).sendall(b"garbage" * 100)

    server = start(break_off, break_off, tls=certificate)
    with pytest.raises(TransientError) as caught:
        send(Endpoint(server.origin, verify=str(certificate)), HttpRequest("POST", "x", json={}))
    assert caught.value.sent
    assert len(server.requests) == 1


# -- proxies


class Proxy:
    """A proxy for plain requests and tunnels, which keeps the first line and headers of what it is asked."""

    def __init__(self, *, password: str | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._password = password
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream:
            line = stream.readline().decode().strip()
            lines = iter(lambda: stream.readline().decode().strip(), "")
            headers = {n.lower(): v.strip() for n, _, v in (x.partition(":") for x in lines)}
            self.asked.append((line, headers))
            if self._password and self._password not in headers.get("proxy-authorization", ""):
                client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            method, target, version = line.split(" ")
            if method == "CONNECT":
                host, port = target.split(":")
                first = b""
            else:
                host, port = target.split("/", 3)[2].split(":")
                kept = {**headers, "connection": "close"}
                kept.pop("proxy-authorization", None)
                path = "/" + target.split("/", 3)[3]
                first = "\r\n".join(
                    [f"{method} {path} {version}", *(f"{n}: {v}" for n, v in kept.items()), "", ""]
                ).encode()
                first += stream.read(int(headers.get("content-length", 0)))
            with socket.create_connection((host, int(port)), 5) as server:
                if first:
                    server.sendall(first)
                else:
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                pump = threading.Thread(target=_pump, args=(client, server), daemon=True)
                pump.start()
                _pump(server, client)
                with suppress(OSError):  # closing alone ends no connection that another thread reads
                    client.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    found = Proxy()
    yield found
    found.close()


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("spelling", ["http://127.0.0.1:{port}", "127.0.0.1:{port}"])
@pytest.mark.usefixtures("bare_environment")
def test_the_proxy_of_the_connection(start: Start, send: Send, proxy: Proxy, spelling: str) -> None:
    server = start(status(200, b"through"))
    remote = Endpoint(server.origin, auth=CREDENTIALS, proxy=spelling.format(port=proxy.port))
    assert send(remote, get("%7e%2f?q=%2f")).body == b"through"
    assert [line for line, _ in proxy.asked] == [f"GET {server.origin}/%7e%2f?q=%2f HTTP/1.1"]
    assert server.requests[0].target == "/%7e%2f?q=%2f"


@pytest.mark.usefixtures("bare_environment")
def test_the_proxy_of_the_environment(
    start: Start, send: Send, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    server = start(status(200), status(200))
    send(Endpoint(server.origin), get())
    assert len(proxy.asked) == 1
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    send(Endpoint(server.origin), get())
    assert len(proxy.asked) == 1
    assert len(server.requests) == 2


def test_no_proxy_does_not_overrule_the_connection(start: Start, send: Send, proxy: Proxy) -> None:
    server = start(status(200))  # the test environment's NO_PROXY names this host
    send(Endpoint(server.origin, proxy=f"http://127.0.0.1:{proxy.port}"), get())
    assert len(proxy.asked) == 1


def test_through_a_tunnel_the_proxy_sees_no_request(
    start: Start, send: Send, proxy: Proxy, certificate: Path
) -> None:
    server = start(status(200, b"through"), tls=certificate)
    remote = Endpoint(
        server.origin, auth=CREDENTIALS, verify=str(certificate), proxy=f"http://127.0.0.1:{proxy.port}"
    )
    assert send(remote, get("secret%2f")).body == b"through"
    assert proxy.asked[0][0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.")
    assert "authorization" not in proxy.asked[0][1]
    assert server.requests[0].target == "/secret%2f"


@pytest.mark.parametrize("tls", [False, True])
def test_the_proxy_s_password_is_for_the_proxy(
    start: Start, send: Send, certificate: Path, tls: bool
) -> None:
    proxy = Proxy(password="Basic dXNlcjpwYXNzIHdvcmQ=")  # user:pass word
    server = start(status(200), tls=certificate if tls else None)
    remote = Endpoint(
        server.origin, verify=str(certificate), proxy=f"http://user:pass%20word@127.0.0.1:{proxy.port}"
    )
    assert send(remote, get()).status == 200
    assert not {"proxy-authorization", "authorization"} & set(server.requests[0].headers)
    proxy.close()


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_that_is_not_there(start: Start, send: Send, certificate: Path, tls: bool) -> None:
    server = start(tls=certificate if tls else None)
    with pytest.raises(TransientError) as caught:
        send(Endpoint(server.origin, verify=str(certificate), proxy=f"http://u:{CANARY}@127.0.0.1:1"), get())
    assert not caught.value.sent
    assert CANARY not in str(caught.value)


def test_a_proxy_that_refuses_a_tunnel(start: Start, send: Send, certificate: Path) -> None:
    proxy = Proxy(password="other")
    server = start(tls=certificate)
    with pytest.raises(TransientError) as caught:
        send(
            Endpoint(
                server.origin, verify=str(certificate), proxy=f"http://u:{CANARY}@127.0.0.1:{proxy.port}"
            ),
            get(),
        )
    assert not caught.value.sent
    assert CANARY not in str(caught.value)
    assert not server.requests
    proxy.close()


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("tls", [False, True])
def test_a_post_whose_answer_is_lost_behind_a_proxy_may_have_arrived(
    start: Start, send: Send, proxy: Proxy, certificate: Path, tls: bool, reset: bool
) -> None:
    server = start(hang_up(reset=reset), hang_up(reset=reset), tls=certificate if tls else None)
    remote = Endpoint(server.origin, verify=str(certificate), proxy=f"http://127.0.0.1:{proxy.port}")
    post = HttpRequest("POST", "x", json={"start": "me"}, repeatable=False)
    with pytest.raises(TransientError) as caught:
        with_retries(post, lambda: send(remote, post))
    assert caught.value.sent
    assert len(server.requests) == 1


@pytest.mark.parametrize("reset", [True, False])
def test_a_proxy_that_hangs_up_on_a_post_may_have_handed_it_on(start: Start, send: Send, reset: bool) -> None:
    proxy = start(hang_up(reset=reset), hang_up(reset=reset))
    post = HttpRequest("POST", "x", json={"start": "me"}, repeatable=False)
    with pytest.raises(TransientError) as caught:
        with_retries(post, lambda: send(Endpoint("http://no-such-host.invalid", proxy=proxy.origin), post))
    assert caught.value.sent
    assert [r.method for r in proxy.requests] == ["POST"]


# -- connections are kept, and let go


async def asked(server: ByteServer) -> None:
    """Wait until a request has come in."""
    for _ in range(1000):
        if server.requests:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("nobody asked")


@pytest.fixture
def counting() -> Iterator[ByteServer]:
    server = ByteServer(steps=[status(200, b"{}")] * 500)
    yield server
    server.close()


async def test_all_waits_of_a_loop_share_one_session(counting: ByteServer) -> None:
    remote = Endpoint(counting.origin)
    loop = asyncio.get_running_loop()
    async with triggerer.pool():
        session = triggerer._pools[loop].session
        for _ in range(5):
            await triggerer.send(remote, get())
            async with triggerer.pool():
                assert triggerer._pools[loop].session is session
        assert counting.connections == 1
        assert not session.closed
    assert session.closed
    assert loop not in triggerer._pools
    await triggerer.send(remote, get())  # a later wait opens another one
    assert counting.connections == 2
    assert loop not in triggerer._pools


async def test_a_cancelled_wait_leaves_the_session_to_the_others(start: Start, counting: ByteServer) -> None:
    slow = start(silence)
    loop = asyncio.get_running_loop()
    async with triggerer.pool():
        session = triggerer._pools[loop].session
        waiting = asyncio.create_task(triggerer.send(Endpoint(slow.origin), get()))
        await asked(slow)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not session.closed
        assert triggerer._pools[loop].users == 1
        assert (await triggerer.send(Endpoint(counting.origin), get())).status == 200
    assert session.closed


@pytest.mark.filterwarnings("error")
def test_nothing_is_left_open(start: Start, certificate: Path, counting: ByteServer) -> None:
    tls = start(*[status(200)] * 3, tls=certificate)

    async def some_waits() -> None:
        async with triggerer.pool():
            await asyncio.gather(
                *[triggerer.send(Endpoint(counting.origin), get()) for _ in range(10)],
                *[triggerer.send(Endpoint(tls.origin, verify=str(certificate)), get()) for _ in range(3)],
            )

    asyncio.run(some_waits(), debug=True)
    gc.collect()  # an unclosed session or socket would speak up now


async def test_a_crowd_waits_for_its_turn_and_nobody_s_time_runs_out(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "FIRST_SOCKETS", 2)
    monkeypatch.setattr(turns, "MAX_SOCKETS_PER_HOST", 2)
    together = threading.Semaphore(2)

    def slow(exchange: Exchange) -> None:
        assert together.acquire(blocking=False), "more than two at once"
        exchange.server.ended.wait(0.3)
        together.release()
        status(200)(exchange)

    server = start(*[slow] * 10)
    remote = Endpoint(server.origin, timeout=1.2)  # all ten take longer
    answers = await asyncio.gather(*[triggerer.send(remote, get()) for _ in range(10)])
    assert [a.status for a in answers] == [200] * 10


# -- tokens


def token(value: str, *, life: int | None = 3600) -> Callable[[Exchange], None]:
    answer: dict[str, Any] = {"access_token": value}
    if life is not None:
        answer["expires_in"] = life
    return status(200, json.dumps(answer).encode())


def with_tokens(api: ByteServer, tokens: ByteServer, **options: Any) -> Endpoint:
    auth = ClientCredentialsAuth(
        token_url=tokens.origin + "/oauth2/token",
        client_id="id",
        client_secret=f"secret-{CANARY}",
        extra={"X-API-Key": "key"},
    )
    return Endpoint(api.origin, auth=auth, **options)


def test_a_token_is_fetched_and_kept(start: Start, send: Send) -> None:
    api, tokens = start(status(200), status(200)), start(token("t-1"))
    remote = with_tokens(api, tokens)
    for _ in range(2):
        assert send(remote, get()).status == 200
    assert [r.headers["authorization"] for r in api.requests] == ["Bearer t-1"] * 2
    assert len(tokens.requests) == 1
    assert tokens.requests[0].body == b"grant_type=client_credentials"


def test_a_401_is_answered_once_with_a_fresh_token(start: Start, send: Send) -> None:
    api, tokens = start(status(401), status(200, b"in")), start(token("t-1"), token("t-2"))
    assert send(with_tokens(api, tokens), get()).body == b"in"
    assert [r.headers["authorization"] for r in api.requests] == ["Bearer t-1", "Bearer t-2"]


def test_a_second_401_is_the_answer(start: Start, send: Send) -> None:
    api, tokens = start(status(401), status(401)), start(token("t-1"), token("t-2"))
    assert send(with_tokens(api, tokens), get()).status == 401
    assert (len(api.requests), len(tokens.requests)) == (2, 2)


def test_a_ready_token_is_not_tried_twice(start: Start, send: Send) -> None:
    api = start(status(401), status(200))
    assert send(Endpoint(api.origin, auth=CREDENTIALS), get()).status == 401
    assert len(api.requests) == 1


def test_a_token_that_is_over_before_it_begins(start: Start, send: Send) -> None:
    api, tokens = start(), start(token("t-1", life=0))
    with pytest.raises(AuthenticationError, match="expired already"):
        send(with_tokens(api, tokens), get())
    assert not api.requests


def test_refused_client_credentials_stay_out_of_the_message(start: Start, send: Send) -> None:
    api, tokens = start(), start(status(401, f"unknown client secret-{CANARY}".encode()))
    with pytest.raises(AuthenticationError) as caught:
        send(with_tokens(api, tokens), get())
    assert CANARY not in str(caught.value)
    assert not api.requests


def test_a_token_endpoint_that_redirects_takes_no_secret_along(start: Start, send: Send) -> None:
    other, api = start(), start()
    tokens = start(redirect(other.origin + "/token", 307))
    with pytest.raises(OriginError):
        send(with_tokens(api, tokens), get())
    assert not other.requests
    assert not api.requests


@pytest.mark.parametrize(
    "step", [status(503, headers={"Retry-After": "7"}), hang_up(), status(200, b"<html>"), status(200, b"{}")]
)
def test_without_a_token_the_request_was_not_sent(start: Start, send: Send, step: Any) -> None:
    api, tokens = start(), start(step, step)
    with pytest.raises(TransientError) as caught:
        send(with_tokens(api, tokens), HttpRequest("POST", "x", json={}))
    assert not caught.value.sent
    assert not api.requests


def test_an_echo_of_the_client_secret_is_masked(start: Start, send: Send) -> None:
    api, tokens = start(), start(status(503, f"cannot check secret-{CANARY} now".encode()))
    with pytest.raises(TransientError) as caught:
        send(with_tokens(api, tokens), get())
    assert CANARY not in str(caught.value)
    assert "cannot check ***" in str(caught.value)


def test_a_token_request_that_cannot_be_sent(start: Start, send: Send) -> None:
    api, tokens = start(), start()
    auth = ClientCredentialsAuth(
        token_url=tokens.origin, client_id="id", client_secret="s", token_extra={"X-API-Key": f"{CANARY}\n"}
    )
    with pytest.raises(ConfigurationError, match="X-API-Key") as caught:
        send(Endpoint(api.origin, auth=auth), get())
    assert CANARY not in str(caught.value)
    assert not tokens.requests


async def test_two_hundred_jobs_fetch_one_token(start: Start) -> None:
    api, tokens = start(*[status(200)] * 200), start(token("t-1"), token("t-2"))
    remote = with_tokens(api, tokens)
    answers = await asyncio.gather(*[triggerer.send(remote, get()) for _ in range(200)])
    assert {a.status for a in answers} == {200}
    assert len(tokens.requests) == 1


async def test_jobs_that_wait_for_a_token_share_its_failure(start: Start) -> None:
    """One after the other, fifty jobs would wait fifty time limits for a token endpoint that is silent."""
    api, tokens = start(), start(silence, token("t-1"))
    remote = with_tokens(api, tokens, timeout=0.5)
    failures = await asyncio.gather(
        *[triggerer.send(remote, get()) for _ in range(50)], return_exceptions=True
    )
    assert all(isinstance(f, TransientError) and not f.sent for f in failures)
    assert len({id(f) for f in failures}) == 50
    assert len(tokens.requests) == 1


async def test_who_is_cancelled_takes_nobody_s_token_away(start: Start) -> None:
    go = threading.Event()

    def slow(exchange: Exchange) -> None:
        go.wait(10)
        token("t-1")(exchange)

    api, tokens = start(status(200)), start(slow)
    remote = with_tokens(api, tokens)
    first = asyncio.create_task(triggerer.send(remote, get()))
    second = asyncio.create_task(triggerer.send(remote, get()))
    await asked(tokens)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert (await second).status == 200
    assert len(tokens.requests) == 1


def test_of_a_refusal_the_beginning_is_read(start: Start, send: Send) -> None:
    """However large it is, it is a refusal."""
    server = start(status(503, b"e" * 20_000_000))
    answer = send(Endpoint(server.origin, timeout=20.0), HttpRequest("GET", "x"))
    assert (answer.status, len(answer.body), answer.complete) == (503, 256 * 1024, False)


def test_what_a_form_has_sent_is_not_repeated(start: Start, send: Send) -> None:
    """A token endpoint that quotes what it was sent, in its own error and in a gateway's page."""
    for echo in (
        status(400, json.dumps({"error": "x", "error_description": f"secret-{CANARY} is bad"}).encode()),
        status(500, f"<p>secret-{CANARY}</p>".encode()),
    ):
        api, tokens = start(), start(echo)
        auth = ClientCredentialsAuth(
            token_url=f"{tokens.origin}/t",
            client_id="i",
            client_secret=f"secret-{CANARY}",
            client_auth="body",
        )
        with pytest.raises(AsyncJobError) as caught:
            send(Endpoint(api.origin, auth=auth), HttpRequest("GET", "x"))
        assert CANARY not in str(caught.value)
        assert "***" in str(caught.value)
