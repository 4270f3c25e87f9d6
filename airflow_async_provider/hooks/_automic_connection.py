# SPDX-License-Identifier: Apache-2.0
"""Reading an Automic connection: where, who, and in which client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_async_provider._metadata.automic import AUTOMIC
from airflow_async_provider._transport.auth import StaticAuth, basic
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._connection import (
    COMMON_FIELDS,
    Fields,
    base_url,
    check_names,
    common_settings,
    extra_of,
)
from airflow_async_provider.hooks._oauth import OAUTH_FIELDS, client_credentials
from airflow_async_provider.protocols._automic.requests import client_number

if TYPE_CHECKING:
    from airflow.sdk import Connection

FIELDS = frozenset({*(AUTOMIC.connection or {})["conn-fields"], *COMMON_FIELDS, *OAUTH_FIELDS})


@dataclass(frozen=True, slots=True)
class AutomicEndpoint(Endpoint):
    """
    An Automic system as one client of it sees it.

    :param client: the client, a segment of every path
    :param batch_polls: whether many waiting runs are asked for by lists
    """

    client: str = ""
    batch_polls: bool = True


def endpoint_of(conn: Connection) -> AutomicEndpoint:
    """
    Base URL, credentials and client of the connection.

    :raises ConfigurationError: something is missing or contradicts itself
    """
    extra = extra_of(conn)
    check_names(conn, extra, FIELDS)
    url, client = base_url(conn), _client(conn, extra)
    settings = common_settings(conn)
    # What other systems call job_url has Automic's own words for its parts.
    if run_url := str(extra.get("run_url") or ""):
        settings["job_url"] = run_url.replace("{client}", client).replace("{run_id}", "{job_id}")
    return AutomicEndpoint(
        base_url=url,
        auth=client_credentials(conn, extra, url)
        or StaticAuth({"Authorization": _authorization(conn, extra)}),
        client=client,
        batch_polls=Fields(conn, extra).flag("batch_polls", default=True),
        **settings,
    )


def _authorization(conn: Connection, extra: Mapping[str, Any]) -> str:
    kind = str(extra.get("auth") or "basic").strip().lower()
    if not conn.password:
        raise ConfigurationError(f"The connection {conn.conn_id!r} has no password.")
    if kind == "bearer":
        return f"Bearer {conn.password.strip()}"  # a pasted token often has a line break at its end
    if kind != "basic":
        raise Fields(conn, extra).wrong("auth", "be basic or bearer")
    if not conn.login:
        raise ConfigurationError(
            f"The connection {conn.conn_id!r} has no login: USER/DEPARTMENT or CLIENT/USER/DEPARTMENT."
        )
    try:
        return basic(conn.login, conn.password, "iso-8859-1")
    except UnicodeEncodeError:
        # Neither the character nor its place is shown: it is a part of the password.
        raise ConfigurationError(
            f"Login or password of the connection {conn.conn_id!r} hold a character that ISO-8859-1 does not "
            "have; Automic reads credentials in that encoding only."
        ) from None


def _client(conn: Connection, extra: Mapping[str, Any]) -> str:
    parts = (conn.login or "").split("/")
    of_login = parts[0] if len(parts) == 3 else None
    given = extra.get("client")
    if given in (None, "") and of_login is None:
        raise ConfigurationError(
            f"The connection {conn.conn_id!r} names no client: set client in its extra, or begin its login "
            "with it (CLIENT/USER/DEPARTMENT)."
        )
    client = client_number(of_login or "" if given in (None, "") else str(given))
    if of_login is not None and int(client_number(of_login)) != int(client):
        raise ConfigurationError(
            f"The connection {conn.conn_id!r} names two clients: {client} in its extra and another one in "
            "its login. Which of them Automic would take is not documented."
        )
    return client
