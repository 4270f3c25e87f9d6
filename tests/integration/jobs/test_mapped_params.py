# SPDX-License-Identifier: Apache-2.0
"""Query parameters of mapped tasks, in a DAG whose own params have the same names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.sdk import DAG

from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoSubmitOperator
from tests.support.byte_server import running, status
from tests.support.one_task import OneTask

ENDPOINTS = {HttpAsyncJobOperator: "location/jobs", JaggaerAsoSubmitOperator: "event/7/apiItems/async"}


def expanded(cls: Any, params: Mapping[str, Any]) -> Any:
    return cls.partial(task_id="t", endpoint=ENDPOINTS[cls]).expand(params=[params])


def expanded_by_kwargs(cls: Any, params: Mapping[str, Any]) -> Any:
    return cls.partial(task_id="t").expand_kwargs([{"endpoint": ENDPOINTS[cls], "params": params}])


def mapped(cls: Any, mapping: Callable[..., Any], params: Mapping[str, Any]) -> Any:
    """One mapped task, as Airflow makes it on a worker."""
    with DAG("d", schedule=None, params={"year": 2024, "folder": "/tmp"}):
        whole = mapping(cls, params)
    return whole.unmap(
        {"params": params} if mapping is expanded else {"endpoint": ENDPOINTS[cls], "params": params}
    )


def asked(task: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Runs the task at a remote that refuses, and tells the query that reached it."""
    with running(steps=[status(404)]) as server:
        connection = json.dumps({"conn_type": "http", "host": server.origin, "password": "token"})
        monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", connection)
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", connection)
        with pytest.raises(AsyncJobError, match="404"):
            OneTask().run(lambda: task)
        return parse_qs(urlsplit(server.requests[0].target).query)


@pytest.mark.parametrize("mapping", [expanded, expanded_by_kwargs])
@pytest.mark.parametrize("cls", ENDPOINTS)
def test_a_mapped_parameter_that_overrides_the_dag_s_reaches_the_remote(
    monkeypatch: pytest.MonkeyPatch, cls: Any, mapping: Callable[..., Any]
) -> None:
    task = mapped(cls, mapping, {"year": 2025, "page": 3})
    assert asked(task, monkeypatch) == {"year": ["2025"], "page": ["3"]}


def test_one_that_equals_the_dag_s_cannot_be_distinguished_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    task = mapped(HttpAsyncJobOperator, expanded, {"year": 2024, "page": 3})
    assert asked(task, monkeypatch) == {"page": ["3"]}
