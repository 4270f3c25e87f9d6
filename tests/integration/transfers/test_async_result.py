# SPDX-License-Identifier: Apache-2.0
"""Fetching the result of a job that another task has waited for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.errors import JobError
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


def submitted(simulator: AsoSimulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    connection = json.dumps(simulator.airflow_connection())
    monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", connection)
    return OneTask().run(lambda: JaggaerAsoSubmitOperator(task_id="s", endpoint="event/7/apiItems/async"))


def fetch(job: Any, target: Path, **given: Any) -> Any:
    return lambda: AsyncResultDownloadOperator(task_id="t", job=job, destination=str(target), **given)


def test_the_file_is_what_the_remote_serves(
    run_simulator: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    simulator = run_simulator(AsoSimulator(processing_seconds=0.0, result_bytes=5000))
    job = submitted(simulator, monkeypatch)
    target = tmp_path / "items.dat"
    result = OneTask().run(fetch(job, target))
    assert result["sha256"] == simulator.sha256_of()
    assert target.stat().st_size == result["bytes"] == 5000
    assert OneTask().run(fetch(job, target, if_exists="skip"))["skipped"] is True


def test_a_job_that_runs_has_no_result_yet(
    run_simulator: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    simulator = run_simulator(AsoSimulator(processing_seconds=None))
    job = submitted(simulator, monkeypatch)
    with pytest.raises(JobError, match="AsyncJobSensor"):
        OneTask().run(fetch(job, tmp_path / "items.dat"))
    assert list(tmp_path.iterdir()) == []
