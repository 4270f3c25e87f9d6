# SPDX-License-Identifier: Apache-2.0
"""What is public is one list, in the documentation, and all else says by its name that it is private."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from tests.support.docs_pages import DOCS, code_spans, prose, rows
from tests.support.sources import PACKAGE, is_private, public_modules, public_names

PAGE = DOCS / "reference.md"
LISTED = {
    code_spans(cells[0])[0]: set(code_spans(cells[1]))
    for heading, cells in rows(prose(PAGE))
    if heading == "Module"
}


def test_the_list_has_every_public_module_and_no_other() -> None:
    assert len(LISTED) > 20
    assert set(LISTED) == set(public_modules())


@pytest.mark.parametrize("module", sorted(LISTED))
def test_the_list_has_every_name_of_a_module_and_no_other(module: str) -> None:
    assert LISTED[module] == public_names(public_modules()[module])


def test_a_private_file_is_recognised_by_its_own_name_or_its_folder() -> None:
    assert is_private(PACKAGE / "_jobs" / "run.py")
    assert is_private(PACKAGE / "hooks" / "_base.py")
    assert not is_private(PACKAGE / "hooks" / "automic.py")
    assert not is_private(PACKAGE / "hooks" / "__init__.py")


# -- names that Airflow's own providers have

#: Not to be taken for ours: an enumeration inside the sensor of Glacier, which no DAG file has a use for.
UNRELATED = {"JobStatus"}


def classes_of(folder: Path) -> dict[str, str]:
    """Names of all classes in a folder's sources, with the file that has them; nothing is imported."""
    found = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = path.name
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("provider", ["http", "amazon"])
def test_no_class_has_the_name_of_one_of_airflow_s_own_providers(provider: str) -> None:
    spec = importlib.util.find_spec(f"airflow.providers.{provider}")
    assert spec is not None
    theirs = {
        name: file
        for place in spec.submodule_search_locations or ()
        for name, file in classes_of(Path(place)).items()
        if not name.startswith("_")
    }
    assert len(theirs) > 5
    shared = {name: theirs[name] for name in classes_of(PACKAGE) if name in theirs and name not in UNRELATED}
    assert shared == {}
