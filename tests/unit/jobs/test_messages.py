# SPDX-License-Identifier: Apache-2.0
"""From a job's state to what a person reads, and what a failed submission says about the job."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any

import pytest

from airflow_async_provider._jobs.arguments import seconds
from airflow_async_provider._jobs.messages import error_for, surely_not_started, timeout_error
from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    JobBlockedError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobNotRunError,
    JobTimeoutError,
    OriginError,
    RequestRefusedError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus

STATUS_URL = "https://ees.example/asyncStatus/canary?canary"


def a_handle(age: float = 90, **data: Any) -> JobHandle:
    return JobHandle("jaggaer_aso", "abc123", time.time() - age, STATUS_URL, data=data)


# -- times


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5.0), (0, 0.0), (2.5, 2.5), (timedelta(minutes=2), 120.0), (timedelta(0), 0.0)],
)
def test_a_time_is_seconds_or_a_timedelta(value: Any, number: float) -> None:
    assert seconds(value, "timeout") == number


@pytest.mark.parametrize(
    "value",
    [-1, math.nan, math.inf, 1e300, 10**400, "5", None, True, [], timedelta(seconds=-1), timedelta.max],
)
def test_what_is_no_time_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(ValueError, match="poll_interval"):
        seconds(value, "poll_interval")


# -- what the job is for a person


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("job_died", "The remote system reported: job_died. A retry"),
        ("No such layer.", "The remote system reported: No such layer. A retry"),
        ('{"code": 7}', 'The remote system reported: {"code": 7} A retry'),
        (" ", "last status 'bad'. A retry"),
        (None, "last status 'bad'. A retry"),
    ],
)
def test_what_the_remote_says_is_a_sentence(said: str | None, shown: str) -> None:
    status = JobStatus(JobState.FAILED, remote_status="bad", message=said)
    assert shown in str(error_for(a_handle(), status, "A retry of this task starts another one."))


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (JobState.FAILED, JobFailedError),
        (JobState.CANCELLED, JobCancelledError),
        (JobState.EXPIRED, JobExpiredError),
        (JobState.BLOCKED, JobBlockedError),
        (JobState.NOT_RUN, JobNotRunError),
    ],
)
def test_every_bad_end_has_its_error(state: JobState, error: type[JobError]) -> None:
    status = JobStatus(state, remote_status="their word", message="because", request_id="r-1")
    found = error_for(a_handle(label="GET event/7/async"), status)
    assert type(found) is error
    assert (found.job, found.state, found.remote_status, found.request_id) == (
        "abc123",
        state.value,
        "their word",
        "r-1",
    )
    for part in ("GET event/7/async", "90 s old", "'their word'", "because"):
        assert part in str(found)
    assert "canary" not in str(found)
    assert "The remote system reported" not in str(error_for(a_handle(), JobStatus(state)))


def test_a_passed_deadline_says_what_became_of_the_job() -> None:
    cancelled = timeout_error(a_handle(label="x"), "processing", 60, cancelled=True)
    left = timeout_error(a_handle(label="x"), "processing", 60.5, cancelled=False)
    assert isinstance(cancelled, JobTimeoutError)
    assert (cancelled.state, cancelled.remote_status) == ("timeout", "processing")
    assert "timeout of 60 s" in str(cancelled)
    assert "was cancelled" in str(cancelled)
    assert "60.5 s" in str(left)
    assert "may still be running" in str(left)


# -- what a failed submission says


def after(error: AsyncJobError, cause: Exception) -> AsyncJobError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        SubmitError("422"),
        ConfigurationError("no host"),
        AuthenticationError("401"),
        AuthorizationError("403"),
        RequestRefusedError("404"),
        TransientError("refused", sent=False),
        TransientError("429", http_status=429),
        OriginError("the endpoint points elsewhere"),
        OriginError("308", job="a job", http_status=308),
        after(SubmitError("the file could not be read"), OSError("disk")),
    ],
)
def test_surely_no_job(error: AsyncJobError) -> None:
    assert surely_not_started(error)


@pytest.mark.parametrize(
    "error",
    [
        SubmitUnknownError("lost"),
        after(SubmitError("looked up, found none"), TransientError("lost")),
        after(SubmitError("looked up, found none"), UnreadableAnswerError("garbage")),
        TransientError("reset"),
        TransientError("503", http_status=503),
        UnreadableAnswerError("garbage"),
        OriginError("the status URL points elsewhere", job="abc"),
        OriginError("303", job="a job", http_status=303),
        JobFailedError("it was there"),
    ],
)
def test_perhaps_a_job(error: AsyncJobError) -> None:
    assert not surely_not_started(error)
