# SPDX-License-Identifier: Apache-2.0
"""
The way of a job through one try of a task: begin, wait, resume, settle, cancel.

A :class:`JobRun` holds what belongs to this try alone: Airflow's context, the task's memory, the record of
the job, and its parts (callback). What differs between remote systems it asks its task for, see
:class:`~airflow_async_provider._jobs.task.StartingTask`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from airflow_async_provider._jobs import airflow_exceptions, asking, display, messages
from airflow_async_provider._jobs.by_hand import settled_by_hand
from airflow_async_provider._jobs.callback import CallbackPart
from airflow_async_provider._jobs.ending import ends_here, prepare_end
from airflow_async_provider._jobs.last_of import LastOf
from airflow_async_provider._jobs.memory import Remembered, TaskMemory, clearings_of, digests_of, was_cleared
from airflow_async_provider._jobs.reattach import take_up
from airflow_async_provider._jobs.record import JobRecord
from airflow_async_provider._jobs.results.store_from import store_arguments, stored_by_triggerer
from airflow_async_provider._metrics import count
from airflow_async_provider._polling.loop import (
    HEARTBEAT_LOST,
    Outcome,
    result_in,
    watch,
    with_status_url,
)
from airflow_async_provider._polling.policy import Wait
from airflow_async_provider._polling.wait_log import format_status
from airflow_async_provider._settings import settle_seconds
from airflow_async_provider.errors import (
    AnswerTooLargeError,
    AsyncJobError,
    ConfigurationError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    RemoteError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._registry import protocol_of

if TYPE_CHECKING:
    from airflow_async_provider._callbacks.address import CallbackAddress
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._jobs.task import StartingTask, WatchingTask

E = TypeVar("E", bound=AsyncJobError)

#: While a worker lingers it polls more often than a trigger would: it is there for short jobs (seconds).
LINGER_INTERVAL = 1.0

#: How often in a row a status URL that moves is followed when the status is read.
MAX_MOVES = 5

#: A triggerer's count may run ahead of the worker's clock by so much (seconds).
CLOCK_TOLERANCE = 1.0

_runs: LastOf[JobRun] = LastOf()

#: What tasks of this process have deferred with, by task instance. A worker ends with the deferral and never
#: looks here; ``dag.test()`` and ``airflow dags test`` go on in the same process and bring the event only.
_deferred_here: dict[str, dict[str, Any]] = {}


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
        self._active: JobHandle | None = None
        #: Whether Airflow has told this task to end; its work goes on until that is over, or killed for good.
        self._killed = False
        #: What Airflow's lists show of the job.
        self._displayed: dict[str, Any] = {}
        _runs.put(task, self)

    @staticmethod
    def of(task: Any) -> JobRun | None:
        """The last run of a task object in this process."""
        return _runs.get(task)

    # -- begin --------------------------------------------------------------------------------------------

    def begin(self) -> Any:
        """Take up the job of an earlier try or start one, then wait for it."""
        with self._cancelled_at_timeout():
            existing = self.starting.existing_result(self)
            if existing is not None:
                return existing
            taken = take_up(self)
            if taken is None:
                return self._started(self._submit())
            if taken.status is None or taken.status.state is JobState.RUNNING:
                self._log_wait("Waiting for")
                return self.wait()
            return self.settle(taken.status)

    def watch(self, handle: JobHandle) -> Any:
        """Wait for a job that this task has not started, after one look at whether it has ended already."""
        with self._cancelled_at_timeout():
            self.adopt(handle)
            if self.task.cancel_on_kill:
                self.remember(self.handle)
            try:
                status = self.task.interpret(self.refresh_status(tries=1))
            except (TransientError, UnreadableAnswerError) as e:
                self.log.warning("The status of the %s could not be read yet: %s", handle.describe(), e)
                status = JobStatus(JobState.RUNNING)
            if status.state is not JobState.RUNNING:
                return self.settle(status)
            self._log_wait("Waiting for")
            return self.wait()

    def begin_without_waiting(self) -> JobHandle:
        """
        Start the job, or take up that of an earlier try, and wait for nothing.

        The memory is not cleared, so that a worker that dies before the handle is in XCom does no harm; a
        person who clears the task gets a new job all the same.
        """
        if self.memory.now.handle is not None and self.cleared is True:
            self.memory.forget()
        if take_up(self) is None:
            handle = self._submit().handle
            self.log.info("Submitted the %s; this task does not wait for it.", handle.describe(age=False))
        self._display()
        return self.handle

    @property
    def cleared(self) -> bool | None:
        """Whether a person has cleared the task since its memory was written; None when that is not known."""
        return was_cleared(self.memory.now, self.context)

    def restart(self, why: str) -> Any:
        """Start the job anew within the same try; counts in ``restarts``."""
        before = self.record
        self.log.warning("Starting the job again (restart %d): %s", before.restarts + 1, why)
        count("restarts", **self._tags)
        self.memory.forget()
        submitted = self._submit(restarts=before.restarts + 1)
        # One task, one clock: a restart gets what is left of the time.
        self._set(
            replace(
                self.record,
                started_at=before.started_at,
                deadline=before.deadline,
                polls=before.polls,
                failed_polls=before.failed_polls,
            )
        )
        return self._started(submitted)

    def adopt(self, handle: JobHandle, *, restarts: int = 0) -> None:
        """Make a job the one that this run is about."""
        handle, now = self.task.hook.bound(handle), time.time()
        self._set(
            JobRecord(
                handle=handle,
                started_at=handle.submitted_at or now,
                deadline=now + self.settings.timeout,
                restarts=restarts,
                submission=self.callback.submission if self.callback else "",
            )
        )

    def _set(self, record: JobRecord) -> None:
        self.record = record
        self.handle = self._active = record.handle

    def remember(self, handle: JobHandle | None = None, *, restarts: int = 0) -> None:
        """Note the intent to start the job, or the job."""
        hook = self.task.hook
        arguments: Mapping[str, Any] = getattr(self.task, "job_arguments", dict)()
        max_tries, clear_number = clearings_of(self.context)
        self.memory.save(
            Remembered(
                correlation_id=self.correlation_id,
                handle=handle,
                owner=self.memory.owner,
                restarts=restarts,
                conn_id=hook.conn_id,
                origin=hook.origin,
                arguments=digests_of(arguments),
                max_tries=max_tries,
                clear_number=clear_number,
            )
        )

    def _display(self, *, push: bool = True) -> None:
        """Let Airflow's lists show the job; not again what they show already."""
        facts = display.facts_of(self.task.hook, self.handle)
        if facts == self._displayed:
            return
        self._displayed = facts
        wanted = push and getattr(self.task, "do_xcom_push", True)
        display.show(self.context, facts, self.log, push=wanted)

    @property
    def _tags(self) -> dict[str, str]:
        """Of metrics about the job."""
        return {"system": self.handle.protocol, "connection": self.task.hook.conn_id}

    def labelled(self, handle: JobHandle) -> JobHandle:
        """A handle that says what the job is for a person."""
        label = self.starting.job_label()
        return replace(handle, data={**handle.data, "label": label}) if label else handle

    def _started(self, submitted: Submitted) -> Any:
        self._log_wait("Submitted")
        if submitted.status is not None and submitted.status.state is not JobState.RUNNING:
            return self.settle(submitted.status)
        return self.wait()

    def _submit(self, *, restarts: int = 0) -> Submitted:
        # The same intent on every try: where the remote can be searched by it, no job is started twice.
        before = self.memory.now
        doubtful = bool(before.correlation_id) and before.handle is None and self.cleared is not True
        self.correlation_id = before.correlation_id if doubtful else uuid.uuid4().hex
        _ = self.task.hook.origin  # a connection that is missing or wrong leaves no doubt about a job
        self.starting.check_destination(self)
        self.remember(restarts=restarts)
        try:
            self.callback_address = self.callback.register() if self.callback else None
            submitted = self.starting.start(self)
        except AsyncJobError as e:
            # Then the next try need not ask itself whether there is a job. What this error says nothing about
            # is a try before this one that died while it submitted.
            if messages.surely_not_started(e) and not doubtful:
                self.memory.forget()
            raise
        submitted = replace(submitted, handle=self.labelled(submitted.handle))
        self.adopt(submitted.handle, restarts=restarts)
        self.memory.save(replace(self.memory.now, handle=self.handle))
        if self._killed and (submitted.status is None or not submitted.status.state.ended):
            self._cancel_killed()
        return submitted

    # -- wait ---------------------------------------------------------------------------------------------

    def wait(self) -> Any:
        """Wait for the job: on the worker for as long as it lingers, then in the triggerer."""
        self._display()
        settings = self.settings
        if self.callback and (delivery := self.callback.wait_on_worker()):
            return self._resume(delivery.to_event())  # faster than the deferral, which it saves
        askable = self.task.hook.can_ask(self.handle)
        if not askable and not settings.deferrable:
            return self._resume({"state": "timeout"})
        if askable and (not settings.deferrable or settings.linger):
            outcome = self._watch_on_worker()
            if not settings.deferrable or outcome.state not in ("timeout", "error"):
                return self._resume(outcome.to_event(), outcome.status)
            self._note(outcome.to_event())
        return self._defer()

    def _watch_on_worker(self) -> Outcome:
        settings, record = self.settings, self.record
        until, policy = record.deadline, settings.policy
        if settings.deferrable:
            until = min(until, time.time() + settings.linger)
            policy = replace(policy, poll_interval=min(LINGER_INTERVAL, policy.poll_interval))
        wait = Wait(policy, until, record.handle.expires_at)
        asked = _CallbackFirst(self) if self.callback and self.callback.decides else self.task.hook
        outcome = watch(asked, record.handle, wait, self.log)
        count("polls", outcome.polls, **self._tags)
        if outcome.errors:
            count("polls_failed", outcome.errors, **self._tags)
        return outcome

    def _defer(self) -> NoReturn:
        from airflow_async_provider.triggers.async_job import AsyncJobTrigger

        record, now = self.record, time.time()
        arguments: dict[str, Any] = {
            "job": record.handle.to_dict(),
            "conn_id": self.task.hook.conn_id,
            "policy": self.settings.policy.to_dict(),
            "deadline": record.deadline,
            "deferred_at": now,
            "clock_trusted": record.clock_trusted,
            "settle": settle_seconds(),
            "cancel_on_kill": self.task.cancel_on_kill,
            **(self.callback.trigger_arguments() if self.callback else {}),
            **prepare_end(self),
            **store_arguments(self.task, callback=self.callback is not None and bool(record.submission)),
        }
        if self.settings.worker_poll_interval is not None:
            arguments["wake_after"] = self.settings.worker_poll_interval
        if instance_id := _instance_id(self.context):
            _deferred_here[instance_id] = record.to_dict()
        raise airflow_exceptions.TaskDeferred(
            trigger=AsyncJobTrigger(**arguments),
            method_name="execute_complete",
            kwargs={"run": record.to_dict()},
        )

    # -- resume -------------------------------------------------------------------------------------------

    def resume(self, event: Mapping[str, Any] | str | None, record: Mapping[str, Any] | None) -> Any:
        """
        Go on after the trigger or a callback: read the status, then settle or wait on.

        :param event: states and counters only; ``dag.test()`` brings "success" where the trigger has ended
            the task
        :param record: what the deferral carried along
        """
        record = record or _deferred_here.pop(_instance_id(self.context), None)
        if event is None or record is None:
            raise ValueError("execute_complete needs the trigger's event and the deferred run")
        if isinstance(event, str):
            event = {"state": JobState.SUCCEEDED.value}
        self._set(JobRecord.from_dict(record))
        ends_here(self)
        self._display(push=False)
        with self._cancelled_at_timeout():
            if asking.is_answer(event):
                asking.answered(self, event)
                self._change_handle(asking.waiting_on(self.handle))
                self.memory.add(blocked=False)
                event = {"state": "answered"}
            elif self.callback:
                self.callback.resumed(event)
            return self._resume(event, settled_by_hand(self, event))

    def refresh_status(self, *, tries: int = 5) -> JobStatus:
        """What the callback said, where its word counts; else what the remote system says now."""
        told = self._told()
        if told is not None and (told.state is not JobState.RUNNING or not self._can_ask()):
            return told
        if not self._can_ask():
            raise ConfigurationError(
                f"The remote system cannot be asked for the {self.handle.describe()}: only the callback of "
                "the task that started it tells of it."
            )
        for _ in range(MAX_MOVES):
            status = self.task.hook.status(self.handle, tries=tries)
            moved = with_status_url(self.handle, status)
            if moved == self.handle:
                break
            self._change_handle(moved)
            if status.state is not JobState.RUNNING:
                break
        return status

    def _can_ask(self) -> bool:
        return self.task.hook.can_ask(self.handle)

    def _told(self) -> JobStatus | None:
        """What the callback said of the job, where its own word counts."""
        if self.callback is None or not self.callback.decides:
            return None
        if not self.record.submission and self._can_ask():
            return None  # none was asked for, as there is no address for it
        told = self.callback.fetch_status()
        without_result = told.result is None or told.result.value is None
        if told.state is JobState.SUCCEEDED and without_result and protocol_of(self.handle).pollable:
            # The description says where the result is, and in which answer.
            return JobStatus(JobState.RUNNING, remote_status=told.remote_status)
        return told

    def _change_handle(self, handle: JobHandle, **facts: Any) -> None:
        self._set(replace(self.record, handle=handle, **facts))
        self.memory.add(handle=handle)

    def _note(self, event: Mapping[str, Any]) -> None:
        """Take over what a wait has brought: counters, and where to ask from now on."""
        self._set(
            replace(
                self.record,
                via=event.get("via", "poll"),
                polls=self.record.polls + event.get("polls", 0),
                failed_polls=self.record.failed_polls + event.get("errors", 0),
                last_delivery_at=event.get("received_at") or self.record.last_delivery_at,
                alive_at=event.get("alive_at", 0.0),
                silent_since=time.time() - event["silent_for"] if "silent_for" in event else 0.0,
            )
        )
        if url := event.get("status_url"):
            self._change_handle(replace(self.handle, status_url=url))

    def _resume(self, event: Mapping[str, Any], status: JobStatus | None = None) -> Any:
        self._note(event)
        reason = event.get("state")
        try:
            status = status or result_in(event) or self._stored_in(event) or self.refresh_status()
        except RemoteError as e:
            if self._is_late():
                raise self._timed_out(str(event.get("remote_status", ""))) from e
            if self._has_expired():
                raise self._unreachable(e) from e
            if self._failing_too_long():
                raise
            if isinstance(e, TransientError | UnreadableAnswerError) and reason != "error":
                self.log.warning(
                    "The status of the %s cannot be read just now: %s", self.handle.describe(), e
                )
                return self._wait_on(event)
            raise
        if self.record.failing_since:
            self._set(replace(self.record, failing_since=0.0))
        if status.state is JobState.RUNNING:
            return self._not_yet(status, event)
        return self.settle(status)

    def _stored_in(self, event: Mapping[str, Any]) -> JobStatus | None:
        """The success whose result the triggerer has stored; its URL may be gone by now."""
        self.stored = stored_by_triggerer(self.task, event)
        if self.stored is None:
            return None
        return JobStatus(JobState.SUCCEEDED, remote_status=str(event.get("remote_status", "")))

    def _failing_too_long(self) -> bool:
        """Whether a function of the DAG that asks for the job has failed for longer than is waited out."""
        if self.settings.worker_poll_interval is None:
            return False
        since = self.record.failing_since or time.time()
        self._set(replace(self.record, failing_since=since))
        return time.time() - since >= self.settings.policy.max_outage

    def _not_yet(self, status: JobStatus, event: Mapping[str, Any]) -> Any:
        reason = event.get("state")
        if self._is_late():
            raise self._timed_out(status.remote_status, unknown=status.unknown_words)
        if self._has_expired():
            raise self._unreachable(None)
        if reason == HEARTBEAT_LOST:
            raise self.heartbeat_lost(str(event.get("remote_status", "")))
        if reason == "error" and event.get("via") == "callback":
            self.log.warning(
                "The callback of the %s could not be taken: %s.",
                self.handle.describe(),
                event.get("remote_status"),
            )
        elif reason == "error" and event.get("error") != AnswerTooLargeError.__name__:
            raise messages.gave_up_error(self.handle, status, event, conn_id=self.task.hook.conn_id)
        else:
            self.log.info(
                "Resumed as %s, but the remote status is %s: waiting on.", reason, status.remote_status
            )
        return self._wait_on(event)

    def _wait_on(self, event: Mapping[str, Any]) -> Any:
        if event.get("error") == AnswerTooLargeError.__name__:
            self.log.warning(
                "The status answers of the %s are too large for the triggerer (max_status_bytes of the "
                "connection): this worker polls from now on.",
                self.handle.describe(),
            )
            self.settings = replace(self.settings, deferrable=False)
        if event.get("state") in ("timeout", "expired"):
            # By this worker's clock there is time left: the triggerer's runs ahead.
            self._set(replace(self.record, clock_trusted=False))
        return self.wait()

    def _is_late(self) -> bool:
        return time.time() >= self.record.deadline - CLOCK_TOLERANCE

    def _has_expired(self) -> bool:
        expires_at = self.handle.expires_at
        return expires_at is not None and time.time() >= expires_at - CLOCK_TOLERANCE

    # -- settle -------------------------------------------------------------------------------------------

    def settle(self, status: JobStatus) -> Any:
        """The job has come to an end, or to where only a person can bring it on."""
        status = self.task.interpret(status)
        self._display()
        if status.state in (JobState.FAILED, JobState.CANCELLED):
            continuing = self.task.continued_by(self.handle)
            if continuing is not None:
                return self._follow(continuing)
        if status.state is JobState.BLOCKED and self.task.asks_when_blocked():
            self.memory.add(blocked=True)
            asking.ask(self, status)
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
        self._active = None  # it has ended: a kill during the download must not cancel anything
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
        self._delete()
        return value

    def _delete(self) -> None:
        """Remove the job at the remote system where that is wanted, now that its result is safe."""
        handle = self.handle
        if protocol_of(handle).delete(handle) is None or not self._is_ours(handle):
            return
        try:
            deletion = self.task.hook.delete(handle)
            if not deletion:
                self.log.warning("The %s was not deleted: %s", handle.describe(), deletion)
        except AsyncJobError as e:
            self.log.warning("Deleting the %s failed: %s", handle.describe(), e)

    def forget(self, error: E) -> E:
        """Let a retry start another job, as this one is over."""
        self._active = None
        self.memory.forget()
        return error

    def follow(self, continuing: JobHandle) -> None:
        """Make the job that continues another one the one that this run is about."""
        self.log.info(
            "The %s was started again at the remote system: waiting for job %s.",
            self.handle.describe(),
            continuing.shown_id,
        )
        label = {k: v for k, v in self.handle.data.items() if k == "label"}
        handle = replace(continuing, data={**continuing.data, **label})
        self._change_handle(self.task.hook.bound(handle), followed=True)

    def _follow(self, continuing: JobHandle) -> Any:
        self.follow(continuing)
        status = self.refresh_status()
        return self.wait() if status.state is JobState.RUNNING else self.settle(status)

    def _timed_out(self, remote_status: str, *, unknown: Sequence[str] = ()) -> JobError:
        hint = self.task.timeout_hint(self)
        cancelled = self.task.cancel_on_kill and self.cancel(self.handle)
        error = messages.timeout_error(
            self.handle,
            remote_status,
            self.settings.timeout,
            cancelled=cancelled,
            hint=hint,
            unknown=unknown,
        )
        return self.forget(error) if cancelled else error

    def heartbeat_lost(self, last_words: str) -> JobError:
        """The error of a job that has given no sign of life for too long; it is cancelled like a late one."""
        cancelled = self.task.cancel_on_kill and self.cancel(self.handle)
        error = messages.heartbeat_error(self.handle, last_words, cancelled=cancelled)
        return self.forget(error) if cancelled else error

    def _unreachable(self, cause: RemoteError | None) -> JobError:
        why = f" The last poll failed: {cause}" if cause else ""
        error = JobExpiredError(
            f"The status of the {self.handle.describe()} can no longer be read: its status URL has "
            f"expired.{why}",
            job=self.handle.shown_id,
            state=JobState.EXPIRED.value,
        )
        return self.forget(error) if self.task.may_start_again(JobStatus(JobState.EXPIRED)) else error

    # -- cancel -------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """The task is being killed on its worker: cancel the remote job unless it has ended."""
        self._killed = True  # a job that is being started now is cancelled as soon as it is known
        if self._active is not None and self.task.cancel_on_kill:
            self.cancel(self._active)

    def can_cancel(self, handle: JobHandle) -> bool:
        """Whether the task may and the remote system can cancel a job."""
        return self.task.cancel_on_kill and self.task.hook.can_cancel(handle)

    def cancel(self, handle: JobHandle) -> bool:
        """Cancel a job at the remote system, if it is still this try's; tells in the log how that went."""
        if not self._is_ours(handle):
            return False
        try:
            cancellation = self.task.hook.cancel(handle)
            if cancellation:
                self.log.info("Cancelled the %s at the remote system.", handle.describe())
                return True
            self.log.info(
                "The %s was not cancelled at the remote system: %s", handle.describe(), cancellation
            )
        except AsyncJobError as e:
            self.log.warning("Cancelling the %s failed: %s", handle.describe(), e)
        return False

    def _is_ours(self, handle: JobHandle) -> bool:
        """Whether the job is still this try's: where Airflow has given it up, the next may be at it."""
        if self.memory.still_ours():
            return True
        self.log.warning(
            "The %s is left alone: this try is not known to be the task's any more, and the next one may "
            "already wait for it.",
            handle.describe(),
        )
        return False

    def _cancel_killed(self) -> None:
        """
        Cancel a job whose task was killed while it was being started: that could not be done at that moment.

        :raises JobCancelledError: so it was
        """
        if not self.task.cancel_on_kill:
            return
        if self.cancel(self.handle):
            self.memory.forget()
            fate = "It was cancelled at the remote system."
        else:
            fate = "It could not be cancelled; a retry of this task goes on with it."
        raise JobCancelledError(
            f"The task was killed while it started the {self.handle.describe(age=False)}. {fate}",
            job=self.handle.shown_id,
            state=JobState.CANCELLED.value,
        )

    @contextmanager
    def _cancelled_at_timeout(self) -> Iterator[None]:
        """
        Cancel and forget the job when Airflow's ``execution_timeout`` strikes.

        A remote system may take its time to cancel. A retry that remembered the job would wait for that end,
        and fail because of it.
        """
        try:
            yield
        except airflow_exceptions.AirflowTaskTimeout:
            handle = self._active
            if handle is not None and self.task.cancel_on_kill and self.cancel(handle):
                self._active = None
                self.memory.forget()
            raise

    # -- in words -----------------------------------------------------------------------------------------

    def _log_wait(self, verb: str) -> None:
        """The lines at the beginning of a wait: until when, which job, and how its end will be noticed."""
        self.log.info(
            "Deadline %s. %s the %s.",
            time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.record.deadline)),
            verb,
            self.handle.describe(age=verb != "Submitted"),
        )
        self.log.info(
            "%s",
            messages.describe_polling(
                self.settings,
                self.callback.policy if self.callback and self.record.submission else None,
                pollable=protocol_of(self.handle).pollable,
            ),
        )


class _CallbackFirst:
    """Whom a worker asks that waits itself, where the callback's own word counts."""

    def __init__(self, run: JobRun) -> None:
        self._run = run

    @property
    def min_poll_interval(self) -> float:
        """The hook's."""
        return self._run.task.hook.min_poll_interval

    def status(self, job: JobHandle, *, tries: int = 5) -> JobStatus:
        """What the callback said, else what the remote system says."""
        return self._run.refresh_status(tries=tries)


def _instance_id(context: Mapping[str, Any]) -> str:
    return str(getattr(context.get("ti"), "id", ""))
