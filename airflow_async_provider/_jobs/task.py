# SPDX-License-Identifier: Apache-2.0
"""What a task hands to its run: its arguments, and a handful of steps that only its remote system knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_async_provider._callbacks.registration import DEFAULT_MAX_BYTES
from airflow_async_provider._polling.policy import PollPolicy
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Submitted

if TYPE_CHECKING:
    from airflow_async_provider._jobs.record import JobRecord
    from airflow_async_provider._jobs.results.settings import StoreSettings
    from airflow_async_provider._jobs.run import JobRun


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSettings:
    """
    How a task waits. Times in seconds.

    :param timeout: deadline from submission to the job's end
    :param policy: the pace of the polls
    :param deferrable: wait in the triggerer
    :param linger: how long the worker itself watches before it defers
    :param worker_poll_interval: how often the waiting task is resumed so that a worker asks for the job,
        where only a function of the DAG can; None: never
    """

    timeout: float
    policy: PollPolicy
    deferrable: bool = True
    linger: float = 0.0
    worker_poll_interval: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings:
    """
    Whether and how a task asks for a callback.

    :param wanted: True, or None: where an address is set
    :param base_url: where the remote system reaches Airflow's API server, None for the next place to look
    :param max_bytes: largest body
    :param policy: the pace of the polls while a callback is expected
    :param protocol: reads the callback
    :param protocol_name: registered name, or dotted path, of that protocol
    :param askable: whether anybody can be asked for the job, so that any callback is worth a look
    :param decides: whether what the callback says of the job's end counts by itself
    :param heartbeat_timeout: how long the callbacks' sender may give no sign of life (seconds); None: it need
        give none
    :param parties: names of those who call back one by one; none where there is one
    :param needed: how many of them must say that they succeeded
    :param page: what a person is asked on the page of the address
    """

    wanted: Literal[True] | None
    base_url: str | None
    policy: PollPolicy
    protocol: JobProtocol
    protocol_name: str
    max_bytes: int = DEFAULT_MAX_BYTES
    askable: bool = True
    decides: bool = False
    heartbeat_timeout: float | None = None
    parties: Sequence[str] = ()
    needed: int = 0
    page: Mapping[str, Any] | None = None


class DeliveringTask(Protocol):
    """A task with something at a destination."""

    @property
    def log(self) -> Any:
        """Airflow's task log."""

    @property
    def outlets(self) -> Any:
        """The assets of the task."""


class StoringTask(DeliveringTask, Protocol):
    """A task that stores the result of a job."""

    @property
    def hook(self) -> AsyncApiHook:
        """The hook; used on the worker only."""


class AirflowTask(Protocol):
    """What decides, of all that Airflow's ``BaseOperator`` has, whether a task may end without a worker."""

    on_success_callback: Any
    multiple_outputs: bool
    do_xcom_push: bool
    _post_execute_hook: Any

    def has_dag(self) -> bool:
        """Whether it belongs to a DAG."""

    def iter_mapped_dependants(self) -> Iterator[Any]:
        """The tasks that are mapped over its value."""

    def post_execute(self, context: Any, result: Any = None) -> None:
        """Called after ``execute``."""


class WatchingTask(StoringTask, AirflowTask, Protocol):
    """A task that watches a job, as its run sees it: an operator or a sensor."""

    cancel_on_kill: bool
    #: True, False, or None: wherever nothing would be lost.
    end_from_trigger: bool | None

    def wait_settings(self) -> WaitSettings:
        """How it waits."""

    def callback_settings(self) -> CallbackSettings | None:
        """Whether it asks for a callback; None where it does not."""

    def store_settings(self) -> StoreSettings | None:
        """Where its result goes, which is looked at before a job is started; None: nowhere."""

    def value_at_end(self) -> TaskEnd | None:
        """The task's value, where a success leaves nothing else to be done; None: a worker makes it."""

    def interpret(self, status: JobStatus) -> JobStatus:
        """Let the task's arguments decide what a status means (Automic's "did not run")."""

    def continued_by(self, handle: JobHandle) -> JobHandle | None:
        """The job that continues one that has ended badly, where such a thing exists and is wanted."""

    def asks_when_blocked(self) -> bool:
        """Whether a person is asked what to do about a job that is blocked at the remote system."""

    def before_end(self, run: JobRun, status: JobStatus) -> None:
        """The job has ended, well or badly: put what a person wants to read into the log."""

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """Turn a succeeded job into the task's return value."""

    def may_start_again(self, status: JobStatus) -> bool:
        """Whether a retry may start a new job after the old one ended like this."""

    def failure_hint(self, status: JobStatus) -> str:
        """What the reader of the task log can do after a bad end."""

    def timeout_hint(self, run: JobRun) -> str:
        """What else to say about a passed deadline; empty for what is always said."""


class StartingTask(WatchingTask, Protocol):
    """A task that starts its job."""

    reattach: bool
    #: Further entries of the return value where the result was there already.
    facts_of_existing: Mapping[str, Any]

    def job_arguments(self) -> Mapping[str, Any]:
        """The arguments that say what the job is."""

    def job_label(self) -> str:
        """What the job is for a person: an endpoint, an object name."""

    def facts_of_stored(self, record: JobRecord) -> Mapping[str, Any]:
        """Entries of the return value beside what is said of a stored result."""

    def start(self, run: JobRun) -> Submitted:
        """Start the job; ``run`` has the correlation id and, where it is expected, the callback."""

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        """
        Look for the job of a try that died between submitting and noting the handle.

        :raises SubmitUnknownError: the remote system cannot tell, and a second job would do harm
        """

    def find_without_memory(self, run: JobRun) -> JobHandle | None:
        """Look for the job of an earlier try where Airflow keeps no memory of it."""

    def status_of_earlier_job(self, run: JobRun, handle: JobHandle) -> JobStatus:
        """The status of a job that an earlier try started."""
