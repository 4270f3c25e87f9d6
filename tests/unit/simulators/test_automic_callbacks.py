# SPDX-License-Identifier: Apache-2.0
"""Callbacks of the simulated Automic: their payloads and settings."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.simulators._automic_callbacks import PAYLOADS, CallbackSender
from airflow_async_provider.simulators._automic_runs import Plan, Run
from airflow_async_provider.simulators._journal import Journal


def run(**changes: Any) -> Run:
    return Run(
        run_id=1_000_007,
        name="JOBS.A",
        plan=Plan(**changes),
        body={},
        now=lambda: 0.0,
        user="U/D",
        on_change=lambda run: None,
    )


def sender(**changes: Any) -> CallbackSender:
    options: dict[str, Any] = {
        "now": lambda: 0.0,
        "journal": Journal(),
        "client": "100",
        "attempts": 3,
        "interval": 30.0,
        "interval_exp": 0,
        "payload": "padded",
        "template": None,
        "new_entry": lambda run: run,
        **changes,
    }
    return CallbackSender(**options)


def test_the_three_documented_payloads() -> None:
    bodies = {name: make(run(), 1900) for name, make in PAYLOADS.items()}
    assert bodies["padded"] == {"runid": "0001000007", "object_type": "JOBS", "execution_status": "1900"}
    assert bodies["numbers"]["execution_status"] == 1900
    assert bodies["named"] == {"run_id": 1_000_007, "name": "JOBS.A", "status": 1900}


@pytest.mark.parametrize(
    "changes", [{"attempts": 0}, {"interval": 29}, {"interval_exp": 3}, {"payload": "other"}]
)
def test_settings_that_automic_does_not_allow(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"UC_CALLBACK_SETTINGS|payload"):
        sender(**changes)


@pytest.mark.parametrize(("callbacks", "moment", "waiting"), [(1, "end", 1), (2, "end", 2), (0, "end", 0)])
def test_as_many_are_expected_as_the_plan_says(callbacks: int, moment: str, waiting: int) -> None:
    ours = sender()
    ours.expect(run(callbacks=callbacks, callback_at=moment, run_seconds=1))
    found: list[float] = []
    ours.outbox.reschedule(lambda message, due: found.append(due) or due)  # type: ignore[func-returns-value]
    assert len(found) == waiting
