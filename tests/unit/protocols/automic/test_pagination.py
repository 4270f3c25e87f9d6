# SPDX-License-Identifier: Apache-2.0
"""Walking through lists that move meanwhile."""

from __future__ import annotations

import json

from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._automic.api import AutomicApi
from airflow_async_provider.protocols._automic.pagination import ExecutionWalk


def page(*run_ids: int, more: bool) -> HttpResponse:
    body = {"data": [{"run_id": run_id} for run_id in run_ids], "hasmore": more, "total": 9}
    return HttpResponse(200, Headers(), json.dumps(body).encode(), 0.0)


def test_each_run_once_however_pages_overlap() -> None:
    walk = ExecutionWalk(AutomicApi("100"), page_size=2, name="JOBS.*")
    assert walk.next is not None
    assert [item["run_id"] for item in walk.take(page(5, 4, more=True))] == [5, 4]
    assert walk.next is not None
    assert walk.next.params is not None
    assert walk.next.params["start_at_run_id"] == 4
    assert [item["run_id"] for item in walk.take(page(4, 3, more=True))] == [3]
    assert [item["run_id"] for item in walk.take(page(3, 2, more=False))] == [2]
    assert walk.next is None


def test_a_page_that_brings_nothing_new_ends_the_walk() -> None:
    walk = ExecutionWalk(AutomicApi("100"), page_size=2)
    walk.take(page(5, 4, more=True))
    assert walk.take(page(5, 4, more=True)) == []
    assert walk.next is None
