# SPDX-License-Identifier: Apache-2.0
"""Every process of Airflow loads the plugin: it costs nothing before the API server's first callback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from airflow_async_provider._callbacks.address import PREFIX
from airflow_async_provider.plugin import PAGE_PREFIX, AsyncProviderPlugin

RESERVED = ("/api/v2", "/ui", "/execution", "/auth", "/pluginsv2")


@pytest.mark.thorough
def test_loading_it_imports_neither_fastapi_nor_the_receiver() -> None:
    code = (
        "import sys; import airflow_async_provider.plugin; "
        "ours = ('_page.app', '_callbacks.receiver'); "
        "late = ['fastapi', *('airflow_async_provider.' + m for m in ours)]; "
        "print([m for m in late if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_where_it_is_mounted() -> None:
    assert [entry["url_prefix"] for entry in AsyncProviderPlugin.fastapi_apps] == [PREFIX, PAGE_PREFIX]
    assert not PREFIX.startswith(RESERVED)
    assert not PAGE_PREFIX.startswith(RESERVED)


def test_airflow_takes_every_view_and_shows_it_below_its_own_address() -> None:
    views = AsyncProviderPlugin.external_views
    assert [v["destination"] for v in views] == ["nav", "dag_run", "task", "task_instance"]
    # Airflow drops a view whose route another one has.
    assert len({v["url_route"] for v in views}) == len(views)
    for view in views:
        assert view["href"].startswith("remote-jobs/")  # relative, so a prefix of [api] base_url stays


def test_an_app_is_built_once() -> None:
    first: Any = AsyncProviderPlugin.fastapi_apps[0]["app"]
    app: Any = type(first)(first.module)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1"}
    scope |= {"method": "GET", "scheme": "http", "path": "/nothing", "raw_path": b"/nothing", "headers": []}
    scope |= {"query_string": b"", "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
    built = []
    for _ in range(2):
        asyncio.run(app(dict(scope), receive, send))
        built.append(app._app)
    assert built[0] is built[1] is not None
    assert [m["status"] for m in sent if m["type"] == "http.response.start"] == [404, 404]
