# SPDX-License-Identifier: Apache-2.0
"""What an HTTP job is called in the log."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        ({"endpoint": "jobs"}, "POST jobs"),
        ({"endpoint": "jobs", "method": "put"}, "PUT jobs"),
        ({"profile": {"start": {"method": "GET", "path": "x/y", "id": "id"}}}, "GET x/y"),
        (
            {"profile": "ogc_processes", "profile_options": {"process": "buffer"}},
            "POST processes/buffer/execution",
        ),
    ],
)
def test_a_job_is_called_by_its_request(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], label: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", '{"conn_type": "http", "host": "http://127.0.0.1:9"}')
    assert HttpAsyncJobOperator(task_id="t", **arguments).job_label() == label
