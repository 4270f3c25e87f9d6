# SPDX-License-Identifier: Apache-2.0
"""
A remote as the transport sees it: where it is, who we are there, and which hosts may know that.

The origin rule lives here, in one place for both directions of I/O: credentials go to the connection's own
origin and to hosts that the connection lists, never anywhere else, whatever a status URL, a Location header
or a redirect says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from airflow_async_provider.errors import ConfigurationError, OriginError
from airflow_async_provider.protocols.base import HttpRequest
from airflow_async_provider.transport.auth import Auth, NoAuth

DEFAULT_PORTS = {"http": 80, "https": 443}

#: Answers are read whole into memory; one that is larger is an error, not a memory problem (bytes).
LARGEST_ANSWER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Remote:
    """
    One remote system as a connection describes it.

    :param base_url: scheme, host, port and base path; relative request paths hang below it
    :param auth: where the credential headers come from
    :param headers: sent with every request (media types, never credentials)
    :param allowed_hosts: further ``host`` or ``host:port`` that may get the credentials
    :param verify: TLS: True, False, or the path of a CA file
    :param proxy: proxy URL, None for the one of the environment
    :param timeout: seconds for one whole request, connection included
    """

    base_url: str
    auth: Auth = field(default_factory=NoAuth)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allowed_hosts: frozenset[str] = frozenset()
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 30.0

    def __post_init__(self) -> None:
        parts = split_url(self.base_url)
        if parts.username or parts.password:
            raise ConfigurationError(
                "The host of the connection must not contain a user or password: use login and password."
            )

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc

    def resolve(self, url: str) -> str:
        """
        The absolute URL of a request; an absolute URL stays exactly as it is.

        A path is put below the base URL's path, with or without a leading slash.
        """
        if "://" in url.split("?", 1)[0]:
            return url
        return self.base_url.rstrip("/") + "/" + url.lstrip("/")

    def may_have_credentials(self, url: str) -> bool:
        """Whether the origin rule lets the credentials go to this URL."""
        try:
            parts, own = split_url(url), split_url(self.base_url)
        except ConfigurationError:
            return False
        if parts.username or parts.password:
            return False
        if (parts.scheme, parts.hostname, _port(parts)) == (own.scheme, own.hostname, _port(own)):
            return True
        if own.scheme == "https" and parts.scheme != "https":
            return False  # a listed host is trusted, the clear wire to it is not
        name = (parts.hostname or "").lower()
        allowed = {h.lower() for h in self.allowed_hosts}
        # A listed name without a port means the scheme's own port, not any port of that machine.
        return f"{name}:{_port(parts)}" in allowed or (
            name in allowed and _port(parts) == DEFAULT_PORTS[parts.scheme]
        )

    def check_origin(self, url: str, *, what: str) -> None:
        """
        Refuse a URL that the remote handed out and that credentials must not go to.

        :param what: what kind of URL, for the message
        :raises OriginError: the host is neither the connection's own nor listed
        """
        if not self.may_have_credentials(url):
            raise OriginError(
                f"The {what} points to {place(url)}, but the connection is for {place(self.base_url)}. "
                "Its credentials were not sent. If that host belongs to the service, list it in the "
                "connection's extra allowed_hosts (host, or host:port).",
            )


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request ready to be sent, but for the credential headers."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


def prepare(remote: Remote, request: HttpRequest) -> WireRequest:
    """
    Put a protocol's request on the remote.

    :raises OriginError: an absolute URL whose host must not get the credentials
    """
    url = remote.resolve(request.url)
    remote.check_origin(url, what="URL of the request")
    if request.params:
        query = urlencode(
            {k: _text(v) for k, v in request.params.items() if v is not None}, doseq=True, safe="*:,"
        )
        url += ("&" if "?" in url else "?") + query if query else ""
    headers = {"Accept": "application/json", **remote.headers, **request.headers}
    body = request.body
    if request.json is not None:
        body = json.dumps(request.json, separators=(",", ":")).encode()
        if not any(name.lower() == "content-type" for name in request.headers):
            headers["Content-Type"] = "application/json"
    return WireRequest(request.method, url, headers, body)


def redirect_target(remote: Remote, method: str, url: str, status: int, location: str | None) -> str | None:
    """
    Where to follow a redirect to, None when the answer itself is what the protocol must see.

    Only GET and HEAD are followed, and only to where the credentials may go.
    """
    if status not in (301, 302, 303, 307, 308) or not location or method not in ("GET", "HEAD"):
        return None
    target = urljoin(url, location)
    return target if remote.may_have_credentials(target) else None


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
    strange = any(c in url for c in "\\\r\n\t ") or any(ord(c) < 0x20 for c in url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not port_is_fine or strange:
        raise ConfigurationError(f"{place(url)!r} is no usable http or https address.")
    return parts


def place(url: str) -> str:
    """Scheme, host and port of a URL for a message: no path, no query, no user, no password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
        return f"{parts.scheme or '?'}://{host}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "an unreadable address"


def _port(parts: Any) -> int:
    return int(parts.port or DEFAULT_PORTS[parts.scheme])


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return [_text(v) for v in value]
    return value
