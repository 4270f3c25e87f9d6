# SPDX-License-Identifier: Apache-2.0
"""What is tried again, and when: as docs/errors.md says it."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from airflow_async_provider import errors
from airflow_async_provider._callbacks.airflow_internals import AIRFLOW
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.retry_policy import RemoteJobRetryPolicy, is_available
from airflow_async_provider.sensors.async_job import AsyncJobSensor
from airflow_async_provider.transfers.download import DownloadOperator
from tests.support.docs_pages import DOCS, code_spans, prose, rows

new = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow has retry policies from 3.3 on")

#: Class -> what the documentation says of a retry.
SAID = {
    code_spans(cells[0])[0]: cells[3]
    for heading, cells in rows(prose(DOCS / "errors.md"))
    if heading == "Class" and len(cells) == 4
}


def decided(error: BaseException, **given: Any) -> Any:
    return RemoteJobRetryPolicy(**given).evaluate(error, 1, 4)


def test_it_is_there_from_airflow_3_3_on() -> None:
    assert is_available() == (AIRFLOW >= (3, 3))
    if not is_available():
        with pytest.raises(errors.ConfigurationError, match=r"Airflow 3\.3"):
            RemoteJobRetryPolicy()


@new
@pytest.mark.parametrize("name", SAID)
def test_it_fails_at_once_what_the_documentation_says_no_retry_helps(name: str) -> None:
    error = getattr(errors, name)("x")
    assert (decided(error).action.value == "fail") == SAID[name].startswith("does not help")


def test_the_table_was_read() -> None:
    assert len(SAID) > 25
    assert sum(said.startswith("does not help") for said in SAID.values()) == 3


@new
@pytest.mark.parametrize("seconds", [20, 0.5, 90_000])
def test_it_waits_exactly_as_long_as_the_remote_asks_for(seconds: float) -> None:
    lost = errors.TransientError("x", retry_after=seconds, http_status=503)
    above = errors.SubmitError("not started")
    above.__cause__ = lost
    for error in (lost, above):
        found = decided(error)
        assert (found.action.value, found.retry_delay) == ("retry", timedelta(seconds=seconds))


@new
@pytest.mark.parametrize("seconds", [None, 0, -1, math.inf, math.nan, 1e300])
def test_what_is_no_time_leaves_it_to_the_task(seconds: float | None) -> None:
    assert decided(errors.TransientError("x", retry_after=seconds)).action.value == "default"
    assert decided(ValueError("a defect")).action.value == "default"


@new
def test_a_rate_limit_costs_no_try_from_airflow_3_4_on() -> None:
    limited = errors.TransientError("x", http_status=429, retry_after=30)
    found = decided(limited)
    assert found.retry_delay == timedelta(seconds=30)
    if AIRFLOW >= (3, 4):
        assert (found.action.value, found.max_reschedules) == ("reschedule", 100)
        assert decided(limited, max_rate_limits=0).action.value == "retry"
        assert decided(errors.TransientError("x", http_status=429)).retry_delay is None
    else:
        assert found.action.value == "retry"


@new
def test_a_job_whose_time_is_over_is_no_rate_limit() -> None:
    late = errors.JobTimeoutError("late")
    late.__cause__ = errors.TransientError("x", http_status=429, retry_after=30)
    assert decided(late).action.value == "default"


@new
@pytest.mark.parametrize("wrong", [-1, True, 1.5, "7"])
def test_a_number_that_makes_no_sense(wrong: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="max_rate_limits"):
        RemoteJobRetryPolicy(max_rate_limits=wrong)


@new
def test_it_survives_as_plain_data() -> None:
    policy = RemoteJobRetryPolicy(max_rate_limits=3)
    assert vars(RemoteJobRetryPolicy.deserialize(policy.serialize())) == vars(policy)


@new
@pytest.mark.parametrize("on", [True, False])
def test_one_setting_gives_it_to_all(monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__RETRY_POLICY", str(on))
    own = RemoteJobRetryPolicy(max_rate_limits=1)
    job = {"protocol": "http_location", "job_id": "7"}
    for make in (
        lambda **given: HttpAsyncJobOperator(task_id="t", endpoint="x", **given),
        lambda **given: AsyncJobSensor(task_id="t", job=job, **given),
        lambda **given: DownloadOperator(task_id="t", url="https://a.example/x", destination="/x", **given),
    ):
        assert isinstance(make().retry_policy, RemoteJobRetryPolicy) == on
        assert make(retry_policy=own).retry_policy is own
