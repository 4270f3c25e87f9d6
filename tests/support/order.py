# SPDX-License-Identifier: Apache-2.0
"""
Tests in another order: ``SHUFFLE=7 make covered``.

The files in an order that the number decides, and the tests of each; whoever depends on what ran before him
fails then. All workers of one run have the same number, and so has whoever repeats it.
"""

from __future__ import annotations

import os
import random
from itertools import groupby

import pytest

#: Decides the order; empty: as they are written.
SHUFFLE = os.environ.get("SHUFFLE", "")


def pytest_report_header() -> str | None:
    """Say how to do it again."""
    return f"shuffled: SHUFFLE={SHUFFLE}" if SHUFFLE else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the files, and the tests of each."""
    if not SHUFFLE:
        return
    chance = random.Random(SHUFFLE)
    files = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    chance.shuffle(files)
    for file in files:
        chance.shuffle(file)
    items[:] = [item for file in files for item in file]
