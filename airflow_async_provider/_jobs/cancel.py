# SPDX-License-Identifier: Apache-2.0
"""Cancelling and deleting a run's job, which must still be this try's: the next one may be at it already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._registry import protocol_of

if TYPE_CHECKING:
    from airflow_async_provider._jobs.run import JobRun


def can_cancel(run: JobRun, handle: JobHandle) -> bool:
    """Whether the task may and the remote system can cancel a job."""
    return run.task.cancel_on_kill and run.task.hook.can_cancel(handle)


def cancel(run: JobRun, handle: JobHandle) -> bool:
    """Cancel a job at the remote system, if it is still this try's; tells in the log how that went."""
    if not _is_ours(run, handle):
        return False
    try:
        cancellation = run.task.hook.cancel(handle)
        if cancellation:
            run.log.info("Cancelled the %s at the remote system.", handle.describe())
            return True
        run.log.info("The %s was not cancelled at the remote system: %s", handle.describe(), cancellation)
    except AsyncJobError as e:
        run.log.warning("Cancelling the %s failed: %s", handle.describe(), e)
    return False


def delete(run: JobRun) -> None:
    """Remove the job at the remote system where that is wanted, now that its result is safe."""
    handle = run.handle
    if protocol_of(handle).delete(handle) is None or not _is_ours(run, handle):
        return
    try:
        deletion = run.task.hook.delete(handle)
        if not deletion:
            run.log.warning("The %s was not deleted: %s", handle.describe(), deletion)
    except AsyncJobError as e:
        run.log.warning("Deleting the %s failed: %s", handle.describe(), e)


def _is_ours(run: JobRun, handle: JobHandle) -> bool:
    """Whether the job is still this try's, asked of Airflow at this moment."""
    if run.memory.still_ours():
        return True
    run.log.warning(
        "The %s is left alone: this try is not known to be the task's any more, and the next one may "
        "already wait for it.",
        handle.describe(),
    )
    return False
