# SPDX-License-Identifier: Apache-2.0
"""Reading an Airflow connection: base URL, TLS, proxy, time limit, hosts that may get the credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_async_provider._urls import split_url
from airflow_async_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

DEFAULT_TIMEOUT = 30.0


def extra_of(conn: Connection) -> dict[str, Any]:
    """
    The connection's extra; empty when there is none.

    :raises ConfigurationError: it is no JSON object
    """
    try:
        return dict(conn.extra_dejson)
    except (TypeError, ValueError):
        raise ConfigurationError(f"The extra of connection {conn.conn_id!r} must be a JSON object.") from None


def base_url(conn: Connection, *, default_scheme: str = "https") -> str:
    """
    Scheme, host, port and path of the connection.

    ``host`` may be a bare name or a whole URL; the port field wins over one in the host; the scheme comes
    from the host, else from ``schema`` when that is http or https, else ``default_scheme``.

    :raises ConfigurationError: no host, or one that is no address
    """
    host = (conn.host or "").strip()
    if not host:
        raise ConfigurationError(f"The connection {conn.conn_id!r} has no host: set it to the base URL.")
    if "://" not in host:
        schema = (conn.schema or "").strip().lower()
        host = f"{schema if schema in ('http', 'https') else default_scheme}://{host}"
    try:
        parts = urlsplit(host)
        name, port = parts.hostname, conn.port or parts.port
    except ValueError:
        name, port = None, None
    if not name or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ConfigurationError(f"The host of the connection {conn.conn_id!r} is no http or https address.")
    if parts.username or parts.password:
        raise ConfigurationError(
            f"The host of the connection {conn.conn_id!r} contains a user or a password: use login and "
            "password."
        )
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def common_settings(conn: Connection) -> dict[str, Any]:
    """
    What all connection types share, as keyword arguments of :class:`~.._transport.endpoint.Endpoint`.

    Extra keys: ``verify`` (true, false or a CA file), ``result_verify`` (the same for result URLs on other
    hosts, default true), ``proxy`` (URL), ``timeout`` (seconds for one request), ``allowed_hosts`` (list, or
    text separated by commas).

    :raises ConfigurationError: a value that cannot be read
    """
    extra = extra_of(conn)
    return {
        "verify": _verify(conn, extra, "verify"),
        "result_verify": _verify(conn, extra, "result_verify"),
        "proxy": _proxy(conn, extra.get("proxy")),
        "timeout": _timeout(conn, extra.get("timeout")),
        "allowed_hosts": _hosts(conn, extra.get("allowed_hosts")),
    }


def _verify(conn: Connection, extra: Mapping[str, Any], name: str) -> bool | str:
    value = extra.get(name)
    # Connection forms hand over text. Nothing but an explicit "false" turns verification off.
    if value is None or value is True or value == "":
        return True
    if value is False:
        return False
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "false"):
            return word == "true"
        return value.strip() or True
    raise ConfigurationError(
        f"{name} in the extra of connection {conn.conn_id!r} must be true, false or the path of a CA file."
    )


def _timeout(conn: Connection, value: Any) -> float:
    if value is None or value == "":
        return DEFAULT_TIMEOUT
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise ConfigurationError(
            f"timeout in the extra of connection {conn.conn_id!r} must be a number of seconds above 0."
        )
    return seconds


def _proxy(conn: Connection, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    proxy = value.strip() if isinstance(value, str) else ""
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        split_url(proxy)
    except ConfigurationError:  # its text would name no more than the host, but not where to look
        raise ConfigurationError(
            f"proxy in the extra of connection {conn.conn_id!r} must be the http URL of a proxy."
        ) from None
    return proxy


def _hosts(conn: Connection, value: Any) -> frozenset[str]:
    items = value.split(",") if isinstance(value, str) else value or ()
    if not isinstance(items, list | tuple):
        items = ("/",)
    hosts = frozenset(str(item).strip().lower() for item in items if str(item).strip())
    for host in hosts:
        # "*.example" would never match, and its author would look for the reason elsewhere.
        if not re.fullmatch(r"[a-z0-9._-]+(:\d+)?|\[?[0-9a-f:.]+\]?|\[[0-9a-f:.]+\]:\d+", host):
            raise ConfigurationError(
                f"allowed_hosts in the extra of connection {conn.conn_id!r} must name hosts (host, or "
                "host:port), without scheme, path or wildcard."
            )
    return hosts
