# SPDX-License-Identifier: Apache-2.0
"""URLs reach the server exactly as they are spelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from airflow_async_provider._transport import worker
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.exact_url_adapter import exact_adapter, request_target
from airflow_async_provider.errors import TransientError
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from tests.support.raw_server import RawServer, Script


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}", seen
        listening.shutdown()
        thread.join(10)


@pytest.mark.parametrize(
    "target",
    ["/a%2fb", "/a%2Fb?x=%7E~", "/?u=http://x/y", "/a//b/../c", "/a?sig=a+b%2B==", "/(x)';:@&=+$,!*"],
)
def test_no_client_spells_it_anew(server: tuple[str, list[str]], target: str) -> None:
    url, seen = server
    with requests.Session() as session:
        session.trust_env = False
        wanted = [request_target(url + target)]
        session.mount("http://", exact_adapter(lambda connection: wanted[0], connections=1, hosts=1))
        assert session.get(url + target, timeout=10).status_code == 200
    assert seen == [target]


def test_only_what_no_request_line_can_hold_is_encoded() -> None:
    assert request_target("https://h/ä b#f") == "/%C3%A4%20b"
    assert request_target("https://h") == "/"


@pytest.fixture
def raw() -> Iterator[RawServer]:
    found = RawServer()
    yield found
    found.close()


def ask(server: RawServer, path: str) -> HttpResponse:
    return worker.send(Endpoint(server.origin, timeout=20.0), HttpRequest("GET", path))


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_an_interim_answer_is_not_the_answer(raw: RawServer, interim: str) -> None:
    """Else the next request on this connection would get the answer to this one."""
    hint = f"HTTP/1.1 {interim}\r\nLink: </x>\r\nX: y\r\n\r\n".encode()
    raw.scripts[b"/7"] = Script(hint * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7", "keep")
    raw.scripts[b"/8"] = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n8", "keep")
    found = [ask(raw, path) for path in ("7", "8", "7")]
    assert [(answer.status, answer.body) for answer in found] == [(200, b"7"), (200, b"8"), (200, b"7")]


@pytest.mark.parametrize("ending", ["close", "keep"])
def test_interim_answers_alone_are_none(raw: RawServer, ending: str) -> None:
    raw.scripts[b"/7"] = Script(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50, ending)
    with pytest.raises(TransientError):
        ask(raw, "7")
