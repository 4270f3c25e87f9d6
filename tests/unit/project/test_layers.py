# SPDX-License-Identifier: Apache-2.0
"""A room imports only rooms below it, and the innermost rooms nothing but Python itself."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "airflow_async_provider"
ROOT = Path(__file__).parents[3] / PACKAGE

#: The rooms from the ground up; those on one floor may import each other. A file at the top level of the
#: package is a room of its own.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "_settings", "_metadata", "_urls", "_metrics", "retry_policy"),
    ("protocols",),
    ("_transport",),
    ("_download",),
    ("hooks",),
    ("_polling",),
    ("_callbacks",),
    ("_page",),
    ("triggers",),
    ("_jobs",),
    ("operators", "sensors", "transfers"),
    ("decorators",),
    ("plugin", "_cli"),
    ("__main__",),
)
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}

#: What a room beside the house may see of it.
BESIDE = {
    "simulators": {"simulators", "protocols", "errors", "_metadata"},
    "provider_info": {"_metadata"},
    "__init__": set(),
}

#: Rooms that need nothing but Python (and each other).
PLAIN = {"errors", "protocols", "_urls", "_metadata", "provider_info", "__init__"}

#: Never, anywhere: the project has two HTTP clients.
BANNED = {"httpx", "urllib.request", "http.client", "aioresponses", "s3fs", "aiobotocore"}

#: Airflow's database is the affair of two rooms, and Airflow's internals are that of one module in each.
INTERNALS = (
    "airflow.models",
    "airflow.jobs",
    "airflow.api_fastapi",
    "airflow.utils.session",
    "airflow.settings",
)
INTERNALS_MODULES = ("_callbacks.airflow_internals", "_callbacks.airflow_assets", "_page.airflow_internals")
DATABASE = ("_callbacks", "_page")


def imports_of(source: str, module: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports anywhere, functions included."""
    package = module.split(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package[: len(package) - node.level], *filter(None, [node.module])])
            yield node.lineno, base
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def violations(source: str, module: str) -> list[str]:
    """What a module imports that it must not; one line each."""
    room = room_of(module)
    found = []
    for line, name in imports_of(source, module):
        top = name.split(".")[0]
        if any(name == b or name.startswith(f"{b}.") for b in BANNED):
            found.append(f"{module}:{line} imports {name}, which nobody may")
        if top != PACKAGE:
            if room in PLAIN and top not in sys.stdlib_module_names:
                found.append(f"{module}:{line} imports {name}, but {room} needs nothing but Python")
            internal = any(name == i or name.startswith(f"{i}.") for i in INTERNALS)
            if internal and not module.endswith(tuple(f".{m}" for m in INTERNALS_MODULES)):
                found.append(f"{module}:{line} imports {name}, which is the affair of {INTERNALS_MODULES}")
            if top == "sqlalchemy" and room not in DATABASE:
                found.append(f"{module}:{line} imports {name}; the database is the affair of {DATABASE}")
            continue
        other = room_of(name)
        if other == "__init__" or other == room or not (is_room(other)):
            continue
        if room in BESIDE:
            if other not in BESIDE[room]:
                found.append(f"{module}:{line} imports {name}: {room} stands beside the house")
        elif other in BESIDE or LEVEL[other] > LEVEL[room]:
            found.append(f"{module}:{line} imports {name}: {other} is not below {room}")
    return sorted(set(found))


def is_room(name: str) -> bool:
    """Names imported from the package's root, like ``__version__``, are none."""
    return name in LEVEL or name in BESIDE


FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)


def test_every_file_is_in_a_room_that_this_test_knows() -> None:
    assert len(FILES) > 50
    unknown = {room_of(module_of(path)) for path in FILES} - set(LEVEL) - set(BESIDE)
    assert not unknown


def test_a_room_imports_only_what_is_below_it() -> None:
    found = [line for path in FILES for line in violations(path.read_text(), module_of(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocols.x", f"from {PACKAGE}._transport.endpoint import Remote"),
        ("protocols.x", f"import {PACKAGE}.hooks.base"),
        ("protocols.x", f"from {PACKAGE} import hooks"),
        ("protocols.x", "from ..hooks import base"),
        ("protocols.x", "from .. import hooks"),
        ("protocols.x", "import requests"),
        ("protocols.x", "def f():\n    import aiohttp"),
        ("_urls", "from airflow.sdk import BaseHook"),
        ("errors", f"from {PACKAGE}.protocols.base import JobState"),
        ("errors", "if TYPE_CHECKING:\n    import airflow"),
        ("_transport.x", f"from {PACKAGE}.hooks.base import AsyncApiHook"),
        ("_transport.x", f"def f():\n    from {PACKAGE}._download.fetch import download"),
        ("_transport.x", "import httpx"),
        ("_transport.x", "from urllib import request"),
        ("_download.x", f"from {PACKAGE}.operators.results import fetch"),
        ("hooks.x", f"from {PACKAGE}.triggers.async_job import AsyncJobTrigger"),
        ("hooks.x", f"from {PACKAGE}.simulators.aso import AsoSimulator"),
        ("triggers.x", f"from {PACKAGE}.operators.base import AsyncJobOperator"),
        ("operators.x", "from airflow.models import XCom"),
        ("_callbacks.x", "from airflow.models import XCom"),
        ("_page.x", "from airflow.models import XCom"),
        ("_page.x", "from airflow.api_fastapi.core_api.security import GetUserDep"),
        ("operators.x", "import sqlalchemy"),
        ("simulators.x", f"from {PACKAGE}.hooks.base import AsyncApiHook"),
        ("provider_info", "import airflow"),
        ("provider_info", f"from {PACKAGE}.hooks.jaggaer_aso import JaggaerAsoHook"),
        ("__init__", f"from {PACKAGE}.errors import AsyncJobError"),
    ],
)
def test_this_test_can_fail(module: str, source: str) -> None:
    assert violations(source, f"{PACKAGE}.{module}")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocols.x", f"import json\nfrom {PACKAGE}.errors import JobError\nfrom . import base"),
        ("protocols.x", "from urllib.parse import urlsplit"),
        ("operators.x", f"from {PACKAGE}.sensors.async_job import job_of\nimport airflow.sdk"),
        ("provider_info", f"from {PACKAGE} import __version__"),
        ("provider_info", f"from {PACKAGE}.metadata.automic import AUTOMIC"),
        ("_transport.x", "import requests"),
    ],
)
def test_this_test_can_succeed(module: str, source: str) -> None:
    assert not violations(source, f"{PACKAGE}.{module}")
