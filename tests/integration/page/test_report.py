# SPDX-License-Identifier: Apache-2.0
"""What the trigger tells of its job while it waits, from its first poll to the page."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseHook

from airflow_async_provider import _settings
from airflow_async_provider._page import report
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.callback_world import Waiting
from tests.support.page_world import PageWorld, page_world_fixture  # noqa: F401 - fixtures
from tests.support.watched_aso import FAST, Aso, aso, quick, submit  # noqa: F401 - fixtures among them


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settings, "MIN_PAGE_REPORT_SECONDS", 0.01)
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__PAGE_REPORT_SECONDS", "0.05")


def trigger_of(waiting: Waiting, job: Any, **given: Any) -> AsyncJobTrigger:
    made = AsyncJobTrigger(
        job=job.to_dict(),
        conn_id=None,
        policy=FAST,
        deadline=time.time() + 60,
        deferred_at=time.time(),
        settle=0.0,
        **given,
    )
    made.trigger_id = 4711
    key = waiting.key
    made.task_instance = SimpleNamespace(
        id=key.attempt, dag_id=key.dag_id, run_id=key.run_id, task_id=key.task_id, map_index=-1, try_number=1
    )
    return made


async def until(condition: Any) -> Any:
    end = time.monotonic() + 20
    while not (found := await asyncio.to_thread(condition)):
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.05)
    return found


async def event_of(trigger: AsyncJobTrigger) -> dict[str, Any]:
    (event,) = [event.payload async for event in trigger.run()]
    return dict(event)


def test_the_page_follows_a_job_from_its_first_poll_to_its_end(
    page: PageWorld, aso: Aso, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"{page.url}/execution/")
    waiting = page.task()
    simulator = aso(processing_seconds=3600)
    handle = submit()

    async def scene() -> dict[str, Any]:
        task = asyncio.create_task(event_of(trigger_of(waiting, handle)))
        shown = await until(lambda: [j for j in page.jobs(dag_id=waiting.key.dag_id) if j["polls"]])
        assert shown[0]["job_id"] == handle.shown_id
        assert (shown[0]["system"], shown[0]["conn_id"]) == ("JAGGAER ASO", handle.conn_id)
        assert shown[0]["next_poll_at"] is not None
        assert shown[0]["remote_url"].startswith(f"{simulator.url}/")
        await asyncio.to_thread(simulator.job().finish, "completed")
        event = await task
        one = await until(lambda: (a := page.job(waiting).json())["state"] == "succeeded" and a)
        told = [e["text"] for e in one["timeline"]]
        assert told[0] == "the triggerer waits for the job"
        assert told[-1] == "succeeded, reported by poll"
        assert one["polls"] == event["polls"]
        return event

    assert asyncio.run(scene())["state"] == "succeeded"


def test_no_report_holds_a_secret(page: PageWorld, aso: Aso, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"{page.url}/execution/")
    sent: list[bytes] = []
    sign = report.signature_of
    monkeypatch.setattr(report, "signature_of", lambda key, body: (sent.append(body), sign(key, body))[1])
    aso(processing_seconds=0.3)
    connection = BaseHook.get_connection("jaggaer_aso_default")
    secrets = [connection.password, *(str(v) for v in connection.extra_dejson.values())]

    async def scene() -> None:
        await event_of(trigger_of(page.task(), submit()))
        await until(lambda: b'"succeeded' in b"".join(sent))

    asyncio.run(scene())
    assert sent
    for secret in filter(None, secrets):
        assert secret.encode() not in b"".join(sent)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "nothing", None])
def test_a_wait_ends_as_ever_where_no_report_arrives(
    page: PageWorld, aso: Aso, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    if address is None:
        monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__PAGE_REPORT_SECONDS", "0")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", address or f"{page.url}/execution/")
    waiting = page.task()
    aso(processing_seconds=0.3)
    event = asyncio.run(asyncio.wait_for(event_of(trigger_of(waiting, submit())), 30))
    assert event["state"] == "succeeded"
    (found,) = page.jobs(dag_id=waiting.key.dag_id)
    assert found["reported_at"] is None


def test_what_could_not_be_reported_is_reported_later(
    page: PageWorld, aso: Aso, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = page.task()
    aso(processing_seconds=3600)

    async def scene() -> None:
        reporter = report.Reporter("http://127.0.0.1:9/", b"wrong", 0.05)
        report._reporters[asyncio.get_running_loop()] = reporter
        task = asyncio.create_task(event_of(trigger_of(waiting, submit())))
        await until(lambda: reporter._trouble)
        reporter._url, reporter._key = f"{page.url}{report.PATH}", report.report_keys()[0]
        (found,) = await until(lambda: [j for j in page.jobs(dag_id=waiting.key.dag_id) if j["reported_at"]])
        assert found["polls"]
        assert page.job(waiting).json()["timeline"][0]["text"] == "the triggerer waits for the job"
        task.cancel()

    asyncio.run(scene())


def test_a_failed_poll_is_reported_once_and_counted(
    page: PageWorld, aso: Aso, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"{page.url}/execution/")
    waiting = page.task()
    simulator = aso(processing_seconds=3600)
    handle = submit()
    simulator.faults.add("status", "http_status", status=503, times=None)

    async def scene() -> None:
        task = asyncio.create_task(event_of(trigger_of(waiting, handle)))
        (found,) = await until(
            lambda: [j for j in page.jobs(dag_id=waiting.key.dag_id) if (j["failures_in_row"] or 0) > 2]
        )
        assert "HTTP 503" in found["last_error"]
        failures = [e for e in page.job(waiting).json()["timeline"] if e["kind"] == "failure"]
        assert len(failures) == 1
        task.cancel()

    asyncio.run(scene())
