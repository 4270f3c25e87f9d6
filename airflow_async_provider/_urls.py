# SPDX-License-Identifier: Apache-2.0
"""Reading URLs strictly, and naming them in messages without what they hide."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from airflow_async_provider.errors import ConfigurationError

DEFAULT_PORTS = {"http": 80, "https": 443}

_STRANGE = re.compile(r"[\\\x00-\x20]")


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
        raise ConfigurationError(f"{origin(url)!r} is no usable http or https address.")
    return parts


def port_of(parts: Any) -> int:
    """The port of what :func:`split_url` gave, the scheme's own where none is named."""
    return int(parts.port or DEFAULT_PORTS[parts.scheme])


def origin(url: str) -> str:
    """
    Scheme, host and port of a URL, the scheme's own port left out: no path, no query, no user, no password.

    Two http or https URLs have one origin exactly when these are equal.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
        if ":" in host:
            host = f"[{host}]"
        port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    except ValueError:
        return "an unreadable address"
    return f"{parts.scheme or '?'}://{host}{port}"
