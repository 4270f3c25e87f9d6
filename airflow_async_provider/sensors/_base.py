# SPDX-License-Identifier: Apache-2.0
"""What all sensors share: they watch a job that they have not started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_async_provider._jobs.airflow_exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow_async_provider._jobs.arguments import refuse_unknown, with_retry_policy
from airflow_async_provider._jobs.ending import AT_THE_END, uses
from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.task import CallbackSettings, WaitSettings
from airflow_async_provider._jobs.tracebacks import make_plain
from airflow_async_provider._polling.policy import DEFAULT_MAX_OUTAGE, PollPolicy
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider.errors import (
    AsyncJobError,
    ConfigurationError,
    JobTimeoutError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

if TYPE_CHECKING:
    from airflow.sdk import Context


class JobSensorTimeoutError(JobTimeoutError, AirflowSensorTimeout):
    """The sensor's ``timeout`` has passed; as for all sensors of Airflow, no retry follows."""


class JobSensor(BaseSensorOperator):
    """
    Waits until a job has succeeded, and fails with the error that any other end stands for.

    ``poke_interval``, ``timeout``, ``soft_fail``, ``mode``, ``exponential_backoff`` and ``max_wait`` mean
    what they mean for all sensors of Airflow; ``mode`` counts with ``deferrable=False`` only.

    :param conn_id: Airflow connection of the remote system
    :param deferrable: wait in the triggerer (default); False pokes from a worker
    :param end_from_trigger: let the triggerer end the task when the job has succeeded, without a worker. None
        (default): where nothing would be lost by that, see the page on common arguments; False: never. Needs
        Airflow 3.3.
    :param cancel_on_kill: cancel the remote job when the task is killed, cleared or marked, and when the
        timeout passes; by default it is left alone, as the sensor has not started it
    :raises ConfigurationError: an argument that no sensor of this kind takes
    """

    operator_extra_links: Sequence[Any] = (RemoteJobLink(),)
    ui_color = "#d9ecf7"

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        deferrable: bool = True,
        end_from_trigger: bool | None = None,
        cancel_on_kill: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        if kwargs.get("timeout") == 0:
            raise ConfigurationError("timeout must be more than 0 seconds: the job would never be looked at.")
        super().__init__(**with_retry_policy(kwargs))
        self.conn_id = conn_id
        self.deferrable = deferrable
        self.end_from_trigger = end_from_trigger
        self.cancel_on_kill = cancel_on_kill

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        make_plain(cls)

    # -- what Airflow calls -------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Look once, for a job that has ended already, then wait."""
        if not self.deferrable:
            return self._poke_until_it_ends(context)
        with _SoftFail(self):
            return JobRun(self, context).watch(self.handle_to_watch())

    def _poke_until_it_ends(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException) as e:
            if e.__cause__ is None:  # Airflow's own word: the time is over
                self.on_kill()
            raise

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | str | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Any:
        """
        Go on after the trigger: read the status, then finish, fail or wait on.

        :param event: states and counters only
        :param run: what the deferral carried along
        """
        with _SoftFail(self):
            return JobRun(self, context).resume(event, run)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once, with ``deferrable=False``."""
        run = JobRun(self, context)
        with _SoftFail(self):
            run.adopt(self.handle_to_watch())
            if self.cancel_on_kill and run.memory.now.owner != run.memory.owner:
                # Else a kill would find no job.
                run.memory.note("", self.hook, {}, handle=run.handle)
            try:
                status = self.interpret(run.refresh_status(tries=1))
            except (TransientError, UnreadableAnswerError) as e:
                self.log.warning("The status of the %s could not be read: %s", run.handle.describe(), e)
                return False
            self.log.info("Job %s: %s", run.handle.shown_id, status.remote_status or status.state.value)
            if status.state is JobState.RUNNING:
                return False
            return PokeReturnValue(True, run.settle(status))

    def on_kill(self) -> None:
        """Cancel the remote job, with ``cancel_on_kill=True``, unless it has ended."""
        run = JobRun.of(self)
        if run is not None:
            run.kill()

    # -- what a remote system adds, see _jobs.task.WatchingTask ----------------------------------------------

    @cached_property
    def hook(self) -> AsyncApiHook:
        """The hook; used on the worker only."""
        raise NotImplementedError

    def handle_to_watch(self) -> JobHandle:
        """The job to wait for."""
        raise NotImplementedError

    def interpret(self, status: JobStatus) -> JobStatus:
        """Let the sensor's arguments decide what a status means for its task."""
        return status

    def continued_by(self, handle: JobHandle) -> JobHandle | None:
        """The job that continues one that has ended badly."""
        return None

    def asks_when_blocked(self) -> bool:
        """Whether a person is asked what to do about a job that is blocked at the remote system."""
        return False

    def before_end(self, run: JobRun, status: JobStatus) -> None:
        """The job has ended: put what a person wants to read into the log."""

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """The sensor's return value: the job's handle."""
        return run.handle.to_dict()

    def store_settings(self) -> None:
        """A sensor has no result to store."""

    def value_at_end(self) -> TaskEnd | None:
        """The job's handle, where a success leaves nothing else to be done."""
        return TaskEnd() if uses(type(self), JobSensor, *AT_THE_END) else None

    def failure_hint(self, status: JobStatus) -> str:
        """What the reader can do; a task that has not started the job cannot start another."""
        return "This task only waits: what started the job can start another one."

    def timeout_hint(self, run: JobRun) -> str:
        """What else to say about a passed deadline."""
        return ""

    def wait_settings(self) -> WaitSettings:
        """The sensor's own arguments, as a policy of polls."""
        first = max(float(self.poke_interval), 0.001)
        maximum, backoff = first, 1.0
        if self.exponential_backoff:
            maximum, backoff = max(first, self.max_wait.total_seconds() if self.max_wait else 3600.0), 2.0
        policy = PollPolicy(
            poll_interval=first, max_poll_interval=maximum, backoff=backoff, max_outage=DEFAULT_MAX_OUTAGE
        )
        return WaitSettings(timeout=float(self.timeout), policy=policy, deferrable=self.deferrable)

    def callback_settings(self) -> CallbackSettings | None:
        """A callback can be asked for at a start only."""
        return None

    def may_start_again(self, status: JobStatus) -> bool:
        """Nothing is kept that would have to be forgotten."""
        return True


make_plain(JobSensor)


class _SoftFail:
    """What Airflow's sensors do with an error: skip if asked to; no retry after a timeout."""

    def __init__(self, sensor: JobSensor) -> None:
        self._sensor = sensor

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, cls: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, AsyncJobError):
            return
        if self._sensor.soft_fail or self._sensor.never_fail:
            raise AirflowSkipException(f"Skipped instead of failed: {error}") from error
        if isinstance(error, JobTimeoutError):
            raise JobSensorTimeoutError(
                str(error), job=error.job, state=error.state, remote_status=error.remote_status
            ) from error.__cause__
