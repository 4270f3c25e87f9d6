# SPDX-License-Identifier: Apache-2.0
"""Tests lie where the code lies, import nothing of each other, and no module of the package needs itself."""

from __future__ import annotations

import ast
import sys

import pytest

from benchmarks.house import House, circles
from tests.support.sources import PACKAGE, ROOT, has_code

TESTS = ROOT / "tests"
HOUSE = House(ROOT)


# -- circles


@pytest.mark.thorough
def test_no_module_needs_itself_through_others_also_inside_functions() -> None:
    assert HOUSE.circles() == []


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


# -- a test for every module, found by its path


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.stem != "__init__" and has_code(path))


def test_a_module_has_a_test_that_is_found_by_its_path() -> None:
    missing = {str(path.relative_to(PACKAGE)) for path in MODULES if not HOUSE.tests_of(path)}
    assert missing == set()


def test_a_path_that_nobody_tests_is_seen() -> None:
    assert HOUSE.tests_of(PACKAGE / "hooks" / "_automic_batch.py")
    assert not HOUSE.tests_of(PACKAGE / "hooks" / "_nothing.py")


# -- what tests import

FILES = sorted(TESTS.rglob("*.py"))

#: Names that a child's or a DAG's import could find in a folder of ours, were it on the path.
OURS = {path.stem for folder in ("tests", "benchmarks", "demo") for path in (ROOT / folder).rglob("*.py")}


def forbidden(source: str) -> list[str]:
    """Imports of bare names out of our folders, relative ones, and those of one test module by another."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        for name in names:
            parts = name.split(".")
            bare = len(parts) == 1 and name in OURS and name not in {*sys.stdlib_module_names, "demo"}
            foreign = parts[0] == "tests" and not ({"support", "chaos"} & set(parts[1:2]))
            if bare or foreign or name.startswith("."):
                found.append(name)
    return found


@pytest.mark.thorough
def test_a_test_imports_no_other_test_and_no_bare_name() -> None:
    found = {str(path.relative_to(TESTS)): forbidden(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tests.integration.callbacks.test_receiver import world",
        "import tests.unit.project.test_layout",
        "from one_task import OneTask",
        "import raw_server",
        "from .support import inputs",
        "def f():\n    from tests.unit import x",
    ],
)
def test_such_imports_are_seen(source: str) -> None:
    assert forbidden(source)
