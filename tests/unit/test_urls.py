# SPDX-License-Identifier: Apache-2.0
"""Reading URLs: what the check sees is what the socket gets."""

from __future__ import annotations

import pytest

from airflow_async_provider._urls import port_of, split_url
from airflow_async_provider.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://a.example", "a.example", 443),
        ("http://a.example/x", "a.example", 80),
        ("https://A.example:8443", "a.example", 8443),
        ("https://[::1]:1/x", "::1", 1),
    ],
)
def test_host_and_port(url: str, host: str, port: int) -> None:
    parts = split_url(url)
    assert (parts.hostname, port_of(parts)) == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a.example",
        "https://",
        "https://a:0",
        "https://a:99999",
        "https://[::1",
        "https://a\\@b",
        "https://a\n.example",
        "https://a b",
    ],
)
def test_what_is_no_usable_address(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not a usable http or https address"):
        split_url(url)


def test_the_error_shows_neither_path_nor_password() -> None:
    with pytest.raises(ConfigurationError) as error:
        split_url("ftp://me:canary@a.example/canary?canary")
    assert "canary" not in str(error.value)
