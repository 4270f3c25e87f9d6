# SPDX-License-Identifier: Apache-2.0
"""Submitting a job from the worker, once, whatever becomes of the answer."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_async_provider.errors import (
    AsyncJobError,
    AuthorizationError,
    ConfigurationError,
    OriginError,
    RemoteError,
    RequestRefusedError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import HttpRequest
from airflow_async_provider.protocols._job import Cancellation, JobHandle, Submitted

if TYPE_CHECKING:
    from airflow_async_provider.hooks._base import AsyncApiHook

#: Pauses between looking for a job whose submission was not answered (seconds): the remote may list it late.
LOOK_UP_PAUSES = (0.0, 2.0, 5.0)

#: No API needs more requests to start one job.
MAX_STEPS = 10


def submit(
    hook: AsyncApiHook, protocol: JobProtocol, request: HttpRequest, *, correlation_id: str | None = None
) -> Submitted:
    """
    Submit a job, once.

    A request that is not repeatable and whose answer was lost is looked for by its correlation id, and
    not sent again: the remote may have it and be about to start the job. So that is left to the task's
    next try, which looks again first.

    :param correlation_id: our own name for the job, where the protocol can find jobs by it
    :raises SubmitError: the remote refused
    :raises SubmitUnknownError: a job may or may not exist and the remote does not know (yet)
    """
    try:
        submitted = hook._ask(request, protocol.read_submit)
    except (TransientError, UnreadableAnswerError) as lost:
        not_taken = isinstance(lost, TransientError) and (not lost.sent or lost.http_status == 429)
        if request.repeatable or not_taken:
            raise
        found = look_up(hook, protocol, correlation_id, lost)
        if found is not None:
            hook.log.info("The answer to the submission was lost; found job %s.", found.shown_id)
            return Submitted(found)
        if _may_come_up(lost.http_status):
            raise SubmitUnknownError(
                f"The submission was not answered: {lost} The remote knows no job of ours yet, but may "
                "still start it. The next try of this task looks again before it submits anything.",
                http_status=lost.http_status,
                request_id=lost.request_id,
            ) from lost
        raise SubmitError(
            f"The job was not started: {lost} A look-up found no job of ours.",
            http_status=lost.http_status,
            request_id=lost.request_id,
        ) from lost
    handle = hook.bound(submitted.handle)
    if handle.status_url:
        try:
            hook.endpoint.check_origin(hook.endpoint.resolve(handle.status_url), what="status URL")
        except OriginError as e:
            e.job = handle.shown_id  # it exists, although it cannot be watched
            raise
    return _send_further(hook, protocol, replace(submitted, handle=handle))


def _may_come_up(status: int | None) -> bool:
    """
    Whether a job that is not there yet may still be started: nothing was answered, or by a gateway that had
    passed the request on, or the remote accepted it without the id of a job.
    """
    return status is None or 200 <= status < 300 or status in (502, 504)


def _send_further(hook: AsyncApiHook, protocol: JobProtocol, submitted: Submitted) -> Submitted:
    """Send the further requests of a start in several steps, such as an upload and an enqueue."""
    for _ in range(MAX_STEPS):
        request, before = submitted.next, submitted
        if request is None:
            return submitted
        try:
            submitted = hook._ask(request, partial(protocol.read_next, before))
        except AsyncJobError as e:
            raise _undone(hook, before, request, e) from None
    raise ConfigurationError(f"The start of a job has more than {MAX_STEPS} requests.")


def _undone(hook: AsyncApiHook, before: Submitted, request: HttpRequest, error: AsyncJobError) -> SubmitError:
    """The error of a start whose later request has failed; the job is cancelled where that is possible."""
    handle = before.handle
    try:
        cancelled = hook.cancel(handle)
        fate = "It was cancelled." if cancelled else f"It could not be cancelled ({cancelled})."
    except AsyncJobError as e:
        cancelled, fate = Cancellation(False), f"Cancelling it failed: {e}"
    # A request whose answer was lost may have started the job for good.
    sure = bool(cancelled) or isinstance(error, RequestRefusedError | AuthorizationError | SubmitError)
    return (SubmitError if sure else SubmitUnknownError)(
        f"The remote created job {handle.shown_id}, but request {before.step + 2} of its start "
        f"({request.method}) failed: {error} {fate}",
        job=handle.shown_id,
        http_status=error.http_status,
        request_id=error.request_id,
    )


def look_up(
    hook: AsyncApiHook, protocol: JobProtocol, correlation_id: str | None, lost: AsyncJobError | None = None
) -> JobHandle | None:
    """
    Look for a job by our correlation id.

    :param lost: the failure that makes us look; with it, the look-up is repeated for a few seconds
    :return: the job, or None when the remote surely has none
    :raises SubmitUnknownError: the remote does not know, or does not answer
    """
    request = protocol.find(correlation_id) if correlation_id else None
    if request is None or correlation_id is None:
        if lost is None:
            return None
        raise unknown(lost) from lost
    try:
        for pause in LOOK_UP_PAUSES if lost else (0.0,):
            time.sleep(pause)
            found = hook._ask(request, partial(protocol.read_find, correlation_id))
            if found is not None:
                return hook.bound(found)
    except RemoteError as e:
        raise SubmitUnknownError(
            f"A submission was not answered, and whether it started a job could not be looked up: {e} "
            "The next try of this task looks again.",
            http_status=e.http_status,
            request_id=e.request_id,
        ) from e
    return None


def unknown(lost: AsyncJobError) -> SubmitUnknownError:
    """The error of a submission whose answer was lost, where nobody can be asked whether it started a job."""
    return SubmitUnknownError(
        f"The answer to the submission was lost: {lost} A job may or may not have been started, and this API "
        "offers no means to find out. Check at the remote before clearing the task.",
        http_status=lost.http_status,
        request_id=lost.request_id,
    )
