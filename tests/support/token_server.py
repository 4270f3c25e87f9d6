# SPDX-License-Identifier: Apache-2.0
"""An OAuth 2.0 token endpoint with an API behind it: gives tokens to who proves to be the client, and to
nobody else."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt

CLIENT, SECRET = "cli:ent/1", "s3cret&canary/+"


@dataclass
class TokenServer:
    """
    ``POST /token`` gives tokens, ``/api`` wants the last one; a session cookie and a CSRF token where asked
    to.

    :param way: how the client has to prove who it is: ``basic``, ``body``, ``private_key_jwt`` or ``tls``
    :param public_key: PEM of the client's key
    :param csrf: whether what changes something needs a CSRF token and the session that it was fetched in
    """

    way: str = "basic"
    public_key: str = ""
    csrf: bool = False
    origin: str = ""
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    assertions: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    peers: list[Any] = field(default_factory=list)
    tokens: int = 0
    sessions: int = 0

    def token(
        self, headers: dict[str, str], form: dict[str, list[str]], peer: Any
    ) -> tuple[int, dict[str, Any]]:
        self.forms.append(form)
        if form.get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        if not self.knows(headers, form, peer):
            told = f"Client unknown; you sent {form.get('client_secret')} and {headers.get('authorization')}"
            return 401, {"error": "invalid_client", "error_description": told}
        self.tokens += 1
        return 200, {"access_token": f"t-{self.tokens}", "token_type": "Bearer", "expires_in": 3600}

    def knows(self, headers: dict[str, str], form: dict[str, list[str]], peer: Any) -> bool:
        sent = headers.get("authorization", "")
        if self.way == "basic":
            pair = base64.b64decode(sent.removeprefix("Basic ")).decode().split(":")
            return [unquote(part) for part in pair] == [CLIENT, SECRET]
        if self.way == "body":
            return (form.get("client_id"), form.get("client_secret")) == ([CLIENT], [SECRET]) and not sent
        if self.way == "private_key_jwt":
            (assertion,) = form["client_assertion"]
            algorithms = ["RS384", "ES384", "ES256"]
            claims = jwt.decode(
                assertion,
                self.public_key,
                algorithms=algorithms,
                audience=f"{self.origin}/token",
                issuer=CLIENT,
            )
            self.assertions.append({**claims, **jwt.get_unverified_header(assertion)})
            return bool(claims["sub"] == CLIENT and not sent)
        return bool(peer) and form.get("client_id") == [CLIENT]

    def api(self, method: str, headers: dict[str, str]) -> tuple[int, dict[str, str], dict[str, Any]]:
        if headers.get("authorization") != f"Bearer t-{self.tokens}":
            return 401, {}, {"error": "invalid_token"}
        if not self.csrf:
            return 200, {}, {"method": method}
        if headers.get("x-csrf-token", "").lower() == "fetch":
            self.sessions += 1
            return (
                200,
                {"X-CSRF-Token": f"csrf-{self.sessions}", "Set-Cookie": f"SESS={self.sessions}; path=/"},
                {},
            )
        fits = headers.get("x-csrf-token") == f"csrf-{self.sessions}"
        if method == "POST" and not (fits and f"SESS={self.sessions}" in headers.get("cookie", "")):
            return 403, {"X-CSRF-Token": "Required"}, {}
        return 202, {}, {"method": method}


def handler(server: TokenServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer()

        do_POST = do_GET  # noqa: N815 - the library's name

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append((self.command, self.path, headers))
            peer = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
            server.peers.append(peer)
            more: dict[str, str] = {}
            if self.path == "/token":
                status, answer = server.token(headers, parse_qs(body.decode()), peer)
            else:
                status, more, answer = server.api(self.command, headers)
            text = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(text)),
                **more,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            return

    return Handler


@contextmanager
def token_server(
    *, tls: Path | None = None, clients: Path | None = None, **settings: Any
) -> Iterator[TokenServer]:
    """
    A running server.

    :param tls: certificate and key for https
    :param clients: whose certificates are asked for
    """
    server = TokenServer(**settings)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
    httpd.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    server.origin = f"{'https' if tls else 'http'}://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(5)
