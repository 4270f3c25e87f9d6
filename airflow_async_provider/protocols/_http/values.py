# SPDX-License-Identifier: Apache-2.0
"""Values of HTTP and JSON that the generic profiles write and read."""

from __future__ import annotations

import json
from typing import Any

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._redaction import excerpt


def structured_string(text: str) -> str:
    """
    A Structured Field String (RFC 9651 §3.3.3): quoted, printable ASCII only.

    :raises ConfigurationError: other characters
    """
    if not text.isascii() or not text.isprintable():
        raise ConfigurationError("An idempotency key may hold printable ASCII characters only.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def json_or_none(body: bytes) -> dict[str, Any] | None:
    """The body as a JSON object, None when it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def body_value(response: HttpResponse) -> Any:
    """
    The body as a value: JSON if it is JSON, text if it is text, else the bytes; None when it is empty.

    A body without a Content-Type, or of one that is no text, is taken for JSON if it parses as an object or
    a list, for many services forget to say what they send.
    """
    if not response.body:
        return None
    kind = response.headers.get("Content-Type", "").split(";", 1)[0].strip().lower()
    if not kind.startswith("text/"):
        try:
            value = json.loads(response.body)
        except (ValueError, RecursionError):
            value = json_path.MISSING
        if isinstance(value, dict | list) or (kind.endswith("json") and value is not json_path.MISSING):
            return value
    if kind.startswith("text/") or not kind or kind.endswith(("json", "xml")):
        try:
            return response.body.decode()
        except UnicodeDecodeError:
            pass
    return response.body


def one_line(text: str, limit: int) -> str:
    """A remote's words for people: on one line, bounded, without what databases and logs choke on."""
    return excerpt(text.encode("utf-8", "replace").replace(b"\0", b" "), limit)


def words_of(document: Any, *paths: str) -> str | None:
    """The first text found at these JSON paths, None when there is none."""
    for path in paths:
        found = json_path.read(document, path)
        if isinstance(found, str) and found.strip():
            return found
    return None


def error_text(document: Any) -> str | None:
    """
    What an error document says, in the shapes that are common.

    ``error {code, message}`` (Azure, Google, OData), problem details ``title``, ``detail`` (RFC 9457),
    ``message`` and a bare ``error``.
    """
    text = words_of(document, "error.message", "detail", "message", "error", "error_description", "title")
    code = json_path.read(document, "error.code")
    if isinstance(code, str | int) and not isinstance(code, bool):
        return f"{code}: {text}" if text else str(code)
    return text


def id_text(value: Any) -> str | None:
    """
    A remote's id as text, None when it is none or cannot be one.

    Numbers become text, for some services send an id as a number once and as a string the next time.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**100 else ""
    if isinstance(value, str) and 0 < len(value) <= 500 and value.isprintable():
        return value
    return None


def with_callback(content: Any, body: bytes | None, path: str, url: str) -> Any:
    """
    A copy of a JSON body with the callback's address in it.

    :raises ConfigurationError: a raw body, or no such place in the JSON
    """
    if body is not None:
        raise ConfigurationError("callback_field needs a JSON body; use callback_header with a raw one.")
    try:
        return json_path.write(content, path, url)
    except ValueError as e:
        raise ConfigurationError(f"callback_field: {e}.") from None
