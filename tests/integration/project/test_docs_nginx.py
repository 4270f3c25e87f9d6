# SPDX-License-Identifier: Apache-2.0
"""The proxy of ``docs/callbacks.md`` lets callbacks pass and nothing else, and writes no secret down."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.harness.processes import free_port, wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PAGE = Path(__file__).parents[3] / "docs/callbacks.md"
CALLBACK = "/async-provider/callbacks/v1/task/the-secret"

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs the program nginx")


class ApiServer(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        shown = f"{self.path} {self.headers['Authorization']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(shown)))
        self.end_headers()
        self.wfile.write(shown)

    do_PUT = do_GET = do_POST  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Proxy:
    """nginx with the example of the docs; its times are shorter, and other ports."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.port = free_port()
        self.log = folder / "log"
        server = PAGE.read_text(encoding="utf-8").partition("```nginx\n")[2].partition("```")[0]
        for old, new in (
            ("listen 8443", f"listen 127.0.0.1:{self.port}"),
            ("127.0.0.1:8080", f"127.0.0.1:{upstream}"),
            ("/dev/stdout", str(self.log)),
            ("/dev/stderr", str(folder / "errors")),
            ("client_header_timeout 10s", "client_header_timeout 1s"),
        ):
            assert old in server
            server = server.replace(old, new)
        head = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/start; events {{}}"
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(f"{head}\nhttp {{ access_log off; {temporary}\n{server}\n}}")
        assert NGINX is not None
        self.process = subprocess.Popen(
            [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "start")]
        )
        wait_until(lambda: self.process.poll() is not None or self._is_up(), "nginx", 20)
        assert self.process.poll() is None

    def _is_up(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def connect(self, sent: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(sent)
        return connection

    def ask(self, method: str, path: str, length: int = 2) -> str:
        """Status and body of an answer."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: airflow\r\nConnection: close\r\nAuthorization: Bearer it\r\n"
        )
        with closing(self.connect(f"{head}Content-Length: {length}\r\n\r\n{{}}".encode())) as connection:
            answer = b""
            while block := connection.recv(65536):
                answer += block
        top, _, body = answer.decode().partition("\r\n\r\n")
        return f"{top.split(' ')[1]} {body}"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = Proxy(tmp_path, server.server_port)
        try:
            yield found
        finally:
            found.process.terminate()
            found.process.wait(10)
            server.shutdown()


def test_callbacks_pass_and_nothing_else(proxy: Proxy) -> None:
    for method in ("POST", "PUT"):
        assert proxy.ask(method, CALLBACK) == f"200 {CALLBACK} Bearer it"
    assert proxy.ask("GET", CALLBACK).startswith("403 ")
    for path in ("/", "/api/v2/dags", "/execution/health", "/async-provider/health", "/auth/token"):
        assert proxy.ask("POST", path).startswith("404 ")
    assert proxy.ask("POST", "/async-provider/callbacks/v1/../../../api/v2/dags").startswith("404 ")
    assert proxy.ask("POST", CALLBACK, length=2_000_000).startswith("413 ")


def test_who_says_nothing_is_gone_soon(proxy: Proxy) -> None:
    with closing(proxy.connect(b"POST " + CALLBACK.encode())) as connection:
        assert b"200" not in connection.recv(1000)  # closed, with 408 or without a word


def test_connections_of_one_address_are_counted(proxy: Proxy) -> None:
    head = f"POST {CALLBACK} HTTP/1.1\r\nHost: airflow\r\nContent-Length: 2\r\n\r\n".encode()
    held = [proxy.connect(head) for _ in range(20)]  # and nothing of the body
    try:
        wait_until(lambda: proxy.ask("POST", CALLBACK).startswith("503 "), "a refusal", 20)
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: proxy.ask("POST", CALLBACK).startswith("200 "), "room", 20)


def test_no_secret_is_written_down(proxy: Proxy, tmp_path: Path) -> None:
    proxy.ask("POST", CALLBACK)
    proxy.ask("POST", CALLBACK, length=2_000_000)
    proxy.ask("GET", f"{CALLBACK}?the-secret")
    wait_until(lambda: proxy.log.read_text().count("callbacks/v1/task 4") == 2, "three lines", 20)
    written = "".join(
        path.read_text(errors="replace")
        for path in tmp_path.iterdir()
        if path.is_file() and path.name != "nginx.conf"
    )
    assert "the-secret" not in written
    assert "/async-provider/callbacks/v1/task 200" in written
