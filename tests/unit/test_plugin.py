# SPDX-License-Identifier: Apache-2.0
"""What Airflow's API server loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_async_provider._callbacks.address import PREFIX
from airflow_async_provider.plugin import AsyncProviderPlugin


def test_one_application_under_the_receiver_s_address() -> None:
    [app] = AsyncProviderPlugin.fastapi_apps
    assert app["url_prefix"] == PREFIX
    assert callable(app["app"])


@pytest.mark.thorough
def test_loading_it_does_not_load_fastapi_by_us() -> None:
    code = (
        "import sys; from airflow.plugins_manager import AirflowPlugin; before = set(sys.modules);"
        "import airflow_async_provider.plugin;"
        "print('fastapi' in set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
