# SPDX-License-Identifier: Apache-2.0
"""Airflow tells asset watchers apart by their arguments: what a DAG file makes must be the same each time."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from airflow.triggers.base import BaseEventTrigger

from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from airflow_async_provider.triggers.async_job_event import AsyncJobEventTrigger
from tests.support.harness import AIRFLOW


def parsed() -> tuple[str, dict[str, object]]:
    sensor = HttpAsyncJobSensor(
        task_id="export",
        endpoint="exports/nightly",
        params={"of": "a b"},
        profile_options={"running": ["busy"]},
    )
    return AsyncJobEventTrigger(job=sensor.handle().to_dict(), conn_id="reports").serialize()


def test_parsing_a_file_again_makes_the_same_watcher() -> None:
    first = parsed()
    with patch("time.time", return_value=4_000_000_000.0):
        again = parsed()

    assert again == first
    assert BaseEventTrigger.hash(*again) == BaseEventTrigger.hash(*first)


def test_another_document_makes_another_watcher() -> None:
    path, arguments = parsed()
    other = HttpAsyncJobSensor(task_id="export", endpoint="exports/weekly").handle().to_dict()

    assert AsyncJobEventTrigger(job=other, conn_id="reports").serialize() != (path, arguments)


def test_a_queue_says_which_triggerer_watches_and_makes_no_other_watcher(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = HttpAsyncJobSensor(task_id="export", endpoint="exports/nightly").handle().to_dict()
    here, there = AsyncJobEventTrigger(job=job), AsyncJobEventTrigger(job=job, queue="europe")

    assert there.serialize() == here.serialize()
    if AIRFLOW >= (3, 4):
        assert (here.queue, there.queue) == (None, "europe")
        assert caplog.text == ""
    else:
        assert caplog.text.count("is ignored") == 1
        assert "'europe' is ignored" in caplog.text


def test_the_order_of_keys_makes_no_other_document() -> None:
    _, arguments = parsed()
    job = dict(reversed(list(arguments["job"].items())))  # type: ignore[attr-defined] # it is a dictionary
    same, first = AsyncJobEventTrigger(job=job), AsyncJobEventTrigger(job=arguments["job"])  # type: ignore[arg-type] # see above
    assert same._memory_key == first._memory_key
