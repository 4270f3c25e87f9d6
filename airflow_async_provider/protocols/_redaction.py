# SPDX-License-Identifier: Apache-2.0
"""
Text of a remote system, made fit for logs, databases and error messages: the one place for it.

* :func:`excerpt` for whatever may hold a secret: the beginning of an answer, a message of the remote.
* :func:`one_line` for words that are kept as they are (a status, an id, a name), but for what was sent.
* :func:`printable` where line breaks and blanks must stay countable.
* :func:`masked` takes out of a refusal what its own request has sent.

What was sent last in a thread or task (:func:`remember_sent`) is masked in every excerpt that is made there:
a 2xx may be a result and stays as it came, but what is quoted of it must not repeat the credentials. Sent are
credentials in headers and cookies, and what has the name of a secret (``client_secret``, ``api_key``) in a
query, a form or a JSON body.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from airflow_async_provider._urls import shown

#: ``Bearer abc…``; a word behind it counts as a credential when it is long or has a digit.
_SCHEME = re.compile(r"(?i)\b(bearer|basic)(\s+)(?=\S*\d|\S{16})[^\s\"'<>,;]+")
#: ``"access_token": "abc"``, ``X-Amz-Signature=abc``, ``<secret>abc``.
_NAMED = re.compile(
    r"(?i)((?:token|secret|passw(?:or)?d|signature|credential|api[-_ ]?key|authorization|\bsig\b)[\w.-]*"
    r"[\\\"']*\s*(?:[:=>]|%3d)\s*[\\\"']*)[^\s\\\"'&,;<>]+"
)

#: An address in a text; JSON may spell it ``https:\\/\\/``.
_ADDRESS = re.compile(r"""(?i)\bhttps?:(?:\\?/){2}[^\s"'<>]+""")

#: Names of what must not be repeated, in a query, a form or a JSON body.
_TELLING = (
    r"[\w.$-]{0,40}(?:token|secret|passw(?:or)?d|passphrase|signature|credential|assertion|api[-_]?key|"
    r"access[-_]?key|private[-_]?key|authorization)[\w.-]{0,40}|sig|key|pwd|auth"
)
_SECRET_IN_QUERY = re.compile(rf"(?i){_TELLING}")
_SECRET_IN_JSON = re.compile(rb'(?i)"(?:%s)"\s*:\s*"((?:[^"\\]|\\.){1,8192})"' % _TELLING.encode())

#: So much of a body is looked through for what is secret in it (bytes).
LOOKED_THROUGH = 16 * 1024

#: Shorter words of a credential header (``Bearer``) are not looked for in answers.
SHORTEST_SECRET = 7

#: Longer ones are looked for in upper and lower case, too.
LONG_SECRET = 16

_ESCAPE = re.compile("%[0-9A-F]{2}")
_URLSAFE = str.maketrans("+/", "-_")

_NO_SECRETS = frozenset(
    {"accept", "accept-encoding", "content-type", "content-length", "user-agent", "prefer"}
)


_sent: ContextVar[tuple[bytes, ...]] = ContextVar("_sent", default=())


def remember_sent(secrets: tuple[bytes, ...]) -> None:
    """
    From now on excerpts made in this thread or task show none of these.

    :param secrets: what :func:`secrets_of` made of a request
    """
    _sent.set(secrets)


def sent_last() -> tuple[bytes, ...]:
    """What was remembered in this thread or task, to be remembered in another one."""
    return _sent.get()


def printable(text: str, instead: str = "?") -> str:
    """Text without what databases, logs and terminals choke on: each such character becomes another one."""
    return text if text.isprintable() else "".join(c if c.isprintable() else instead for c in text)


def one_line(text: object, limit: int = 200) -> str:
    """
    Words on one line, printable and bounded; nothing is masked but what was sent.

    :param limit: characters, an ellipsis included
    """
    words = printable(" ".join(_beginning(str(text), limit * 8).split()))
    return words if len(words) <= limit else words[: limit - 1] + "…"


def excerpt(body: bytes | str, limit: int = 200) -> str:
    """
    The beginning of a body for an error text: decoded, on one line, bounded, what looks secret masked.

    Of addresses the query is left out, and random words in the path are shortened.
    """
    text = " ".join(printable(_beginning(body, limit * 4), " ").split())
    text = _ADDRESS.sub(_without_secrets, text)
    text = " ".join(_without_query(word) for word in text.split(" "))
    text = _NAMED.sub(r"\1***", _SCHEME.sub(r"\1\2***", text))
    return text[:limit] + "…" if len(text) > limit else text


def _beginning(body: bytes | str, most: int) -> str:
    """
    The first bytes without what was sent.

    A remote's text may be megabytes: only what can be seen is worked on. What the cut has left of a secret at
    the end is cut off, too: blanks that are taken out later may move it to the front.
    """
    secrets, beginning = _sent.get(), body[:most]
    found = without(
        beginning if isinstance(beginning, bytes) else beginning.encode("utf-8", "replace"), secrets
    )
    if len(body) > most:
        found = found[: min([len(found), *(_begun_at(found, secret) for secret in secrets)])]
    return found.decode("utf-8", "replace")


def _begun_at(text: bytes, secret: bytes) -> int:
    """Where a secret begins that the end of a text cuts off."""
    at = max(len(text) - len(secret) + 1, 0)
    while (at := text.find(secret[:1], at)) >= 0:
        if secret.startswith(text[at:]):
            return at
        at += 1
    return len(text)


def _without_secrets(address: re.Match[str]) -> str:
    url, query, _ = address.group().replace("\\/", "/").partition("?")
    return shown(url) + ("?…" if query else "")


def _without_query(word: str) -> str:
    """A path that stands alone may have a signature in its query, too."""
    head, _, query = word.partition("?")
    return f"{head}?…" if query and any(c in query for c in "=&%") else word


def without(body: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """The same bytes with ``***`` in place of the secrets, which stand in order of their length."""
    if not secrets or len(body) < len(secrets[-1]):
        return body
    for secret in secrets:
        if secret in body:
            body = body.replace(secret, b"***")
    return body


def secrets_of(sent: Mapping[str, str], url: str = "", body: object = None) -> tuple[bytes, ...]:
    """
    What of a request an answer must not repeat, the longest first.

    :param sent: the headers
    :param url: its query may hold secrets
    :param body: a form or JSON may, too; anything but bytes is a file, and is not looked at
    """
    secrets = set(_in_query(url.partition("#")[0].partition("?")[2]))
    for name, value in sent.items():
        if name.lower() in _NO_SECRETS:
            continue
        secrets |= {value, *re.split(r"[\s,;]+", value)}
        if name.lower() == "cookie":
            secrets |= {cookie.partition("=")[2] for cookie in re.split(r"[\s;]+", value)}
        scheme, _, encoded = value.partition(" ")
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error):
                password = base64.b64decode(encoded, validate=True).decode("latin-1").partition(":")[2]
                secrets |= {password, unquote(password)}  # OAuth wants it form-encoded before it is joined
    found = [s.encode("latin-1", "replace") for s in secrets if len(s) >= SHORTEST_SECRET]
    if isinstance(body, bytes) and body:
        found += _in_body(body[:LOOKED_THROUGH])
    return together(*map(_spellings, found))


def together(*secrets: Iterable[bytes]) -> tuple[bytes, ...]:
    """Several of them, the longest first: one may be a part of another."""
    return tuple(sorted({one for some in secrets for one in some}, key=len, reverse=True))


def _in_query(query: str) -> list[str]:
    return [value for name, value in parse_qsl(query) if _SECRET_IN_QUERY.fullmatch(name)] if query else []


def _in_body(body: bytes) -> list[bytes]:
    found = []
    if not body.startswith((b"{", b"[")):
        found = [value.encode() for value in _in_query(body.decode("latin-1"))]
    for text in _SECRET_IN_JSON.findall(body):
        with contextlib.suppress(ValueError):
            found.append(str(json.loads(b'"' + text + b'"')).encode("utf-8", "replace"))
    return [value for value in found if len(value) >= SHORTEST_SECRET]


def _spellings(secret: bytes) -> set[bytes]:
    """As a server may write it: in a URL, in JSON, in HTML, in base64, in upper or lower case."""
    text = secret.decode("utf-8", "surrogateescape")
    in_json = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    other = {
        *in_json,
        *(spelled.replace("/", "\\/") for spelled in in_json),
        html.escape(text),
        *quoted,
        *(_ESCAPE.sub(lambda escape: escape.group().lower(), spelled) for spelled in quoted),
        *_in_base64(secret),
    }
    cases = {secret.lower(), secret.upper()} if len(secret) >= LONG_SECRET else set()
    return {secret, *cases, *(spelled.encode("utf-8", "surrogateescape") for spelled in other)}


def _in_base64(secret: bytes) -> set[str]:
    """What is the same in each base64 of a text with the secret in it, whatever stands around it."""
    found = set()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret).decode()
        certain = whole[-(-before * 4 // 3) : (before + len(secret)) * 8 // 6]
        found |= {certain, certain.translate(_URLSAFE)}
    return {spelled for spelled in found if len(spelled) >= SHORTEST_SECRET}
