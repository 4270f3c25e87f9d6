# SPDX-License-Identifier: Apache-2.0
"""
The long ones first, and tests in another order: ``SHUFFLE=7 make covered``.

Begun last, the tests that take a minute each would leave the other processes without work at the end.

The files in an order that the number decides, and the tests of each; whoever depends on what ran before him
fails then. All workers of one run have the same number, and so has whoever repeats it.
"""

from __future__ import annotations

import os
import random
from itertools import groupby

import pytest

#: Folders whose tests start processes of their own and wait for them.
LONG = ("integration/project", "integration/simulators")

#: Decides the order; empty: the long ones first, else as they are written.
SHUFFLE = os.environ.get("SHUFFLE", "")


def pytest_report_header() -> str | None:
    """Say how to do it again."""
    return f"shuffled: SHUFFLE={SHUFFLE}" if SHUFFLE else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the files, and the tests of each; without a number: the long ones first."""
    if not SHUFFLE:
        items.sort(key=lambda item: not item.path.parent.as_posix().endswith(LONG))
        return
    chance = random.Random(SHUFFLE)
    files = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    chance.shuffle(files)
    for file in files:
        chance.shuffle(file)
    items[:] = [item for file in files for item in file]
