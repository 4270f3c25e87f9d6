# SPDX-License-Identifier: Apache-2.0
"""Reading a SAP Open Connectors connection: where, and the credentials of both kinds of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_async_provider._metadata.open_connectors import OPEN_CONNECTORS
from airflow_async_provider._transport.auth import Auth, StaticAuth
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._urls import path_of
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._connection import (
    COMMON_FIELDS,
    base_url,
    check_names,
    common_settings,
    extra_of,
    short_hash,
)
from airflow_async_provider.protocols._http_messages import HttpRequest
from airflow_async_provider.protocols._open_connectors.queue import DELIVERIES

if TYPE_CHECKING:
    from airflow.sdk import Connection

FIELDS = frozenset({*(OPEN_CONNECTORS.connection or {})["conn-fields"], *COMMON_FIELDS, "signature_key"})

#: The base path of the platform's API in every landscape.
BASE_PATH = "/elements/api-v2"


@dataclass(frozen=True, slots=True)
class OpenConnectorsEndpoint(Endpoint):
    """
    The platform with the credentials of one connector instance, and those for calls to the platform itself.

    :param platform_auth: ``User …, Organization …``
    """

    platform_auth: Auth = field(default_factory=lambda: StaticAuth({}))

    def for_request(self, request: HttpRequest) -> OpenConnectorsEndpoint:
        """The remote with the credentials that a request wants: the queue is the platform's business."""
        return self.platform if request.url == DELIVERIES else self

    @property
    def platform(self) -> OpenConnectorsEndpoint:
        """The same place, for calls to the platform."""
        return replace(self, auth=self.platform_auth)


@dataclass(frozen=True, slots=True)
class MissingAuth(Auth):
    """Credentials that the connection does not have; noticed before anything is sent."""

    message: str

    def headers(self) -> Mapping[str, str]:
        """
        There are none.

        :raises ConfigurationError: always
        """
        raise ConfigurationError(self.message)


def endpoint_of(conn: Connection) -> OpenConnectorsEndpoint:
    """
    Base URL and credentials of the connection.

    :raises ConfigurationError: no host, no user secret, or a secret that cannot be one
    """
    extra = extra_of(conn)
    check_names(conn, extra, FIELDS)
    url = base_url(conn)
    if not path_of(url).strip("/"):
        url += BASE_PATH
    user = _secret(conn, extra, "user_secret")
    if user is None:
        raise ConfigurationError(f"The connection {conn.conn_id!r} has no user_secret in its extra.")
    # The token is the connector instance itself, and no two instances share one.
    instance = _secret(conn, extra, "element_token")
    return OpenConnectorsEndpoint(
        base_url=url,
        auth=_authorization(conn, extra, user, "Element", "element_token", "a connector instance"),
        platform_auth=_authorization(
            conn, extra, user, "Organization", "organization_secret", "the platform itself"
        ),
        **{**common_settings(conn), "account": short_hash(*filter(None, [instance]))},
    )


def _secret(conn: Connection, extra: Mapping[str, Any], name: str) -> str | None:
    value = extra.get(name)
    if value is None or value == "":
        return None
    text = str(value)
    # The header separates the secrets by blanks and commas; copied secrets often end in a line break.
    if not text.isascii() or not text.isprintable() or any(c in text for c in " ,"):
        raise ConfigurationError(
            f"{name} in the extra of connection {conn.conn_id!r} holds a character that no such secret has "
            "(a blank, a comma, a line break). Copy it again."
        )
    return text


def _authorization(
    conn: Connection, extra: Mapping[str, Any], user: str, word: str, name: str, what: str
) -> Auth:
    secret = _secret(conn, extra, name)
    if secret is None:
        return MissingAuth(
            f"The connection {conn.conn_id!r} has no {name} in its extra, which calls to {what} need."
        )
    return StaticAuth({"Authorization": f"User {user}, {word} {secret}"})
