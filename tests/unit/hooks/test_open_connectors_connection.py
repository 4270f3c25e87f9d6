# SPDX-License-Identifier: Apache-2.0
"""From a connection to SAP Open Connectors: two kinds of credentials."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._open_connectors_connection import BASE_PATH, endpoint_of


def conn(host: str = "api.example", **extra: Any) -> Connection:
    return Connection(conn_id="c", conn_type="sap_open_connectors", host=host, extra=json.dumps(extra))


def test_the_base_path_is_added_where_there_is_none() -> None:
    assert endpoint_of(conn(user_secret="u")).base_url == f"https://api.example{BASE_PATH}"
    assert endpoint_of(conn("api.example/x", user_secret="u")).base_url == "https://api.example/x"


def test_the_instance_and_the_platform_have_credentials_of_their_own() -> None:
    remote = endpoint_of(conn(user_secret="u", element_token="e", organization_secret="o"))
    assert remote.auth.headers()["Authorization"] == "User u, Element e"
    assert remote.platform.auth.headers()["Authorization"] == "User u, Organization o"


def test_what_is_missing_is_said_when_it_is_needed() -> None:
    remote = endpoint_of(conn(user_secret="u"))
    with pytest.raises(ConfigurationError, match="element_token"):
        remote.auth.headers()
    with pytest.raises(ConfigurationError, match="user_secret"):
        endpoint_of(conn())


def test_a_secret_copied_with_a_line_break_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="line break") as error:
        endpoint_of(conn(user_secret="canary\n"))
    assert "canary" not in str(error.value)
