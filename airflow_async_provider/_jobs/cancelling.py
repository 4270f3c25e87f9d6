# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job when Airflow ends its task on the worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_async_provider._jobs.memory import Durable
from airflow_async_provider._jobs.messages import describe
from airflow_async_provider.errors import AsyncJobError, JobCancelledError
from airflow_async_provider.protocols._job import JobHandle, JobState, Submitted
from airflow_async_provider.protocols._registry import protocol_of


class CancelsJob:
    """Mixin for operators that start a job: they cancel it when nobody will wait for it any more."""

    log: Any
    hook: Any
    cancel_on_kill: bool
    #: The job to be cancelled when the task is killed: it has been started and has not ended.
    _active: JobHandle | None = None
    #: Whether Airflow has told this task to end; its work goes on until that is over, or killed for good.
    _killed = False

    def on_kill(self) -> None:
        """The task is being killed on its worker: cancel the remote job unless it has ended."""
        self._killed = True  # a job that is being started now is cancelled as soon as it is known
        handle = self._active
        if handle is None or not self.cancel_on_kill:
            return
        self._cancel(handle)

    def _unless_killed(self, durable: Durable, submitted: Submitted) -> None:
        """
        Cancel a job whose task was killed while it was being started: nobody could cancel it at that moment.

        :raises JobCancelledError: so it was
        """
        handle, status = submitted.handle, submitted.status
        if not (self._killed and self.cancel_on_kill) or (status is not None and status.state.ended):
            return
        if self._cancel(handle):
            durable.clear()
            fate = "It was cancelled at the remote."
        else:
            fate = "It could not be cancelled; a retry of this task goes on with it."
        raise JobCancelledError(
            f"The task was killed while it started the {describe(handle, age=False)}. {fate}",
            job=handle.job_id,
            state=JobState.CANCELLED.value,
        )

    def _cancel(self, handle: JobHandle) -> bool:
        hook = self.hook
        try:
            if hook.cancel(handle):
                self.log.info("Cancelled the %s at the remote.", describe(handle))
                return True
            self.log.info("The %s cannot be cancelled at the remote.", describe(handle))
        except AsyncJobError as e:
            self.log.warning("Cancelling the %s failed: %s", describe(handle), e)
        return False

    def _can_cancel(self, handle: JobHandle) -> bool:
        return self.cancel_on_kill and protocol_of(handle).cancel(handle) is not None

    @contextmanager
    def _forgotten_at_timeout(self, durable: Durable) -> Iterator[None]:
        """
        Cancel and forget the job when Airflow's ``execution_timeout`` strikes.

        A remote may take its time to cancel. A retry that remembered the job would wait for that end, and
        fail because of it.
        """
        try:
            yield
        except _task_timeout():
            handle = self._active
            if handle is not None and self.cancel_on_kill and self._cancel(handle):
                self._active = None
                durable.clear()
            raise


def _task_timeout() -> type[BaseException]:
    try:
        from airflow.sdk.exceptions import AirflowTaskTimeout
    except ImportError:  # pragma: no cover - Airflow 3.1 has it elsewhere
        from airflow.exceptions import AirflowTaskTimeout  # type: ignore[no-redef] # the same class, at its old place

    return AirflowTaskTimeout
