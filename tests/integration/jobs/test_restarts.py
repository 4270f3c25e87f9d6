# SPDX-License-Identifier: Apache-2.0
"""A job that is started anew within its task: one task, one clock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.simulators.aso import AsoSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.fixture
def aso(
    run_simulator: Callable[..., AsoSimulator], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AsoSimulator]:
    def start(**options: Any) -> AsoSimulator:
        simulator = run_simulator(AsoSimulator(processing_seconds=None, **options))
        monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(simulator.airflow_connection()))
        monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
        return simulator

    return start


def download(target: Path) -> Callable[[], JaggaerAsoDownloadOperator]:
    return lambda: JaggaerAsoDownloadOperator(
        task_id="t",
        endpoint="event/7/apiItems/async",
        destination=str(target),
        poll_interval=0.04,
        timeout=600,
    )


def test_a_restart_has_no_new_deadline(aso: Callable[..., AsoSimulator], tmp_path: Path) -> None:
    simulator, make = aso(result_expires=300), download(tmp_path / "x")
    task = OneTask()
    deferral = task.begin(make)
    simulator.job().finish()
    simulator.clock.advance(400)  # the result is gone, so the job is started again
    simulator.script(processing_seconds=0.2)
    result = task.follow(make, deferral)
    assert result["restarts"] == 1
    assert len(task.deferrals) > 1
    assert len({deferral["run"]["deadline"] for deferral in task.deferrals}) == 1


def test_an_old_job_that_is_taken_up_settles_from_its_new_deferral(
    aso: Callable[..., AsoSimulator], tmp_path: Path
) -> None:
    aso()
    task, make = OneTask(), download(tmp_path / "x")
    task.begin(make)
    assert task.store is not None
    remembered = dict(task.store[DURABLE_KEY])
    remembered["handle"] = {**remembered["handle"], "submitted_at": time.time() - 3600}
    task.store.set(DURABLE_KEY, remembered)
    before = time.time()
    assert task.trigger(task.begin(make)).deferred_at >= before
