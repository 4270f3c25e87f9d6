# SPDX-License-Identifier: Apache-2.0
"""Wait for a job that another task, or somebody else, has started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_async_provider._jobs.messages import describe
from airflow_async_provider._jobs.run import AsyncJobOperator
from airflow_async_provider.errors import ConfigurationError, TransientError, UnreadableAnswerError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted

if TYPE_CHECKING:
    from airflow.sdk import Context


class AsyncJobSensor(AsyncJobOperator):
    """
    Wait until a job of any protocol has succeeded; returns its handle, so that a download task can follow.

    Fails with the error that the job's end stands for (failed, cancelled, expired, timed out). It never
    cancels the job unless ``cancel_on_kill=True``: it has not started it.

    :param job: the job handle, usually the XCom of a submit task (``job=submit.output``)
    :param conn_id: Airflow connection, None for the default of the job's hook
    """

    template_fields: Sequence[str] = ("job", "conn_id")

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        conn_id: str | None = None,
        cancel_on_kill: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, cancel_on_kill=cancel_on_kill, reattach=False, **kwargs)
        self.job = job

    @cached_property
    def hook(self) -> AsyncApiHook:
        """The hook of the job's protocol."""
        return hook_for(job_of(self.job), self.conn_id)

    def execute(self, context: Context) -> Any:
        """Look once, for a job that has ended already, then wait."""
        handle = job_of(self.job)
        run = self._run_of(handle)
        try:
            status = self.hook.status(handle, tries=1)
        except (TransientError, UnreadableAnswerError) as e:
            self.log.warning("No answer about the %s yet: %s", describe(handle), e)
            self.tell("Waiting for", run)
            return self._watch(context, run)
        if status.state is JobState.RUNNING:
            self.tell("Waiting for", run)
            return self._watch(context, run)
        return self._settle(context, run, status)

    def advice(self, status: JobStatus) -> str:
        """What the reader can do; a task that has not started the job cannot start another."""
        return "This task only waits: what started the job can start another one."

    def submit(self, context: Context, correlation_id: str) -> Submitted:
        """Never: a sensor starts nothing."""
        raise NotImplementedError


def job_of(value: Any) -> JobHandle:
    """
    The handle in a task's argument.

    :raises ConfigurationError: it is none
    """
    try:
        return JobHandle.from_dict(value)
    except ValueError as e:
        raise ConfigurationError(
            f"The argument job must be a job handle, the return value of a submit task: {e}"
        ) from e
