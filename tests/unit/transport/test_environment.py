# SPDX-License-Identifier: Apache-2.0
"""What both HTTP clients take from the environment: proxies and CA files."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from airflow_async_provider._transport.environment import (
    CA_VARIABLES,
    PROXY_VARIABLES,
    ca_file,
    check_ca_file,
    proxy_for,
)
from airflow_async_provider.errors import ConfigurationError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CA_VARIABLES, *PROXY_VARIABLES):
        monkeypatch.delenv(name, raising=False)


def test_no_proxy_at_all() -> None:
    assert proxy_for("https://ees.example/x") is None


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"https_proxy": "http://p:1"}, "https://h/x", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "https://h/x", "http://p:1"),
        ({"https_proxy": "p:1"}, "https://h/x", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "https://h/x", None),
        ({"http_proxy": "http://p:1"}, "http://h/x", "http://p:1"),
        ({"all_proxy": "http://p:1"}, "https://h/x", "http://p:1"),
        ({"all_proxy": "http://p:1", "no_proxy": "h"}, "https://h/x", None),
        ({"all_proxy": "http://p:1", "no_proxy": ".example"}, "https://ees.example/x", None),
        ({"all_proxy": "http://p:1", "no_proxy": "h:8443"}, "https://h:8443/x", None),
        ({"all_proxy": "http://p:1", "no_proxy": "other"}, "https://h/x", "http://p:1"),
        ({"all_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "https://10.1.2.3/x", None),
        ({"all_proxy": "http://p:1", "no_proxy": "*"}, "https://h/x", None),
    ],
)
def test_the_environment_s_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy
    assert proxy_for(url, "own:3128") == "http://own:3128"  # NO_PROXY is about the environment's


def test_a_change_of_the_environment_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://first:1")
    assert proxy_for("https://h/x") == "http://first:1"
    monkeypatch.setenv("https_proxy", "http://second:1")
    assert proxy_for("https://h/y") == "http://second:1"
    monkeypatch.delenv("https_proxy")
    assert proxy_for("https://h/x") is None


def test_the_ca_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ca_file(True) == certifi.where()
    assert ca_file(False) is None
    assert ca_file("/my/ca.pem") == "/my/ca.pem"
    for variable in reversed(CA_VARIABLES):  # the first of them wins
        monkeypatch.setenv(variable, f"/from/{variable}")
        assert ca_file(True) == f"/from/{variable}"
    assert ca_file(False) is None
    assert ca_file("/my/ca.pem") == "/my/ca.pem"


def test_a_ca_file_must_be_there(tmp_path: Path) -> None:
    check_ca_file(certifi.where())
    check_ca_file(str(tmp_path))
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        check_ca_file(str(tmp_path / "none"))
