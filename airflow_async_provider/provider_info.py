# SPDX-License-Identifier: Apache-2.0
"""
What Airflow's provider manager reads: one entry for each module in ``metadata``.

Imports nothing of Airflow, which reads it in every process.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from airflow_async_provider import __version__
from airflow_async_provider._metadata import PACKAGE, SYSTEMS
from airflow_async_provider._metadata.config import CONFIG


def get_provider_info() -> dict[str, Any]:
    """Entry point ``apache_airflow_provider``; keys as in Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-async-provider",
        "name": "Async Provider",
        "description": "Remote APIs that answer ``202 Accepted``: JAGGAER ASO, SAP Open Connectors, Broadcom "
        "Automic, and any other of that kind.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": s.name, "external-doc-url": s.url, "tags": list(s.tags)} for s in SYSTEMS
        ],
        **{room: _modules(room) for room in ("operators", "sensors", "hooks", "triggers")},
        "transfers": [
            {
                "source-integration-name": s.name,
                "target-integration-name": s.targets[module],
                "python-module": f"{PACKAGE}.transfers.{module}",
            }
            for s in SYSTEMS
            for module in s.transfers
        ],
        "task-decorators": [
            {"name": name, "class-name": f"{PACKAGE}.decorators.{path}"}
            for s in SYSTEMS
            for name, path in s.decorators.items()
        ],
        "extra-links": [f"{PACKAGE}.{link}" for s in SYSTEMS for link in s.links],
        # Copies: Airflow rewrites the placeholders in what it is given.
        "connection-types": [deepcopy(dict(s.connection)) for s in SYSTEMS if s.connection is not None],
        # From Airflow 3.2 on; earlier ones do not read it.
        "cli": [f"{PACKAGE}._cli.commands.remote_jobs", f"{PACKAGE}._cli.commands.push_sources"],
        "config": deepcopy(CONFIG),
    }


def _modules(room: str) -> list[dict[str, Any]]:
    """The modules of one room, by system."""
    return [
        {"integration-name": s.name, "python-modules": [f"{PACKAGE}.{room}.{m}" for m in getattr(s, room)]}
        for s in SYSTEMS
        if getattr(s, room)
    ]
