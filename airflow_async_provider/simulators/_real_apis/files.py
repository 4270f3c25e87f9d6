# SPDX-License-Identifier: Apache-2.0
"""
Pre-signed URLs: another origin that knows the file, refuses credentials, and wants its query byte for byte.

The queries have the form of those of S3, Azure Storage and Google Cloud Storage; what they sign is not
computed. A storage that verifies a signature is :mod:`airflow_async_provider.simulators._s3`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from aiohttp import web

from airflow_async_provider.simulators.reply import Reply

AWS = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=0a1b~"
)
AZURE = "sv=2024-08-04&sr=b&sp=r&se=2100-01-01T00%3A00%3A00Z&sig=q%2Fx%2Bz%3D"
GOOGLE = "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=sa%40p%2Fauto%2Fstorage&X-Goog-Signature=0a1b"

#: headers that are credentials wherever they are sent
CREDENTIALS = (
    "authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-amz-access-token",
    "x-auth-token",
    "apikey",
)


@dataclass(frozen=True, slots=True)
class File:
    """
    One file behind a pre-signed URL.

    :param query: its signature, as it has to come back
    :param needed: headers that have to come along, such as a link names them
    """

    content: bytes
    content_type: str
    query: str
    needed: tuple[tuple[str, str], ...] = ()


class SignedFiles:
    """All files that have been handed out by pre-signed URLs, by their paths."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}

    def put(self, path: str, file: File) -> str:
        """Keep a file; its path and query."""
        self._files[path] = file
        return f"{path}?{file.query}"

    def clear(self) -> None:
        """Forget all files."""
        self._files.clear()

    async def get(self, request: web.Request) -> Reply:
        """Answer a request for a file."""
        path, _, query = request.raw_path.partition("?")
        if any(name.lower() in CREDENTIALS or "token" in name.lower() for name in request.headers):
            return _refused(400, "InvalidArgument")
        file = self._files.get(path)
        if file is None or query != file.query:
            return _refused(403, "SignatureDoesNotMatch")
        if any(request.headers.get(name) != value for name, value in file.needed):
            return _refused(403, "AccessDenied")
        if request.method not in ("GET", "HEAD"):
            return _refused(405, "MethodNotAllowed")
        return _sent(file, request.headers.get("Range", ""))


def _sent(file: File, wanted: str) -> Reply:
    etag = hashlib.md5(file.content, usedforsecurity=False).hexdigest()
    headers = {"Content-Type": file.content_type, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
    part = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if part is None:
        return Reply(200, headers, file.content)
    first, last = int(part[1]), min(int(part[2] or len(file.content)), len(file.content) - 1)
    if first > last:
        return Reply(416, {"Content-Range": f"bytes */{len(file.content)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(file.content)}"
    return Reply(206, headers, file.content[first : last + 1])


def _refused(status: int, code: str) -> Reply:
    return Reply(status, {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code></Error>".encode())
