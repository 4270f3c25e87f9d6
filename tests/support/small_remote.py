# SPDX-License-Identifier: Apache-2.0
"""A remote system in this process, and a task that starts jobs there: for the engine without any vendor."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider.errors import RequestRefusedError
from airflow_async_provider.operators._base import AsyncJobOperator
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._job import Cancellation
from airflow_async_provider.protocols._registry import protocol_of
from tests.support.one_task import OneTask, TaskDeferred

RUNNING, SUCCEEDED, FAILED, CANCELLED, BLOCKED = (
    JobState.RUNNING,
    JobState.SUCCEEDED,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.BLOCKED,
)


class SmallRemote:
    """
    Jobs by their numbers, as a hook shows them.

    :param origin: where the connection points
    """

    def __init__(self, origin: str = "https://a.example", conn_id: str = "small") -> None:
        self.origin = origin
        self.conn_id = conn_id
        self.jobs: dict[str, JobState] = {}
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        #: Where each answer says that the next one is to be asked for.
        self.moves_to: str | None = None
        self.min_poll_interval = 0.0
        self._numbers = itertools.count(7)

    def start(self, state: JobState = RUNNING) -> JobHandle:
        number = str(next(self._numbers))
        self.jobs[number] = state
        url = f"{self.origin}/jobs/{number}"
        return JobHandle("http_location", number, 0.0, status_url=url, options={"cancel_by": "delete"})

    def job_url(self, handle: JobHandle) -> str:
        return str(handle.status_url)

    def bound(self, handle: JobHandle) -> JobHandle:
        return replace(handle, data={**handle.data, "bound_to": self.origin})

    def status(self, handle: JobHandle, *, tries: int = 5) -> JobStatus:
        self.asked.append(handle.job_id)
        if handle.job_id not in self.jobs:
            raise RequestRefusedError("unknown", http_status=404)
        state = self.jobs[handle.job_id]
        return JobStatus(state, remote_status=state.value, status_url=self.moves_to)

    def can_ask(self, handle: JobHandle) -> bool:
        return protocol_of(handle).pollable

    def can_cancel(self, handle: JobHandle) -> bool:
        return protocol_of(handle).cancel(handle) is not None

    def cancel(self, handle: JobHandle) -> Cancellation:
        self.cancelled.append(handle.job_id)
        self.jobs[handle.job_id] = CANCELLED
        return Cancellation(True)


class SmallTask(AsyncJobOperator):
    """
    Starts a job at a :class:`SmallRemote`; returns its number.

    :param remote: where
    :param what: what is sent
    """

    template_fields = ("what",)

    def __init__(self, *, remote: SmallRemote, what: str = "a", **kwargs: Any) -> None:
        super().__init__(**{"task_id": "t", "poll_interval": 0.01, "timeout": 60, **kwargs})
        self.remote = remote
        self.what = what

    @property
    def hook(self) -> Any:  # type: ignore[override] # as much of a hook as the engine asks for
        return self.remote

    def start(self, run: JobRun) -> Submitted:
        return Submitted(self.remote.start())

    def job_label(self) -> str:
        return f"job {self.what}"

    def may_start_again(self, status: JobStatus) -> bool:
        return True

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        return run.handle.job_id


def resume(task: OneTask, remote: SmallRemote, deferral: TaskDeferred, **event: Any) -> Any:
    """What a worker does with the task after its trigger has ended."""
    found = {"version": 1, "state": "succeeded", "via": "poll", "polls": 1, "errors": 0, **event}
    return SmallTask(remote=remote).execute_complete(task.context, event=found, **deferral.kwargs)
