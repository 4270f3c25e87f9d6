# SPDX-License-Identifier: Apache-2.0
"""A result that came inside of an answer, as the bytes that are stored."""

from __future__ import annotations

import json
from typing import Any

JSON = "application/json"


def bytes_of(
    value: Any, *, body: bytes | None = None, media_type: str | None = None
) -> tuple[bytes, str | None]:
    """
    The bytes of a result, and their media type.

    What the remote sent as a whole answer stays as it was sent. Text and bytes are stored as they are, all
    else as JSON in UTF-8. Halves of surrogate pairs, which UTF-8 has no bytes for, become the escapes that
    they were in the remote's JSON; in plain text they are kept in three bytes each, so that nothing is lost.
    NaN and infinities are written as the remote wrote them, as ``NaN`` and ``Infinity``.

    :param value: text, bytes, or anything that JSON knows
    :param body: the value as the remote sent it, where it was a whole answer
    :param media_type: what the remote called it; None for the usual one of such a value
    """
    if not isinstance(value, str | bytes):
        media_type = media_type or JSON
    if body is not None:
        return body, media_type
    if isinstance(value, bytes):
        return value, media_type
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass"), media_type
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"), media_type
