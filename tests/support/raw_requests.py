# SPDX-License-Identifier: Apache-2.0
"""Requests to the receiver as bytes, sent over a socket of their own."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

from airflow_async_provider._callbacks.address import PREFIX, ROUTE

ENDED = b'{"runid": 7, "execution_status": 1900}'
ROOT = f"{PREFIX}{ROUTE}"


def raw(url: str, request: bytes) -> bytes:
    """Bytes out, bytes in, over a socket of its own."""
    with connected(url) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        return whole_answer(connection)


def connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def whole_answer(connection: socket.socket) -> bytes:
    answer = bytearray()
    with contextlib.suppress(ConnectionError):
        while block := connection.recv(65536):
            answer += block
    return bytes(answer)


def request(path: str, body: bytes = ENDED, *headers: str, method: str = "POST") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: airflow",
        "Connection: close",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def undated(answer: bytes) -> bytes:
    return b"\r\n".join(line for line in answer.split(b"\r\n") if not line.lower().startswith(b"date:"))
