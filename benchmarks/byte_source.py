# SPDX-License-Identifier: Apache-2.0
"""
A storage's side of a download that costs next to nothing: ``/bytes/<count>`` answers so many bytes.

The bytes are one block of random ones, again and again, and go from a file's pages to the socket
(``sendfile``), so that the client is what a benchmark measures. Strong ETag, ``Range`` and ``If-Match`` are
answered as S3 does. ``--rate`` limits each connection (bytes per second), as storages and proxies do;
``--delay`` (seconds) lies before every answer, and before the first one of a connection twice, as a way of
that length would.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import tempfile
import threading
import time
from typing import Any

BLOCK = 16 * 1024 * 1024
SLICE = 256 * 1024
ETAG = '"0123456789abcdef0123456789abcdef"'


class Connection:
    """One client's connection."""

    def __init__(self, sock: socket.socket, block: int, options: argparse.Namespace) -> None:
        self.sock = sock
        self.block = block
        self.rate = options.rate
        self.delay = options.delay
        self.free_at = 0.0

    def serve(self) -> None:
        """Answer requests until the client leaves."""
        with contextlib.suppress(OSError), contextlib.closing(self.sock):
            stream = self.sock.makefile("rb")
            time.sleep(self.delay)
            while line := stream.readline():
                headers = {}
                while (header := stream.readline().strip()) != b"":
                    name, _, value = header.partition(b":")
                    headers[name.strip().lower()] = value.strip().decode("latin-1")
                method, target, _ = line.decode("latin-1").split(" ", 2)
                time.sleep(self.delay)
                self.answer(method, target, headers)

    def answer(self, method: str, target: str, headers: dict[bytes, str]) -> None:
        found = re.match(r"/bytes/(\d+)", target)
        if found is None:
            self.head("404 Not Found", 0)
            return
        count = int(found[1])
        if headers.get(b"if-match", ETAG) != ETAG:
            self.head("412 Precondition Failed", 0)
            return
        start, end = 0, count
        further: tuple[str, ...] = ()
        status = "200 OK"
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get(b"range", "")):
            start = int(asked[1])
            end = min(int(asked[2]) + 1, count) if asked[2] else count
            if start >= count:
                self.head("416 Range Not Satisfiable", 0)
                return
            status, further = "206 Partial Content", (f"Content-Range: bytes {start}-{end - 1}/{count}",)
        self.head(status, end - start, *further)
        if method != "HEAD":
            self.send(start, end)

    def head(self, status: str, length: int, *further: str) -> None:
        lines = (
            f"HTTP/1.1 {status}",
            f"Content-Length: {length}",
            "Content-Type: application/octet-stream",
            "Last-Modified: Mon, 02 Nov 2026 08:00:00 GMT",
            "Accept-Ranges: bytes",
            f"ETag: {ETAG}",
            *further,
        )
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, start: int, end: int) -> None:
        most = SLICE if self.rate else BLOCK
        while start < end:
            place = start % BLOCK
            sent = os.sendfile(self.sock.fileno(), self.block, place, min(most, end - start, BLOCK - place))
            start += sent
            if self.rate:
                now = time.monotonic()
                self.free_at = max(now, self.free_at) + sent / self.rate
                time.sleep(self.free_at - now)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--delay", type=float, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryFile() as file, socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        file.write(os.urandom(BLOCK))
        file.flush()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        while True:
            sock, _ = listening.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if options.rate:  # what waits in the socket is no limit
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SLICE)
            connection: Any = Connection(sock, file.fileno(), options)
            threading.Thread(target=connection.serve, daemon=True).start()


if __name__ == "__main__":
    main()
