# SPDX-License-Identifier: Apache-2.0
"""
How a try comes to its job.

It goes on with that of an earlier try, leaves it alone, or cancels it; where there is none to go on with, it
starts one, once.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_async_provider._jobs.cancel import can_cancel, cancel
from airflow_async_provider._jobs.memory import Remembered, digests_of
from airflow_async_provider._jobs.messages import error_for, surely_not_started
from airflow_async_provider._metrics import count_decision
from airflow_async_provider.errors import (
    AsyncJobError,
    JobCancelledError,
    JobElsewhereError,
    RequestRefusedError,
    SubmitUnknownError,
)
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

if TYPE_CHECKING:
    from airflow_async_provider._jobs.run import JobRun

_WANTED = (JobState.RUNNING, JobState.BLOCKED, JobState.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class TakenUp:
    """
    The run's record is the job of an earlier try now.

    :param status: its status, None when it was not asked for
    """

    status: JobStatus | None


def take_up(run: JobRun) -> TakenUp | None:
    """
    Take up the job of an earlier try, and count what was decided, as Airflow's ``ResumableJobMixin`` does.

    :return: None when there is none to go on with
    :raises SubmitUnknownError: an earlier try may have started a job, and nothing tells whether it has
    :raises JobElsewhereError: an earlier try has started one, and the connection points elsewhere now
    :raises JobError: the job has ended badly and must not be started again
    """
    known = run.starting.reattach and run.memory.now.handle is not None
    if known:
        count_decision("reconnect_attempt", run.task, run.context)
    taken = _take_up(run)
    if taken is None:
        decision = "terminal_resubmit" if known else "fresh_submit"
    elif taken.status is not None and taken.status.state is JobState.SUCCEEDED:
        decision = "already_succeeded"
    else:
        decision = "reconnect_success"
    count_decision(decision, run.task, run.context)
    return taken


def _take_up(run: JobRun) -> TakenUp | None:
    remembered = run.memory.now
    if not run.starting.reattach:
        return None
    if not run.memory.works:
        return _without_memory(run)
    if not remembered.correlation_id:
        return None
    # Whose job it is from now on: a try that Airflow has given up must not cancel it any more.
    run.memory.save(replace(remembered, owner=run.memory.owner))
    if _is_elsewhere(run, remembered):
        _refuse_or_leave(run, remembered)
        return None
    if remembered.handle is None:
        return _look_up(run, remembered)
    return _take_up_job(run, remembered, remembered.handle)


def _take_up_job(run: JobRun, remembered: Remembered, handle: JobHandle) -> TakenUp | None:
    changed = _changed_arguments(run, remembered)
    cleared = run.memory.cleared
    if cleared is None:
        # Other arguments, or a result that is stored already: nothing but a clearing explains that.
        cleared = bool(changed) or remembered.done
    if not cleared:
        if changed:
            run.log.warning(
                "The arguments %s have changed since an earlier try started the %s. This retry goes on with "
                "that job; clear the task to start one with the new arguments.",
                ", ".join(changed),
                handle.describe(),
            )
        status: JobStatus | None = run.task.interpret(_status_or_expired(run, handle))
    else:
        status = _after_clearing(run, remembered, handle, changed)
    if status is None:
        run.memory.forget()
        return None
    if status.state in _WANTED:
        run.log.info(
            "Reattached to the %s that an earlier try started; status %r.",
            handle.describe(),
            status.remote_status,
        )
        return _take(run, handle, status, restarts=remembered.restarts)
    if not cleared and (continuing := run.task.continued_by(handle)) is not None:
        _take(run, handle, status, restarts=remembered.restarts)
        run.follow(continuing)
        return TakenUp(None)
    if not run.task.may_start_again(status):
        raise error_for(handle, status)
    run.log.info("The %s of an earlier try ended with %r.", handle.describe(), status.remote_status)
    run.memory.forget()
    return None


def _take(run: JobRun, handle: JobHandle, status: JobStatus | None, *, restarts: int = 0) -> TakenUp:
    if run.callback:
        run.callback.register_again()
    run.adopt(handle, restarts=restarts)
    # It is this try's from now on: whoever clears the task once more means this job.
    run.correlation_id = run.memory.now.correlation_id
    _note(run, run.handle, restarts=restarts)
    return TakenUp(status)


def _note(run: JobRun, handle: JobHandle | None = None, *, restarts: int) -> None:
    arguments = run.starting.job_arguments()
    run.memory.note(run.correlation_id, run.task.hook, arguments, handle=handle, restarts=restarts)


def _after_clearing(
    run: JobRun, remembered: Remembered, handle: JobHandle, changed: list[str]
) -> JobStatus | None:
    """The status of the job to go on with after a person has cleared the task; None for a new one."""
    if remembered.done:
        return None
    if changed:
        _abandon(run, handle, changed)
        return None
    try:
        status = run.task.interpret(_status_or_expired(run, handle))
    except RequestRefusedError as e:
        # Else no clearing would ever help: some remote systems answer every request about a job that they
        # have cancelled, as clearing does, with an error.
        run.log.warning(
            "The remote system refuses to tell the status of the %s (%s). A person has cleared this task "
            "since, so a new one is started.",
            handle.describe(),
            e,
        )
        if can_cancel(run, handle):
            cancel(run, handle)
        return None
    if remembered.ends_elsewhere and status.state is JobState.SUCCEEDED:
        run.log.info(
            "The %s has succeeded, and the task with it; a person has cleared the task since: a new job is "
            "started.",
            handle.describe(),
        )
        return None
    # Clearing cancels; the trigger may not have come to it, or the remote system takes its time. But a job
    # that was left to a person, who has then cleared the task, is wanted.
    if not status.state.ended and not remembered.blocked and can_cancel(run, handle):
        run.log.info("A person has cleared this task: a new job is started.")
        cancel(run, handle)
        return None
    return status


def _status_or_expired(run: JobRun, handle: JobHandle) -> JobStatus:
    try:
        return run.starting.status_of_earlier_job(run, handle)
    except RequestRefusedError as e:
        if e.http_status not in (404, 410):
            raise
        return JobStatus(
            JobState.EXPIRED,
            remote_status=str(e.http_status),
            message="the remote system no longer knows the job",
        )


def _changed_arguments(run: JobRun, remembered: Remembered) -> list[str]:
    """Names of the arguments that say what the job is and are not what they were."""
    now, then = digests_of(run.starting.job_arguments()), remembered.arguments
    return sorted(name for name in {*now, *then} if now.get(name) != then.get(name)) if then else []


def _is_elsewhere(run: JobRun, remembered: Remembered) -> bool:
    """Whether this task would now ask another system than the one that has, or may have, its job."""
    hook = run.task.hook
    return bool(remembered.conn_id) and (remembered.conn_id, remembered.origin) != (hook.conn_id, hook.origin)


def _refuse_or_leave(run: JobRun, remembered: Remembered) -> None:
    """
    Another system may have a job of that id, which is not ours: nothing is asked or cancelled there.

    :raises JobElsewhereError: and a retry must not start a second job in silence either
    """
    hook, handle = run.task.hook, remembered.handle
    what = "A job" if handle is None else f"The {handle.describe()}"
    where = f"the connection {remembered.conn_id!r} at {remembered.origin}"
    if run.memory.cleared is not False:
        run.log.warning(
            "%s that an earlier try %s belongs to %s and is left alone; a new one is started by %r at %s.",
            what,
            "may have started" if handle is None else "started",
            where,
            hook.conn_id,
            hook.origin,
        )
        run.memory.forget()
        return
    raise JobElsewhereError(
        f"{what} that an earlier try {'may have ' if handle is None else ''}started belongs to {where}. This "
        f"task now uses {hook.conn_id!r} at {hook.origin}, where nothing is asked or cancelled for it. Set "
        "the connection back to go on with that job, or clear the task to start another one here.",
        job=None if handle is None else handle.shown_id,
    )


def _abandon(run: JobRun, handle: JobHandle, changed: list[str]) -> None:
    """Cancel a job of other arguments, if it still runs."""
    run.log.info(
        "The %s of an earlier try was started with other arguments (%s), and a person has cleared the task "
        "since: a new one is started.",
        handle.describe(),
        ", ".join(changed),
    )
    if not can_cancel(run, handle):
        return
    try:
        running = not _status_or_expired(run, handle).state.ended
    except AsyncJobError as e:
        run.log.warning("Whether it still runs is not known: %s", e)
        return
    if running:
        cancel(run, handle)


def _look_up(run: JobRun, remembered: Remembered) -> TakenUp | None:
    """Look for the job of a try that died between submitting it and noting the handle."""
    changed = _changed_arguments(run, remembered)
    cleared = run.memory.cleared if run.memory.cleared is not None else bool(changed)
    try:
        found = run.starting.find_started(run, remembered.correlation_id)
    except SubmitUnknownError:
        if not cleared:
            raise
        run.log.warning(
            "An earlier try may have started a job that cannot be found; a person has cleared the task "
            "since, so a new one is started."
        )
        found = None
    if found is None:
        if cleared:
            run.memory.forget()
        return None
    handle = run.task.hook.bound(found).labelled(run.starting.job_label())
    if cleared and changed:
        _abandon(run, handle, changed)
        run.memory.forget()
        return None
    run.log.info("Found the %s that an earlier try started.", handle.describe())
    return _take(run, handle, None)


def _without_memory(run: JobRun) -> TakenUp | None:
    """Before Airflow 3.3 a task has no memory across its tries; some remote systems can be searched."""
    found = run.starting.find_without_memory(run)
    if found is None:
        return None
    run.adopt(found.labelled(run.starting.job_label()))
    return TakenUp(run.task.interpret(run.refresh_status()))


# -- another job


def submit(run: JobRun, *, restarts: int = 0) -> JobStatus | None:
    """
    Start a job and make it the run's.

    :param restarts: how often one was started within this try before
    :return: its status, where the remote system has told it with the submission
    :raises AsyncJobError: it was not started, or nobody can tell
    """
    # The same intent on every try: where the remote can be searched by it, no job is started twice.
    before = run.memory.now
    doubtful = bool(before.correlation_id) and before.handle is None and run.memory.cleared is not True
    run.correlation_id = before.correlation_id if doubtful else uuid.uuid4().hex
    _ = run.task.hook.origin  # a connection that is missing or wrong leaves no doubt about a job
    if run.store_settings is not None:
        run.results.check()
    _note(run, restarts=restarts)
    try:
        run.callback_address = run.callback.register() if run.callback else None
        submitted = run.starting.start(run)
    except AsyncJobError as e:
        # Then the next try need not ask itself whether there is a job. What this error says nothing about
        # is a try before this one that died while it submitted.
        if surely_not_started(e) and not doubtful:
            run.memory.forget()
        raise
    run.adopt(submitted.handle.labelled(run.starting.job_label()), restarts=restarts)
    run.memory.save(replace(run.memory.now, handle=run.handle))
    if run.killed and (submitted.status is None or not submitted.status.state.ended):
        _cancel_killed(run)
    return submitted.status


def _cancel_killed(run: JobRun) -> None:
    """
    Cancel a job whose task was killed while it was being started: that could not be done at that moment.

    :raises JobCancelledError: so it was
    """
    if not run.task.cancel_on_kill:
        return
    if cancel(run, run.handle):
        run.memory.forget()
        fate = "It was cancelled at the remote system."
    else:
        fate = "It could not be cancelled; a retry of this task goes on with it."
    raise JobCancelledError(
        f"The task was killed while it started the {run.handle.describe(age=False)}. {fate}",
        job=run.handle.shown_id,
        state=JobState.CANCELLED.value,
    )
