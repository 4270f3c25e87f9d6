# SPDX-License-Identifier: Apache-2.0
"""The counters of docs/operations.md that a job on its way leaves behind, with their tags."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._polling import policy
from airflow_async_provider._polling.meter import meter_of_loop
from airflow_async_provider.errors import JobExpiredError
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running
from tests.support.one_task import OneTask, fired
from tests.support.sent_metrics import SentMetrics, sent  # noqa: F401 - a fixture

Aso = Callable[..., AsoSimulator]
TAGS = {"system": "jaggaer_aso", "connection": "jaggaer_aso_default"}


@pytest.fixture
def aso(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aso]:
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.02)
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    with ExitStack() as stack:

        def start(**options: Any) -> AsoSimulator:
            found = stack.enter_context(running(AsoSimulator(**{"processing_seconds": 0.2, **options})))
            monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(found.airflow_connection()))
            return found

        yield start


def download(folder: Path, **given: Any) -> Callable[[], JaggaerAsoDownloadOperator]:
    arguments = {"poll_interval": 0.05, "max_poll_interval": 0.05, "timeout": 60, **given}
    return lambda: JaggaerAsoDownloadOperator(
        task_id="t", endpoint="event/7/apiItems/async", destination=str(folder / "x"), **arguments
    )


def test_what_a_worker_has_stored(aso: Aso, sent: SentMetrics, tmp_path: Path) -> None:
    aso(result_bytes=2000)
    OneTask().run(download(tmp_path))
    assert sent.sum_of("bytes_stored", **TAGS) == 2000
    assert sent.sum_of("results_expired", **TAGS) == sent.sum_of("restarts", **TAGS) == 0
    assert sent.sum_of("resumable_job.fresh_submit", operator="JaggaerAsoDownloadOperator") == 1


def test_what_a_worker_has_polled(aso: Aso, sent: SentMetrics, tmp_path: Path) -> None:
    simulator = aso()
    simulator.faults.add("status", "http_status", status=503, times=1)
    OneTask().run(download(tmp_path, deferrable=False))
    assert sent.sum_of("polls", **TAGS) == simulator.journal.count("status")
    assert sent.sum_of("polls_failed", **TAGS) == 1


def test_what_a_triggerer_has_polled(aso: Aso, sent: SentMetrics, tmp_path: Path) -> None:
    simulator, task = aso(), OneTask()
    simulator.faults.add("status", "http_status", status=503, times=1)
    trigger = task.trigger(task.begin(download(tmp_path)))

    async def wait() -> None:
        await fired(trigger)
        for send in meter_of_loop().report():
            send()

    asyncio.run(asyncio.wait_for(wait(), 30))
    assert sent.sum_of("polls", **TAGS) == simulator.journal.count("status")
    assert sent.sum_of("polls_failed", **TAGS) == 1


def test_results_that_expire(aso: Aso, sent: SentMetrics, tmp_path: Path) -> None:
    aso(processing_seconds=0, result_expires=0)
    with pytest.raises(JobExpiredError):
        OneTask().run(download(tmp_path, max_restarts=2))
    assert sent.sum_of("results_expired", **TAGS) == 3
    assert sent.sum_of("restarts", **TAGS) == 2
    assert sent.sum_of("bytes_stored", **TAGS) == 0


def test_what_a_retry_decides(aso: Aso, sent: SentMetrics, tmp_path: Path) -> None:
    simulator, task, make = aso(processing_seconds=None), OneTask(), download(tmp_path)
    task.begin(make)
    task.begin(make)
    simulator.job().finish()
    assert task.run(make)["bytes"] > 0
    decided = [name for name, *_ in sent if name.startswith("resumable_job.")]
    assert decided == [
        "resumable_job.fresh_submit",
        "resumable_job.reconnect_attempt",
        "resumable_job.reconnect_success",
        "resumable_job.reconnect_attempt",
        "resumable_job.already_succeeded",
    ]
