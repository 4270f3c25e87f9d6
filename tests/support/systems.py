# SPDX-License-Identifier: Apache-2.0
"""What the metadata of a remote system names."""

from __future__ import annotations

from airflow_async_provider._metadata.system import PACKAGE, System


def modules_of(system: System) -> list[str]:
    """The modules that Airflow finds for a system, by their full names."""
    return [
        f"{PACKAGE}.{room}.{module}"
        for room in ("operators", "sensors", "hooks", "triggers", "transfers")
        for module in getattr(system, room)
    ]


def visible_secrets(system: System) -> list[str]:
    """Fields of its connection form that have the name of a secret and are no password field."""
    fields = {} if system.connection is None else system.connection.get("conn-fields", {})
    return [
        name
        for name, field in fields.items()
        if name.endswith(("_secret", "_key", "password"))
        and field["schema"].get("format") != "password"
        and "enum" not in field["schema"]  # true or false
    ]
