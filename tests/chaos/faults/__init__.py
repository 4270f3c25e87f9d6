# SPDX-License-Identifier: Apache-2.0
"""All faults, in the order in which they are tried."""

from __future__ import annotations

from importlib import import_module

from tests.chaos.faults.registry import FAULTS, Fault

for _name in ("processes", "remotes", "storage", "callbacks", "people", "elsewhere", "neighbours"):
    import_module(f"{__name__}.{_name}")  # each enters its own faults

__all__ = ["FAULTS", "Fault"]
