# SPDX-License-Identifier: Apache-2.0
"""
What a person decides of a job.

A job that is blocked at the remote system asks a person what to do (Required Actions in Airflow's UI, 3.3 and
later); and on the page "Remote jobs" a person can resume a task.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow_async_provider._callbacks.airflow_internals import CAN_ASK, ask_person
from airflow_async_provider._jobs.airflow_exceptions import AirflowFailException
from airflow_async_provider._jobs.arguments import one_of
from airflow_async_provider._jobs.cancel import cancel
from airflow_async_provider._jobs.messages import error_for
from airflow_async_provider._polling.loop import BY_HAND
from airflow_async_provider._polling.loop import CANCEL as CANCEL_WISH
from airflow_async_provider.errors import (
    ConfigurationError,
    JobBlockedError,
    JobCancelledError,
    RemoteError,
)
from airflow_async_provider.protocols._job import JobState, JobStatus
from airflow_async_provider.protocols._redaction import one_line

if TYPE_CHECKING:
    from airflow_async_provider._jobs.run import JobRun

OnBlocked = Literal["fail", "wait", "ask"]
ON_BLOCKED = ("fail", "wait", "ask")

#: The buttons.
WAIT_ON, CANCEL, FAIL = "Wait on", "Cancel the job", "Fail"

_MEANING = {
    WAIT_ON: "it has been, or will be, resolved at the remote system; the task waits until its deadline",
    CANCEL: "the job is cancelled at the remote system and the task fails, without a retry",
    FAIL: "the task fails, without a retry, and the job is left alone; clearing the task goes on with it",
}


class BlockedDecisionError(JobBlockedError, AirflowFailException):
    """A person has decided that the task fails; so no retry asks again."""


class CancelledDecisionError(JobCancelledError, AirflowFailException):
    """A person has decided that the job is cancelled; so no retry starts another one."""


def check_on_blocked(value: str) -> None:
    """
    Look at the argument when the DAG is parsed.

    :raises ConfigurationError: another word, or this Airflow cannot ask
    """
    one_of(value, "on_blocked", ON_BLOCKED)
    if value == "ask" and not CAN_ASK:
        raise ConfigurationError("on_blocked='ask' needs Airflow 3.3; use 'fail' or 'wait'.")


def ask(run: JobRun, status: JobStatus) -> NoReturn:
    """
    Park the task until a person has chosen, or its deadline has come.

    :param status: that of the blocked job
    """
    url = run.facts["url"]
    where = f"\n\n[{run.facts['job_id']}]({url})" if url.startswith("http") else ""
    choices = "\n".join(f"- **{name}**: {meaning}." for name, meaning in _MEANING.items())
    run.log.warning(
        "The %s is blocked (%s). The task asks a person: Required Actions in Airflow's UI.",
        run.handle.describe(),
        status.remote_status,
    )
    ask_person(
        run.context["ti"].id,
        subject=f"The {run.handle.describe(age=False)} is blocked",
        body=f"{error_for(run.handle, status)}{where}\n\n{choices}",
        options=[*_MEANING],
        method="execute_complete",
        kwargs={"run": run.record.to_dict()},
        timeout=timedelta(seconds=max(1.0, run.record.deadline - time.time())),
    )


def decided(run: JobRun, event: Mapping[str, Any]) -> tuple[Mapping[str, Any], JobStatus | None]:
    """
    Do what a person has decided, where one has.

    :param event: with which the task was resumed
    :return: the event with which the run goes on, and the status of a job that has ended before it could be
        cancelled
    :raises JobError: the task ends by that decision
    """
    if "chosen_options" in event or "error_type" in event:
        _answered(run, event)
        # A job that a person lets the task wait for, blocked or not.
        options = {**run.handle.options, "fail_on_blocked": False}
        run.change_handle(replace(run.handle, options=options))
        run.memory.add(blocked=False)
        return {"state": "answered"}, None
    return event, _settled_by_hand(run, event) if event.get("via") == BY_HAND else None


def _answered(run: JobRun, event: Mapping[str, Any]) -> None:
    """
    Do what a person has decided; returns where the task waits on.

    :raises CancelledDecisionError: the job was to be cancelled
    :raises BlockedDecisionError: the task was to fail
    """
    if "chosen_options" not in event:
        run.log.warning("Nobody has answered for the %s in time.", run.handle.describe())
        return
    choice = next(iter(event["chosen_options"]), FAIL)
    user = event.get("responded_by_user") or {}
    who = f"{user.get('name') or 'somebody'} ({user.get('id')})"
    run.log.info("%s chose %r for the %s.", who, choice, run.handle.describe())
    facts: dict[str, Any] = {"job": run.handle.shown_id, "state": JobState.BLOCKED.value}
    if choice == CANCEL:
        cancelled = cancel(run, run.handle)
        fate = "It was cancelled" if cancelled else "It could not be cancelled"
        error = CancelledDecisionError(
            f"The {run.handle.describe()} was blocked. {fate} at the remote system, as {who} decided.",
            **facts,
        )
        raise run.forget(error) if cancelled else error
    if choice != WAIT_ON:
        raise BlockedDecisionError(
            f"The {run.handle.describe()} is blocked, and {who} decided that the task fails. Resolve it at "
            "the remote system; clearing this task goes on with it.",
            **facts,
        )


def _settled_by_hand(run: JobRun, event: Mapping[str, Any]) -> JobStatus | None:
    """
    Do what a person has asked for on the page "Remote jobs".

    :return: the status of a job that has ended before it could be cancelled; else None, and the task goes on
        as after any other event
    :raises AirflowFailException: the job was cancelled; a retry would start what nobody wants
    """
    by, wish = one_line(event.get("by", "")), event.get("wish")
    run.log.info("Resumed by %s on the page Remote jobs, to %s the job.", by, wish)
    if wish != CANCEL_WISH:
        return None
    try:
        status = run.task.interpret(run.refresh_status())
        if status.state.ended:
            run.log.info("There is nothing to cancel.")
            return status
    except RemoteError as e:
        run.log.warning("The status of the %s cannot be read just now: %s", run.handle.describe(), e)
    if not cancel(run, run.handle):
        return None
    error = JobCancelledError(
        f"The {run.handle.describe()} was cancelled by {by} on the page Remote jobs.",
        job=run.handle.job_id,
        state=JobState.CANCELLED.value,
    )
    raise AirflowFailException(str(error)) from run.forget(error)
