# SPDX-License-Identifier: Apache-2.0
"""What a DAG file imports with this room."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_room_costs_nothing_heavy() -> None:
    code = (
        "import sys, pkgutil, importlib, airflow_async_provider._download as room\n"
        "for module in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "heavy = {'airflow', 'boto3', 'botocore', 'requests', 'urllib3', 'aiohttp', 'fsspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
