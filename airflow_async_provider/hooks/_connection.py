# SPDX-License-Identifier: Apache-2.0
"""Reading an Airflow connection: base URL, TLS, proxy, limits, hosts; what all connection types share."""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import logging
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_async_provider._transport.endpoint import (
    MAX_REQUESTS_PER_MINUTE,
    MAX_STATUS_BYTES,
    MIN_POLL_INTERVAL,
)
from airflow_async_provider._urls import host_in_url, is_plain_base, split_url
from airflow_async_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 30.0

#: Fields of the extra that :func:`common_settings` reads.
COMMON_FIELDS = frozenset(
    {
        "allowed_hosts",
        "cert",
        "cert_key",
        "cookies",
        "csrf",
        "job_url",
        "max_requests_per_minute",
        "max_status_bytes",
        "min_poll_interval",
        "proxy",
        "result_hosts",
        "result_verify",
        "timeout",
        "verify",
    }
)

#: Headers whose names are near one of ours by chance.
NEAR_BY_CHANCE = frozenset({"cookie"})

#: Names so alike count as a slip.
ALIKE = 0.8

#: Headers that say nothing about whose jobs are seen: forms of what is sent and answered, and credentials,
#: which are replaced now and then and stay those of the same account.
_NO_ACCOUNT = re.compile(
    r"(?i)accept.*|content-.*|user-agent|prefer|origin|referer|cookie|.*(auth|token|key|secret|passw|"
    r"credential|signature|session|csrf|trace|request-id).*"
)


def extra_of(conn: Connection) -> dict[str, Any]:
    """
    The connection's extra; empty when there is none.

    :raises ConfigurationError: it is not a JSON object
    """
    try:
        return dict(conn.extra_dejson)
    except (TypeError, ValueError):
        raise ConfigurationError(f"The extra of connection {conn.conn_id!r} must be a JSON object.") from None


def check_names(
    conn: Connection, names: Iterable[str], known: Iterable[str], *, others: bool = False
) -> None:
    """
    Refuse a field of the extra whose name looks like one of ours and is not; a misspelt one has no effect.

    :param names: of the fields that the connection has
    :param known: names that have a meaning
    :param others: whether names that look like none of ours have a meaning too (headers)
    :raises ConfigurationError: names the nearest right word
    """
    spelled = {_plain(name): name for name in known}
    for name in names:
        if name in spelled.values() or (others and _is_a_header(name.lower())):
            continue
        plain = _plain(name)
        near = [plain] if plain in spelled else difflib.get_close_matches(plain, spelled, 1, ALIKE)
        if near:
            raise ConfigurationError(
                f"The extra of connection {conn.conn_id!r} has {name!r}, which means nothing here. Is "
                f"{spelled[near[0]]!r} meant?"
            )
        if not others:
            log.warning("%r in the extra of connection %r means nothing here.", name, conn.conn_id)


def _is_a_header(name: str) -> bool:
    return name.startswith("x-") or name in NEAR_BY_CHANCE


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def base_url(conn: Connection, *, default_scheme: str = "https") -> str:
    """
    Scheme, host, port and path of the connection.

    ``host`` may be a bare name, an IPv6 address or a whole URL; the port field wins over one in the host. The
    scheme comes from the host, else from ``schema`` when that is http or https, else from the type of a
    connection that is written as the URI ``https://…``, else it is ``default_scheme``. Any other ``schema``
    is what Airflow makes of the path of a URI, and is the path.

    :raises ConfigurationError: no host, or one that is no address
    """
    host, schema = (conn.host or "").strip(), (conn.schema or "").strip()
    if not host:
        raise ConfigurationError(f"The connection {conn.conn_id!r} has no host: set it to the base URL.")
    scheme = schema.lower() if schema.lower() in ("http", "https") else ""
    path = "" if scheme else schema.strip("/")
    if not scheme:
        scheme = "https" if str(conn.conn_type or "").lower() == "https" else default_scheme
    if "://" in host:
        path = ""  # as the HTTP provider reads it
    else:
        host = f"{scheme}://{_bare_host(host)}"
    try:
        parts = split_url(host)
    except ConfigurationError:
        parts = None
    if parts is not None and (parts.username is not None or parts.password is not None):
        raise ConfigurationError(
            f"The host of the connection {conn.conn_id!r} contains a user or a password: use login and "
            "password."
        )
    if parts is None or not is_plain_base(host):
        raise ConfigurationError(
            f"The host of the connection {conn.conn_id!r} is not an http or https address."
        )
    port = conn.port or parts.port
    where = (
        f"{parts.scheme}://{host_in_url(parts.hostname)}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
    )
    if path and not is_plain_base(f"{where}/{path}"):
        raise ConfigurationError(f"The path of the connection {conn.conn_id!r} is not a path of a URL.")
    return f"{where}/{path}" if path else where


def _bare_host(host: str) -> str:
    """A host that stands alone: an IPv6 address gets its brackets."""
    name, slash, path = host.partition("/")
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return host
    return f"[{name}]{slash}{path}"


def common_settings(
    conn: Connection, extra: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """
    What all connection types share, as keyword arguments of :class:`~.._transport.endpoint.Endpoint`.

    See :data:`COMMON_FIELDS`, and docs/connections.md for what each means.

    :param extra: in place of the connection's own
    :param headers: that the connection adds to each request
    :raises ConfigurationError: a value that cannot be read
    """
    extra = extra_of(conn) if extra is None else extra
    field = Fields(conn, extra)
    csrf = extra.get("csrf")
    return {
        "verify": field.verify("verify"),
        "result_verify": field.verify("result_verify"),
        "proxy": field.proxy(),
        "timeout": field.number("timeout", DEFAULT_TIMEOUT, below=86400.0, unit="seconds"),
        "cert": field.cert(),
        "cookies": field.flag("cookies"),
        "csrf": field.text("csrf") if _is_path(csrf) else ("" if field.flag("csrf") else None),
        "allowed_hosts": field.hosts("allowed_hosts"),
        "result_hosts": field.hosts("result_hosts"),
        "max_status_bytes": int(
            field.number("max_status_bytes", MAX_STATUS_BYTES, below=2**24 + 1, unit="bytes")
        ),
        "min_poll_interval": field.number(
            "min_poll_interval", MIN_POLL_INTERVAL, below=86400.0, unit="seconds"
        ),
        "max_requests_per_minute": int(
            field.number("max_requests_per_minute", MAX_REQUESTS_PER_MINUTE, below=10**7, unit="requests")
        ),
        "account": account_of(conn, headers or {}),
        "job_url": field.text("job_url"),
    }


def account_of(conn: Connection, headers: Mapping[str, str]) -> str:
    """
    Whose jobs a connection sees, as a short hash that distinguishes them; empty where nothing says it.

    One host and path may serve many customers, distinguished by login or header (``X-Tenant``), and job 7 of
    the one is not job 7 of the other. Passwords, tokens and keys do not count: they are replaced while jobs
    run.

    :param headers: that the connection adds to each request
    """
    facts = [("login", conn.login)] if conn.login else []
    facts += sorted((n.lower(), v) for n, v in headers.items() if not _NO_ACCOUNT.fullmatch(n))
    return short_hash(*(text for fact in facts for text in fact))


def short_hash(*texts: str) -> str:
    """Eight characters that differ where the texts do; empty for none."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:8] if texts else ""


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() not in ("", "true", "false")


class Fields:
    """Values of the extra; connection forms hand over text, JSON the types themselves."""

    def __init__(self, conn: Connection, extra: Mapping[str, Any]) -> None:
        self._conn_id = conn.conn_id
        self._extra = extra

    def wrong(self, name: str, must: str) -> ConfigurationError:
        """The error for a field of another kind or value."""
        return ConfigurationError(f"{name} in the extra of connection {self._conn_id!r} must {must}.")

    def text(self, name: str) -> str:
        value = self._extra.get(name)
        return "" if value is None else str(value).strip()

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        word = self.text(name).lower()
        if word not in ("", "true", "false"):
            raise self.wrong(name, "be true or false")
        return default if not word else word == "true"

    def number(self, name: str, default: float, *, below: float, unit: str) -> float:
        value = self._extra.get(name)
        if value is None or value == "":
            return default
        try:
            number = float(value) if not isinstance(value, bool) else 0.0
        except (TypeError, ValueError):
            number = 0.0
        if not 0 < number < below:
            raise self.wrong(name, f"be a number of {unit} above 0")
        return number

    def verify(self, name: str) -> bool | str:
        value = self._extra.get(name)
        # Nothing but an explicit "false" turns verification off.
        if value is None or value is True or value == "":
            return True
        if value is False:
            return False
        if isinstance(value, str):
            word = value.strip().lower()
            return word == "true" if word in ("true", "false") else value.strip() or True
        raise self.wrong(name, "be true, false or the path of a CA file")

    def cert(self) -> tuple[str, str] | None:
        """Like requests' own: one file with both, or a pair; or the key apart, in ``cert_key``."""
        value: Any = self._extra.get("cert")
        key: Any = self.text("cert_key")
        if isinstance(value, list | tuple) and len(value) == 2 and not key:
            value, key = value
        if not value and not key:
            return None
        if not isinstance(value, str) or not isinstance(key, str) or not value.strip():
            raise self.wrong(
                "cert", "be the path of a PEM file, with cert_key for a key in a file of its own"
            )
        path, key = value.strip(), key.strip()
        return path, key or path

    def proxy(self) -> str | None:
        value = self._extra.get("proxy")
        proxy = self.text("proxy")
        if not proxy:
            return None
        if not isinstance(value, str):
            raise self.wrong("proxy", "be the http URL of a proxy")
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        try:
            split_url(proxy)
        except ConfigurationError:  # its text would name no more than the host, but not where to look
            raise self.wrong("proxy", "be the http URL of a proxy") from None
        return proxy

    def hosts(self, name: str) -> frozenset[str]:
        value = self._extra.get(name)
        items = value.split(",") if isinstance(value, str) else value or ()
        if not isinstance(items, list | tuple):
            items = ("/",)
        hosts = frozenset(str(item).strip().lower() for item in items if str(item).strip())
        for host in hosts:
            # "*.example" would never match, and its author would look for the reason elsewhere.
            if not re.fullmatch(r"[a-z0-9._-]+(:\d+)?|\[?[0-9a-f:.]+\]?|\[[0-9a-f:.]+\]:\d+", host):
                raise self.wrong(name, "name hosts (host, or host:port), without scheme, path or wildcard")
        return hosts


def token_url_of(conn: Connection, extra: Mapping[str, Any], base: str) -> str:
    """
    The OAuth token endpoint of the connection, empty when it has none.

    :param base: base URL of the connection
    :raises ConfigurationError: it cannot be used, or would send secrets in clear
    """
    url = str(extra.get("token_url") or "").strip()
    if not url:
        return ""
    parts = split_url(url)
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"The token_url of connection {conn.conn_id!r} must not contain a user or password: use "
            "login and password."
        )
    if parts.scheme == "http" and base.startswith("https://"):
        raise ConfigurationError(
            f"The token_url of connection {conn.conn_id!r} is http while the service is https: the "
            "client's credentials would travel in the clear."
        )
    return url
