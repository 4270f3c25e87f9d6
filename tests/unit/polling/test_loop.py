# SPDX-License-Identifier: Apache-2.0
"""How a wait is told: to the task log, to the person who reads it, and to the worker that goes on with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider._polling.loop import MAX_EVENT_RESULT, Outcome, result_in, with_status_url
from airflow_async_provider.errors import RequestRefusedError
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Result

# -- to the worker


def test_an_event_holds_states_and_counters_and_no_text_of_an_error() -> None:
    outcome = Outcome(
        "error", "processing", polls=3, errors=2, error=RequestRefusedError("canary", http_status=403)
    )
    assert outcome.to_event() == {
        "version": 1,
        "state": "error",
        "remote_status": "processing",
        "via": "poll",
        "polls": 3,
        "errors": 2,
        "error": "RequestRefusedError",
        "http_status": 403,
    }


def succeeded(value: Any, *, keep: bool = True) -> dict[str, Any]:
    status = JobStatus(JobState.SUCCEEDED, "done", result=Result(value=value))
    return Outcome("succeeded", "done", status=status, keep_result=keep).to_event()


@pytest.mark.parametrize("value", [{"rows": 3}, [], 0, False, ""])
def test_a_result_that_is_given_once_travels_with_the_event(value: Any) -> None:
    event = json.loads(json.dumps(succeeded(value)))
    found = result_in(event)
    assert found is not None
    assert (found.state, found.remote_status) == (JobState.SUCCEEDED, "done")
    assert found.result is not None
    assert found.result.value == value


@pytest.mark.parametrize("value", [None, "x" * MAX_EVENT_RESULT, float("nan"), object()])
def test_a_result_that_no_event_can_hold_stays_where_it_is(value: Any) -> None:
    assert result_in(succeeded(value)) is None


def test_a_result_that_can_be_asked_for_again_is_in_no_event() -> None:
    assert "result" not in succeeded({"rows": 3}, keep=False)
    assert "result" in succeeded("x" * (MAX_EVENT_RESULT - 2))  # with its quotation marks


def test_a_status_url_that_moves_is_followed() -> None:
    handle = JobHandle("http_api", "7", 0.0, status_url="/s/1")
    assert with_status_url(handle, JobStatus(JobState.RUNNING, status_url="/s/2")).status_url == "/s/2"
    assert with_status_url(handle, JobStatus(JobState.RUNNING)) is handle
    assert Outcome("running", status_url="/s/2").to_event()["status_url"] == "/s/2"
    assert "/s/2" not in repr(Outcome("running", status_url="/s/2"))
