# SPDX-License-Identifier: Apache-2.0
"""How long a pre-signed URL is still good."""

from __future__ import annotations

import pytest

from airflow_async_provider.simulators._s3 import seconds_left


@pytest.mark.parametrize(
    ("signed_at", "now", "left"),
    [(100.9, 100.9, 300), (100.0, 100.5, 300), (100.0, 399.5, 1), (100.9, 400.0, -1), (100.0, 500.0, -1)],
)
def test_seconds_left(signed_at: float, now: float, left: int) -> None:
    assert seconds_left(signed_at, 300, now) == left
