# SPDX-License-Identifier: Apache-2.0
"""
How a run waits for its job: on the worker, in the triggerer, and what a wait that is over has brought.

A wait ends with the status of a job that has ended (or that only a person can bring on), with an error, or
with the deferral of the task, which comes back to :func:`status_after`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_async_provider._callbacks.mailbox import key_of
from airflow_async_provider._jobs import airflow_exceptions, messages
from airflow_async_provider._jobs.cancel import cancel
from airflow_async_provider._jobs.ending import end_arguments
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.store_from import store_arguments, stored_by_triggerer
from airflow_async_provider._metrics import count
from airflow_async_provider._page.hint import hint_for
from airflow_async_provider._polling.loop import HEARTBEAT_LOST, Outcome, result_in, watch
from airflow_async_provider._polling.policy import PollPolicy, Wait
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider._polling.wait_log import format_duration, format_range
from airflow_async_provider._settings import settle_seconds
from airflow_async_provider.errors import (
    AnswerTooLargeError,
    JobError,
    JobExpiredError,
    RemoteError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._registry import protocol_of

if TYPE_CHECKING:
    from airflow_async_provider._jobs.run import JobRun
    from airflow_async_provider._jobs.task import WaitSettings

#: While a worker lingers it polls more often than a trigger would: it is there for short jobs (seconds).
LINGER_INTERVAL = 1.0

#: A triggerer's count may run ahead of the worker's clock by so much (seconds).
CLOCK_TOLERANCE = 1.0

#: What tasks of this process have deferred with, by task instance. A worker ends with the deferral and never
#: looks here; ``dag.test()`` and ``airflow dags test`` go on in the same process and bring the event only.
_deferred_here: dict[str, dict[str, Any]] = {}


def log_wait(run: JobRun, verb: str) -> None:
    """The lines at the beginning of a wait: until when, which job, and how its end will be noticed."""
    run.log.info(
        "Deadline %s. %s the %s.",
        time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run.record.deadline)),
        verb,
        run.handle.describe(age=verb != "Submitted"),
    )
    run.log.info(
        "%s",
        describe_polling(
            run.settings,
            run.callback.policy if run.callback and run.record.submission else None,
            pollable=protocol_of(run.handle).pollable,
        ),
    )
    hint = _hint(run)
    run.log.info(
        "Job %s: %s, connection %s%s",
        run.handle.shown_id,
        run.facts["url"] or "no address is known",
        run.facts["conn_id"],
        f"; {hint}" if hint else "",
    )


def _hint(run: JobRun) -> str:
    """What a person who reads the log can do once the task is deferred; empty where it never is."""
    if not run.settings.deferrable or run.context.get("ti") is None:
        return ""
    return hint_for(
        run.handle,
        key_of(run.context["ti"]),
        callback=bool(run.callback and run.record.submission),
        cancel_on_kill=run.task.cancel_on_kill,
    )


def describe_polling(settings: WaitSettings, with_callback: PollPolicy | None, *, pollable: bool) -> str:
    """
    How the end of the job will be noticed, in words.

    :param with_callback: the pace of the polls while a callback is expected
    :param pollable: whether the remote system can be asked
    """
    if with_callback is not None and not pollable:
        return "Its callback resumes this task; this API cannot be polled."
    if with_callback is not None and settings.deferrable:
        interval = format_range(with_callback.poll_interval, with_callback.max_poll_interval)
        return f"Its callback resumes this task; in case it is lost, the triggerer polls every {interval}."
    interval = format_range(settings.policy.poll_interval, settings.policy.max_poll_interval)
    if not settings.deferrable:
        return f"This worker waits and polls every {interval}."
    first = f"This worker polls for {format_duration(settings.linger)} first. " if settings.linger else ""
    return f"{first}The triggerer polls every {interval}."


def until_end(run: JobRun) -> JobStatus:
    """
    Wait for the job: on the worker for as long as it lingers, then in the triggerer.

    :return: the status of the job, which does not run any more
    :raises TaskDeferred: the triggerer goes on
    :raises JobError: the time is over
    """
    status = None
    while status is None:
        settings = run.settings
        askable = run.task.hook.can_ask(run.handle)
        event: Mapping[str, Any] = {"state": "timeout"}
        found = None
        if run.callback and (delivery := run.callback.wait_on_worker()):
            event = delivery.to_event()  # faster than the deferral, which it saves
        elif askable and (not settings.deferrable or settings.linger):
            outcome = _watch_on_worker(run)
            event, found = outcome.to_event(), outcome.status
            if settings.deferrable and outcome.state in ("timeout", "error"):
                _note(run, event)
                _defer(run)
        elif settings.deferrable:
            _defer(run)
        status = status_after(run, event, found)
    return status


def _watch_on_worker(run: JobRun) -> Outcome:
    settings, record = run.settings, run.record
    until, policy = record.deadline, settings.policy
    if settings.deferrable:
        until = min(until, time.time() + settings.linger)
        policy = replace(policy, poll_interval=min(LINGER_INTERVAL, policy.poll_interval))
    wait = Wait(policy, until, record.handle.expires_at)
    asked = _CallbackFirst(run) if run.callback and run.callback.decides else run.task.hook
    outcome = watch(asked, record.handle, wait, run.log, location=run.facts["url"])
    count("polls", outcome.polls, **run.tags)
    if outcome.errors:
        count("polls_failed", outcome.errors, **run.tags)
    return outcome


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


def _defer(run: JobRun) -> NoReturn:
    from airflow_async_provider.triggers.async_job import AsyncJobTrigger

    called = run.callback is not None and bool(run.record.submission)
    end = run.task.value_at_end()
    store: dict[str, Any] = {}
    if end is None and run.store_settings is not None:
        store = store_arguments(run.task, run.store_settings, callback=called)
    if store:
        end = TaskEnd(stored=_end_of_stored(run))
    ending = end_arguments(run.task, run.context, run.handle, end)
    if ending or run.record.ends_elsewhere:
        run.note_end(elsewhere=bool(ending))
    record, carried = run.record, run.record.to_dict()
    arguments: dict[str, Any] = {
        "job": carried["handle"],
        "conn_id": run.task.hook.conn_id,
        "policy": run.settings.policy.to_dict(),
        "deadline": record.deadline,
        "deferred_at": time.time(),
        "clock_trusted": record.clock_trusted,
        "settle": settle_seconds(),
        "cancel_on_kill": run.task.cancel_on_kill,
        **(run.callback.trigger_arguments() if run.callback else {}),
        **ending,
        **store,
    }
    if run.settings.worker_poll_interval is not None:
        arguments["wake_after"] = run.settings.worker_poll_interval
    if instance_id := getattr(run.context.get("ti"), "id", None):
        _deferred_here[str(instance_id)] = carried
    raise airflow_exceptions.TaskDeferred(
        trigger=AsyncJobTrigger(**arguments), method_name="execute_complete", kwargs={"run": carried}
    )


def _end_of_stored(run: JobRun) -> dict[str, Any]:
    """What becomes of a result that the triggerer has stored, see :class:`TaskEnd`."""
    facts = run.starting.facts_of_stored(replace(run.record, via="poll"))
    return {"facts": dict(facts), "since": run.record.started_at, "link": ResultLink().xcom_key}


def deferred_here(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record that this task has deferred with in this very process."""
    return _deferred_here.pop(str(getattr(context.get("ti"), "id", "")), None)


# -- after a wait


def status_after(run: JobRun, event: Mapping[str, Any], status: JobStatus | None = None) -> JobStatus | None:
    """
    What a wait that is over has brought.

    :param event: how it ended; states and counters only
    :param status: the job's status, None: it is read now
    :return: the status of a job that does not run any more; None: the run waits on
    :raises JobError: the time is over
    :raises RemoteError: the status cannot be read
    """
    _note(run, event)
    try:
        status = status or result_in(event) or _stored_in(run, event) or run.refresh_status()
    except RemoteError as e:
        if _is_late(run):
            last = JobStatus(JobState.RUNNING, remote_status=str(event.get("remote_status", "")))
            raise _timed_out(run, last, cause=e) from e
        if _has_expired(run):
            raise _unreachable(run, e) from e
        if _failing_too_long(run):
            raise
        if not isinstance(e, TransientError | UnreadableAnswerError) or event.get("state") == "error":
            raise
        run.log.warning("The status of the %s cannot be read just now: %s", run.handle.describe(), e)
        _wait_on(run, event)
        return None
    if run.record.failing_since:
        run.update(failing_since=0.0)
    if status.state is not JobState.RUNNING:
        return status
    _not_yet(run, status, event)
    return None


def _note(run: JobRun, event: Mapping[str, Any]) -> None:
    """Take over what a wait has brought: counters, and where to ask from now on."""
    record = run.record
    run.update(
        via=event.get("via", "poll"),
        polls=record.polls + event.get("polls", 0),
        failed_polls=record.failed_polls + event.get("errors", 0),
        last_delivery_at=event.get("received_at") or record.last_delivery_at,
        alive_at=event.get("alive_at", 0.0),
        silent_since=time.time() - event["silent_for"] if "silent_for" in event else 0.0,
    )
    if url := event.get("status_url"):
        run.change_handle(replace(run.handle, status_url=url))


def _stored_in(run: JobRun, event: Mapping[str, Any]) -> JobStatus | None:
    """The success whose result the triggerer has stored; its URL may be gone by now."""
    if run.store_settings is not None:
        run.stored = stored_by_triggerer(run.store_settings, event, run.log)
    if run.stored is None:
        return None
    return JobStatus(JobState.SUCCEEDED, remote_status=str(event.get("remote_status", "")))


def _not_yet(run: JobRun, status: JobStatus, event: Mapping[str, Any]) -> None:
    """The job still runs: an error where the time is over, else the run waits on."""
    reason = event.get("state")
    if _is_late(run):
        raise _timed_out(run, status)
    if _has_expired(run):
        raise _unreachable(run, None)
    if reason == HEARTBEAT_LOST:
        raise heartbeat_lost(run, str(event.get("remote_status", "")))
    if reason == "error" and event.get("via") == "callback":
        run.log.warning(
            "The callback of the %s could not be taken: %s.",
            run.handle.describe(),
            event.get("remote_status"),
        )
    elif reason == "error" and event.get("error") != AnswerTooLargeError.__name__:
        raise messages.gave_up_error(run.handle, status, event, conn_id=run.task.hook.conn_id)
    else:
        run.log.info("Resumed as %s, but the remote status is %s: waiting on.", reason, status.remote_status)
    _wait_on(run, event)


def _wait_on(run: JobRun, event: Mapping[str, Any]) -> None:
    if event.get("error") == AnswerTooLargeError.__name__:
        run.log.warning(
            "The status answers of the %s are too large for the triggerer (max_status_bytes of the "
            "connection): this worker polls from now on.",
            run.handle.describe(),
        )
        run.settings = replace(run.settings, deferrable=False)
    if event.get("state") in ("timeout", "expired"):
        # By this worker's clock there is time left: the triggerer's runs ahead.
        run.update(clock_trusted=False)


def _is_late(run: JobRun) -> bool:
    return time.time() >= run.record.deadline - CLOCK_TOLERANCE


def _has_expired(run: JobRun) -> bool:
    expires_at = run.handle.expires_at
    return expires_at is not None and time.time() >= expires_at - CLOCK_TOLERANCE


def _failing_too_long(run: JobRun) -> bool:
    """Whether a function of the DAG that asks for the job has failed for longer than is waited out."""
    if run.settings.worker_poll_interval is None:
        return False
    since = run.record.failing_since or time.time()
    run.update(failing_since=since)
    return time.time() - since >= run.settings.policy.max_outage


# -- a wait that is given up


def _timed_out(run: JobRun, status: JobStatus, *, cause: RemoteError | None = None) -> JobError:
    hint = run.task.timeout_hint(run)
    cancelled = run.task.cancel_on_kill and cancel(run, run.handle)
    error = messages.timeout_error(
        run.handle,
        status.remote_status,
        run.settings.timeout,
        cancelled=cancelled,
        hint=hint,
        unknown=status.unknown_words,
        cause=cause,
    )
    # What it has done until it was cancelled may be such that it must not be done twice.
    again = cancelled and run.task.may_start_again(replace(status, state=JobState.CANCELLED))
    return run.forget(error) if again else error


def heartbeat_lost(run: JobRun, last_words: str) -> JobError:
    """The error of a job that has given no sign of life for too long; it is cancelled like a late one."""
    cancelled = run.task.cancel_on_kill and cancel(run, run.handle)
    error = messages.heartbeat_error(run.handle, last_words, cancelled=cancelled)
    return run.forget(error) if cancelled else error


def _unreachable(run: JobRun, cause: RemoteError | None) -> JobError:
    why = f" The last poll failed: {cause}" if cause else ""
    error = JobExpiredError(
        f"The status of the {run.handle.describe()} can no longer be read: its status URL has expired.{why}",
        job=run.handle.shown_id,
        state=JobState.EXPIRED.value,
    )
    return run.forget(error) if run.task.may_start_again(JobStatus(JobState.EXPIRED)) else error
