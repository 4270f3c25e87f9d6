# SPDX-License-Identifier: Apache-2.0
"""The way of a job through an operator: submitted or taken up, waited for, read once more, finished."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_async_provider._jobs.memory import Durable
from airflow_async_provider._jobs.messages import describe, error_for, seconds, timeout_error
from airflow_async_provider._jobs.submission import SubmittingOperator
from airflow_async_provider._polling.loop import said, spoken, spoken_range, watch
from airflow_async_provider._polling.policy import PollPolicy, Wait
from airflow_async_provider._settings import settle_seconds
from airflow_async_provider.errors import (
    JobError,
    JobExpiredError,
    RemoteError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

if TYPE_CHECKING:
    from airflow.sdk import Context

#: While a worker lingers it asks more often than a trigger would: it is there for short jobs (seconds).
LINGER_INTERVAL = 1.0

#: What tasks of this process have deferred with, by task instance. A worker ends with the deferral and never
#: looks here; ``dag.test()`` and ``airflow dags test`` go on in the same process and bring the event only.
_deferred_here: dict[str, dict[str, Any]] = {}


class AsyncJobOperator(SubmittingOperator):
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

    ui_color = "#d9ecf7"

    def __init__(
        self,
        *,
        poll_interval: float | timedelta = 10.0,
        max_poll_interval: float | timedelta = 60.0,
        max_consecutive_errors: int = 10,
        deferrable: bool = True,
        linger: float | timedelta = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.poll_interval = seconds(poll_interval, "poll_interval")
        self.max_poll_interval = max(seconds(max_poll_interval, "max_poll_interval"), self.poll_interval)
        self.max_consecutive_errors = max_consecutive_errors
        self.deferrable = deferrable
        self.linger = seconds(linger, "linger")
        self._policy()  # a pace that makes no sense is told when the DAG is parsed, not after a submission

    # -- what a remote API adds ---------------------------------------------------------------------------

    def finish(self, context: Context, run: Mapping[str, Any], status: JobStatus) -> Any:
        """
        Turn a succeeded job into the task's return value; here its handle.

        :param run: ``job`` (handle), ``restarts``, ``started_at``, and of the wait ``via``, ``polls``
        """
        return dict(run["job"])

    def callback_lost(self, handle: JobHandle, event: Mapping[str, Any]) -> None:
        """A callback came that could not be taken, and the job is still running: polls go on."""
        self.log.warning(
            "The callback of the %s could not be taken: %s.", describe(handle), event.get("remote_status")
        )

    def pace(self, run: Mapping[str, Any]) -> str:
        """How the end of the job will be noticed, in words."""
        every = spoken_range(self.poll_interval, self.max_poll_interval)
        if not self.deferrable:
            return f"This worker waits and asks every {every}."
        first = f"This worker asks for {spoken(self.linger)} first. " if self.linger else ""
        return f"{first}The triggerer asks every {every}."

    def advice(self, status: JobStatus) -> str:
        """What the reader of the task log can do after a bad end."""
        if not status.state.ended:
            return "Resolve it at the remote; a retry of this task, or clearing it, goes on with it."
        if self.may_resubmit(status):
            return "A retry of this task starts another one."
        return "Once you know that it may run again, clear the task with reattach=False."

    def tell(self, verb: str, run: Mapping[str, Any]) -> None:
        """The line at the beginning of a wait: which job, until when, and how its end will be noticed."""
        self.log.info(
            "%s the %s; deadline %s. %s",
            verb,
            describe(JobHandle.from_dict(run["job"]), age=verb != "Submitted"),
            time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run["deadline"])),
            self.pace(run),
        )

    def trigger_arguments(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Further arguments of the trigger."""
        return {}

    # -- the way of a job ---------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Reattach or submit, then wait."""
        durable = Durable(context, self.log)
        with self._forgotten_at_timeout(durable):
            found = self._reattach(context, durable)
            if found is None:
                return self._start(context, durable)
            run, status = found
            if status is None or status.state is JobState.RUNNING:
                self.tell("Waiting for", run)
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
        with self._forgotten_at_timeout(Durable(context, self.log)):
            return self._complete(context, run, event)

    def restart(self, context: Context, run: Mapping[str, Any], why: str) -> Any:
        """Start the job anew within the same try; counts in ``restarts``."""
        self.log.warning("Starting the job again (restart %d): %s", run["restarts"] + 1, why)
        durable = Durable(context, self.log)
        durable.clear()
        return self._start(context, durable, before=run)

    def _start(self, context: Context, durable: Durable, *, before: Mapping[str, Any] | None = None) -> Any:
        restarts = before["restarts"] + 1 if before else 0
        submitted = self._submit(context, durable, restarts=restarts)
        handle = self._active = submitted.handle
        self._unless_killed(durable, submitted)
        run = self._run_of(handle, restarts=restarts)
        if before:  # one task, one clock: a restart gets what is left of the time
            run.update(started_at=before["started_at"], deadline=before["deadline"], polls=before["polls"])
        self.tell("Submitted", run)
        if submitted.status is not None and submitted.status.state is not JobState.RUNNING:
            return self._settle(context, run, submitted.status)
        return self._watch(context, run)

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
            "last_delivery_at": event.get("received_at") or run.get("last_delivery_at", 0.0),
        }
        try:
            status = status or self.truth(context, handle, event)
        except RemoteError as e:
            if event.get("state") == "timeout":
                raise self._timed_out(context, handle, str(event.get("remote_status", ""))) from e
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
            raise self._timed_out(context, handle, status.remote_status)
        if why == "expired":
            raise self._unreachable(context, handle, None)
        if why == "error" and event.get("via") == "callback":
            self.callback_lost(handle, event)
        elif why == "error":
            raise TransientError(
                f"Watching the {describe(handle)} was given up after {event.get('polls')} questions, "
                f"{event.get('errors')} of them failed (last: {event.get('error')}, HTTP "
                f"{event.get('http_status')}; connection {self.hook.conn_id!r}). It is still "
                f"{status.remote_status!r} at the remote; a retry of this task goes on with it.",
                job=handle.job_id,
            )
        self.log.info("Woken as %s, but the remote still says %s: waiting on.", why, status.remote_status)
        return self._watch(context, run)

    def _settle(self, context: Context, run: dict[str, Any], status: JobStatus) -> Any:
        """The job has come to an end, or to where only a person can bring it on."""
        handle = JobHandle.from_dict(run["job"])
        status = self.interpret(status)
        if status.state is not JobState.SUCCEEDED:
            error = error_for(handle, status, self.advice(status))
            # A blocked job may go on, and one that must not be started twice must not be forgotten.
            if status.state.ended and self.may_resubmit(status):
                raise self._forget(context, error)
            if not status.state.ended:
                Durable(context, self.log).blocked()
            raise error
        self._active = None  # it has ended: a kill during the download must not cancel anything
        self.log.info("The %s has ended (%s), %s.", describe(handle), said(status), _how_known(run))
        value = self.finish(context, run, status)
        Durable(context, self.log).done()
        return value

    def _timed_out(self, context: Context, handle: JobHandle, remote_status: str) -> JobError:
        cancelled = self.cancel_on_kill and self._cancel(handle)
        error = timeout_error(handle, remote_status, self.timeout, cancelled=cancelled)
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

    def _policy(self) -> PollPolicy:
        return PollPolicy(
            poll_interval=self.poll_interval,
            max_poll_interval=self.max_poll_interval,
            max_consecutive_errors=self.max_consecutive_errors,
        )


def _how_known(run: Mapping[str, Any]) -> str:
    polls = run["polls"]
    asked = "asked once" if polls == 1 else f"asked {polls} times"
    if run["via"] == "callback":
        return f"as its callback said ({asked} meanwhile)" if polls else "as its callback said"
    return f"which was {asked}" if polls else "which was known at once"


def _instance_id(context: Mapping[str, Any]) -> str:
    return str(getattr(context.get("ti"), "id", ""))
