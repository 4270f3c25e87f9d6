# SPDX-License-Identifier: Apache-2.0
"""URLs reach the server exactly as they are spelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from airflow_async_provider._transport.exact_url_adapter import exact_adapter, request_target


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
