# SPDX-License-Identifier: Apache-2.0
"""
Python's garbage collector looks at thousands of collected tests once, and not again and again.

Each worker of a run collects all tests. With the collector at work meanwhile that takes half as long again,
and each of its later rounds would go through all of them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Off while tests are collected; what is there afterwards stays, so further rounds leave it out."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
