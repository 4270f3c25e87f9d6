# SPDX-License-Identifier: Apache-2.0
"""The relay that stands between Airflow and its remotes in the chaos tests."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator

import pytest
import requests

from tests.support.harness.relay import Relay


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve() -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def servers() -> Iterator[list[http.server.ThreadingHTTPServer]]:
    both = [serve(), serve()]
    yield both
    for server in both:
        server.shutdown()
        server.server_close()


@pytest.fixture
def relay(servers: list[http.server.ThreadingHTTPServer]) -> Iterator[Relay]:
    ears = [re.compile(rb"secret=(\w+)")]
    with Relay(lambda: [("127.0.0.1", s.server_port) for s in servers], ears=ears) as relay:
        yield relay


def put(relay: Relay, path: str, body: bytes = b"x") -> bytes:
    with requests.Session() as session:
        session.trust_env = False
        return session.put(relay.url + path, data=body, timeout=20).content


def test_everything_is_passed_on_and_what_matches_is_heard(relay: Relay) -> None:
    body = bytes(range(256)) * 10_000
    assert put(relay, "/a?secret=abc", body) == body
    assert relay.heard == {"abc"}


def test_a_dead_target_is_passed_over(relay: Relay, servers: list[http.server.ThreadingHTTPServer]) -> None:
    servers[0].shutdown()
    servers[0].server_close()
    assert [put(relay, "/") for _ in range(4)] == [b"x"] * 4


def test_it_refuses_connections_while_it_is_down(relay: Relay) -> None:
    relay.down()
    with pytest.raises(requests.ConnectionError):
        put(relay, "/")
    relay.up()
    assert put(relay, "/") == b"x"


def test_connections_break_where_they_are_to_so_often(relay: Relay) -> None:
    trouble = relay.break_at(re.compile(rb"part=7[& ]"), times=2)
    assert put(relay, "/?part=70") == b"x"
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            put(relay, "/?part=7")
    assert put(relay, "/?part=7") == b"x"
    assert trouble.struck == 2
