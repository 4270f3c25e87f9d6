# SPDX-License-Identifier: Apache-2.0
"""The reverse proxy of the production checklist logs no secret of a callback."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from airflow_async_provider._callbacks.address import TaskKey, new_address
from tests.support.docs_pages import blocks

NGINX = next(block.text for block in blocks("nginx") if block.page == "docs/production.md")


def shown(uri: str) -> str:
    """What the page's ``map`` logs of a URI. PCRE writes ``(?<name>`` for Python's ``(?P<name>``."""
    pattern, text = re.findall(r'"~(\S+)"\s+(\S+);', NGINX)[0]
    found = re.search(pattern.replace("(?<", "(?P<"), uri)
    return text.replace("$task", found["task"]) if found else uri


@pytest.mark.parametrize("base", ["https://airflow.example.com", "https://gateway.example.com/a/airflow"])
@pytest.mark.parametrize("more", ["", "?attempt=2", "/"])
def test_the_access_log_shows_no_secret(base: str, more: str) -> None:
    address = new_address(base, TaskKey("d", "r+1:2", "t", -1))
    uri = urlsplit(address.url_with_secret).path + more
    secret = address.authorization.removeprefix("Bearer ")

    assert secret in uri
    assert secret.split(".")[0] not in shown(uri)
    assert shown(uri).endswith("/hidden")
    assert shown("/api/v2/dags") == "/api/v2/dags"


def test_the_proxy_lets_through_what_the_receiver_takes() -> None:
    address = new_address("https://airflow.example.com", TaskKey("d", "r", "t", -1))
    location = re.findall(r"location (/async\S+) \{", NGINX)
    assert len(location) == 1
    assert urlsplit(address.url).path.startswith(location[0])
