# SPDX-License-Identifier: Apache-2.0
"""
Whom ``example_wait_for_anything`` talks to: AWS Lambda, GitHub, a mail server with its readers, a partner.

Each does as much of it as the example needs, after a moment, and calls back as the real one's code would:
the Lambda is the very function of the docs.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

LAMBDA = Path(__file__).resolve().parents[2] / "docs" / "examples" / "lambda_function.py"


class Others(http.server.ThreadingHTTPServer):
    """
    The HTTP ones.

    :param seconds: how long each takes before it calls back; longer than the settle time, a callback
        resumes its task itself
    """

    daemon_threads = True

    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[str] = []
        self.secrets: list[str] = []
        self.mail = _MailServer(self)

    def later(self, work: Callable[[], Any]) -> None:
        """Do it after a while."""
        timer = threading.Timer(self.seconds, work)
        timer.daemon = True
        timer.start()


def request(method: str, url: str, **options: Any) -> requests.Response:
    """One request past any proxy."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=60, **options)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Others
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self.server.seen.append(f"POST {self.path}")
        if self.path.startswith("/2015-03-31/functions/"):
            spec = importlib.util.spec_from_file_location("lambda_function", LAMBDA)
            assert spec is not None
            assert spec.loader is not None
            function = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(function)
            self.server.secrets.append(body["headers"]["Authorization"].removeprefix("Bearer "))
            self.server.later(lambda: function.handler(body, None))
            return self._answer(202, None)
        if self.path.endswith("/dispatches"):
            callback = body["client_payload"]["callback"]
            said = {"job": {"status": "success", "url": "https://github.example/runs/1"}}
            self.server.secrets.append(callback.rsplit("/", 1)[1])
            self.server.later(lambda: request("POST", callback, json=said))
            return self._answer(204, None)
        callback = body["conf"]["callback"]
        said = {"dag_run_id": body["dag_run_id"], "state": "success", "delivered": 12}
        self.server.secrets.append(callback.rsplit("/", 1)[1])
        self.server.later(lambda: request("POST", callback, json=said))
        return self._answer(200, {"dag_run_id": body["dag_run_id"], "state": "queued"})

    def do_GET(self) -> None:
        self.server.seen.append(f"GET {self.path}")
        self._answer(200, {"dag_run_id": self.path.rsplit("/", 1)[1], "state": "running"})

    def _answer(self, status: int, document: Any) -> None:
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _MailServer(socketserver.ThreadingTCPServer):
    """Takes mails; a scanner follows their links at once, and one of the readers presses a button later."""

    daemon_threads = True

    def __init__(self, others: Others) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.others = others
        self.scanned: list[int] = []

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def read(self, text: str) -> None:
        """One mail has come."""
        link = re.sub(r"=\r?\n", "", text)  # quoted-printable breaks long lines
        found = re.search(r"https?://\S+/confirm", link.replace("=3D", "="))
        assert found is not None, text
        url = found[0]
        self.others.secrets.append(url.split("/")[-2])
        self.scanned.append(request("GET", url).status_code)
        if "waits for accounting" in text:
            answer = {"answer": "Release", "message": "seen"}
            self.others.later(lambda: request("POST", url, data=answer))


class _Mail(socketserver.StreamRequestHandler):
    server: _MailServer

    def handle(self) -> None:
        self._say("220 mail")
        while line := self.rfile.readline().decode("latin-1").strip():
            word = line.upper()
            if word == "DATA":
                self._say("354 go on")
                lines = []
                while (one := self.rfile.readline().decode("latin-1")).strip() != ".":
                    lines.append(one)
                self.server.read("".join(lines))
            if word == "QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextlib.contextmanager
def others(seconds: float = 12.0) -> Iterator[Others]:
    """All of them, running."""
    with Others(seconds) as server, server.mail as mail:
        threads = [
            threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True) for one in (server, mail)
        ]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            mail.shutdown()
            for thread in threads:
                thread.join(10)
