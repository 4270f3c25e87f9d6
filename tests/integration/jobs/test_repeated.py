# SPDX-License-Identifier: Apache-2.0
"""A try after one that had done its work, and a result that came before anybody asked for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError, DestinationExistsError, DownloadError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.sensors.async_job import AsyncJobSensor
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.fixture
def start(
    run_simulator: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., HttpAsyncSimulator]:
    def begin(**options: Any) -> HttpAsyncSimulator:
        simulator: HttpAsyncSimulator = run_simulator(HttpAsyncSimulator(**options))
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(simulator.airflow_connection()))
        monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
        return simulator

    return begin


def report(**arguments: Any) -> Callable[[], HttpAsyncJobOperator]:
    given = {"json": {"year": 2026}, "poll_interval": 0.2, **arguments}
    return lambda: HttpAsyncJobOperator(task_id="t", endpoint="location/jobs", **given)


# -- if_exists="fail"


def test_what_an_earlier_try_has_stored_is_its_own(
    start: Callable[..., HttpAsyncSimulator], tmp_path: Path
) -> None:
    simulator, task = start(processing_seconds=0), OneTask()
    make = report(destination=str(tmp_path / "report"), if_exists="fail")
    first = task.run(make)
    again = task.run(make)  # its worker was killed before Airflow had noted the success
    assert {name: again[name] for name in ("uri", "bytes")} == {
        name: first[name] for name in ("uri", "bytes")
    }
    assert simulator.journal.jobs_started == 1
    task.clear()
    with pytest.raises(DestinationExistsError):
        task.run(make)


@pytest.mark.parametrize("remembers", [True, False])
def test_what_somebody_else_has_stored_still_fails(
    start: Callable[..., HttpAsyncSimulator], tmp_path: Path, remembers: bool
) -> None:
    simulator = start(processing_seconds=0)
    (tmp_path / "report").write_text("mine", "utf-8")
    with pytest.raises(DestinationExistsError):
        OneTask(store=remembers).run(report(destination=str(tmp_path / "report"), if_exists="fail"))
    assert simulator.journal.jobs_started == 0


# -- result="handle"


def test_a_handle_of_a_job_that_ended_at_once_is_refused_where_it_would_come_from(
    start: Callable[..., HttpAsyncSimulator],
) -> None:
    start(synchronous=True)
    with pytest.raises(DownloadError, match="came with that answer"):
        OneTask().run(report(result="handle"))


def test_and_where_somebody_waits_with_one(start: Callable[..., HttpAsyncSimulator]) -> None:
    start()
    handle = JobHandle("http_location", "7", 1.0).to_dict()
    with pytest.raises(ConfigurationError, match="ended when it was submitted"):
        OneTask().run(lambda: AsyncJobSensor(task_id="t", job=handle))
