# SPDX-License-Identifier: Apache-2.0
"""Every process of Airflow loads the plugin: it costs nothing before the API server's first callback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

from airflow_async_provider._callbacks.address import PREFIX
from airflow_async_provider.plugin import AsyncProviderPlugin

RESERVED = ("/api/v2", "/ui", "/execution", "/auth", "/pluginsv2")


def test_loading_it_imports_neither_fastapi_nor_the_receiver() -> None:
    code = (
        "import sys; import airflow_async_provider.plugin; "
        "print([m for m in sys.modules if m == 'fastapi' or m.endswith('_callbacks.receiver')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_where_it_is_mounted() -> None:
    (entry,) = AsyncProviderPlugin.fastapi_apps
    assert entry["url_prefix"] == PREFIX
    assert not PREFIX.startswith(RESERVED)


def test_the_receiver_is_built_once() -> None:
    app: Any = type(AsyncProviderPlugin.fastapi_apps[0]["app"])()
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
