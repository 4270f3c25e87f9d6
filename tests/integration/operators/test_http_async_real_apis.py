# SPDX-License-Identifier: Apache-2.0
"""Tasks by shipped descriptions, from their start to what is stored, against the simulated APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.errors import AsyncJobError, JobCancelledError, JobFailedError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols import JobState
from airflow_async_provider.simulators.frame import running
from airflow_async_provider.simulators.real_apis import RealApisSimulator
from tests.support.described import rows_by_group
from tests.support.one_task import OneTask
from tests.support.stand_ins import CONN_ID, Row

ROWS = [row for rows in rows_by_group().values() for row in rows]
ENDS = [(row, end) for row in ROWS if not row.label for end in row.ends]


@pytest.fixture(scope="module")
def simulator() -> Iterator[RealApisSimulator]:
    with running(RealApisSimulator(polls=2, retry_after=None)) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _no_settle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


@pytest.fixture
def connected(row: Row, simulator: RealApisSimulator, monkeypatch: pytest.MonkeyPatch) -> RealApisSimulator:
    simulator.reset()
    connection = json.dumps(simulator.airflow_connection(row.api))
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection)
    return simulator


def task(row: Row, **more: Any) -> HttpAsyncJobOperator:
    arguments = dict(row.arguments)
    if "body" in arguments:
        arguments["data"] = arguments.pop("body")
    return HttpAsyncJobOperator(
        task_id="t",
        http_conn_id=CONN_ID,
        profile=row.profile,
        profile_options=dict(row.options),
        json=row.json,
        timeout=30,
        poll_interval=0.05,
        **{**arguments, **more},
    )


def each(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.id)


@each(ROWS)
def test_a_task_stores_what_its_job_made(row: Row, connected: RealApisSimulator, tmp_path: Path) -> None:
    told = OneTask().run(lambda: task(row, destination=f"{tmp_path}/out"))
    assert connected.journal.jobs_started == 1
    if row.many:
        stored = {path.name: path.read_text("latin-1") for path in sorted((tmp_path / "out").iterdir())}
        assert json.loads(stored.pop("_manifest.json"))["files_count"] == told["files"] == len(stored)
        same = row.result if isinstance(row.result, dict) else sorted(row.result)
        assert (stored if isinstance(row.result, dict) else sorted(stored.values())) == same
    elif row.result is None:
        assert not (tmp_path / "out").exists()
    else:
        text = (tmp_path / "out").read_text("latin-1")
        assert row.result in (text, _json(text)), text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


@pytest.mark.parametrize(("row", "end"), ENDS, ids=[f"{row.id}-{end}" for row, end in ENDS])
def test_no_task_is_green_that_should_not_be(
    row: Row, end: str, connected: RealApisSimulator, tmp_path: Path
) -> None:
    connected.script(row.api, end)
    state = row.ends[end][0]
    if state is JobState.SUCCEEDED:
        OneTask().run(lambda: task(row))
        return
    with pytest.raises(AsyncJobError) as raised:
        OneTask().run(lambda: task(row))
    assert isinstance(raised.value, JobCancelledError if state is JobState.CANCELLED else JobFailedError)
