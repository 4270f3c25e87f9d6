# SPDX-License-Identifier: Apache-2.0
"""
An S3 server that takes uploads, counts them and forgets the bytes, so that the client is what is measured.

It knows the requests that uploaders send: PUT of an object or a part, the begin, end and abort of a
multipart upload, and HEAD, which tells the size. Signatures and checksums are not looked at. The ETags are
those that S3 would give where the client sends ``Content-MD5``, for rclone compares them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import socket
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

BUFFER = 1024 * 1024
DATE = "Mon, 02 Nov 2026 08:00:00 GMT"


@dataclass
class Part:
    """What is left of an object or a part."""

    size: int
    md5: bytes


objects: dict[str, tuple[int, str]] = {}
uploads: dict[str, dict[int, Part]] = {}


class Connection:
    """One client's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.stream: Any = sock.makefile("rb", buffering=64 * 1024)
        self.buffer = memoryview(bytearray(BUFFER))

    def serve(self) -> None:
        """Answer requests until the client leaves."""
        with contextlib.suppress(OSError), contextlib.closing(self.sock):
            while line := self.stream.readline():
                headers = {}
                while (header := self.stream.readline().strip()) != b"":
                    name, _, value = header.partition(b":")
                    headers[name.strip().lower().decode()] = value.strip().decode("latin-1")
                method, target, _ = line.decode("latin-1").split(" ", 2)
                if headers.get("expect"):
                    self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                got = self.discard(headers)
                size = int(headers.get("x-amz-decoded-content-length", got))
                parts = urlsplit(target)
                query = parse_qs(parts.query, keep_blank_values=True)
                self.answer(method, parts.path, query, Part(size, _md5(headers)))

    def discard(self, headers: dict[str, str]) -> int:
        """Take the body off the wire; its length."""
        if "chunked" not in headers.get("transfer-encoding", ""):
            length = int(headers.get("content-length", 0))
            self.take(length)
            return length
        total = 0
        while size := int(self.stream.readline().split(b";")[0], 16):
            self.take(size)
            self.stream.readline()
            total += size
        while self.stream.readline().strip():
            pass
        return total

    def take(self, count: int) -> None:
        while count:
            got = self.stream.readinto1(self.buffer[: min(count, BUFFER)])
            if not got:
                raise ConnectionError
            count -= got

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Part) -> None:
        upload = query.get("uploadId", [""])[0]
        if method == "POST" and "uploads" in query:
            upload = secrets.token_hex(8)
            uploads[upload] = {}
            self.xml("InitiateMultipartUploadResult", path, f"<UploadId>{upload}</UploadId>")
        elif method == "PUT" and upload:
            uploads[upload][int(query["partNumber"][0])] = body
            self.reply("200 OK", ETag=f'"{body.md5.hex()}"')
        elif method == "PUT":
            if path.count("/") > 1:  # else it makes a bucket
                objects[path] = (body.size, body.md5.hex())
            self.reply("200 OK", ETag=f'"{body.md5.hex()}"')
        elif method == "POST" and upload:
            parts = [part for _, part in sorted(uploads.pop(upload).items())]
            etag = hashlib.md5(b"".join(p.md5 for p in parts), usedforsecurity=False).hexdigest()
            objects[path] = (sum(p.size for p in parts), f"{etag}-{len(parts)}")
            self.xml("CompleteMultipartUploadResult", path, f'<ETag>"{objects[path][1]}"</ETag>')
        elif method == "DELETE":
            uploads.pop(upload, None)
            self.reply("204 No Content")
        elif path in objects:
            size, etag = objects[path]
            self.reply("200 OK", length=size if method == "HEAD" else 0, ETag=f'"{etag}"')
        else:
            self.reply("404 Not Found")

    def xml(self, name: str, path: str, inner: str) -> None:
        _, bucket, key = path.split("/", 2)
        text = f"<{name}><Bucket>{bucket}</Bucket><Key>{key}</Key>{inner}</{name}>"
        self.reply("200 OK", body=text.encode(), Content_Type="application/xml")

    def reply(self, status: str, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Last-Modified: {DATE}", f"x-amz-request-id: {secrets.token_hex(8)}", "", ""]
        self.sock.sendall("\r\n".join(lines).encode() + body)


def _md5(headers: dict[str, str]) -> bytes:
    given = headers.get("content-md5")
    return base64.b64decode(given) if given else secrets.token_bytes(16)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        while True:
            sock, _ = listening.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection: Any = Connection(sock)
            threading.Thread(target=connection.serve, daemon=True).start()


if __name__ == "__main__":
    main()
