# SPDX-License-Identifier: Apache-2.0
"""Reading the OAuth 2.0 client credentials of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_async_provider._transport.oauth import (
    BASIC,
    BODY,
    CLIENT_AUTH,
    NONE,
    PRIVATE_KEY_JWT,
    ClientCredentialsAuth,
    SigningKey,
)
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._connection import Fields, token_url_of

if TYPE_CHECKING:
    from airflow.sdk import Connection

#: Fields of the extra that are read here.
OAUTH_FIELDS = frozenset(
    {
        "audience",
        "client_auth",
        "key_algorithm",
        "key_id",
        "oauth_params",
        "private_key",
        "private_key_file",
        "resource",
        "scope",
        "token_url",
    }
)


def client_credentials(
    conn: Connection,
    extra: Mapping[str, Any],
    base: str,
    *,
    headers: Mapping[str, str] | None = None,
    token_headers: Mapping[str, str] | None = None,
) -> ClientCredentialsAuth | None:
    """
    The connection's OAuth 2.0 client credentials, None when its extra has no ``token_url``.

    ``login`` is the client id, ``password`` the client secret.

    :param base: base URL of the connection
    :param headers: that go along with the token
    :param token_headers: that go along with the token request
    :raises ConfigurationError: something is missing or contradicts itself
    """
    url = token_url_of(conn, extra, base)
    if not url:
        lonely = sorted(name for name in OAUTH_FIELDS - {"scope"} if extra.get(name))
        if lonely:
            raise ConfigurationError(
                f"The connection {conn.conn_id!r} has {', '.join(lonely)} in its extra but no token_url."
            )
        return None
    has_key = bool(extra.get("private_key") or extra.get("private_key_file"))
    way = str(extra.get("client_auth") or (PRIVATE_KEY_JWT if has_key else BASIC)).strip().lower()
    if way not in CLIENT_AUTH:
        raise Fields(conn, extra).wrong("client_auth", f"be one of {', '.join(CLIENT_AUTH)}")
    if not conn.login:
        raise ConfigurationError(
            f"The connection {conn.conn_id!r} has a token_url, so it needs login (client id)."
        )
    if way in (BASIC, BODY) and not conn.password:
        raise ConfigurationError(
            f"The connection {conn.conn_id!r} has a token_url, so it needs login (client id) and password "
            "(client secret), or a private_key or private_key_file."
        )
    if way == NONE and not extra.get("cert"):
        raise ConfigurationError(
            f"client_auth none in the extra of connection {conn.conn_id!r} needs cert: a client without "
            "secret and key shows who it is by its TLS certificate."
        )
    resource = extra.get("resource") or ()
    return ClientCredentialsAuth(
        token_url=url,
        client_id=conn.login,
        client_secret=conn.password or "",
        scope=_words(extra.get("scope")),
        audience=_words(extra.get("audience")),
        resource=[resource] if isinstance(resource, str) else [str(one) for one in resource],
        client_auth=way,
        key=_key(conn, extra) if way == PRIVATE_KEY_JWT else None,
        params=_params(conn, extra),
        extra=headers,
        token_extra=token_headers,
    )


def _words(value: Any) -> str | None:
    """Text, or a list that is joined by blanks as scopes are."""
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    return str(value).strip() or None if value else None


def _params(conn: Connection, extra: Mapping[str, Any]) -> dict[str, str]:
    value = extra.get("oauth_params") or {}
    if not isinstance(value, Mapping):
        raise Fields(conn, extra).wrong("oauth_params", "be a JSON object of texts")
    return {str(name): str(one) for name, one in value.items()}


def _key(conn: Connection, extra: Mapping[str, Any]) -> SigningKey:
    text, path = extra.get("private_key"), str(extra.get("private_key_file") or "").strip()
    if bool(text) == bool(path):
        raise ConfigurationError(
            f"The connection {conn.conn_id!r} needs either private_key or private_key_file in its extra for "
            "client_auth private_key_jwt."
        )
    if isinstance(text, Mapping):  # a JWK as it is, not as text
        import json

        text = json.dumps(text)
    return SigningKey(
        text=str(text or ""),
        path=path,
        key_id=str(extra.get("key_id") or "").strip(),
        algorithm=str(extra.get("key_algorithm") or "").strip().upper(),
    )
