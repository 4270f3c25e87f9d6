# SPDX-License-Identifier: Apache-2.0
"""What ``make types`` holds of the public surface is all of it."""

from __future__ import annotations

import re

import pytest

from tests.support.docs_pages import ROOT
from tests.support.sources import public_modules, public_names

SURFACE = (ROOT / "tests" / "typing" / "public_surface.py").read_text(encoding="utf-8")
ROOMS = ("operators.", "sensors.", "transfers.", "hooks.", "triggers.")
CLASSES = {
    name
    for module, path in public_modules().items()
    if module.startswith(ROOMS)
    for name in public_names(path)
}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_a_dag_author_imports_is_in_the_typing_test(name: str) -> None:
    assert len(re.findall(rf"\b{name}\b", SURFACE)) >= 2, f"{name} is imported and used nowhere"
