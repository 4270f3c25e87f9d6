# SPDX-License-Identifier: Apache-2.0
"""From a job's state to what a person reads: one error per way to end badly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_async_provider._polling.wait_log import format_duration
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
    JobHeartbeatTimeoutError,
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

if TYPE_CHECKING:
    from airflow_async_provider._jobs.record import JobRecord

#: Redirects that ask for the same request at another address, so that nothing was done at this one (RFC 9110
#: §15.4). After a POST, 302 and 303 may as well lead to what it has brought about.
SENT_ELSEWHERE = (301, 307, 308)

SENTENCE_ENDS = (".", "!", "?", "…", ":", ";", ")", "]", "}", '"', "'", ">")

_ERRORS: dict[JobState, tuple[type[JobError], str]] = {
    JobState.FAILED: (JobFailedError, "failed"),
    JobState.CANCELLED: (JobCancelledError, "was cancelled at the remote system"),
    JobState.EXPIRED: (JobExpiredError, "has expired: the remote system no longer answers for it"),
    JobState.BLOCKED: (
        JobBlockedError,
        "is blocked or held at the remote system until a person acts; it will not end by itself",
    ),
    JobState.NOT_RUN: (JobNotRunError, "ended without having run"),
}


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


def error_for(handle: JobHandle, status: JobStatus, hint: str = "") -> JobError:
    """
    The error that a bad end stands for.

    :param hint: what the reader can do
    """
    cls, words = _ERRORS[status.state]
    reason = (status.message or "").rstrip()
    end = "" if reason.endswith(SENTENCE_ENDS) else "."
    remote = f" The remote system reported: {reason}{end}" if reason else ""
    return cls(
        f"The {handle.describe()} {words}; last status {status.remote_status!r}.{remote} {hint}".strip(),
        job=handle.shown_id,
        state=status.state.value,
        remote_status=status.remote_status,
        request_id=status.request_id,
    )


def timeout_error(
    handle: JobHandle,
    remote_status: str,
    timeout: float,
    *,
    cancelled: bool,
    hint: str = "",
    unknown: Sequence[str] = (),
    cause: RemoteError | None = None,
) -> JobTimeoutError:
    """
    The deadline has passed.

    :param hint: what else the reader should know
    :param unknown: words of the last status that are not known ones
    :param cause: why the status could not be read at the end
    """
    fate = (
        "It was cancelled at the remote system."
        if cancelled
        else "It was not cancelled and may still be running at the remote system."
    )
    strange = f" No list of words holds {', '.join(map(repr, unknown))}: is it an end?" if unknown else ""
    unread = f" The last poll failed: {cause}" if cause else ""
    return JobTimeoutError(
        f"The {handle.describe()} did not end within its timeout of {timeout:g} s; last status "
        f"{remote_status!r}.{strange}{unread} {hint or fate} Give it more time with the argument timeout.",
        job=handle.shown_id,
        state="timeout",
        remote_status=remote_status,
    )


def heartbeat_error(handle: JobHandle, last_words: str, *, cancelled: bool) -> JobHeartbeatTimeoutError:
    """
    The job has given no sign of life for too long.

    :param last_words: what the last one said
    """
    fate = "It was cancelled." if cancelled else "It was not cancelled and may still be running."
    last = f"the last one said {last_words!r}" if last_words else "there has been none"
    return JobHeartbeatTimeoutError(
        f"The {handle.describe()} has given no sign of life within heartbeat_timeout; {last}. {fate}",
        job=handle.job_id,
        state="heartbeat_timeout",
        remote_status=last_words,
    )


def gave_up_error(
    handle: JobHandle, status: JobStatus, event: Mapping[str, Any], *, conn_id: str
) -> TransientError:
    """The trigger gave the wait up, and now the remote system answers that the job still runs."""
    return TransientError(
        f"The wait for the {handle.describe()} was given up after {event.get('polls')} polls, "
        f"{event.get('errors')} of them failed (last: {event.get('error')}, HTTP {event.get('http_status')}; "
        f"connection {conn_id!r}). Its status is still {status.remote_status!r}; a retry of this task goes "
        "on with it. A longer outage is waited out with the argument max_outage.",
        job=handle.shown_id,
    )


def how_it_went(record: JobRecord, now: float) -> str:
    """How long it took, and what it took to notice the end: the last line alone must tell it."""
    took = format_duration(max(0.0, now - record.started_at))
    polls = f"{record.polls} poll" + ("" if record.polls == 1 else "s")
    if record.failed_polls:
        polls += f", {record.failed_polls} of them failed"
    if record.via == "callback":
        return f"by its callback, after {took}" + (f" and {polls}" if record.polls else "")
    return f"after {took} and {polls}" if record.polls else "at once"
