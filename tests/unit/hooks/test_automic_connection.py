# SPDX-License-Identifier: Apache-2.0
"""From a connection to an Automic system and one client of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._automic_connection import endpoint_of


def conn(login: str | None = "U/D", password: str = "canary", **extra: Any) -> Connection:
    return Connection(
        conn_id="c",
        conn_type="automic",
        host="ae.example",
        login=login,
        password=password,
        extra=json.dumps(extra),
    )


@pytest.mark.parametrize(
    ("login", "extra", "client"),
    [("100/U/D", {}, "100"), ("U/D", {"client": "0100"}, "0100"), ("100/U/D", {"client": "0100"}, "0100")],
)
def test_the_client_is_in_the_login_or_the_extra(login: str, extra: dict[str, Any], client: str) -> None:
    assert endpoint_of(conn(login, **extra)).client == client


@pytest.mark.parametrize(
    ("login", "extra"),
    [
        ("U/D", {}),
        ("100/U/D", {"client": "200"}),
        ("U/D", {"client": "x"}),
        (None, {"client": "100"}),
        ("U/D", {"client": "100", "auth": "magic"}),
        ("U/D", {"client": "100", "batch_polls": "maybe"}),
    ],
)
def test_connections_that_make_no_sense(login: str | None, extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        endpoint_of(conn(login, **extra))
    assert "canary" not in str(error.value)


def test_a_password_that_automic_could_not_read_is_refused_without_its_characters() -> None:
    with pytest.raises(ConfigurationError, match="ISO-8859-1") as error:
        endpoint_of(conn(password="canary-€", client="100"))
    assert "€" not in str(error.value)
    assert "canary" not in str(error.value)


def test_bearer_needs_no_login() -> None:
    remote = endpoint_of(conn(None, client="100", auth="bearer", batch_polls="false"))
    assert remote.auth.headers()["Authorization"] == "Bearer canary"
    assert remote.batch_polls is False
