# SPDX-License-Identifier: Apache-2.0
"""The button on a task's page that leads to what the task has stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_async_provider._download.fetch import DownloadReport
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.store import deliver


def a_task() -> Any:
    return SimpleNamespace(outlets=[], log=SimpleNamespace())


def store(task: Any, **report: Any) -> None:
    deliver(
        task, {"outlet_events": OutletEventAccessors()}, DownloadReport(uri="s3://b/k", bytes=1, **report)
    )


def test_the_button_has_a_name() -> None:
    assert ResultLink().name == "Stored result"


def test_before_anything_is_stored_the_link_is_empty() -> None:
    assert ResultLink().get_link(a_task(), ti_key=None) == ""
    assert ResultLink().get_link(object(), ti_key=None) == ""


def test_it_leads_to_what_this_task_has_stored_last() -> None:
    task, other = a_task(), a_task()
    store(task, link="https://console.example/old")
    store(task, link="https://console.example/new")
    store(other, link="https://console.example/other")
    assert ResultLink().get_link(task, ti_key=None) == "https://console.example/new"


def test_what_has_no_address_leaves_the_button_grey() -> None:
    task = a_task()
    store(task)
    assert ResultLink().get_link(task, ti_key=None) == ""
