# SPDX-License-Identifier: Apache-2.0
"""The protocol and the simulator that docs/adding_a_remote_api.md shows do what the page says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

from airflow_async_provider.errors import JobExpiredError, JobFailedError, SubmitError, SubmitUnknownError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.simulators.frame import running

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"


class Store(dict[str, Any]):
    """Airflow's task state as an operator sees it."""

    set = dict.__setitem__
    delete = dict.__delitem__


def context(store: Store) -> Any:
    ti = SimpleNamespace(id="1", dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=0)
    return {"ti": ti, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": store}


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from archive_simulator import ArchiveSimulator

    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    with running(ArchiveSimulator()) as simulator:
        connection = {"conn_type": "http", "host": simulator.url, "login": "me", "password": "secret"}
        monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(connection))
        yield simulator
    for name in ("archive_simulator", "archive_protocol"):
        sys.modules.pop(name, None)


async def _payload(events: Any) -> Any:
    return (await anext(events)).payload


def order(**arguments: Any) -> HttpAsyncJobOperator:
    given: dict[str, Any] = {
        "task_id": "order",
        "http_conn_id": "archive",
        "endpoint": "orders",
        "json": {"document": "D-1"},
        "profile": "archive_protocol.ArchiveProtocol",
        "poll_interval": 0.2,
        **arguments,
    }
    return HttpAsyncJobOperator(**given)


def test_an_order_waits_in_the_triggerer_and_its_file_arrives(archive: Any, tmp_path: Path) -> None:
    task, ctx = order(destination=str(tmp_path / "D-1.json")), context(Store())
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(ctx)

    trigger = deferred.value.trigger
    events = type(trigger)(**trigger.serialize()[1]).run()
    event = asyncio.run(asyncio.wait_for(_payload(events), 20))
    report = task.execute_complete(ctx, event, **(deferred.value.kwargs or {}))

    assert json.loads((tmp_path / "D-1.json").read_text()) == {"found": {"document": "D-1"}}
    assert report["bytes"] == (tmp_path / "D-1.json").stat().st_size
    assert archive.journal.jobs_started == 1
    assert event["state"] == "succeeded"
    assert event["polls"] == 3


def test_a_retry_goes_on_with_the_same_order(archive: Any, tmp_path: Path) -> None:
    store = Store()
    with pytest.raises(TaskDeferred):
        order(destination=str(tmp_path / "file")).execute(context(store))

    order(destination=str(tmp_path / "file"), deferrable=False).execute(context(store))

    assert archive.journal.jobs_started == 1


def test_a_lost_answer_is_not_followed_by_a_second_order(archive: Any) -> None:
    archive.faults.add("submit", "reset", processed=True)
    with pytest.raises(SubmitUnknownError):
        order(deferrable=False).execute(context(Store()))

    assert archive.journal.jobs_started == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 410}, JobExpiredError),
        ({"status": 200, "body": '{"phase": 9, "note": "no such document"}'}, JobFailedError),
    ],
)
def test_a_bad_end_is_its_own_error(archive: Any, answer: dict[str, Any], error: type[Exception]) -> None:
    archive.faults.add("status", "http_status", times=None, **answer)
    with pytest.raises(error):
        order(deferrable=False).execute(context(Store()))


def test_a_refused_order_says_why(archive: Any) -> None:
    archive.faults.add("submit", "http_status", status=422, body='{"error": "no such document"}')
    with pytest.raises(SubmitError, match="no such document"):
        order(deferrable=False).execute(context(Store()))


def test_an_order_can_be_withdrawn(archive: Any) -> None:
    task = order()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context(Store()))

    assert task.hook.cancel((deferred.value.kwargs or {})["run"]["handle"])
    assert archive.journal.cancels == 1


def test_the_protocol_is_as_short_as_the_page_says() -> None:
    lines = (EXAMPLES / "archive_protocol.py").read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(code) <= 65
