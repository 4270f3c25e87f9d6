# SPDX-License-Identifier: Apache-2.0
"""What all operators share: arguments of a submission and of a wait, and the run that they are handed to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_async_provider._callbacks.registration import DEFAULT_MAX_BYTES
from airflow_async_provider._download.options import STORE_TEMPLATE_FIELDS
from airflow_async_provider._jobs.arguments import refuse_unknown, seconds, with_retry_policy
from airflow_async_provider._jobs.ending import AT_THE_END, uses
from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider._jobs.record import JobRecord
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.task import CallbackSettings, WaitSettings
from airflow_async_provider._jobs.tracebacks import make_plain
from airflow_async_provider._polling.policy import DEFAULT_MAX_OUTAGE, PollPolicy
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Template fields that tell where a job is started, who is told of its end and where its result goes, but not
#: what the job is.
NOT_OF_THE_JOB = frozenset({"conn_id", "http_conn_id", "callback_base_url", *STORE_TEMPLATE_FIELDS})


#: While a callback is expected the pause between polls grows to so many times the first one: with the default
#: of 120 seconds a job is polled ten times in its first hour, and six times in each later one.
SAFETY_GROWTH = 5

#: Arguments of a wait, which an operator that only starts a job does not take.
WAIT_ARGUMENTS = frozenset(
    {
        "timeout",
        "poll_interval",
        "max_poll_interval",
        "max_outage",
        "deferrable",
        "linger",
        "end_from_trigger",
    }
)


class AsyncJobOperator(BaseOperator):
    """
    Starts a job, once, and waits for it; a retry finds what an earlier try has started.

    :param conn_id: Airflow connection of the remote system
    :param timeout: deadline from submission to the job's end (seconds or timedelta), apart from Airflow's
        ``execution_timeout``, which does not run while a task is deferred. A retry gets the whole time anew.
    :param poll_interval: pause between the first polls (seconds or timedelta)
    :param max_poll_interval: longest pause between polls (seconds or timedelta)
    :param max_outage: how long the remote system may bring no readable answer until the wait is given up
        (seconds or timedelta)
    :param deferrable: wait in the triggerer (default); False keeps the worker for the whole wait
    :param linger: how long the worker itself watches before it defers (seconds or timedelta), so that a short
        job never pays for the round trip through the triggerer
    :param end_from_trigger: let the triggerer end the task when the job has succeeded, without a worker. None
        (default): where nothing would be lost by that, see the page on common arguments; False: never. Needs
        Airflow 3.3, and a task that stores nothing: its value is its job's handle, the last answer's result,
        or nothing.
    :param cancel_on_kill: cancel the remote job, where that can be done, when the task is killed, cleared or
        marked while it waits, and when the deadline passes. While deferred this needs Airflow 3.3.
    :param reattach: on a retry, go on with the job of the earlier try instead of starting another (needs
        Airflow 3.3, except where the remote system can find jobs by our correlation id)
    :raises ConfigurationError: an argument that makes no sense, or that no operator of this kind takes
    """

    template_fields: Sequence[str] = ("conn_id",)
    operator_extra_links: Sequence[Any] = (RemoteJobLink(),)
    #: Further entries of the return value where the result was there already.
    facts_of_existing: ClassVar[Mapping[str, Any]] = {}
    ui_color = "#d9ecf7"

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        timeout: float | timedelta = 24 * 3600.0,
        poll_interval: float | timedelta = 10.0,
        max_poll_interval: float | timedelta = 60.0,
        max_outage: float | timedelta = DEFAULT_MAX_OUTAGE,
        deferrable: bool = True,
        linger: float | timedelta = 0.0,
        end_from_trigger: bool | None = None,
        cancel_on_kill: bool = True,
        reattach: bool = True,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        super().__init__(**with_retry_policy(kwargs))
        self.conn_id = conn_id
        self.timeout = seconds(timeout, "timeout", zero=False)
        self.poll_interval = seconds(poll_interval, "poll_interval", zero=False)
        self.max_poll_interval = max(
            seconds(max_poll_interval, "max_poll_interval", zero=False), self.poll_interval
        )
        self.max_outage = seconds(max_outage, "max_outage", zero=False)
        self.deferrable = deferrable
        self.linger = seconds(linger, "linger")
        self.end_from_trigger = end_from_trigger
        self.cancel_on_kill = cancel_on_kill
        self.reattach = reattach

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        make_plain(cls)

    def execute(self, context: Context) -> Any:
        """Take up the job of an earlier try, or start one, then wait."""
        return JobRun(self, context).begin()

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | str | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Any:
        """
        Go on after the trigger or a callback: read the status, then finish, fail or wait on.

        :param event: states and counters only
        :param run: what the deferral carried along
        """
        return JobRun(self, context).resume(event, run)

    def on_kill(self) -> None:
        """Cancel the remote job unless it has ended, or another try has taken it up."""
        run = JobRun.of(self)
        if run is not None:
            run.kill()

    # -- what a remote system adds, see _jobs.task.StartingTask -------------------------------------------

    @cached_property
    def hook(self) -> AsyncApiHook:
        """The hook; used on the worker only."""
        raise NotImplementedError

    def start(self, run: JobRun) -> Submitted:
        """
        Start the job.

        :param run: has ``correlation_id``, our own name for the job, and ``callback_address``
        """
        raise NotImplementedError

    def job_label(self) -> str:
        """What the job is for a person: an endpoint, an object name."""
        return ""

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        """
        Look for the job of a try that died between submitting and noting the handle.

        :raises SubmitUnknownError: the remote system cannot tell and a second submission would do harm
        """
        return None

    def find_without_memory(self, run: JobRun) -> JobHandle | None:
        """Look for the job of an earlier try, before Airflow 3.3."""
        return None

    def may_start_again(self, status: JobStatus) -> bool:
        """Whether a retry may start a new job after the old one ended like this."""
        return True

    def status_of_earlier_job(self, run: JobRun, handle: JobHandle) -> JobStatus:
        """The status of a job that an earlier try started."""
        run.adopt(handle)
        return run.refresh_status()

    def interpret(self, status: JobStatus) -> JobStatus:
        """Let the operator's arguments decide what a status means for its task."""
        return status

    def continued_by(self, handle: JobHandle) -> JobHandle | None:
        """The job that continues one that has ended badly."""
        return None

    def asks_when_blocked(self) -> bool:
        """Whether a person is asked what to do about a job that is blocked at the remote system."""
        return False

    def before_end(self, run: JobRun, status: JobStatus) -> None:
        """The job has ended: put what a person wants to read into the log."""

    def store_settings(self) -> StoreSettings | None:
        """Where the result goes; here nowhere."""
        return None

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """Turn a succeeded job into the task's return value; here its handle."""
        return run.handle.to_dict()

    def facts_of_stored(self, record: JobRecord) -> Mapping[str, Any]:
        """Entries of the return value beside what is said of a stored result."""
        return {}

    def value_at_end(self) -> TaskEnd | None:
        """The job's handle, where a success leaves nothing else to be done."""
        return TaskEnd() if uses(type(self), AsyncJobOperator, *AT_THE_END) else None

    def failure_hint(self, status: JobStatus) -> str:
        """What the reader of the task log can do after a bad end."""
        if not status.state.ended:
            return "Resolve it at the remote system; a retry of this task, or clearing it, goes on with it."
        if self.may_start_again(status):
            return "A retry of this task starts another one."
        return "Once you know that it may run again, clear the task with reattach=False."

    def timeout_hint(self, run: JobRun) -> str:
        """What else to say about a passed deadline."""
        return ""

    def job_arguments(self) -> Mapping[str, Any]:
        """The arguments that say what the job is."""
        return {name: getattr(self, name) for name in self.template_fields if name not in NOT_OF_THE_JOB}

    def callback_settings(self) -> CallbackSettings | None:
        """Whether a callback is asked for."""
        return None

    def wait_settings(self) -> WaitSettings:
        """How the task waits."""
        return WaitSettings(
            timeout=self.timeout,
            policy=self.poll_policy(self.poll_interval, self.max_poll_interval),
            deferrable=self.deferrable,
            linger=self.linger,
        )

    def poll_policy(self, first: float, maximum: float) -> PollPolicy:
        """
        How often to poll.

        :param first: the first pause (seconds)
        :param maximum: the longest one (seconds)
        """
        return PollPolicy(poll_interval=first, max_poll_interval=maximum, max_outage=self.max_outage)

    def asks_for_callback(
        self,
        protocol: JobProtocol,
        *,
        wanted: bool | None,
        base_url: str | None,
        safety_poll_interval: float,
        max_bytes: int = DEFAULT_MAX_BYTES,
        protocol_name: str | None = None,
    ) -> CallbackSettings | None:
        """
        The settings of a task that may ask for a callback; None where it shall not.

        :param protocol: reads the callback
        :param wanted: True, False, or None: where an address is set
        :param base_url: where the remote system reaches Airflow's API server
        :param safety_poll_interval: first pause between polls while a callback is expected (seconds)
        :param max_bytes: largest body
        :param protocol_name: name of the protocol where it is not its class's
        """
        if wanted is False:
            return None
        return CallbackSettings(
            wanted=wanted or None,
            base_url=base_url,
            policy=replace(
                self.poll_policy(
                    max(safety_poll_interval, self.poll_interval),
                    max(safety_poll_interval * SAFETY_GROWTH, self.max_poll_interval),
                ),
                safety_net=True,
            ),
            protocol=protocol,
            protocol_name=protocol_name or protocol.name,
            max_bytes=max_bytes,
            askable=protocol.pollable,
            decides=not protocol.pollable,
        )


make_plain(AsyncJobOperator)


def ended_for_sure(status: JobStatus) -> bool:
    """Whether a job is known to have ended badly; one that got lost may have done its work."""
    return status.state is not JobState.EXPIRED
