# SPDX-License-Identifier: Apache-2.0
"""A person has resumed the task on the page "Remote jobs": what the worker does then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_async_provider._jobs.airflow_exceptions import AirflowFailException
from airflow_async_provider._polling.loop import BY_HAND, CANCEL
from airflow_async_provider.errors import JobCancelledError, RemoteError
from airflow_async_provider.protocols._job import JobState, JobStatus
from airflow_async_provider.protocols._redaction import one_line

if TYPE_CHECKING:
    from airflow_async_provider._jobs.run import JobRun


def settled_by_hand(run: JobRun, event: Mapping[str, Any]) -> JobStatus | None:
    """
    Do what a person has asked for.

    :param event: with which the task was resumed
    :return: the status of a job that has ended before it could be cancelled; else None, and the task goes on
        as after any other event
    :raises AirflowFailException: the job was cancelled; a retry would start what nobody wants
    """
    if event.get("via") != BY_HAND:
        return None
    by, wish = one_line(event.get("by", "")), event.get("wish")
    run.log.info("Resumed by %s on the page Remote jobs, to %s the job.", by, wish)
    if wish != CANCEL:
        return None
    try:
        status = run.task.interpret(run.refresh_status())
        if status.state.ended:
            run.log.info("There is nothing to cancel.")
            return status
    except RemoteError as e:
        run.log.warning("The status of the %s cannot be read just now: %s", run.handle.describe(), e)
    if not run.cancel(run.handle):
        return None
    error = JobCancelledError(
        f"The {run.handle.describe()} was cancelled by {by} on the page Remote jobs.",
        job=run.handle.job_id,
        state=JobState.CANCELLED.value,
    )
    raise AirflowFailException(str(error)) from run.forget(error)
