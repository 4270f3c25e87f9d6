# SPDX-License-Identifier: Apache-2.0
"""Which plan the next job of a simulator gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from airflow_async_provider.simulators._plans import Plan, Plans, TimedJob


@dataclass(frozen=True, slots=True)
class Course(Plan):
    processing_seconds: float | None = 1.0
    outcome: str = "good"
    steps: tuple[int, ...] = ()


class Timed(TimedJob):
    outcomes: ClassVar[tuple[str, ...]] = ("good", "bad")


def test_scripted_changes_come_once_and_on_top_of_those_of_the_kind() -> None:
    plans = Plans(Course(), {"a": {"outcome": "bad"}}, kinds=frozenset({"a", "b"}))
    plans.script("a", {"processing_seconds": 9})
    assert plans.next("b") == Course()
    assert plans.next("a") == Course(9, "bad")
    assert plans.next("a") == Course(1.0, "bad")


def test_lists_of_the_control_route_become_tuples() -> None:
    assert Course().changed({"steps": [1, 2]}).steps == (1, 2)


def test_what_is_unknown_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no \\['seconds'\\]"):
        Course().changed({"seconds": 1})
    with pytest.raises(ValueError, match="unknown kind 'c'"):
        Plans(Course(), {}, kinds=frozenset({"a"})).script("c", {})


def test_a_job_ends_by_the_clock_or_on_request() -> None:
    now = [0.0]
    job, told = Timed(Course(), lambda: now[0]), Timed(Course(None), lambda: now[0])
    assert job.state == told.state == "running"
    with pytest.raises(ValueError, match="not ended"):
        _ = job.ended_at
    now[0] = 2.0
    assert (job.state, job.ended_at) == ("good", 1.0)
    assert told.state == "running"
    told.finish("bad")
    told.finish("good")  # too late
    assert (told.state, told.ended_at) == ("bad", 2.0)
    with pytest.raises(ValueError, match="unknown outcome"):
        told.finish("ugly")
