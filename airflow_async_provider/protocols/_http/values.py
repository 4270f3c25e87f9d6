# SPDX-License-Identifier: Apache-2.0
"""Values of HTTP and JSON that the generic profiles write and read."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._redaction import excerpt

_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"}
)


def media_type(response: HttpResponse) -> str:
    """The media type of an answer, in lower case and without parameters; empty when it has none."""
    return str(response.headers.get("Content-Type", "")).split(";", 1)[0].strip().lower()


def charset_of(response: HttpResponse) -> str:
    """The character set that an answer declares, UTF-8 where it names none that we know."""
    match = re.search(r"charset\s*=\s*\"?([\w.:-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE)
    if match is None:
        return "utf-8"
    try:
        found = codecs.lookup(match[1])
    except LookupError:
        return "utf-8"
    # Codecs that make no text of bytes ("rot13", "zip"), or a text from afar ("idna"), are no charsets.
    return found.name if found._is_text_encoding and found.name not in _NO_CHARSETS else "utf-8"


def body_text(response: HttpResponse) -> str:
    """The body as text, in the charset that the answer declares; what cannot be decoded is replaced."""
    body = response.body
    name = charset_of(response)
    if name == "utf-8":
        # JSON of some services begins with a mark, or comes as UTF-16 (RFC 7159).
        name = json.detect_encoding(body)
    try:
        return body.decode(name)
    except (UnicodeDecodeError, LookupError):
        return body.decode("utf-8", "replace")


def body_value(response: HttpResponse) -> Any:
    """
    The body as a value: JSON if it is JSON, text if it is text, else the bytes; None when it is empty.

    A body without a Content-Type, or of one that is no text, is taken for JSON if it parses as an object or
    a list, for many services forget to say what they send.
    """
    if not response.body:
        return None
    kind = media_type(response)
    if not kind.startswith("text/"):
        try:
            value = json.loads(body_text(response))
        except (ValueError, RecursionError):
            value = json_path.MISSING
        if isinstance(value, dict | list) or (kind.endswith("json") and value is not json_path.MISSING):
            return value
    if kind.startswith("text/") or not kind or kind.endswith(("json", "xml")):
        try:
            return response.body.decode(charset_of(response))
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

    ``error {code, message}`` (Azure, Google, OData), problem details ``title``, ``detail`` (RFC 9457), lists
    of errors, an OperationOutcome (FHIR), ``message``, a bare ``error`` and the like.
    """
    if isinstance(document, list) and document:
        document = document[0]
    text = words_of(document, *_EXPLANATIONS)
    code = next(
        (c for path in ("error.code", "errors[0].code") if (c := json_path.read(document, path))), None
    )
    if isinstance(code, str | int) and not isinstance(code, bool):
        return f"{code}: {text}" if text else str(code)
    return text


_EXPLANATIONS: Final = (
    "error.message", "error.errors[0].message", "detail", "message", "error", "error_description", "title",
    "errors[0].message", "errors[0].detail", "errors[0].Message", "errors[0]", "errors.data[0].message",
    "Errors[0].Message", "errorMessage", "error_message", "errorResult.message", "failureReason",
    "failure_reason", "errorCode", "statusMessage", "status_message", "state_message", "issue[0].diagnostics",
    "issue[0].details.text", "job_explanation", "result_traceback", "traceback", "reason", "state_reason",
    "Messages[0].Message", "error.type", "error.reason",
)  # fmt: skip


def check_for_xcom(value: Any, *, what: str = "The result") -> None:
    """
    Refuse what no XCom can hold: NaN, infinities and lone surrogates, which JSON and databases do not know.

    :param what: what the value is, for the message
    :raises DownloadError: with where it stands and the way out
    """
    where = _unfit(value, "$")
    if where is not None:
        raise DownloadError(
            f"{what} cannot be handed over as an XCom: at {one_line(where[0], 100)} it holds {where[1]}. "
            "Give a destination, which takes the bytes as they came, or pick another part with result_field."
        )


def _unfit(value: Any, path: str) -> tuple[str, str] | None:
    todo: list[tuple[str, Any]] = [(path, value)]
    while todo:
        here, item = todo.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return here, "a number that JSON does not know (NaN or an infinity)"
        if isinstance(item, str) and not _is_unicode(item):
            return here, "half of a character (a lone surrogate)"
        if isinstance(item, Mapping):
            for name, inner in item.items():
                if isinstance(name, str) and not _is_unicode(name):
                    return here, "a name with half of a character (a lone surrogate)"
                todo.append((f"{here}.{name}", inner))
        elif isinstance(item, list | tuple):
            todo += [(f"{here}[{i}]", inner) for i, inner in enumerate(item)]
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def id_text(value: Any) -> str | None:
    """
    A remote's id as text, None when it is none or cannot be one.

    Numbers become text, for some services send an id as a number once and as a string the next time.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**100 else ""
    if isinstance(value, str) and value.strip() and len(value) <= 500 and value.isprintable():
        return value
    return None


def seconds_of(value: Any) -> float | None:
    """A number of seconds out of JSON, None when it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**10:
        return float(value) if math.isfinite(value) else None
    return None
