# SPDX-License-Identifier: Apache-2.0
"""
A source of bytes that misbehaves on command, over real sockets.

Each request takes the next of ``steps``; when none is left, it is served as S3 would serve it. What came in
is in ``requests``, spelled as it was on the wire.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired'
    b"</Message><X-Amz-Expires>300</X-Amz-Expires><Expires>2020-09-08T20:05:05Z</Expires>"
    b"<ServerTime>2020-09-09T17:06:17Z</ServerTime><RequestId>4442587FB7D0A2F9</RequestId></Error>"
)


@dataclass(frozen=True)
class Request:
    """One request as it came: ``target`` is the raw request target, header names are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def range(self) -> tuple[int, int | None] | None:
        value = self.headers.get("range")
        if value is None:
            return None
        first, last = value.removeprefix("bytes=").split("-")
        return int(first), int(last) + 1 if last else None


Step = Callable[["Exchange"], None]


@dataclass
class ByteServer:
    """
    Serves ``content`` at any path.

    :param etag: sent with every answer, None for none
    :param tls: certificate and key in one file, for https
    """

    content: bytes = b""
    etag: str | None = '"v1"'
    content_type: str | None = "text/csv"
    headers: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    tls: Path | None = None
    requests: list[Request] = field(default_factory=list)
    #: gives the bytes for a request target, or the step that answers it
    by_path: Callable[[str], Any] | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.connections = 0
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context: ssl.SSLContext | None = None
        if self.tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(self.tls)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + "/bucket/result.csv?X-Amz-Signature=SECRETSIGNATURE"

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [r.headers.get("range") for r in self.requests]

    def close(self) -> None:
        self.ended.set()
        with self._lock:
            connections = list(self._open)
        for connection in [self._listener, *connections]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _step_of(self, request: Request) -> Step:
        if self.by_path is None:
            return serve()
        found = self.by_path(request.target)
        return serve(content=found) if isinstance(found, bytes) else found

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            self.connections += 1
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection), connection.makefile("rb") as stream:
                while (request := _read_request(stream)) is not None:
                    with self._lock:
                        self.requests.append(request)
                        step = self.steps.pop(0) if self.steps else None
                    exchange = Exchange(self, request, connection)
                    step = step or self._step_of(request)
                    step(exchange)
                    if exchange.last:
                        return
        except OSError:  # the client went away, or did not trust our certificate
            pass
        finally:
            with self._lock:
                self._open.discard(connection)


@dataclass
class Exchange:
    """One request being answered."""

    server: ByteServer
    request: Request
    connection: socket.socket
    last: bool = False

    def head(self, status: int, headers: Mapping[str, Any]) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        self.connection.sendall("\r\n".join(lines).encode("utf-8"))

    def usual_headers(self, body: bytes, start: int | None, whole: bytes | None = None) -> dict[str, Any]:
        server = self.server
        sent: dict[str, Any] = {"Content-Length": len(body), "Accept-Ranges": "bytes", **server.headers}
        if server.etag is not None:
            sent["ETag"] = server.etag
        if server.content_type is not None:
            sent["Content-Type"] = server.content_type
        if start is not None:
            sent["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(whole or server.content)}"
        return sent

    def body(self, body: bytes, *, chunked: bool, whole: bool) -> None:
        if not chunked:
            self.connection.sendall(body)
            return
        for i in range(0, len(body), 70_000):
            piece = body[i : i + 70_000]
            self.connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        if whole:
            self.connection.sendall(b"0\r\n\r\n")

    def reset(self) -> None:
        self.last = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve(
    *,
    cut: int | None = None,
    how: str = "close",
    ignore_range: bool = False,
    chunked: bool = False,
    until_close: bool = False,
    headers: Mapping[str, Any] | None = None,
    drop: tuple[str, ...] = (),
    content: bytes | None = None,
) -> Step:
    """
    The content, or the part of it that Range names; 412 when If-Match does not match.

    :param cut: send so many bytes of the body, then ``close``, ``reset`` or fall into ``silence``
    :param ignore_range: answer 200 with the whole
    :param chunked: no Content-Length, chunks
    :param until_close: no Content-Length, the end of the connection ends the body
    :param headers: further headers; they replace others of the same name
    :param drop: names of headers to leave out
    :param content: other bytes than the server's
    """

    def step(exchange: Exchange) -> None:
        server, request = exchange.server, exchange.request
        whole = server.content if content is None else content
        wanted = None if ignore_range else request.range
        if request.headers.get("if-match", server.etag) != server.etag:
            return status(412, b"<Error><Code>PreconditionFailed</Code></Error>")(exchange)
        if wanted and wanted[0] >= len(whole):
            return status(416)(exchange)
        start, end = wanted or (0, None)
        body = whole[start:end]
        sent = exchange.usual_headers(body, start if wanted else None, whole)
        if chunked:
            sent["Transfer-Encoding"] = "chunked"
        if until_close:
            sent["Connection"] = "close"
        left_out = {*drop, *(["Content-Length"] if chunked or until_close else [])}
        sent = {k: v for k, v in {**sent, **(headers or {})}.items() if k not in left_out}
        exchange.head(206 if wanted else 200, sent)
        exchange.last = cut is not None or until_close
        exchange.body(body[:cut], chunked=chunked, whole=cut is None)
        if cut is not None and how == "reset":
            exchange.reset()
        elif cut is not None and how == "silence":
            server.ended.wait(20)
        return None

    return step


def shorter(by: int) -> Step:
    """A range that is well formed but ends so many bytes before the one that was asked for."""

    def step(exchange: Exchange) -> None:
        server, wanted = exchange.server, exchange.request.range
        assert wanted is not None
        start, end = wanted
        body = server.content[start : min(end or len(server.content), len(server.content)) - by]
        exchange.head(206, exchange.usual_headers(body, start))
        exchange.connection.sendall(body)

    return step


def status(code: int, body: bytes = b"", headers: Mapping[str, Any] | None = None) -> Step:
    """An answer without the content."""

    def step(exchange: Exchange) -> None:
        exchange.head(code, {"Content-Length": len(body), **(headers or {})})
        exchange.connection.sendall(body)

    return step


def redirect(location: str, code: int = 302) -> Step:
    return status(code, headers={"Location": location})


def hang_up(*, reset: bool = False) -> Step:
    """No answer at all."""

    def step(exchange: Exchange) -> None:
        exchange.last = True
        if reset:
            exchange.reset()

    return step


def change(step: Step, **new: Any) -> Step:
    """Another object takes the place, then the step."""

    def changed(exchange: Exchange) -> None:
        for name, value in new.items():
            setattr(exchange.server, name, value)
        step(exchange)

    return changed


@contextlib.contextmanager
def running(**settings: Any) -> Iterator[ByteServer]:
    server = ByteServer(**settings)
    try:
        yield server
    finally:
        server.close()


def make_certificate(path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts but who is told to, with its key, in one PEM file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def _read_request(stream: Any) -> Request | None:
    line = stream.readline().decode("latin-1")
    if not line.strip():
        return None
    method, target, _ = line.split(" ", 2)
    headers: dict[str, str] = {}
    while (header := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Request(method, target, headers, stream.read(int(headers.get("content-length", 0))))
