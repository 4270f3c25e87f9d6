# SPDX-License-Identifier: Apache-2.0
"""Text of a remote system, made fit for logs, databases and error messages."""

from __future__ import annotations

import re

#: ``Bearer abc…``; a word behind it counts as a credential when it is long or has a digit.
_SCHEME = re.compile(r"(?i)\b(bearer|basic)(\s+)(?=\S*\d|\S{16})[^\s\"'<>,;]+")
#: ``"access_token": "abc"``, ``X-Amz-Signature=abc``, ``<secret>abc``.
_NAMED = re.compile(
    r"(?i)((?:token|secret|passw(?:or)?d|signature|credential|api[-_ ]?key|authorization|\bsig\b)[\w.-]*"
    r"[\\\"']*\s*(?:[:=>]|%3d)\s*[\\\"']*)[^\s\\\"'&,;<>]+"
)


def printable(text: str) -> str:
    """Text without what databases, logs and terminals choke on: each such character becomes ``?``."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def excerpt(body: bytes, limit: int = 200) -> str:
    """The beginning of a body for an error text: decoded, on one line, bounded, what looks secret masked."""
    text = body[: limit * 4].decode("utf-8", "replace")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = " ".join(_without_query(word) for word in text.split(" "))
    text = _NAMED.sub(r"\1***", _SCHEME.sub(r"\1\2***", text))
    return text[:limit] + "…" if len(text) > limit else text


def _without_query(word: str) -> str:
    r"""A result URL carries its signature in the query, and JSON may spell it ``https:\/\/``."""
    head, _, query = word.partition("?")
    is_url = "//" in head.replace("\\/", "/")
    return f"{head}?…" if query and (is_url or any(c in query for c in "=&%")) else word
