# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told of this system exists, and its secrets are kept as such."""

from __future__ import annotations

from importlib import import_module

import pytest

from airflow_async_provider._metadata.remote_job import REMOTE_JOB as SYSTEM
from airflow_async_provider._metadata.system import PACKAGE
from tests.support.systems import modules_of


@pytest.mark.parametrize("module", modules_of(SYSTEM))
def test_its_modules_exist(module: str) -> None:
    import_module(module)


def test_its_decorator_exists() -> None:
    for path in SYSTEM.decorators.values():
        module, _, name = path.partition(".")
        assert callable(getattr(import_module(f"{PACKAGE}.decorators.{module}"), name))
