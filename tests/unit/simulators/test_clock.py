# SPDX-License-Identifier: Apache-2.0
"""The clock of a simulator."""

from __future__ import annotations

import pytest

from airflow_async_provider.simulators._clock import Clock


def test_the_clock() -> None:
    clock = Clock()
    before = clock.now()
    clock.advance(1000)
    assert clock.now() >= before + 1000
    clock.reset()
    assert clock.now() < before + 1000
    with pytest.raises(ValueError, match="put forward"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="greater than 0"):
        Clock(0)


def test_a_clock_can_run_faster_and_go_wrong() -> None:
    fast, true = Clock(1000.0), Clock()
    begin = fast.now()
    while fast.now() - begin < 1:  # a thousandth of a real second
        pass
    assert true.now() < begin + 1000
    true.shift(-3600)
    assert true.now() < begin - 3000
