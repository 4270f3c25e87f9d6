# SPDX-License-Identifier: Apache-2.0
"""What Airflow's lists show of a job, and that showing it never gets in its way."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._jobs.display import JOB_KEY, facts_of, show
from airflow_async_provider.errors import JobElsewhereError
from airflow_async_provider.protocols import JobHandle


class Hook:
    conn_id = "remote"

    def __init__(self, url: str | Exception) -> None:
        self.url = url

    def job_url(self, handle: JobHandle) -> str:
        if isinstance(self.url, Exception):
            raise self.url
        return self.url

    def job_address(self, handle: JobHandle) -> str:
        return "https://api.example/jobs/Abc1…"


HANDLE = JobHandle(
    "http_location", "0123456789ab", 0.0, status_url="https://a.example/jobs/7?sig=x", named=False
)


def test_the_address_where_there_is_nothing_to_open() -> None:
    hook: Any = Hook("")
    assert facts_of(hook, HANDLE)["url"] == "https://api.example/jobs/Abc1…"
    assert facts_of(hook, HANDLE)["job_id"] == "/jobs/7"
    elsewhere: Any = Hook(JobElsewhereError("elsewhere"))
    assert facts_of(elsewhere, HANDLE)["url"] == ""


def test_an_airflow_that_takes_no_xcom_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def xcom_push(**_: Any) -> None:
        raise RuntimeError("the API server is away")

    hook: Any = Hook("")
    ti = SimpleNamespace(map_index=-1, xcom_push=xcom_push)
    show({"ti": ti}, facts_of(hook, HANDLE), logging.getLogger("t"), push=True)
    assert "could not be put into XCom (RuntimeError)" in caplog.text
    assert JOB_KEY == "remote_job"
