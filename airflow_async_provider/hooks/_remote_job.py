# SPDX-License-Identifier: Apache-2.0
"""Jobs of one's own: polled over an HTTP connection, by a function of the DAG, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow.sdk import Connection

from airflow_async_provider.errors import AsyncJobError, CallbackError, TransientError, UnreadableAnswerError
from airflow_async_provider.hooks._base import as_handle
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.protocols._job import Cancellation, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._registry import protocol_of
from airflow_async_provider.protocols._remote_job import STATES, read_word

#: Keys in a handle's data that are ours and not the function's.
KEY_OF_DATA, KEY_OF_NAMES = "kept", "names"


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """
    A job, as functions of the DAG see it that ask for it or cancel it.

    :param id: what the start function returned, or our own id where it returned none
    :param data: what else it returned
    :param correlation_id: our own name for the job
    :param idempotency_key: the key that the start function had
    """

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    correlation_id: str = ""
    idempotency_key: str = ""

    @classmethod
    def of(cls, handle: JobHandle) -> RemoteJob:
        """The job behind a handle."""
        names = handle.data.get(KEY_OF_NAMES, {})
        return cls(handle.job_id, dict(handle.data.get(KEY_OF_DATA, {})), **names)


class RemoteJobHook(HttpAsyncJobHook):
    """
    Asks for jobs of one's own and cancels them.

    :param conn_id: Airflow connection of the type ``http``, where a description says how to ask, or where the
        key of the callbacks' signature is; None: there is none
    :param poll: asks for a job; only a worker has it
    :param cancel: cancels one; only a worker has it
    """

    default_conn_name: ClassVar[str] = ""

    def __init__(
        self,
        conn_id: str | None = None,
        *,
        poll: Callable[[RemoteJob], Any] | None = None,
        cancel: Callable[[RemoteJob], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id, **kwargs)
        self._poll = poll
        self._cancel = cancel

    @property
    def connection(self) -> Connection:
        """The Airflow connection; an empty one where the job needs none."""
        if not self.conn_id:
            return Connection(conn_id="", conn_type=self.conn_type)
        return self.get_connection(self.conn_id)

    @property
    def origin(self) -> str:
        """Which system the connection points to; empty where there is none, or none is needed."""
        return super().origin if self.conn_id else ""

    @property
    def min_poll_interval(self) -> float:
        """As the connection has it."""
        return super().min_poll_interval if self.conn_id else 0.0

    def job_url(self, job: JobHandle | Mapping[str, Any]) -> str:
        """As of any job; empty without a connection."""
        return super().job_url(job) if self.conn_id else ""

    def job_address(self, job: JobHandle | Mapping[str, Any]) -> str:
        """Where a description asks for the job; empty where none does."""
        return super().job_address(job) if self.conn_id else ""

    # -- asking -------------------------------------------------------------------------------------------

    def can_ask(self, handle: JobHandle) -> bool:
        """Whether a description or a function says how to ask."""
        return self._poll is not None or protocol_of(handle).pollable

    def status(self, job: JobHandle | Mapping[str, Any], *, tries: int = 5) -> JobStatus:
        """
        What the description's request returns, and where that is no end, what the function returns.

        :raises TransientError: the function raised
        :raises UnreadableAnswerError: it returned something that says nothing
        """
        handle = as_handle(job)
        if protocol_of(handle).pollable:
            status = super().status(handle, tries=tries)
            if self._poll is None or status.state is not JobState.RUNNING:
                return status
        if self._poll is None:
            return super().status(handle, tries=tries)
        return _status_from(handle, _called("poll", self._poll, handle))

    # -- cancelling ---------------------------------------------------------------------------------------

    def can_cancel(self, handle: JobHandle) -> bool:
        """Whether a function or the description can."""
        return self._cancel is not None or super().can_cancel(handle)

    def cancel(self, job: JobHandle | Mapping[str, Any]) -> Cancellation:
        """
        Cancel a job: by the function where there is one, else by the description's request.

        :raises TransientError: the function raised
        """
        if self._cancel is None:
            return super().cancel(job)
        if _called("cancel", self._cancel, as_handle(job)) is False:
            return Cancellation(False, message="the function returned False")
        return Cancellation(True)

    async def acancel(self, job: JobHandle | Mapping[str, Any]) -> Cancellation:
        """Cancel a job in the triggerer, which has the description's request only."""
        done = await super().acancel(job)
        if done.http_status is None and not done:
            return Cancellation(
                False,
                message="only a function of the DAG could, which runs on a worker: clear the task",
            )
        return done


def _called(what: str, function: Callable[[RemoteJob], Any], handle: JobHandle) -> Any:
    """
    What a function of the DAG returns.

    Airflow's own exceptions are the function's word to Airflow and pass.

    :raises TransientError: it raised anything else: that says nothing about the job
    """
    try:
        return function(RemoteJob.of(handle))
    except AsyncJobError:
        raise
    except Exception as e:
        if type(e).__module__.startswith("airflow."):
            raise
        raise TransientError(
            f"The function {what} raised {type(e).__name__}: {str(e)[:500]}", job=handle.job_id
        ) from e


def _status_from(handle: JobHandle, returned: Any) -> JobStatus:
    """
    What a function's return value says of the job; nothing means that it still runs.

    :raises UnreadableAnswerError: it is none of the forms
    """
    if returned is None:
        return JobStatus(JobState.RUNNING, remote_status="running")
    if isinstance(returned, JobStatus):
        return returned
    try:
        return read_word({"state": returned} if isinstance(returned, str) else returned)
    except CallbackError as e:
        raise UnreadableAnswerError(
            f"The function poll returned something that says nothing ({e}). It returns None while the job "
            f"runs, one of {', '.join(map(repr, STATES))}, a dictionary with state, result, message, "
            "progress, or a JobStatus.",
            job=handle.job_id,
        ) from e
