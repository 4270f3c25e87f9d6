# SPDX-License-Identifier: Apache-2.0
"""
The way of a job through one try of a task: begin, wait, settle, cancel.

A :class:`JobRun` holds what belongs to this try alone: Airflow's context, the task's memory, the record of
the job, and its parts (callback, the storing of results). How a job is begun stands in ``begin.py``, how it
is waited for in ``wait.py``; here is what becomes of it. What differs between remote systems it asks its task
for, see :class:`~airflow_async_provider._jobs.task.StartingTask`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow_async_provider._jobs import airflow_exceptions, display, messages, person
from airflow_async_provider._jobs.begin import submit, take_up
from airflow_async_provider._jobs.callback import CallbackPart
from airflow_async_provider._jobs.cancel import cancel, delete
from airflow_async_provider._jobs.last_of import LastOf
from airflow_async_provider._jobs.memory import TaskMemory
from airflow_async_provider._jobs.record import JobRecord
from airflow_async_provider._jobs.results.store import ResultStore
from airflow_async_provider._jobs.wait import deferred_here, log_wait, status_after, until_end
from airflow_async_provider._metrics import count
from airflow_async_provider._polling.loop import with_status_url
from airflow_async_provider._polling.wait_log import format_status
from airflow_async_provider.errors import (
    AsyncJobError,
    ConfigurationError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

if TYPE_CHECKING:
    from airflow_async_provider._callbacks.address import CallbackAddress
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._jobs.task import StartingTask, WatchingTask

E = TypeVar("E", bound=AsyncJobError)
Way = TypeVar("Way", bound=Callable[..., Any])

#: How often in a row a status URL that moves is followed when the status is read.
MAX_MOVES = 5

_runs: LastOf[JobRun] = LastOf()


def _cancelled_at_timeout(way: Way) -> Way:
    """
    Cancel and forget the job when Airflow's ``execution_timeout`` strikes.

    A remote system may take its time to cancel. A retry that remembered the job would wait for that end, and
    fail because of it.
    """

    @functools.wraps(way)
    def guarded(run: JobRun, *args: Any) -> Any:
        try:
            return way(run, *args)
        except airflow_exceptions.AirflowTaskTimeout:
            if run.active is not None and run.task.cancel_on_kill and cancel(run, run.active):
                run.active = None
                run.memory.forget()
            raise

    return cast("Way", guarded)


class JobRun:
    """
    One try of one task, and its job.

    :param task: the operator or sensor
    :param context: Airflow's task context
    """

    #: The job that this run is about; set once there is one.
    record: JobRecord
    #: To ask for that job with: the record's.
    handle: JobHandle

    def __init__(self, task: WatchingTask, context: Mapping[str, Any]) -> None:
        self.task = task
        #: The same, on the ways that only a task goes which starts its job.
        self.starting = cast("StartingTask", task)
        self.context = context
        self.log = task.log
        self.settings = task.wait_settings()
        callback = task.callback_settings()
        #: Where the result goes; None: nowhere.
        self.store_settings = task.store_settings()
        self.memory = TaskMemory(context, task.log)
        self.correlation_id = ""
        #: The part that expects a callback; None where the task asks for none.
        self.callback = None if callback is None else CallbackPart(self, callback)
        #: Address and secret that the submission names; None when no callback is asked for.
        self.callback_address: CallbackAddress | None = None
        #: What the triggerer has stored of its result; None where a worker does.
        self.stored: DownloadReport | None = None
        #: Whether the job has ended well.
        self.succeeded = False
        #: The job to be cancelled when the task is killed: it has been started and has not ended.
        self.active: JobHandle | None = None
        #: Whether Airflow has told this task to end; its work goes on until that is over, or killed for good.
        self.killed = False
        #: The job that Airflow's lists show.
        self._displayed: JobHandle | None = None
        self._facts: tuple[JobHandle, Mapping[str, Any]] | None = None
        _runs.put(task, self)

    @staticmethod
    def of(task: object) -> JobRun | None:
        """The last run of a task object in this process."""
        return _runs.get(task)

    @cached_property
    def results(self) -> ResultStore:
        """The part that stores the result, of a task that has a destination for it."""
        if self.store_settings is None:
            raise ValueError("the task has no destination")
        return ResultStore(
            self.task, self.context, self.store_settings, memory=self.memory, stored=self.stored
        )

    # -- the ways of a job --------------------------------------------------------------------------------

    @_cancelled_at_timeout
    def begin(self) -> Any:
        """Take up the job of an earlier try or start one, then wait for it."""
        if self.store_settings is not None:
            existing = self.results.existing(**self.starting.facts_of_existing)
            if existing is not None:
                return existing
        taken = take_up(self)
        if taken is None:
            return self._go_on(submit(self), "Submitted")
        return self._go_on(taken.status, "Waiting for")

    @_cancelled_at_timeout
    def watch(self, handle: JobHandle) -> Any:
        """Wait for a job that this task has not started, after one look at whether it has ended already."""
        self.adopt(handle)
        if self.task.cancel_on_kill:
            self.memory.note("", self.task.hook, {}, handle=self.handle)
        status: JobStatus | None = None
        try:
            status = self.refresh_status(tries=1)
        except (TransientError, UnreadableAnswerError) as e:
            self.log.warning("The status of the %s could not be read yet: %s", handle.describe(), e)
        return self._go_on(status, "Waiting for")

    def begin_without_waiting(self) -> JobHandle:
        """
        Start the job, or take up that of an earlier try, and wait for nothing.

        The memory is not cleared, so that a worker that dies before the handle is in XCom does no harm; a
        person who clears the task gets a new job all the same.
        """
        if self.memory.now.handle is not None and self.memory.cleared is True:
            self.memory.forget()
        if take_up(self) is None:
            submit(self)
            self.log.info(
                "Submitted the %s; this task does not wait for it.", self.handle.describe(age=False)
            )
        self._display()
        return self.handle

    @_cancelled_at_timeout
    def resume(self, event: Mapping[str, Any] | str | None, record: Mapping[str, Any] | None) -> Any:
        """
        Go on after the trigger or a callback: read the status, then settle or wait on.

        :param event: states and counters only; ``dag.test()`` brings "success" where the trigger has ended
            the task
        :param record: what the deferral carried along
        """
        record = record or deferred_here(self.context)
        if event is None or record is None:
            raise ValueError("execute_complete needs the trigger's event and the deferred run")
        if isinstance(event, str):
            event = {"state": JobState.SUCCEEDED.value}
        self.take(JobRecord.from_dict(record))
        if self.record.ends_elsewhere:
            self.note_end(elsewhere=False)
        self._display(push=False)
        if self.callback:
            self.callback.resumed(event)
        event, status = person.decided(self, event)
        return self._go_on(status_after(self, event, status))

    def restart(self, why: str) -> Any:
        """Start the job anew within the same try; counts in ``restarts``."""
        before = self.record
        self.log.warning("Starting the job again (restart %d): %s", before.restarts + 1, why)
        count("restarts", **self.tags)
        self.memory.forget()
        status = submit(self, restarts=before.restarts + 1)
        # One task, one clock: a restart gets what is left of the time.
        self.update(
            started_at=before.started_at,
            deadline=before.deadline,
            polls=before.polls,
            failed_polls=before.failed_polls,
        )
        return self._go_on(status, "Submitted")

    def _go_on(self, status: JobStatus | None, verb: str = "") -> Any:
        """
        Wait for the job's end unless it has come, and settle.

        :param status: None when it is not known
        :param verb: what the log says of the wait; nothing when it goes on
        """
        self._display()
        running = status is None or status.state is JobState.RUNNING
        if verb == "Submitted" or (verb and running):
            log_wait(self, verb)
        if status is None or status.state is JobState.RUNNING:
            status = until_end(self)
        return self.settle(status)

    # -- its job ------------------------------------------------------------------------------------------

    def adopt(self, handle: JobHandle, *, restarts: int = 0) -> None:
        """Make a job the one that this run is about."""
        handle, now = self.task.hook.bound(handle), time.time()
        self.take(
            JobRecord(
                handle=handle,
                started_at=handle.submitted_at or now,
                deadline=now + self.settings.timeout,
                restarts=restarts,
                submission=self.callback.submission if self.callback else "",
            )
        )

    def take(self, record: JobRecord) -> None:
        """Take over what is known of the job."""
        self.record = record
        self.handle = self.active = record.handle

    def update(self, **facts: Any) -> None:
        """Change what is known of the job."""
        self.take(replace(self.record, **facts))

    def change_handle(self, handle: JobHandle, **facts: Any) -> None:
        """The job is asked for otherwise from now on, by the next try too."""
        self.update(handle=handle, **facts)
        self.memory.add(handle=handle)

    def note_end(self, *, elsewhere: bool) -> None:
        """
        Note whether the task is ended without a worker once its job has succeeded.

        Its memory has to know that no worker may see that end.
        """
        self.update(ends_elsewhere=elsewhere)
        if getattr(self.task, "reattach", False):
            self.memory.note_end(elsewhere=elsewhere)

    def follow(self, continuing: JobHandle) -> None:
        """Make the job that continues another one the one that this run is about."""
        self.log.info(
            "The %s was started again at the remote system: waiting for job %s.",
            self.handle.describe(),
            continuing.shown_id,
        )
        handle = continuing.labelled(self.handle.data.get("label"))
        self.change_handle(self.task.hook.bound(handle), followed=True)

    def refresh_status(self, *, tries: int = 5) -> JobStatus:
        """What the callback said, where its word counts; else what the remote system says now."""
        askable = self.task.hook.can_ask(self.handle)
        own = self.callback.own_status(askable=askable) if self.callback else None
        if own is not None and (own.state is not JobState.RUNNING or not askable):
            return own
        if not askable:
            raise ConfigurationError(
                f"The remote system cannot be asked for the {self.handle.describe()}: only the callback of "
                "the task that started it tells of it."
            )
        for _ in range(MAX_MOVES):
            status = self.task.hook.status(self.handle, tries=tries)
            moved = with_status_url(self.handle, status)
            if moved == self.handle:
                break
            self.change_handle(moved)
            if status.state is not JobState.RUNNING:
                break
        return status

    @property
    def tags(self) -> dict[str, str]:
        """Of metrics about the job."""
        return {"system": self.handle.protocol, "connection": self.task.hook.conn_id}

    @property
    def facts(self) -> Mapping[str, Any]:
        """The job for a person; worked out once for each handle, which may change while it is waited for."""
        if self._facts is None or self._facts[0] != self.handle:
            self._facts = (self.handle, display.facts_of(self.task.hook, self.handle))
        return self._facts[1]

    def _display(self, *, push: bool = True) -> None:
        """Let Airflow's lists show the job; not again what they show already."""
        if self.handle != self._displayed:
            self._displayed = self.handle
            push = push and getattr(self.task, "do_xcom_push", True)
            display.show(self.context, self.facts, self.log, push=push)

    # -- settle -------------------------------------------------------------------------------------------

    def settle(self, status: JobStatus) -> Any:
        """The job has come to an end, or to where only a person can bring it on."""
        self._display()
        status = self.task.interpret(status)
        if status.state in (JobState.FAILED, JobState.CANCELLED):
            continuing = self.task.continued_by(self.handle)
            if continuing is not None:
                self.follow(continuing)
                return self._go_on(self.refresh_status())
        if status.state is JobState.BLOCKED and self.task.asks_when_blocked():
            self.memory.add(blocked=True)
            person.ask(self, status)
        if status.state.ended:
            self.task.before_end(self, status)
        if status.state is not JobState.SUCCEEDED:
            error = messages.error_for(self.handle, status, self.task.failure_hint(status))
            # A blocked job may go on, and one that must not be started twice must not be forgotten.
            if status.state.ended and self.task.may_start_again(status):
                raise self.forget(error)
            if not status.state.ended:
                self.memory.add(blocked=True)
            raise error
        self.succeeded = True
        self.active = None  # it has ended: a kill during the download must not cancel anything
        self.log.info(
            "The %s succeeded (%s) %s.",
            self.handle.describe(age=False),
            format_status(status),
            messages.how_it_went(self.record, time.time()),
        )
        try:
            value = self.task.process_result(self, status)
        except airflow_exceptions.AirflowSkipException:
            self.memory.add(done=True)
            raise
        # Not forgotten: should this try be killed before Airflow has noted its success, the next one goes on
        # with the job. Whoever clears the task afterwards wants a new job and gets one.
        self.memory.add(done=True)
        delete(self)
        return value

    def forget(self, error: E) -> E:
        """Let a retry start another job, as this one is over."""
        self.active = None
        self.memory.forget()
        return error

    def kill(self) -> None:
        """The task is being killed on its worker: cancel the remote job unless it has ended."""
        self.killed = True  # a job that is being started now is cancelled as soon as it is known
        if self.active is not None and self.task.cancel_on_kill:
            cancel(self, self.active)
