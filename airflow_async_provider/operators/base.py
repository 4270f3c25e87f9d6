# SPDX-License-Identifier: Apache-2.0
"""The way of a job through an operator: reattach or submit, wait, read the truth, finish."""

from __future__ import annotations

import time
import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_async_provider.errors import (
    AsyncJobError,
    JobError,
    JobExpiredError,
    RemoteError,
    RequestRefusedError,
    SubmitUnknownError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.hooks.base import AsyncApiHook
from airflow_async_provider.hooks.waiting import moved, watch
from airflow_async_provider.operators.durable import Durable
from airflow_async_provider.operators.outcome import (
    describe,
    error_for,
    seconds,
    surely_not_started,
    timeout_error,
)
from airflow_async_provider.policy import PollPolicy, Wait
from airflow_async_provider.protocols.base import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols.registry import protocol_of
from airflow_async_provider.settings import settle_seconds

if TYPE_CHECKING:
    from airflow.sdk import Context

#: While a worker lingers it asks more often than a trigger would: it is there for short jobs (seconds).
LINGER_INTERVAL = 1.0

#: How often in a row a monitor's "ask there" is followed when the truth is read.
MOST_MOVES = 5

#: What tasks of this process have deferred with, by task instance. A worker ends with the deferral and never
#: looks here; ``dag.test()`` and ``airflow dags test`` go on in the same process and bring the event only.
_deferred_here: dict[str, dict[str, Any]] = {}


class AsyncJobOperator(BaseOperator):
    """
    Base of the operators that start a remote job and wait for it.

    :param poll_interval: pause between the first questions (seconds or timedelta)
    :param max_poll_interval: longest pause between questions (seconds or timedelta)
    :param timeout: deadline from submission to the job's end (seconds or timedelta), apart from Airflow's
        ``execution_timeout``, which does not run while a task is deferred. A retry gets the whole time anew.
    :param max_consecutive_errors: failed questions in a row until the wait is given up
    :param deferrable: wait in the triggerer (default); False keeps the worker for the whole wait
    :param linger: seconds that the worker itself watches before it defers, so that a short job never pays
        for the round trip through the triggerer
    :param cancel_on_kill: cancel the remote job, where that can be done, when the task is killed, cleared or
        marked while it waits, and when the deadline passes. While deferred this needs Airflow 3.3.
    :param reattach: on a retry, go on with the job of the try before instead of starting another (needs
        Airflow 3.3, except where the remote can find jobs by our correlation id)
    """

    template_fields: Sequence[str] = ("conn_id",)
    ui_color = "#d9ecf7"

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        poll_interval: float | timedelta = 10.0,
        max_poll_interval: float | timedelta = 60.0,
        timeout: float | timedelta = 24 * 3600.0,
        max_consecutive_errors: int = 10,
        deferrable: bool = True,
        linger: float | timedelta = 0.0,
        cancel_on_kill: bool = True,
        reattach: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.poll_interval = seconds(poll_interval, "poll_interval")
        self.max_poll_interval = max(seconds(max_poll_interval, "max_poll_interval"), self.poll_interval)
        self.timeout = seconds(timeout, "timeout")
        self.max_consecutive_errors = max_consecutive_errors
        self.deferrable = deferrable
        self.linger = seconds(linger, "linger")
        self.cancel_on_kill = cancel_on_kill
        self.reattach = reattach
        #: Whether the remote was given an address to call.
        self.callback_expected = False
        self._active: JobHandle | None = None
        self._policy()  # a pace that makes no sense is told when the DAG is parsed, not after a submission

    # -- what a remote API adds ---------------------------------------------------------------------------

    @cached_property
    def hook(self) -> AsyncApiHook:
        """The hook; used on the worker only."""
        raise NotImplementedError

    @abstractmethod
    def submit(self, context: Context, correlation_id: str) -> Submitted:
        """
        Start the job.

        :param correlation_id: our own name for it, the same on every try until the job is known
        """

    def finish(self, context: Context, run: Mapping[str, Any], status: JobStatus) -> Any:
        """
        Turn a succeeded job into the task's return value; here its handle.

        :param run: ``job`` (handle), ``restarts``, ``started_at``, and of the wait ``via``, ``polls``
        """
        return dict(run["job"])

    def find_submitted(self, correlation_id: str) -> JobHandle | None:
        """
        Look for the job of a try that died between submitting and noting the handle.

        :raises SubmitUnknownError: the remote cannot tell and a second submission would do harm
        """
        return None

    def may_resubmit(self, status: JobStatus) -> bool:
        """Whether a retry may start a new job after the old one ended like this."""
        return True

    def truth(self, context: Context, handle: JobHandle, event: Mapping[str, Any]) -> JobStatus:
        """What the remote says now; the event that woke the task is only a hint."""
        for _ in range(MOST_MOVES):
            status = self.hook.status(handle)
            if status.state is not JobState.RUNNING or moved(handle, status) == handle:
                break
            handle = moved(handle, status)
        return status

    def look_again(self, context: Context, handle: JobHandle, saved: Mapping[str, Any]) -> JobStatus:
        """
        The state of a job that an earlier try started.

        :param saved: what that try left, see ``operators.durable``
        """
        return self.truth(context, handle, {})

    def announce(self, context: Context, durable: Durable) -> None:
        """Before a submission: prepare a callback, for the remotes that send one."""

    def announce_again(self, context: Context, durable: Durable) -> None:
        """After reattaching: a new try has cleared what the receiver knew of the callback."""

    def callback_lost(self, handle: JobHandle, event: Mapping[str, Any]) -> None:
        """A callback came that could not be taken, and the job is still running: polls go on."""
        self.log.warning(
            "The callback of the %s could not be taken: %s.", describe(handle), event.get("native")
        )

    def trigger_arguments(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Further arguments of the trigger."""
        return {}

    def interpret(self, status: JobStatus) -> JobStatus:
        """Let an operator's arguments decide what a state means for its task (Automic's "did not run")."""
        return status

    # -- the way of a job ---------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Reattach or submit, then wait."""
        durable = Durable(context, self.log)
        found = self._reattach(context, durable)
        if found is None:
            return self._start(context, durable)
        run, status = found
        if status is None or status.state is JobState.RUNNING:
            return self._watch(context, run)
        return self._settle(context, run, status)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, run: Mapping[str, Any] | None = None
    ) -> Any:
        """
        Go on after the trigger or a callback: read the truth, then finish, fail or wait on.

        :param event: states and counters only
        :param run: what the deferral carried along
        """
        run = run or _deferred_here.pop(_instance_id(context), None)
        if event is None or run is None:
            raise ValueError("execute_complete needs the trigger's event and the deferred run")
        return self._complete(context, run, event)

    def submit_only(self, context: Context) -> dict[str, Any]:
        """
        Submit, or take the job of an earlier try, and return its handle without waiting.

        The memory is not cleared, so that a worker that dies before the handle is in XCom does no harm; a
        person who clears the task gets a new job all the same.
        """
        durable = Durable(context, self.log)
        saved = durable.load()
        if "job" in saved and saved.get("max_tries") != _max_tries(context):
            durable.clear()
        found = self._reattach(context, durable)
        if found is not None:
            return dict(found[0]["job"])
        return self._submit(context, durable).handle.to_dict()

    def restart(self, context: Context, run: Mapping[str, Any], why: str) -> Any:
        """Start the job anew within the same try; counts in ``restarts``."""
        self.log.warning("Starting the job again (restart %d): %s", run["restarts"] + 1, why)
        durable = Durable(context, self.log)
        durable.clear()
        return self._start(context, durable, before=run)

    def on_kill(self) -> None:
        """The task is being killed on its worker: cancel the remote job unless it has ended."""
        handle = self._active
        if handle is None or not self.cancel_on_kill:
            return
        self._cancel(handle)

    def _reattach(self, context: Context, durable: Durable) -> tuple[dict[str, Any], JobStatus | None] | None:
        saved = durable.load() if self.reattach else {}
        if "job" in saved:
            handle = JobHandle.from_dict(saved["job"])
            cleared = saved.get("max_tries") != _max_tries(context)
            if cleared and not self._is_ours(handle):
                self.log.info(
                    "The %s of an earlier try was started by other arguments, and a person has cleared the "
                    "task since: a new one is started.",
                    describe(handle),
                )
                durable.clear()
                return None
            status = self.interpret(self._still_known(context, handle, saved))
            if cleared and not status.state.ended and self._can_cancel(handle):
                # Clearing cancels; the trigger may not have come to it, or the remote takes its time.
                self.log.info("A person has cleared this task: a new job is started.")
                self._cancel(handle)
                durable.clear()
                return None
            if status.state in (JobState.RUNNING, JobState.BLOCKED, JobState.SUCCEEDED):
                self.log.info(
                    "Reattached to the %s that an earlier try started; state %r.",
                    describe(handle),
                    status.native,
                )
                self.announce_again(context, durable)
                return self._run_of(handle, restarts=saved.get("restarts", 0)), status
            if not self.may_resubmit(status):
                raise error_for(handle, status)
            self.log.info("The %s of an earlier try ended as %r.", describe(handle), status.native)
        elif "intent" in saved:
            found = self._find(context, saved)
            if found is not None:
                handle = self._labelled(found)
                durable.save_job(handle.to_dict(), max_tries=_max_tries(context), restarts=0)
                self.log.info("Found the %s that an earlier try started.", describe(handle))
                self.announce_again(context, durable)
                return self._run_of(handle), None
        return None

    def _still_known(self, context: Context, handle: JobHandle, saved: Mapping[str, Any]) -> JobStatus:
        try:
            return self.look_again(context, handle, saved)
        except RequestRefusedError as e:
            if e.http_status not in (404, 410):
                raise
            return JobStatus(
                JobState.EXPIRED, native=str(e.http_status), message="the remote no longer knows the job"
            )

    def _can_cancel(self, handle: JobHandle) -> bool:
        return self.cancel_on_kill and protocol_of(handle).cancel(handle) is not None

    def _is_ours(self, handle: JobHandle) -> bool:
        """Whether this task, as its arguments are now, would start such a job."""
        return str(handle.data.get("label", "")) == self.job_label()

    def _find(self, context: Context, saved: Mapping[str, Any]) -> JobHandle | None:
        try:
            return self.find_submitted(saved["intent"])
        except SubmitUnknownError:
            if saved.get("max_tries") == _max_tries(context):
                raise
            self.log.warning(
                "An earlier try may have started a job that nobody can find; a person has cleared the task "
                "since, so a new one is started."
            )
            return None

    def _start(self, context: Context, durable: Durable, *, before: Mapping[str, Any] | None = None) -> Any:
        restarts = before["restarts"] + 1 if before else 0
        submitted = self._submit(context, durable, restarts=restarts)
        handle = self._active = submitted.handle
        run = self._run_of(handle, restarts=restarts)
        if before:  # one task, one clock: a restart gets what is left of the time
            run.update(started_at=before["started_at"], deadline=before["deadline"], polls=before["polls"])
        self.log.info(
            "Submitted the %s; deadline %s; waiting %s.",
            describe(handle),
            time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run["deadline"])),
            "in the triggerer" if self.deferrable else "on this worker",
        )
        if submitted.status is not None and submitted.status.state is not JobState.RUNNING:
            return self._settle(context, run, submitted.status)
        return self._watch(context, run)

    def _submit(self, context: Context, durable: Durable, *, restarts: int = 0) -> Submitted:
        # The same intent on every try: where the remote can be searched by it, no job is started twice.
        correlation_id = durable.load().get("intent") or uuid.uuid4().hex
        facts = {"max_tries": _max_tries(context), "restarts": restarts}
        durable.save(intent=correlation_id, **facts)
        self.announce(context, durable)
        try:
            submitted = self.submit(context, correlation_id)
        except AsyncJobError as e:
            if surely_not_started(e):  # so the next try need not ask itself whether there is a job
                durable.clear()
            raise
        submitted = replace(submitted, handle=self._labelled(submitted.handle))
        durable.save_job(submitted.handle.to_dict(), **facts)
        return submitted

    def _watch(self, context: Context, run: dict[str, Any]) -> Any:
        handle = self._active = JobHandle.from_dict(run["job"])
        policy = self._policy()
        if not self.deferrable or self.linger:
            until = run["deadline"]
            if self.deferrable:
                until = min(until, time.time() + self.linger)
                policy = replace(policy, poll_interval=min(LINGER_INTERVAL, self.poll_interval))
            outcome = watch(self.hook, handle, Wait(policy, until, handle.expires_at), self.log)
            if not self.deferrable or outcome.state not in ("timeout", "error"):
                return self._complete(context, run, outcome.to_event(), outcome.status)
        from airflow_async_provider.triggers.async_job import AsyncJobTrigger

        arguments: dict[str, Any] = {
            "job": handle.to_dict(),
            "conn_id": self.hook.conn_id,
            "policy": self._policy().to_dict(),
            "deadline": run["deadline"],
            "deferred_at": time.time(),
            "settle": settle_seconds(),
            "cancel_on_kill": self.cancel_on_kill,
            **self.trigger_arguments(run),
        }
        _deferred_here[_instance_id(context)] = run
        self.defer(trigger=AsyncJobTrigger(**arguments), method_name="execute_complete", kwargs={"run": run})
        raise AssertionError("unreachable")  # pragma: no cover - defer raises

    def _complete(
        self,
        context: Context,
        run: Mapping[str, Any],
        event: Mapping[str, Any],
        status: JobStatus | None = None,
    ) -> Any:
        handle = self._active = JobHandle.from_dict(run["job"])
        run = {
            **run,
            "via": event.get("via", "poll"),
            "polls": run["polls"] + event.get("polls", 0),
            "letter_seen": event.get("received_at") or run.get("letter_seen", 0.0),
        }
        try:
            status = status or self.truth(context, handle, event)
        except RemoteError as e:
            if event.get("state") == "timeout":
                raise self._timed_out(context, handle, str(event.get("native", ""))) from e
            if event.get("state") == "expired":
                raise self._unreachable(context, handle, e) from e
            trouble = isinstance(e, TransientError | UnreadableAnswerError)
            if trouble and event.get("state") != "error" and time.time() < run["deadline"]:
                self.log.warning("The remote gives no answer about the %s just now: %s", describe(handle), e)
                return self._watch(context, run)
            raise
        if status.state is JobState.RUNNING:
            return self._not_yet(context, run, handle, status, event)
        return self._settle(context, run, status)

    def _not_yet(
        self,
        context: Context,
        run: dict[str, Any],
        handle: JobHandle,
        status: JobStatus,
        event: Mapping[str, Any],
    ) -> Any:
        why = event.get("state")
        if why == "timeout" or time.time() >= run["deadline"]:
            raise self._timed_out(context, handle, status.native)
        if why == "expired":
            raise self._unreachable(context, handle, None)
        if why == "error" and event.get("via") == "callback":
            self.callback_lost(handle, event)
        elif why == "error":
            raise TransientError(
                f"Watching the {describe(handle)} was given up after {event.get('polls')} questions, "
                f"{event.get('errors')} of them failed (last: {event.get('error')}, HTTP "
                f"{event.get('http_status')}). It is still {status.native!r} at the remote; a retry of this "
                "task goes on with it.",
                job=handle.job_id,
            )
        self.log.info("Woken as %s, but the remote still says %s: waiting on.", why, status.native)
        return self._watch(context, run)

    def _settle(self, context: Context, run: dict[str, Any], status: JobStatus) -> Any:
        """The job has come to an end, or to where only a person can bring it on."""
        handle = JobHandle.from_dict(run["job"])
        status = self.interpret(status)
        if status.state is not JobState.SUCCEEDED:
            error = error_for(handle, status)
            # A blocked job may go on, and one that must not be started twice must not be forgotten.
            if status.state.ended and self.may_resubmit(status):
                raise self._forget(context, error)
            raise error
        self._active = None  # it has ended: a kill during the download must not cancel anything
        value = self.finish(context, run, status)
        # Whoever clears this task after its success wants a new job, not the old one's result.
        Durable(context, self.log).clear()
        return value

    def _timed_out(self, context: Context, handle: JobHandle, native: str) -> JobError:
        cancelled = self.cancel_on_kill and self._cancel(handle)
        error = timeout_error(handle, native, self.timeout, cancelled=cancelled)
        return self._forget(context, error) if cancelled else error

    def _forget(self, context: Context, error: JobError) -> JobError:
        """Let a retry start another job, as this one is over."""
        self._active = None
        Durable(context, self.log).clear()
        return error

    def _unreachable(self, context: Context, handle: JobHandle, cause: RemoteError | None) -> JobError:
        said = f" The last question ended with: {cause}" if cause else ""
        error = JobExpiredError(
            f"The status of the {describe(handle)} can no longer be asked for: its status URL has "
            f"expired.{said}",
            job=handle.job_id,
            state=JobState.EXPIRED.value,
        )
        lost = JobStatus(JobState.EXPIRED)
        return self._forget(context, error) if self.may_resubmit(lost) else error

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

    def _policy(self) -> PollPolicy:
        return PollPolicy(
            poll_interval=self.poll_interval,
            max_poll_interval=self.max_poll_interval,
            max_consecutive_errors=self.max_consecutive_errors,
        )

    def _run_of(self, handle: JobHandle, *, restarts: int = 0) -> dict[str, Any]:
        now = time.time()
        return {
            "version": 1,
            "job": handle.to_dict(),
            "restarts": restarts,
            "started_at": handle.submitted_at or now,
            "deadline": now + self.timeout,
            "via": "poll",
            "polls": 0,
            "callback": self.callback_expected,
            "letter_seen": 0.0,
        }

    def job_label(self) -> str:
        """What the job is for a person: an endpoint, an object name."""
        return ""

    def _labelled(self, handle: JobHandle) -> JobHandle:
        label = self.job_label()
        return replace(handle, data={**handle.data, "label": label}) if label else handle


def _instance_id(context: Mapping[str, Any]) -> str:
    return str(getattr(context.get("ti"), "id", ""))


def _max_tries(context: Mapping[str, Any]) -> int | None:
    # Clearing a task raises max_tries, a retry does not: that tells a person's wish from Airflow's.
    return getattr(context.get("ti"), "max_tries", None)
