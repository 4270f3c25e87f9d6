# SPDX-License-Identifier: Apache-2.0
"""From a job's state to what a person reads: one error per way to end badly."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

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
    RemoteError,
    RequestRefusedError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
)
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

#: More than this (seconds, about 30 years) is a mistake, such as milliseconds; JSON knows no infinity.
MAX_TIME = 1e9

#: Redirects that ask for the same request at another address, so that nothing was done at this one (RFC 9110
#: §15.4). After a POST, 302 and 303 may as well lead to what it has brought about.
SENT_ELSEWHERE = (301, 307, 308)

_ERRORS: dict[JobState, tuple[type[JobError], str]] = {
    JobState.FAILED: (JobFailedError, "failed"),
    JobState.CANCELLED: (JobCancelledError, "was cancelled at the remote"),
    JobState.EXPIRED: (JobExpiredError, "has expired: the remote no longer answers for it"),
    JobState.BLOCKED: (
        JobBlockedError,
        "is blocked or held at the remote until a person acts; no end will come by itself",
    ),
    JobState.NOT_RUN: (JobNotRunError, "ended without having run"),
}


def seconds(value: Any, name: str) -> float:
    """
    A time argument as seconds.

    :param value: seconds, or a timedelta
    :raises ValueError: it is not a time, or negative
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < MAX_TIME:
        raise ValueError(f"{name} must be a number of seconds or a timedelta, not {value!r}")
    return float(number)


def surely_not_started(error: AsyncJobError) -> bool:
    """Whether a failed submission has left no job behind, by what the remote or the transport said."""
    if isinstance(error, SubmitUnknownError) or error.lost_before:
        return False
    if isinstance(error, SubmitError):
        # One that follows a lost answer rests on a look-up, and a remote may list a job late.
        return not isinstance(error.__cause__, RemoteError)
    if isinstance(error, TransientError):
        return not error.sent or error.http_status == 429
    if isinstance(error, OriginError):
        # With a job it is that job's status URL that leads astray, or the answer to the submission itself.
        return error.job is None or error.http_status in SENT_ELSEWHERE
    return isinstance(
        error, ConfigurationError | AuthenticationError | AuthorizationError | RequestRefusedError
    )


def describe(handle: JobHandle, *, age: bool = True) -> str:
    """
    The job for a message: what it is, where it was started, how old it is.

    The label (endpoint, object name) is put into the handle by the operator that submits.

    :param age: False where the job is new
    """
    label = handle.data.get("label")
    about = [str(label)] if label else []
    if age and handle.submitted_at:
        about.append(f"{max(0, round(time.time() - handle.submitted_at))} s old")
    return f"{handle.protocol} job {handle.job_id}" + (f" ({', '.join(about)})" if about else "")


def error_for(handle: JobHandle, status: JobStatus, advice: str = "") -> JobError:
    """
    The error that a bad end stands for.

    :param advice: what the reader can do
    """
    cls, words = _ERRORS[status.state]
    said = f" The remote said: {status.message}" if status.message else ""
    return cls(
        f"The {describe(handle)} {words}; last state {status.remote_status!r}.{said} {advice}".strip(),
        job=handle.job_id,
        state=status.state.value,
        remote_status=status.remote_status,
        request_id=status.request_id,
    )


def timeout_error(
    handle: JobHandle, remote_status: str, timeout: float, *, cancelled: bool
) -> JobTimeoutError:
    """The deadline has passed."""
    fate = (
        "It was cancelled at the remote."
        if cancelled
        else "It could not be cancelled and may still be running at the remote."
    )
    return JobTimeoutError(
        f"The {describe(handle)} did not end within its timeout of {timeout:g} s; last state "
        f"{remote_status!r}. {fate} Give it more time with the argument timeout.",
        job=handle.job_id,
        state="timeout",
        remote_status=remote_status,
    )
