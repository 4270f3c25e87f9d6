# SPDX-License-Identifier: Apache-2.0
"""
How a task comes to its job: it submits one, or takes up the one of an earlier try.

The first half of the way of a job; waiting and finishing are the second, in ``_jobs.run``.
"""

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

from airflow_async_provider._jobs.arguments import digest_of
from airflow_async_provider._jobs.cancelling import CancelsJob
from airflow_async_provider._jobs.memory import Durable, max_tries_of
from airflow_async_provider._jobs.messages import describe, error_for, seconds, surely_not_started
from airflow_async_provider._jobs.tracebacks import PlainErrors
from airflow_async_provider._polling.loop import moved
from airflow_async_provider.errors import AsyncJobError, RequestRefusedError, SubmitUnknownError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted

if TYPE_CHECKING:
    from airflow.sdk import Context

#: How often in a row a monitor's "ask there" is followed when the truth is read.
MAX_MOVES = 5

#: Template fields that tell where a job is started, who is told of its end and where its result goes, but not
#: what the job is.
NOT_OF_THE_JOB = frozenset({"conn_id", "http_conn_id", "aws_conn_id", "callback_base_url", "destination"})


class SubmittingOperator(CancelsJob, PlainErrors, BaseOperator):
    """
    Submits a job, once: a retry finds what an earlier try has started.

    :param conn_id: Airflow connection of the remote
    :param timeout: deadline from submission to the job's end (seconds or timedelta)
    :param cancel_on_kill: cancel the remote job, where that can be done, when nobody waits for it any more
    :param reattach: on a retry, go on with the job of the try before instead of starting another
    """

    template_fields: Sequence[str] = ("conn_id",)

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        timeout: float | timedelta = 24 * 3600.0,
        cancel_on_kill: bool = True,
        reattach: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.timeout = seconds(timeout, "timeout")
        self.cancel_on_kill = cancel_on_kill
        self.reattach = reattach
        #: Whether the remote was given an address to call.
        self.callback_expected = False

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

    def find_submitted(self, correlation_id: str) -> JobHandle | None:
        """
        Look for the job of a try that died between submitting and noting the handle.

        :raises SubmitUnknownError: the remote cannot tell and a second submission would do harm
        """
        return None

    def may_resubmit(self, status: JobStatus) -> bool:
        """Whether a retry may start a new job after the old one ended like this."""
        return True

    def look_again(self, context: Context, handle: JobHandle, saved: Mapping[str, Any]) -> JobStatus:
        """
        The state of a job that an earlier try started.

        :param saved: what that try left, see ``_jobs.memory``
        """
        return self.truth(context, handle, {})

    def announce(self, context: Context, durable: Durable) -> None:
        """Before a submission: prepare a callback, for the remotes that send one."""

    def announce_again(self, context: Context, durable: Durable) -> None:
        """After reattaching: a new try has cleared what the receiver knew of the callback."""

    def interpret(self, status: JobStatus) -> JobStatus:
        """Let an operator's arguments decide what a state means for its task (Automic's "did not run")."""
        return status

    def truth(self, context: Context, handle: JobHandle, event: Mapping[str, Any]) -> JobStatus:
        """What the remote says now; the event that woke the task is only a hint."""
        for _ in range(MAX_MOVES):
            status = self.hook.status(handle)
            if status.state is not JobState.RUNNING or moved(handle, status) == handle:
                break
            handle = moved(handle, status)
        return status

    # -- the way to a job ---------------------------------------------------------------------------------

    def submit_only(self, context: Context) -> dict[str, Any]:
        """
        Submit, or take the job of an earlier try, and return its handle without waiting.

        The memory is not cleared, so that a worker that dies before the handle is in XCom does no harm; a
        person who clears the task gets a new job all the same.
        """
        durable = Durable(context, self.log)
        saved = durable.load()
        if "job" in saved and saved.get("max_tries") != max_tries_of(context):
            durable.clear()
        found = self._reattach(context, durable)
        if found is not None:
            return dict(found[0]["job"])
        submitted = self._submit(context, durable)
        self._unless_killed(durable, submitted)
        handle = submitted.handle
        self.log.info("Submitted the %s; this task does not wait for it.", describe(handle, age=False))
        return handle.to_dict()

    def _reattach(self, context: Context, durable: Durable) -> tuple[dict[str, Any], JobStatus | None] | None:
        saved = durable.load() if self.reattach else {}
        if "job" in saved:
            return self._go_on(context, durable, saved)
        if "intent" in saved:
            found = self._find(context, saved)
            if found is not None:
                handle = self._labelled(found)
                if saved.get("max_tries") != max_tries_of(context) and self._is_another(handle, saved):
                    self._leave(context, handle, saved)
                    durable.clear()
                    return None
                durable.save_job(handle.to_dict(), **self._facts(context))
                self.log.info("Found the %s that an earlier try started.", describe(handle))
                self.announce_again(context, durable)
                return self._run_of(handle), None
        return None

    def _go_on(
        self, context: Context, durable: Durable, saved: Mapping[str, Any]
    ) -> tuple[dict[str, Any], JobStatus | None] | None:
        handle, restarts = JobHandle.from_dict(saved["job"]), saved.get("restarts", 0)
        if saved.get("max_tries") == max_tries_of(context):
            status = self.interpret(self._still_known(context, handle, saved))
        else:
            wanted = self._after_clearing(context, handle, saved)
            if wanted is None:
                durable.clear()
                return None
            # It is this try's from now on: whoever clears the task once more means this job.
            durable.save_job(saved["job"], **self._facts(context, restarts=restarts))
            status = wanted
        if status.state in (JobState.RUNNING, JobState.BLOCKED, JobState.SUCCEEDED):
            self.log.info(
                "Reattached to the %s that an earlier try started; state %r.",
                describe(handle),
                status.remote_status,
            )
            self.announce_again(context, durable)
            return self._run_of(handle, restarts=restarts), status
        if not self.may_resubmit(status):
            raise error_for(handle, status)
        self.log.info("The %s of an earlier try ended as %r.", describe(handle), status.remote_status)
        return None

    def _after_clearing(
        self, context: Context, handle: JobHandle, saved: Mapping[str, Any]
    ) -> JobStatus | None:
        """The state of the job to go on with after a person has cleared the task; None for a new one."""
        if saved.get("done"):
            return None
        if self._is_another(handle, saved):
            self._leave(context, handle, saved)
            return None
        try:
            status = self.interpret(self._still_known(context, handle, saved))
        except RequestRefusedError as e:
            # Else no clearing would ever help: some remotes answer every question for a job that they
            # have cancelled, as clearing does, with an error.
            self.log.warning(
                "The remote refuses to tell the state of the %s (%s). A person has cleared this task "
                "since, so a new one is started.",
                describe(handle),
                e,
            )
            if self._can_cancel(handle):
                self._cancel(handle)
            return None
        # Clearing cancels; the trigger may not have come to it, or the remote takes its time. But a job that
        # was left to a person, who has then cleared the task, is wanted.
        if not status.state.ended and not saved.get("blocked") and self._can_cancel(handle):
            self.log.info("A person has cleared this task: a new job is started.")
            self._cancel(handle)
            return None
        return status

    def _still_known(self, context: Context, handle: JobHandle, saved: Mapping[str, Any]) -> JobStatus:
        try:
            return self.look_again(context, handle, saved)
        except RequestRefusedError as e:
            if e.http_status not in (404, 410):
                raise
            return JobStatus(
                JobState.EXPIRED,
                remote_status=str(e.http_status),
                message="the remote no longer knows the job",
            )

    def _is_another(self, handle: JobHandle, saved: Mapping[str, Any]) -> bool:
        """Whether this task, as its arguments are now, would start another job, or start it elsewhere."""
        now = self._digest()
        return (
            str(handle.data.get("label", "")) != self.job_label()
            or saved.get("arguments", now) != now  # an older version of this package has not noted it
            or self._is_elsewhere(saved)
        )

    def _is_elsewhere(self, saved: Mapping[str, Any]) -> bool:
        return bool(saved.get("conn_id", self.hook.conn_id) != self.hook.conn_id)

    def _leave(self, context: Context, handle: JobHandle, saved: Mapping[str, Any]) -> None:
        """Cancel a job of other arguments, if it still runs."""
        self.log.info(
            "The %s of an earlier try was started by other arguments, and a person has cleared the task "
            "since: a new one is started.",
            describe(handle),
        )
        if self._is_elsewhere(saved):  # another remote may have a job of that id, which is not ours
            self.log.warning("It was started by the connection %r and is left alone.", saved["conn_id"])
            return
        if not self._can_cancel(handle):
            return
        try:
            running = not self._still_known(context, handle, saved).state.ended
        except AsyncJobError as e:
            self.log.warning("Whether it still runs is not known: %s", e)
            return
        if running:
            self._cancel(handle)

    def _find(self, context: Context, saved: Mapping[str, Any]) -> JobHandle | None:
        try:
            return self.find_submitted(saved["intent"])
        except SubmitUnknownError:
            if saved.get("max_tries") == max_tries_of(context):
                raise
            self.log.warning(
                "An earlier try may have started a job that nobody can find; a person has cleared the task "
                "since, so a new one is started."
            )
            return None

    def _submit(self, context: Context, durable: Durable, *, restarts: int = 0) -> Submitted:
        _ = self.hook.endpoint  # a connection that is missing or wrong leaves no doubt about a job
        # The same intent on every try: where the remote can be searched by it, no job is started twice.
        saved, facts = durable.load(), self._facts(context, restarts=restarts)
        correlation_id = saved.get("intent") or uuid.uuid4().hex
        doubtful = "intent" in saved and saved.get("max_tries") == facts["max_tries"]
        durable.save(intent=correlation_id, **facts)
        try:
            self.announce(context, durable)
            submitted = self.submit(context, correlation_id)
        except AsyncJobError as e:
            # Then the next try need not ask itself whether there is a job. What this error says nothing about
            # is a try before this one that died while it submitted.
            if surely_not_started(e) and not doubtful:
                durable.clear()
            raise
        submitted = replace(submitted, handle=self._labelled(submitted.handle))
        durable.save_job(submitted.handle.to_dict(), **facts)
        return submitted

    def _facts(self, context: Context, *, restarts: int = 0) -> dict[str, Any]:
        """What is remembered beside a job."""
        return {
            "max_tries": max_tries_of(context),
            "restarts": restarts,
            "conn_id": self.hook.conn_id,
            "arguments": self._digest(),
        }

    def _digest(self) -> str:
        names = (name for name in self.template_fields if name not in NOT_OF_THE_JOB)
        return digest_of({name: getattr(self, name) for name in names})

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
            "last_delivery_at": 0.0,
        }

    def job_label(self) -> str:
        """What the job is for a person: an endpoint, an object name."""
        return ""

    def _labelled(self, handle: JobHandle) -> JobHandle:
        label = self.job_label()
        return replace(handle, data={**handle.data, "label": label}) if label else handle
