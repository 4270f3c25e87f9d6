# SPDX-License-Identifier: Apache-2.0
"""Runs of the simulated Automic: their plans and types."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.simulators._automic_runs import Objects, Plan, Run


def test_objects_have_their_plans_by_name() -> None:
    objects = Objects(Plan(run_seconds=9), {"JOBS.OWN*": {"status": 1850}})
    assert objects.next("JOBS.OWN.1").status == 1850
    assert objects.next("JOBS.FAIL").status == 1800
    assert objects.next("JOBS.ANY") == Plan(run_seconds=9)
    objects.script("JOBS.ANY", {"status": 1801})
    assert [objects.next("JOBS.ANY").status for _ in range(2)] == [1801, 1900]


@pytest.mark.parametrize(
    "changes", [{"status": 999}, {"callback_at": "never"}, {"children": -1}, {"run_seconds": -0.5}]
)
def test_a_plan_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"status|callback_at|negative"):
        Plan(**changes)


@pytest.mark.parametrize(
    ("name", "plan", "kind"),
    [("JOBP.X", Plan(), "JOBP"), ("MY.JOB", Plan(), "JOBS"), ("JOBS.X", Plan(object_type="SCRI"), "SCRI")],
)
def test_the_type_follows_from_the_name_unless_the_plan_says_it(name: str, plan: Plan, kind: str) -> None:
    run = Run(
        run_id=7, name=name, plan=plan, body={}, now=lambda: 0.0, user="U/D", on_change=lambda run: None
    )
    assert run.type == kind
