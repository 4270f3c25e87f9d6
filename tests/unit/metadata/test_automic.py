# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told of this system exists, and its secrets are kept as such."""

from __future__ import annotations

from importlib import import_module

import pytest

from airflow_async_provider._metadata.automic import AUTOMIC as SYSTEM
from airflow_async_provider._metadata.system import PACKAGE

MODULES = [
    f"{PACKAGE}.{room}.{module}"
    for room in ("operators", "sensors", "hooks", "triggers", "transfers")
    for module in getattr(SYSTEM, room)
]


@pytest.mark.parametrize("module", MODULES)
def test_its_modules_exist(module: str) -> None:
    import_module(module)


def test_fields_with_secrets_are_those_of_passwords() -> None:
    fields = {} if SYSTEM.connection is None else SYSTEM.connection.get("conn-fields", {})
    open_ones = [
        name
        for name, field in fields.items()
        if field["schema"].get("format") != "password" and "enum" not in field["schema"]  # true or false
    ]
    keys = [name for name in open_ones if name.endswith(("_secret", "_key", "password"))]
    assert keys in ([], ["cert_key"])  # that one is the path of a file
