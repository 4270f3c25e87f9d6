# SPDX-License-Identifier: Apache-2.0
"""Airflow's secrets backend does not answer while a job is waited for: Airflow says "not found" then."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_async_provider._polling import policy
from airflow_async_provider.errors import TransientError
from airflow_async_provider.hooks import _endpoint_cache as remotes
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from tests.support.one_task import LONGEST, OneTask, fired

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

CONNECTION = "AIRFLOW_CONN_HTTP_DEFAULT"


@pytest.fixture
def api(
    run_simulator: Callable[..., HttpAsyncSimulator], monkeypatch: pytest.MonkeyPatch
) -> HttpAsyncSimulator:
    simulator = run_simulator(HttpAsyncSimulator(processing_seconds=None))
    monkeypatch.setenv(CONNECTION, json.dumps(simulator.airflow_connection()))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.02)
    monkeypatch.setattr(remotes, "CONNECTION_LIFE", 0.0)
    monkeypatch.setattr(remotes, "LOOK_UP_AGAIN", 0.0)
    return simulator


def job() -> HttpAsyncJobOperator:
    return HttpAsyncJobOperator(
        task_id="t", endpoint="location/jobs", json={}, poll_interval=0.05, max_outage=1.0
    )


def watched(task: OneTask, meanwhile: Callable[[], Any]) -> dict[str, Any]:
    """The trigger's event; meanwhile something happens around it."""
    trigger = task.trigger(task.begin(job))

    async def both() -> dict[str, Any]:
        watching = asyncio.ensure_future(fired(trigger))
        await meanwhile()
        return await watching

    event: dict[str, Any] = asyncio.run(asyncio.wait_for(both(), LONGEST))
    return event


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what it waits for happens in another thread
        await asyncio.sleep(0.01)


def test_a_connection_that_is_known_goes_on_serving(
    api: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def meanwhile() -> None:
        await until(lambda: api.journal.polls >= 1)
        with monkeypatch.context() as away:
            away.delenv(CONNECTION)
            asked = api.journal.polls
            await until(lambda: api.journal.polls >= asked + 6)  # more than would end the wait
        api.job().finish()

    with caplog.at_level(logging.WARNING, remotes.__name__):
        event = watched(OneTask(), meanwhile)
    assert (event["state"], event["errors"]) == ("succeeded", 0)
    assert "'http_default' could not be looked up" in caplog.text


def test_one_that_is_not_known_yet_is_asked_for_again(
    api: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_ups: list[str] = []
    real = HttpAsyncJobHook.aget_connection.__func__  # type: ignore[attr-defined] # a class method has it

    async def counting(cls: type[HttpAsyncJobHook], conn_id: str) -> Any:
        look_ups.append(conn_id)
        return await real(cls, conn_id)

    monkeypatch.setattr(HttpAsyncJobHook, "aget_connection", classmethod(counting))

    async def meanwhile() -> None:
        with monkeypatch.context() as away:
            away.delenv(CONNECTION)
            await until(lambda: len(look_ups) >= 2)
        api.job().finish()

    event = watched(OneTask(), meanwhile)
    assert event["state"] == "succeeded"
    assert event["errors"] >= 1


def test_one_that_is_never_found_is_named(api: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    task = OneTask()
    deferral = task.begin(job)
    with monkeypatch.context() as away:
        away.delenv(CONNECTION)
        event = task.wait(deferral)
    assert (event["state"], event["polls"]) == ("error", event["errors"])
    with pytest.raises(TransientError, match=r"given up after \d+ polls, .* connection 'http_default'"):
        job().execute_complete(task.context, event=event, **task.deferrals[0])
    api.job().finish()
    assert task.run(job) == {"rows": 3}  # the retry
    assert api.journal.jobs_started == 1
