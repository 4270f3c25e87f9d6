# SPDX-License-Identifier: Apache-2.0
"""An Automic report in Airflow's task log, out of the simulated Automic."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.operators import _automic_report as module
from airflow_async_provider.operators._automic_report import FIRST_LINES, LAST_LINES, log_report, shortened
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.simulators.automic import AutomicSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

Ended = Callable[..., tuple[AutomicHook, JobHandle]]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another try comes at once here."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


class Lines:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, /, *args: Any) -> None:
        self.lines.append(event % args)

    warning = info


@pytest.fixture
def ae(automic_simulator: AutomicSimulator, automic_connection: str) -> AutomicSimulator:
    return automic_simulator


@pytest.fixture
def ended(ae: AutomicSimulator) -> Ended:
    """A run that has ended."""

    def start(**plan: Any) -> tuple[AutomicHook, JobHandle]:
        ae.script(run_seconds=0, **plan)
        operator = AutomicExecuteOperator(task_id="t", object_name="JOBS.X", wait=False)
        value = operator.execute(OneTask().context)
        return operator.hook, operator.protocol().handle(value["run_id"], at=0.0)

    return start


def test_a_report_is_one_group(ended: Ended) -> None:
    hook, handle = ended(report=["first\r\nsec", "ond\nthird"])
    log = Lines()
    log_report(hook, handle, log)
    assert log.lines == [
        f"::group::Report REP of Automic run {handle.job_id}",
        "first",
        "second",
        "third",
        "::endgroup::",
    ]


def test_a_report_that_cannot_be_read_fails_nothing(ae: AutomicSimulator, ended: Ended) -> None:
    hook, handle = ended(report=["x"])
    ae.faults.add("report", "garbage")
    log = Lines()
    log_report(hook, handle, log)
    assert log.lines[1] == "::endgroup::"
    assert "could not be read" in log.lines[2]


def test_no_report_in_the_database(ae: AutomicSimulator, ended: Ended) -> None:
    hook, handle = ended()
    ae.run().set_status(1550)
    log = Lines()
    log_report(hook, handle, log)
    assert log.lines == [f"Automic has no report of run {handle.job_id} in its database."]


def test_without_output_the_activation_report_is_shown(ae: AutomicSimulator, ended: Ended) -> None:
    hook, handle = ended()
    ae.faults.add("reports", "garbage", body='[{"type": "ACT", "is_db": true}]')
    log = Lines()
    log_report(hook, handle, log)
    assert log.lines[0].startswith("::group::Report ACT")


def test_a_long_report_shows_its_beginning_and_its_end() -> None:
    lines = list(shortened(f"line {n}" for n in range(10_000)))
    assert len(lines) == FIRST_LINES + 1 + LAST_LINES
    assert lines[0] == "line 0"
    assert lines[FIRST_LINES] == f"… {10_000 - FIRST_LINES - LAST_LINES} lines left out …"
    assert lines[-1] == "line 9999"
    assert list(shortened(["x" * 5000])) == ["x" * 2000 + "…"]
    assert len(list(shortened(str(n) for n in range(FIRST_LINES + LAST_LINES)))) == FIRST_LINES + LAST_LINES


def test_a_report_without_line_breaks_and_one_without_end(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, handle = ended(report=["x" * 3000] * 3)
    log = Lines()
    log_report(hook, handle, log)
    assert log.lines[1:-1] == ["x" * 2000 + "…"] * 3
    monkeypatch.setattr(module, "MAX_PAGES", 2)
    log = Lines()
    log_report(hook, handle, log)
    assert "more than 2 pages" in log.lines[-2]
