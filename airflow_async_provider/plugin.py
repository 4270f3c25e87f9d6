# SPDX-License-Identifier: Apache-2.0
"""What Airflow loads in every one of its processes: kept cheap; the receiver is built when first asked."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_async_provider._callbacks.address import PREFIX


class _Receiver:
    """The receiver as an ASGI callable that imports FastAPI and builds the app on the first request."""

    _app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            from airflow_async_provider._callbacks.receiver import build_app

            self._app = build_app()
        await self._app(scope, receive, send)


class AsyncProviderPlugin(AirflowPlugin):
    """Registered through the entry point group ``airflow.plugins``."""

    name = "async_provider"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - Airflow declares it as an instance variable
        {"name": "async-provider", "app": _Receiver(), "url_prefix": PREFIX}
    ]
