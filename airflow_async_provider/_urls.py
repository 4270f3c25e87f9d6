# SPDX-License-Identifier: Apache-2.0
"""Reading, comparing and joining URLs strictly, and naming them in messages without what they hide."""

from __future__ import annotations

import contextlib
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from airflow_async_provider.errors import ConfigurationError

DEFAULT_PORTS = {"http": 80, "https": 443}

_STRANGE = re.compile(r"[\\\x00-\x20]")

#: A segment of a path is shortened in messages from such a word on: a mixture of letters and digits or of
#: capitals and small letters that is no word, or a very long one. (Characters.)
MIXED_WORD, LONG_WORD = 12, 24

#: Random texts in base64url fall apart at their ``-`` and ``_``: two such pieces of a segment tell, too, from
#: so many characters together.
MIXED_PIECES = 10

_MIXED = re.compile(
    r"[A-Za-z][0-9]+[A-Za-z]|[0-9][A-Za-z]+[0-9]|[a-z][A-Z]+[a-z]+[A-Z]|[A-Z][a-z][A-Z]", re.ASCII
)

#: What is shown of such a segment (characters).
SHOWN = 4

#: The longest segment that is shown as the id of a job; of small letters, capitals and digits together; and
#: what is shown of a longer one (characters).
MAX_ID, MAX_MIXED_ID, BEGINNING = 64, 20, 8


def split_url(url: str) -> Any:
    """
    Parts of an http or https URL.

    :raises ConfigurationError: anything else
    """
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
        parts = urlsplit("")
    # Backslashes and control characters are read differently by different parsers: a classic way to
    # show one host to the check and another one to the socket.
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not port_is_fine or _STRANGE.search(url):
        raise ConfigurationError(f"{origin(url)!r} is not a usable http or https address.")
    return parts


def port_of(parts: Any) -> int:
    """The port of what :func:`split_url` gave, the scheme's own where none is named."""
    return int(parts.port or DEFAULT_PORTS[parts.scheme])


def origin(url: str) -> str:
    """
    Scheme, host and port of a URL, the scheme's own port left out: no path, no query, no user, no password.

    Two URLs that :func:`split_url` accepts have one origin exactly when these are equal.
    """
    try:
        parts = urlsplit(url)
        host = host_in_url(parts.hostname or "?")
        port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    except ValueError:
        return "an unreadable address"
    return f"{parts.scheme or '?'}://{host}{port}"


def host_in_url(host: str) -> str:
    """A host as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def same_origin(one: str, other: str) -> bool:
    """Whether two absolute http or https URLs have the same scheme, host and port."""
    try:
        split_url(one), split_url(other)
    except ConfigurationError:
        return False
    return origin(one) == origin(other)


def is_plain_base(text: str) -> bool:
    """Whether a text is an http or https address that paths can be put below: no user, query, fragment."""
    try:
        parts = split_url(text)
    except ConfigurationError:
        return False
    readable = text.isprintable() and not any(c.isspace() for c in text)
    return "@" not in parts.netloc and not set("?#\\") & set(text) and readable


def without_query(url: str) -> str:
    """The URL up to its query."""
    return url.split("#", 1)[0].split("?", 1)[0]


def path_of(url: str) -> str:
    """The path of a URL, as it is spelled; empty when there is none."""
    rest = without_query(url)
    if "://" in rest:
        rest = rest.split("://", 1)[1]
        return rest[rest.index("/") :] if "/" in rest else ""
    return rest


def shown(url: str) -> str:
    """
    A URL for a message: origin and path, without query, user and password.

    A path may be a capability (who knows it may read), so random words in it are shortened.
    """
    path = path_of(url) or "/"
    return origin(url) + "/".join(_shortened(segment) for segment in path.split("/"))


def id_in(url: str) -> str:
    """
    The path of a status URL, for a person who has to name the job to the remote's support.

    Ids of the usual kinds stay whole (numbers, UUIDs, ULIDs, hexadecimal digits). Longer or random segments
    may be a capability, so their beginning must do.
    """
    return "/".join(s[:BEGINNING] + "…" if _is_no_id(s) else s for s in path_of(url).split("/"))


def _is_no_id(segment: str) -> bool:
    word = re.sub(r"[^A-Za-z0-9]", "", segment)
    kinds = sum(bool(re.search(kind, word)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return len(segment) > MAX_ID or (kinds == 3 and len(word) >= MAX_MIXED_ID)


def _shortened(segment: str) -> str:
    words = re.split(r"[^A-Za-z0-9]", segment)
    pieces = [word for word in words if _MIXED.search(word)]
    random = len(pieces) > 1 and sum(map(len, pieces)) >= MIXED_PIECES
    if not random and not any(map(_is_telling, words)):
        return segment
    ending = re.search(r"(?:\.[A-Za-z0-9]{1,7}){1,2}$", segment)
    return segment[:SHOWN] + "…" + (ending.group() if ending else "")


def _is_telling(word: str) -> bool:
    alphabetic, numeric = re.search("[A-Za-z]", word), re.search("[0-9]", word)
    mixed = bool(alphabetic and numeric) or len(re.findall("[a-z][A-Z]", word)) > 3
    return len(word) >= LONG_WORD or (len(word) >= MIXED_WORD and mixed)


def follow(url: str, location: str) -> str:
    """
    Where a ``Location`` leads from a URL; an absolute one stays exactly as it is spelled.

    :raises ConfigurationError: no usable http or https address
    """
    # Headers come decoded as Latin-1, but what servers mean is UTF-8.
    with contextlib.suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    try:
        target = location if "://" in without_query(location) else urljoin(url, location)
    except ValueError:  # "http://[" and the like
        target = ""
    split_url(without_query(target))
    return target
