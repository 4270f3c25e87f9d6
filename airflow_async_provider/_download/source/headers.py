# SPDX-License-Identifier: Apache-2.0
"""What the headers of a download's answers say about the object."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_async_provider._download.source.http_connection import StreamResponse

#: Python refuses to read numbers of thousands of digits; these are more than any storage has.
_LENGTH = re.compile(r"[0-9]{1,30}")
_RANGE = re.compile(r"bytes ([0-9]{1,30})-[0-9]{1,30}/([0-9]{1,30}|\*)")


def is_strong(etag: str | None) -> bool:
    """Whether equal ETags mean equal bytes (RFC 9110 section 8.8.3)."""
    return bool(etag) and not str(etag).startswith("W/")


def body_length(headers: Mapping[str, str]) -> int | None:
    """The announced length of a body, None when there is none that counts."""
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    found = _LENGTH.fullmatch(headers.get("Content-Length", ""))
    return None if chunked or not found else int(found.group())


def body_encoding(headers: Mapping[str, str]) -> str | None:
    """The content coding of a body, None when it is plain."""
    encoding = headers.get("Content-Encoding", "").strip().lower()
    # S3 stores "aws-chunked" when an uploader forgot to take it off; the bytes are plain
    return encoding if encoding not in ("", "identity", "aws-chunked") else None


def content_range(response: StreamResponse) -> tuple[int | None, int | None]:
    """First byte and whole length of a 206, None for what it does not say."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found:
        return None, None
    return int(found.group(1)), None if found.group(2) == "*" else int(found.group(2))


def is_range_of(response: StreamResponse, etag: str | None, start: int) -> bool:
    """Whether an answer holds bytes of the object with this strong ETag, beginning at ``start``."""
    return (
        response.status == 206
        and is_strong(etag)
        and response.headers.get("ETag") == etag
        and content_range(response)[0] == start
    )
