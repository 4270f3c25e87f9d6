# SPDX-License-Identifier: Apache-2.0
"""The tasks of the simulated Automic: RunIDs, children, restarts."""

from __future__ import annotations

import pytest

from airflow_async_provider.simulators._automic_runs import Plan, Run
from airflow_async_provider.simulators._automic_tasks import FIRST_RUN_ID, Tasks


@pytest.fixture
def now() -> list[float]:
    return [1_700_000_000.0]


def tasks(now: list[float], reference: str = "before") -> Tasks:
    return Tasks(now=lambda: now[0], user="U/D", restart_reference=reference, on_change=lambda run: None)


def test_a_workflow_starts_its_children(now: list[float]) -> None:
    known = tasks(now)
    parent = known.start("JOBP.OK", Plan(children=2, status=1560), {})
    assert [child.parent for child in parent.children] == [parent.run_id] * 2
    assert {child.plan.status for child in parent.children} == {1800}  # a child that failed blocks it


@pytest.mark.parametrize(("reference", "position"), [("before", 1), ("original", 0)])
def test_a_restart_names_the_run_before_or_the_first_one(
    now: list[float], reference: str, position: int
) -> None:
    known = tasks(now, reference)
    runs: list[Run] = [known.start("JOBS.A", Plan(), {"inputs": {"A#": "1"}, "callback": {}})]
    runs.append(known.restart(runs[0]))
    runs.append(known.restart(runs[1], {"B#": "2"}))
    assert runs[2].reference == runs[position].run_id
    assert runs[2].body == {"inputs": {"A#": "1", "B#": "2"}}


def test_run_ids_are_never_used_twice(now: list[float]) -> None:
    known = tasks(now)
    first = known.start("JOBS.A", Plan(), {})
    known.clear()
    assert known.get(first.run_id) is None
    assert known.start("JOBS.A", Plan(), {}).run_id == first.run_id + 1 == FIRST_RUN_ID + 1


def test_a_run_that_automic_restarts_by_itself(now: list[float]) -> None:
    known = tasks(now)
    first = known.start("JOBS.A", Plan(run_seconds=1, restart_after=2, restart={"status": 1900}), {})
    assert len(known.all()) == 1
    now[0] += 4
    assert [run.reference for run in known.all()] == [0, first.run_id]


def test_a_word_that_is_none(now: list[float]) -> None:
    with pytest.raises(ValueError, match="before"):
        tasks(now, "after")
