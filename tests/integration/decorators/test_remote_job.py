# SPDX-License-Identifier: Apache-2.0
"""``@task.remote_job`` in ``dag.test()``: templates, mapping, and the way to the next task."""

from __future__ import annotations

import asyncio
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

DAG_FILE = """
from airflow.sdk import DAG, task

with DAG("own_jobs", schedule=None, params={"folder": "/nowhere"}) as dag:

    @task.remote_job(poll=lambda job: {"state": "succeeded", "result": job.data["year"]}, callback=False,
                     worker_poll_interval=0.1)
    def report(year, submission, ti=None):
        assert ti.task_id == "report"
        assert submission.idempotency_key
        return {"job_id": f"r{year}", "year": year}

    @task.remote_job(poll=lambda job: {"state": "succeeded", "result": {"id": job.id}}, callback=False,
                     worker_poll_interval=0.1, destination="{{ params.folder }}/one.json")
    def one(folder, submission):
        return folder

    @task
    def total(years, stored):
        assert stored["bytes"]
        return sum(years)

    total(report.expand(year=[2024, 2025]), one("{{ params.folder }}"))
"""


@pytest.fixture(autouse=True)
def _its_api_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.3 dag.test() does not wait for the start of its own API; then "svcs_registry" is missing."""
    real = asyncio.run_coroutine_threadsafe

    def run(coroutine: Any, loop: Any) -> Any:
        future = real(coroutine, loop)
        if "start_lifespan" in getattr(coroutine, "__qualname__", ""):
            future.result(60)
        return future

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", run)
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)  # an installation has one
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


@pytest.mark.usefixtures("airflow_db")
def test_plain_and_mapped_functions_start_jobs_and_their_results_go_on(
    airflow_home: Path, tmp_path: Path
) -> None:
    file = airflow_home / "dags" / "own_jobs.py"  # Airflow looks the DAG up in its folder
    file.write_text(DAG_FILE, encoding="utf-8")
    try:
        run = runpy.run_path(str(file))["dag"].test(run_conf={"folder": str(tmp_path)})
    finally:
        file.unlink()

    assert run.state == "success"
    assert json.loads((tmp_path / "one.json").read_text()) == {"id": str(tmp_path)}
