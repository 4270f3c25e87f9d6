# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told of this system exists, and its secrets are kept as such."""

from __future__ import annotations

from importlib import import_module

import pytest

from airflow_async_provider._metadata.automic import AUTOMIC as SYSTEM
from tests.support.systems import modules_of, visible_secrets


@pytest.mark.parametrize("module", modules_of(SYSTEM))
def test_its_modules_exist(module: str) -> None:
    import_module(module)


def test_fields_with_secrets_are_those_of_passwords() -> None:
    assert visible_secrets(SYSTEM) == ["cert_key"]  # the path of a file
