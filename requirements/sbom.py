# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - a script beside its data
"""
Writes the software bill of materials: ``python requirements/sbom.py FOLDER``.

CycloneDX 1.6, JSON: the package, what it asks for, and the versions of all that comes along as the tests
install it (``runtime-*.txt``). A wheel holds none of these; the list says what was tested together. The same
sources give the same bytes; the date is that of ``SOURCE_DATE_EPOCH``.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
PINS = "runtime-3.3.txt"


def canonical(name: str) -> str:
    """A distribution's name as package URLs spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(name: str, version: str, kind: str = "library") -> dict[str, Any]:
    """One entry of the list."""
    reference = f"pkg:pypi/{canonical(name)}@{version}"
    return {"type": kind, "bom-ref": reference, "name": name, "version": version, "purl": reference}


def bill() -> tuple[str, dict[str, Any]]:
    """The file's name and its content."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    init = (ROOT / "airflow_async_provider" / "__init__.py").read_text(encoding="utf-8")
    version = re.findall(r'^__version__ = "(.+)"$', init, re.MULTILINE)[0]
    pins = re.findall(
        r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)", (HERE / PINS).read_text(encoding="utf-8"), re.MULTILINE
    )
    root = component(project["name"], version)
    root["licenses"] = [{"license": {"id": project["license"]}}]
    parts = [component(name, pinned) for name, pinned in sorted(pins, key=lambda pin: canonical(pin[0]))]
    wanted = {canonical(re.split(r"[\s<>=!~;\[]", text, maxsplit=1)[0]) for text in project["dependencies"]}
    direct = [part["bom-ref"] for part in parts if canonical(part["name"]) in wanted]
    if len(direct) != len(wanted):
        raise SystemExit(f"{PINS} does not pin all of {sorted(wanted)}")
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "1577836800")), UTC)
    content: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": root,
            "properties": [{"name": "source", "value": f"requirements/{PINS}"}],
        },
        "components": parts,
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": direct}],
    }
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return f"{project['name']}-{version}.cdx.json", {**content, "serialNumber": f"urn:uuid:{identity}"}


def main() -> None:
    """Write the file."""
    folder = Path(sys.argv[1])
    name, content = bill()
    (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{folder / name}\n")


if __name__ == "__main__":
    main()
