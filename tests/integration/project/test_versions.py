# SPDX-License-Identifier: Apache-2.0
"""
What depends on the release line of Airflow, each row of the table in docs/operations.md ("Versions").

Written so that the same file passes on 3.1, 3.2 and 3.3: what an older one lacks is asserted, not skipped.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_async_provider._callbacks import mailbox
from airflow_async_provider.errors import JobTimeoutError, SubmitUnknownError
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.harness import AIRFLOW as LINE
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

REMEMBERS = CANCELS_WHILE_DEFERRED = LINE >= (3, 3)

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def documented() -> dict[str, str]:
    """What docs/operations.md says of this release line, by row."""
    section = OPERATIONS.read_text("utf-8").partition("## Versions")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    header, _, *lines = rows
    column = header.index(f"Airflow {LINE[0]}.{LINE[1]}")
    return {line[0]: line[column] for line in lines}


def test_the_documentation_says_the_same() -> None:
    says = documented()
    assert len(says) == 11
    old = {
        "a retry continues with the job of the previous try": "Automic only, by alias",
        "a retry does not repeat a submission that must not be repeated": "no: set `retries=0`",
        "cancel when a **deferred** task is cleared or marked": "no",
    }
    told = says.pop("`params` of a task distinguished from the DAG's")
    assert told == ("exactly" if LINE >= (3, 2) else "by name and value")
    assert says.pop("mapped `params` distinguished from the DAG's") == "by name and value"
    for row, lacking in old.items():
        assert (says.pop(row) == lacking) is (LINE < (3, 3)), row
    since = {
        "asset watchers share one stream of polls, and store the last event": ("no", (3, 3)),
        "`queue` of an asset watcher": ("ignored", (3, 4)),
        "a callback finds its iteration of a task loop": ("no loops", (3, 4)),
        "signature keys from a team's own connections (`[core] multi_team`)": ("no", (3, 2)),
    }
    for row, (lacking, line) in since.items():
        assert says.pop(row) == ("yes" if line <= LINE else lacking), row
    assert set(says.values()) == {"yes"}


# -- facts about Airflow that all else follows from


def test_tasks_have_a_memory_from_3_3_on() -> None:
    from airflow.sdk.definitions.context import Context

    assert ("task_state_store" in Context.__annotations__) is REMEMBERS


def test_triggers_are_told_of_a_kill_from_3_3_on() -> None:
    from airflow.triggers.base import BaseTrigger

    assert hasattr(BaseTrigger, "on_kill") is CANCELS_WHILE_DEFERRED
    assert "on_kill" in vars(AsyncJobTrigger)  # does no harm where nobody calls it


def test_the_triggerer_calls_it_from_3_3_on() -> None:
    import inspect

    from airflow.jobs import triggerer_job_runner

    assert ("on_kill()" in inspect.getsource(triggerer_job_runner)) is CANCELS_WHILE_DEFERRED


def test_a_look_into_the_mailbox_is_asynchronous_from_3_3_on() -> None:
    from airflow.sdk.bases.xcom import BaseXCom

    assert hasattr(BaseXCom, "aget_one") is (LINE >= (3, 3))
    assert callable(mailbox.alook)


# -- what follows for a task


@pytest.fixture
def task() -> OneTask:
    """A task of this Airflow: with a memory or without."""
    return OneTask(store=REMEMBERS)


@pytest.fixture
def slow_aso(aso_simulator: Any, aso_connection: str) -> Any:
    aso_simulator.processing_seconds = None  # until it is told to finish
    return aso_simulator


def aso_operator() -> Any:
    from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator

    return JaggaerAsoDownloadOperator(
        task_id="t", endpoint="event/7/apiItems/async", destination="/nowhere/x"
    )


def test_a_retry_goes_on_with_the_job_where_tasks_have_a_memory(
    task: OneTask, slow_aso: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    task.begin(aso_operator)
    task.begin(aso_operator)  # the next try: the worker or the triggerer of the first has died
    assert slow_aso.journal.jobs_started == (1 if REMEMBERS else 2)
    said = capsys.readouterr().out or caplog.text  # which of them it is depends on the release
    assert said.count("keeps no task state across tries (3.3 does)") == (0 if REMEMBERS else 2)  # one a try
    assert ("Reattached to the" in said) is REMEMBERS


located_job = partial(
    HttpAsyncJobOperator, task_id="t", endpoint="location/jobs", profile="location", json={}
)


def test_a_lost_submission_is_not_repeated_where_tasks_have_a_memory(
    task: OneTask, http_async_simulator: Any, http_async_connection: str
) -> None:
    http_async_simulator.processing_seconds = None
    http_async_simulator.faults.add("submit", "reset", processed=True, times=1)
    make = partial(located_job, conn_id=http_async_connection)
    with pytest.raises(SubmitUnknownError):
        task.begin(make)
    if REMEMBERS:
        with pytest.raises(SubmitUnknownError):
            task.begin(make)
    else:
        task.begin(make)
    assert http_async_simulator.journal.submits == (1 if REMEMBERS else 2)


def test_an_idempotency_key_finds_the_job_without_a_memory_too(
    task: OneTask, http_async_simulator: Any, http_async_connection: str
) -> None:
    http_async_simulator.processing_seconds = None
    make = partial(located_job, conn_id=http_async_connection, idempotency_key=True)
    task.begin(make)
    task.begin(make)
    assert http_async_simulator.journal.jobs_started == 1


def test_an_automic_run_is_found_by_its_alias_without_a_memory_too(
    task: OneTask, automic_simulator: Any, automic_connection: str
) -> None:
    make = partial(AutomicExecuteOperator, task_id="t", object_name="JOBS.FOREVER")
    task.begin(make)
    task.begin(make)
    assert automic_simulator.journal.jobs_started == 1


def test_a_deadline_and_a_killed_worker_cancel_on_every_airflow(
    task: OneTask, automic_simulator: Any, automic_connection: str
) -> None:
    late = partial(AutomicExecuteOperator, task_id="t", object_name="JOBS.FOREVER", timeout=0.2)
    with pytest.raises(JobTimeoutError, match="It was cancelled"):
        task.run(late)

    killed = AutomicExecuteOperator(task_id="t2", object_name="JOBS.FOREVER")
    other = OneTask(store=REMEMBERS)
    other.begin(lambda: killed)
    killed.on_kill()

    automic_simulator.clock.advance(1)
    assert len(automic_simulator.runs) == 2
    assert {run.status for run in automic_simulator.runs} <= {1850, 1851}


@pytest.mark.parametrize("same", [True, False])
def test_params_of_the_task_and_of_the_dag(same: bool) -> None:
    """Where Airflow does not mark them, a task's own param of the DAG's name and value is lost."""
    with DAG("d", schedule=None, params={"page": 1, "folder": "/tmp"}):
        task = JaggaerAsoSubmitOperator(task_id="t", endpoint="e/async", params={"page": 1 if same else 2})
    if not same:
        assert task.query == {"page": 2}
    else:
        assert task.query == ({"page": 1} if LINE >= (3, 2) else {})
