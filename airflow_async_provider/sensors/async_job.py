# SPDX-License-Identifier: Apache-2.0
"""Wait for a job that another task, or another system, has started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.sensors._base import JobSensor


class AsyncJobSensor(JobSensor):
    """
    Wait until a job of any protocol has succeeded; returns its handle, so that a download task can follow.

    Fails with the error that the job's end stands for (failed, cancelled, expired, timed out).

    :param job: the job handle, usually the XCom of a submit task (``job=submit.output``)
    :param conn_id: Airflow connection, None for the one that the job was started by
    :param kwargs: ``deferrable`` and ``cancel_on_kill`` of
        :class:`~airflow_async_provider.sensors._base.JobSensor`, and what all sensors of Airflow take
    """

    template_fields: Sequence[str] = ("job", "conn_id")

    def __init__(self, *, job: Mapping[str, Any], conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        self.job = job

    @cached_property
    def hook(self) -> AsyncApiHook:
        """The hook of the job's protocol."""
        return hook_for(self.handle_to_watch(), self.conn_id)

    def handle_to_watch(self) -> JobHandle:
        """The job in the argument ``job``."""
        return job_of(self.job)


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
