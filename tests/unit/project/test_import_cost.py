# SPDX-License-Identifier: Apache-2.0
"""
What parsing a DAG file costs.

Two rules. Importing the package's root or ``provider_info`` imports nothing of Airflow, for Airflow's
provider manager does it in every process. And importing what a DAG file imports (operators, sensors,
transfers, the example DAGs) loads no HTTP client, no AWS library and no web framework, and touches no network
and no database. What Airflow's own SDK has loaded for a DAG file without any of ours is Airflow's affair, and
so is what an example imports from other providers: the child process loads that first, and what comes on top
is ours. As a library may be there already, so that ours would go unnoticed, the imports that run at import
time are also followed through our sources.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "airflow_async_provider"
PROJECT = Path(__file__).parents[3]
HEAVY = frozenset(
    ["aiohttp", "boto3", "botocore", "fastapi", "fsspec", "httpx", "requests", "s3transfer", "urllib3"]
)
#: Python's audit events of what would hold up the parser, or betray it.
FORBIDDEN_EVENTS = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "sqlite3.connect",
    "subprocess.Popen",
    "os.system",
    "time.sleep",  # from Python 3.13
)

PARSED = sorted(
    f"{PACKAGE}.{room}.{path.stem}"
    for room in ("operators", "sensors", "transfers")
    for path in (PROJECT / PACKAGE / room).glob("*.py")
    if path.stem != "__init__"
)
EXAMPLES = sorted(str(path) for path in (PROJECT / "example_dags").glob("*.py"))


def child(code: str, *arguments: str) -> Any:
    """What a fresh Python prints as JSON in its last line."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_root_and_the_metadata_import_nothing_of_airflow() -> None:
    loaded = child(
        f"import {PACKAGE}, {PACKAGE}.provider_info as p, sys, json\n"
        "p.get_provider_info()\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    assert PACKAGE in loaded
    assert not {"airflow", "sqlalchemy", "pydantic", *HEAVY} & set(loaded)


WATCHED = """
import ast, importlib, json, pathlib, runpy, sys
# what any DAG file of anybody loads
from airflow.sdk import DAG, BaseHook, BaseOperator, Connection, Param, task
with DAG("without_ours", schedule=None, params={"a": Param("b")}):
    BaseOperator(task_id="x")

heavy, events = set(json.loads(sys.argv[1])), tuple(json.loads(sys.argv[2]))
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event in events else None)
report = {}
for name in sys.argv[3:]:
    if name.endswith(".py"):
        for node in ast.parse(pathlib.Path(name).read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("airflow."):
                for alias in node.names:
                    getattr(importlib.import_module(node.module), alias.name)
    before = set(sys.modules)
    seen.clear()
    if name.endswith(".py"):
        runpy.run_path(name)
    else:
        importlib.import_module(name)
    new = {module.split(".")[0] for module in set(sys.modules) - before}
    report[name] = sorted(new & heavy) + sorted(set(seen))
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each import brought along, by module or file; two files show that something can be found."""
    folder = tmp_path_factory.mktemp("dags")
    (folder / "heavy.py").write_text("import s3transfer")
    (folder / "talking.py").write_text("import sqlite3; sqlite3.connect(':memory:').close()")
    names = [*PARSED, *EXAMPLES, str(folder / "heavy.py"), str(folder / "talking.py")]
    found: dict[str, list[str]] = child(
        WATCHED, json.dumps(sorted(HEAVY)), json.dumps(FORBIDDEN_EVENTS), *names
    )
    assert list(found) == names
    return found


@pytest.mark.thorough
def test_what_a_dag_file_imports_is_light(report: dict[str, list[str]]) -> None:
    """One test, as the child takes seconds; that it can fail is shown by two files that are not light."""
    heavy, talking = list(report.values())[-2:]
    assert "s3transfer" in heavy
    assert talking == ["sqlite3.connect"]
    assert {name: report[name] for name in (*PARSED, *EXAMPLES) if report[name]} == {}


# -- the same, read from the sources


def run_at_import(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports of a module that run when it is imported: not those in functions or for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from run_at_import(ast.Module(node.orelse, []))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from run_at_import(node)


@cache
def file_of(module: str) -> Path | None:
    base = PROJECT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def names_in(path: Path) -> set[str]:
    names: set[str] = set()
    for node in run_at_import(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            assert not node.level, "relative imports are not used here"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def heavy_behind(start: Path) -> dict[str, str]:
    """Heavy libraries that importing a file of ours loads, with the file that does it."""
    found: dict[str, str] = {}
    done: set[Path] = set()
    queue = [start]
    while queue:
        path = queue.pop()
        if path in done:
            continue
        done.add(path)
        for name in names_in(path):
            top = name.split(".")[0]
            if top in HEAVY:
                found[top] = path.name
            elif top == PACKAGE:
                parts = name.split(".")
                behind = [file_of(".".join(parts[:i])) for i in range(1, len(parts) + 1)]
                queue += [other for other in behind if other is not None]
    return found


def test_nothing_heavy_lies_behind_what_a_dag_file_imports() -> None:
    found = {}
    for name in (*PARSED, *EXAMPLES):
        path = Path(name) if name.endswith(".py") else file_of(name)
        assert path is not None
        found[name] = heavy_behind(path)
    assert {name: heavy for name, heavy in found.items() if heavy} == {}


def test_following_the_sources_can_fail() -> None:
    path = file_of(f"{PACKAGE}._transport.triggerer")
    assert path is not None
    assert "aiohttp" in heavy_behind(path)
