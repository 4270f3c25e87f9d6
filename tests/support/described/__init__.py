# SPDX-License-Identifier: Apache-2.0
"""The shipped descriptions, and what has to come of each: one module a group of simulated APIs."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.support.stand_ins import Row


def rows_by_group() -> dict[str, list[Row]]:
    """All rows, by the module of the simulator that plays their APIs."""
    return {m.name: import_module(f"{__name__}.{m.name}").ROWS for m in iter_modules(__path__)}
