# SPDX-License-Identifier: Apache-2.0
"""
Text of a remote system, made fit for logs, databases and error messages: the one place for it.

* :func:`excerpt` for whatever may hold a secret: the beginning of an answer, a message of the remote.
* :func:`one_line` for words that are kept as they are (a status, an id, a name).
* :func:`printable` where line breaks and blanks must stay countable.
* :func:`masked` takes out of a refusal what its own request has sent.

What was sent last in a thread or task (:func:`remember_sent`) is masked in every excerpt that is made there:
a 2xx may be a result and stays as it came, but what is quoted of it must not repeat the credentials.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Mapping
from contextvars import ContextVar
from urllib.parse import quote, unquote

#: ``Bearer abc…``; a word behind it counts as a credential when it is long or has a digit.
_SCHEME = re.compile(r"(?i)\b(bearer|basic)(\s+)(?=\S*\d|\S{16})[^\s\"'<>,;]+")
#: ``"access_token": "abc"``, ``X-Amz-Signature=abc``, ``<secret>abc``.
_NAMED = re.compile(
    r"(?i)((?:token|secret|passw(?:or)?d|signature|credential|api[-_ ]?key|authorization|\bsig\b)[\w.-]*"
    r"[\\\"']*\s*(?:[:=>]|%3d)\s*[\\\"']*)[^\s\\\"'&,;<>]+"
)

#: Shorter words of a credential header (``Bearer``) are not looked for in answers.
SHORTEST_SECRET = 7

_NO_SECRETS = frozenset(
    {"accept", "accept-encoding", "content-type", "content-length", "user-agent", "prefer"}
)


_sent: ContextVar[tuple[bytes, ...]] = ContextVar("_sent", default=())


def remember_sent(secrets: tuple[bytes, ...]) -> None:
    """
    From now on excerpts made in this thread or task show none of these.

    :param secrets: what :func:`secrets_of` made of a request's headers
    """
    _sent.set(secrets)


def printable(text: str) -> str:
    """Text without what databases, logs and terminals choke on: each such character becomes ``?``."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def one_line(text: object, limit: int = 200) -> str:
    """
    Words on one line, printable and bounded; nothing is masked.

    :param limit: characters, an ellipsis included
    """
    # A remote's text may be megabytes: only what can be seen is worked on.
    words = printable(" ".join(str(text)[: limit * 8].split()))
    return words if len(words) <= limit else words[: limit - 1] + "…"


def excerpt(body: bytes | str, limit: int = 200) -> str:
    """The beginning of a body for an error text: decoded, on one line, bounded, what looks secret masked."""
    beginning = body[: limit * 4] if isinstance(body, bytes) else body[: limit * 4].encode("utf-8", "replace")
    text = without(beginning, _sent.get()).decode("utf-8", "replace")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = " ".join(_without_query(word) for word in text.split(" "))
    text = _NAMED.sub(r"\1***", _SCHEME.sub(r"\1\2***", text))
    return text[:limit] + "…" if len(text) > limit else text


def _without_query(word: str) -> str:
    r"""A result URL carries its signature in the query, and JSON may spell it ``https:\/\/``."""
    head, _, query = word.partition("?")
    is_url = "//" in head.replace("\\/", "/")
    return f"{head}?…" if query and (is_url or any(c in query for c in "=&%")) else word


def masked(body: bytes, sent: Mapping[str, str]) -> bytes:
    """
    A refusal's body without the credentials that its request carried.

    Gateways like to repeat what they refuse ("invalid token abc"), and an error's text ends up in logs.

    :param sent: the headers of the request
    """
    return without(body, secrets_of(sent))


def without(body: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """The same bytes with ``***`` in place of the secrets."""
    for secret in secrets:
        if secret in body:
            body = body.replace(secret, b"***")
    return body


def secrets_of(sent: Mapping[str, str]) -> tuple[bytes, ...]:
    """
    What of a request's headers an answer must not repeat, the longest first.

    :param sent: the headers
    """
    secrets = set()
    for name, value in sent.items():
        if name.lower() in _NO_SECRETS:
            continue
        secrets |= {value, *re.split(r"[\s,;]+", value)}
        scheme, _, encoded = value.partition(" ")
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error):
                password = base64.b64decode(encoded, validate=True).decode("latin-1").partition(":")[2]
                secrets |= {password, unquote(password)}  # OAuth wants it form-encoded before it is joined
    # In a URL, and in JSON as some servers write it.
    secrets |= {quote(s, safe="") for s in secrets} | {s.replace("/", "\\/") for s in secrets}
    long = [s for s in secrets if len(s) >= SHORTEST_SECRET]
    return tuple(s.encode("latin-1", "replace") for s in sorted(long, key=len, reverse=True))
