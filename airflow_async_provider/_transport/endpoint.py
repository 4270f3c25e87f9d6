# SPDX-License-Identifier: Apache-2.0
"""
A remote as the transport sees it: where it is, who we are there, and which hosts may know that.

The origin rule lives here, in one place for both directions of I/O: credentials go to the connection's own
origin and to hosts that the connection lists, never anywhere else, whatever a status URL, a Location header
or a redirect says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any
from urllib.parse import quote, urlencode

from airflow_async_provider._transport.auth import Auth, StaticAuth
from airflow_async_provider._transport.reach import Reach, is_listed
from airflow_async_provider._transport.session import Session
from airflow_async_provider._transport.veil import revealed
from airflow_async_provider._urls import follow, origin, port_of, split_url
from airflow_async_provider.errors import ConfigurationError, OriginError
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._responses import REDIRECTS

#: Answers are read whole into memory; one that is larger is an error, not a memory problem (bytes).
LARGEST_ANSWER = 16 * 1024 * 1024

#: Status documents are a few hundred bytes; what is larger must not hold up the event loop (bytes).
MAX_STATUS_BYTES = 256 * 1024

#: Whatever a remote asks for, no wait polls faster than this, unless its own poll_interval is shorter
#: (seconds).
MIN_POLL_INTERVAL = 5.0

#: A hundred a second from each triggerer: what no real API would put up with for long.
MAX_REQUESTS_PER_MINUTE = 6000

MAX_REDIRECTS = 5

#: What a user may write into a path and what cannot stand there as it is.
_TO_QUOTE = re.compile(r"[^\x21-\x7e]+|[\\#]")

_PLAIN = re.compile(r"https?://[A-Za-z0-9.:-]+/[!-\[\]-~]*")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One remote system as a connection describes it.

    :param base_url: scheme, host, port and base path; relative request paths hang below it
    :param auth: where the credential headers come from
    :param headers: sent with every request (media types, never credentials)
    :param allowed_hosts: further ``host`` or ``host:port`` that may get the credentials
    :param verify: TLS: True, False, or the path of a CA file
    :param result_verify: the same for result URLs on other hosts, which neither a private CA of the remote
        nor an exception made for it fits
    :param proxy: proxy URL, None for the one of the environment
    :param timeout: seconds for one whole request, connection included
    :param cert: files of a client certificate and its key (mutual TLS); the key's may be the same
    :param cookies: whether cookies are kept within one job
    :param csrf: path that gives a CSRF token, None where none is needed
    :param result_hosts: if given, result URLs on no other hosts than these and the remote's own are fetched
    :param max_status_bytes: largest answer that is read in the triggerer's event loop; a larger one is read
        on a worker
    :param min_poll_interval: seconds below which no ``Retry-After`` reduces the pause between two polls
    :param max_requests_per_minute: to this host from one triggerer
    :param account: short hash of what determines whose jobs are seen (a login, headers that name a tenant);
        empty where nothing does
    :param job_url: address template of a job in the remote system's web interface, with ``{job_id}``
    """

    base_url: str
    auth: Auth = field(default_factory=lambda: StaticAuth({}))
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allowed_hosts: frozenset[str] = frozenset()
    verify: bool | str = True
    result_verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    cert: tuple[str, str] | None = None
    cookies: bool = False
    csrf: str | None = None
    result_hosts: frozenset[str] = frozenset()
    max_status_bytes: int = MAX_STATUS_BYTES
    min_poll_interval: float = MIN_POLL_INTERVAL
    max_requests_per_minute: int = MAX_REQUESTS_PER_MINUTE
    account: str = ""
    job_url: str = ""
    #: The transport's own: what it worked out for this remote and would work out the same again.
    cached: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if "@" in split_url(self.base_url).netloc:
            raise ConfigurationError(
                "The host of the connection must not contain a user or password: use login and password."
            )

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return origin(self.base_url).split("://", 1)[1]

    def for_request(self, request: HttpRequest) -> Endpoint:
        """The same remote, with the credentials that a request wants."""
        return self

    def resolve(self, url: str) -> str:
        """
        The absolute URL of a request; an absolute URL stays exactly as it is.

        A path is put below the base URL's path, with or without a leading slash. What cannot stand in a URL
        (spaces, umlauts) is encoded in it; what is encoded already stays as it is.
        """
        if "://" in url.split("?", 1)[0]:
            return url
        path = _TO_QUOTE.sub(lambda found: quote(found.group(), safe=""), url.lstrip("/"))
        return self.base_url.rstrip("/") + "/" + path

    def may_have_credentials(self, url: str) -> bool:
        """Whether the origin rule lets the credentials go to this URL."""
        # Asked at every poll: the common case is recognised by its first characters, if spelled the same.
        if url.split("/", 3)[:3] == self.base_url.split("/", 3)[:3] and _PLAIN.fullmatch(url):
            return True
        try:
            parts, own = split_url(url), split_url(self.base_url)
        except ConfigurationError:
            return False
        # Beyond ASCII, what a client makes of a host or path is its own affair (IDNA, quoting).
        if "@" in parts.netloc or not (url.isascii() and url.isprintable()):
            return False
        if (parts.scheme, parts.hostname, port_of(parts)) == (own.scheme, own.hostname, port_of(own)):
            return True
        if own.scheme == "https" and parts.scheme != "https":
            return False  # a listed host is trusted, the clear wire to it is not
        return is_listed(parts, self.allowed_hosts)

    def verify_for(self, url: str) -> bool | str:
        """How TLS is verified with the host of a result."""
        return self.verify if self.may_have_credentials(url) else self.result_verify

    def cert_for(self, url: str) -> tuple[str, str] | None:
        """The client certificate for a URL: a credential, which goes where the others may go."""
        return self.cert if self.may_have_credentials(url) else None

    @property
    def reach(self) -> Reach:
        """Where results may be fetched."""
        return Reach(self.base_url, self.may_have_credentials, self.result_hosts)

    def new_session(self) -> Session | None:
        """A session for one job, None where nothing is to be kept in one."""
        return Session(self.csrf) if self.cookies or self.csrf is not None else None

    def check_origin(self, url: str, *, what: str) -> None:
        """
        Refuse a URL that the remote handed out and that credentials must not go to.

        :param what: what kind of URL, for the message
        :raises OriginError: the host is neither the connection's own nor listed
        """
        if self.may_have_credentials(url):
            return
        if self.may_have_credentials(_TO_QUOTE.sub("", url)):
            raise OriginError(
                f"The {what} at {origin(url)} holds characters that no URL may hold; nothing was sent."
            )
        raise OriginError(
            f"The {what} points to {origin(url)}, but the connection is for {origin(self.base_url)}. Its "
            "credentials were not sent. If that host belongs to the service, list it in the connection's "
            "extra allowed_hosts (host, or host:port)."
        )


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request ready to be sent, but for the credential headers."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    max_body_bytes: int | None = None
    repeatable: bool = False

    def headers_with(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """
        All headers of the request.

        :raises ConfigurationError: one that cannot be sent, such as a token with a line break at its end
        """
        return wire_headers(self.headers, credentials)


def wire_headers(headers: Mapping[str, str], credentials: Mapping[str, str]) -> dict[str, str]:
    """
    Headers as they go out.

    :raises ConfigurationError: one that cannot be sent
    """
    # Answers are short: a compressed one saves nothing and may unfold to gigabytes.
    own = {"User-Agent": "airflow-async-provider", "Accept-Encoding": "identity"}
    return checked(merged(own, headers, credentials))


class CachedRequest(HttpRequest):
    """
    A request that is sent time and again; it keeps what the transport has worked out for it.

    Only for requests that stay the same: what a protocol makes of a handle does.
    """

    __slots__ = ("worked_out",)

    worked_out: Any

    @classmethod
    def of(cls, request: HttpRequest) -> CachedRequest:
        """The same request, to be sent many times."""
        repeated = cls(**{f.name: getattr(request, f.name) for f in fields(HttpRequest)})
        repeated.worked_out = None
        return repeated

    def __setattr__(self, name: str, value: Any) -> None:
        # All but this one stays frozen.
        if name != "worked_out":
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)


def prepare(endpoint: Endpoint, request: HttpRequest) -> WireRequest:
    """
    Put a protocol's request on the remote.

    :raises OriginError: an absolute URL whose host must not get the credentials
    :raises ConfigurationError: a body that is not JSON
    """
    url = endpoint.resolve(request.url)
    # Looked at before, too: the error must not show a credential in a host that a remote has made up.
    endpoint.check_origin(url, what="URL of the request")
    if (whole := revealed(request.url, endpoint)) != request.url:
        url = endpoint.resolve(whole)
        endpoint.check_origin(url, what="URL of the request")
    if request.params:
        query = urlencode(
            {k: _text(v) for k, v in request.params.items() if v is not None}, doseq=True, safe="*:,"
        )
        url += ("&" if "?" in url else "?") + query if query else ""
    headers = merged({"Accept": "application/json"}, endpoint.headers, request.headers)
    body = request.body
    if request.json is not None:
        try:
            body = json.dumps(request.json, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as e:
            raise ConfigurationError(f"The body of the request cannot be sent as JSON: {e}") from None
        headers = merged({"Content-Type": "application/json"}, headers)
    return WireRequest(request.method, url, headers, body, request.max_body_bytes, request.repeatable)


def merged(*layers: Mapping[str, str]) -> dict[str, str]:
    """Headers from several places; later ones win over earlier ones of the same name in any spelling."""
    found: dict[str, tuple[str, str]] = {}
    for layer in layers:
        found.update({name.lower(): (name, value) for name, value in layer.items()})
    return dict(found.values())


def checked(headers: dict[str, str]) -> dict[str, str]:
    """
    The same headers, none of which can be read as two.

    :raises ConfigurationError: names the header, never its value
    """
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()) or not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(
                f"The header {name!r} holds a character that cannot be sent (a line break, an umlaut). Look "
                "for it in the connection: pasted tokens and keys often bring a line break along."
            )
    return headers


def redirected(endpoint: Endpoint, wire: WireRequest, response: HttpResponse) -> WireRequest | None:
    """
    The request that follows a redirect, None when the answer itself is what the protocol must see.

    A GET goes on by every kind of redirect. Any other request only by 307 and 308, which keep method and
    body, and only when it may be sent twice (a POST that asks for a state). All only to where the credentials
    may go.
    """
    if response.status not in REDIRECTS:
        return None
    keeps = response.status in (307, 308) and wire.repeatable
    location = response.headers.get("Location")
    if not location or not (keeps or wire.method in ("GET", "HEAD")):
        return None
    try:
        target = follow(wire.url, location)
    except ConfigurationError:
        return None
    if not endpoint.may_have_credentials(target):
        return None
    return replace(wire, url=target, body=wire.body if keeps else None)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return [_text(v) for v in value if v is not None]
    return value
