# SPDX-License-Identifier: Apache-2.0
"""The sensor for a job behind a URL."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_async_provider.errors import ConfigurationError, JobFailedError
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def started(simulator: HttpAsyncSimulator) -> str:
    with requests.Session() as session:
        session.trust_env = False
        auth = ("http-user", "http-password")
        answer = session.post(f"{simulator.url}/status_field/jobs", json={}, auth=auth, timeout=10)
    url: str = answer.json()["statusUrl"]
    return url


def sensor(**given: Any) -> Any:
    return lambda: HttpAsyncJobSensor(task_id="t", poke_interval=0.05, timeout=30, **given)


def test_it_asks_the_url_as_it_is(
    http_async_simulator: HttpAsyncSimulator, http_async_connection: str
) -> None:
    url = started(http_async_simulator)
    handle = OneTask().run(sensor(status_url=url, http_conn_id=http_async_connection))
    assert handle["status_url"] == url
    assert http_async_simulator.journal.polls >= 1


@pytest.mark.parametrize("http_async_simulator", [{"outcome": "failed"}], indirect=True)
def test_a_bad_end_is_its_error(http_async_simulator: HttpAsyncSimulator, http_async_connection: str) -> None:
    with pytest.raises(JobFailedError):
        OneTask().run(sensor(status_url=started(http_async_simulator), http_conn_id=http_async_connection))


def test_exactly_one_address() -> None:
    for given in ({}, {"status_url": "https://a/b", "endpoint": "b"}):
        with pytest.raises(ConfigurationError, match="status_url or endpoint"):
            HttpAsyncJobSensor(task_id="t", **given)
