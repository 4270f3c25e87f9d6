# SPDX-License-Identifier: Apache-2.0
"""What Airflow loads in every one of its processes: kept cheap; the receiver is built when first asked."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class AsyncProviderPlugin(AirflowPlugin):
    """Registered through the entry point group ``airflow.plugins``."""

    name = "async_provider"
    fastapi_apps: list[Any] = []  # noqa: RUF012 - Airflow declares it as an instance variable
