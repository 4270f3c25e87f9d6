# SPDX-License-Identifier: Apache-2.0
"""What Airflow loads in every one of its processes: kept cheap; the apps are built when first asked."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_async_provider._callbacks.address import PREFIX

#: Where the page "Remote jobs" is mounted in Airflow's API server.
PAGE_PREFIX = "/remote-jobs"


class _Lazy:
    """
    An app as an ASGI callable that imports FastAPI and builds it on the first request.

    :param module: has a function ``build_app``
    """

    _app: Any = None

    def __init__(self, module: str) -> None:
        self.module = module

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            self._app = import_module(self.module).build_app()
        await self._app(scope, receive, send)


def _view(destination: str, query: str = "") -> dict[str, Any]:
    """
    The page at one place of Airflow's UI.

    Its address is relative: Airflow's own page says what to, the prefix of ``[api] base_url`` included.
    """
    return {
        "name": "Remote jobs",
        "href": f"{PAGE_PREFIX[1:]}/{query}",
        "destination": destination,
        "url_route": "remote-jobs"
        if destination == "nav"
        else f"remote-jobs-{destination}".replace("_", "-"),
        **({"category": "browse"} if destination == "nav" else {}),
    }


_TASK = "?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}"


class AsyncProviderPlugin(AirflowPlugin):
    """Registered through the entry point group ``airflow.plugins``."""

    name = "async_provider"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - Airflow declares it as an instance variable
        {
            "name": "async-provider",
            "app": _Lazy("airflow_async_provider._callbacks.receiver"),
            "url_prefix": PREFIX,
        },
        {"name": "remote-jobs", "app": _Lazy("airflow_async_provider._page.app"), "url_prefix": PAGE_PREFIX},
    ]
    external_views: list[Any] = [  # noqa: RUF012 - as above
        _view("nav"),
        _view("dag_run", "?dag_id={DAG_ID}&run_id={RUN_ID}"),
        _view("task", "?dag_id={DAG_ID}&task_id={TASK_ID}"),
        _view("task_instance", f"{_TASK}&map_index={{MAP_INDEX}}"),
    ]
