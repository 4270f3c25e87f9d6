# SPDX-License-Identifier: Apache-2.0
"""
The file ``.airflow-registry.yaml`` for the Apache Airflow Provider Registry, made of the metadata.

``python -m airflow_async_provider._metadata.registry_file > .airflow-registry.yaml`` writes it; a test holds
the two equal.
"""

from __future__ import annotations

import sys

from airflow_async_provider._metadata import PACKAGE, SYSTEMS

ROOMS = ("operators", "sensors", "transfers", "hooks", "triggers")

HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# For the Apache Airflow Provider Registry: what a DAG author finds here. Written by
# "python -m airflow_async_provider._metadata.registry_file"; a test compares it with the package.
package-name: airflow-async-provider
display-name: Async Provider
description: >-
  Remote APIs that answer "202 Accepted, come back later": JAGGAER ASO, SAP Open Connectors, Broadcom
  Automic, and any other of that kind.
"""


def registry_file() -> str:
    """The whole text."""
    return HEAD + "".join(f"\n{room}:\n" + "".join(_entries(room)) for room in ROOMS)


def _entries(room: str) -> list[str]:
    classes = [
        (f"{PACKAGE}.{room}.{module}.{name}", sentence)
        for system in SYSTEMS
        for module, named in getattr(system, room).items()
        for name, sentence in named.items()
    ]
    return [f"  - module: {path}\n    description: {sentence}\n" for path, sentence in sorted(classes)]


if __name__ == "__main__":
    sys.stdout.write(registry_file())
