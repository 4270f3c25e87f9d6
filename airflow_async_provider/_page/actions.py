# SPDX-License-Identifier: Apache-2.0
"""
What a person can do about a waiting job: poll now, cancel it, or complete by hand what only a callback does.

Nothing is sent to a remote system from here. The API server may not reach it, and it is the worker that knows
whether the job is still this try's. So each action resumes the task, as a callback does, with an event that
says who wants what; a note for its trigger records that the wait was not killed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks import airflow_internals as receiver_internals
from airflow_async_provider._callbacks.address import TaskKey, attempt_of
from airflow_async_provider._callbacks.handling import AuthenticatedCallback, Verdict, deliver
from airflow_async_provider._callbacks.mailbox import delivery_for
from airflow_async_provider._callbacks.registration import (
    DEEPEST_VALUE,
    Delivery,
    Registration,
    as_stored,
    too_deep,
)
from airflow_async_provider._page import airflow_internals as internals
from airflow_async_provider._page.hint import actions_of
from airflow_async_provider._polling.loop import CANCEL, POLL, event_by_hand
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._redaction import one_line
from airflow_async_provider.protocols._registry import PROTOCOLS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COMPLETE = "complete"
REPLAY = "replay"

#: What each of them is called in the audit log.
EVENTS = {POLL: "remote_job.poll", CANCEL: "remote_job.cancel", COMPLETE: "remote_job.complete"}
REPLAYED = "remote_job.replay"


class NotNowError(Exception):
    """The action cannot be taken; its text says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a user wants done.

    :param action: one of :data:`EVENTS`
    :param by: the name of the user
    :param value: the result, for what is completed by hand
    """

    action: str
    by: str
    value: Any = None


def possible(arguments: Mapping[str, Any]) -> list[str]:
    """
    What can be done about a job.

    :param arguments: those of its trigger
    """
    try:
        handle = JobHandle.from_dict(arguments.get("job"))
    except ValueError:
        return []
    return actions_of(
        handle,
        callback=bool(arguments.get("callback")),
        cancel_on_kill=bool(arguments.get("cancel_on_kill", True)),
        known=handle.protocol in PROTOCOLS,  # what others have written does not run in the API server
    )


def act(task: TaskKey, wish: Wish) -> str:
    """
    Take an action, for a user who may change the task.

    :param task: with the try that the user has seen
    :return: what happens now, in words
    :raises NotNowError: it cannot be done, and nothing was
    """
    if wish.action not in EVENTS:
        raise NotNowError("There is no such action.")
    with internals.transaction() as session:
        found = receiver_internals.lock_task(session, task)
        arguments = _arguments(found, task)
        if wish.action not in possible(arguments):
            raise NotNowError(_why_not(wish.action, arguments))
        if wish.action != COMPLETE:
            _resume(session, found, wish.by, wish.action, event_by_hand(wish.action, wish.by))
        internals.note_action(session, found, EVENTS[wish.action], wish.by)
        registration = receiver_internals.registration_of(session, task)
    if wish.action == COMPLETE:
        return _complete(task, Registration.from_dict(registration), wish)
    return "The task is resumed on a worker, which " + (
        "polls the job and, if it still runs, waits on."
        if wish.action == POLL
        else "cancels the job and fails."
    )


def replay(task: TaskKey, by: str) -> str:
    """
    Resume a task with the delivery that lies in its mailbox, which has not been taken out.

    That happens where no triggerer took it out when the settle time was over. It is what a sender who repeats
    the delivery itself would cause, without the sender.

    :param task: whose delivery it is; the try may be an earlier one
    :param by: the name of the user
    :return: what happens now, in words
    :raises NotNowError: it cannot be done, and nothing was
    """
    with internals.transaction() as session:
        found = receiver_internals.lock_task(session, task)
        arguments = _waiting_arguments(found)
        delivery = delivery_for(
            str(arguments.get("submission") or ""), receiver_internals.delivery_of(session, task)
        )
        if delivery is None or delivery.heartbeat:
            raise NotNowError("No delivery that would resume the task lies in its mailbox.")
        if delivery.received_at <= float(arguments.get("last_delivery_at") or 0.0):
            raise NotNowError(
                "The task has dealt with its last delivery and waits on: poll now, if it can be."
            )
        _resume(session, found, by, REPLAY, delivery.to_event())
        internals.note_action(session, found, REPLAYED, by)
    return "The task is resumed with the delivery, as if it had come just now."


def _arguments(found: Any, task: TaskKey) -> dict[str, Any]:
    if found is None or attempt_of(found.id) != task.attempt:
        raise NotNowError("The task has begun another try meanwhile: look again.")
    return _waiting_arguments(found)


def _waiting_arguments(found: Any) -> dict[str, Any]:
    if found is None:
        raise NotNowError("There is no such task any more.")
    since = receiver_internals.deferred_at(found)
    if since is None:
        raise NotNowError("The task does not wait for its job any more.")
    arguments = internals.trigger_arguments(found.trigger.encrypted_kwargs)
    left = since.timestamp() + float(arguments.get("settle", 0.0)) - time.time()
    if left > 0:
        # Airflow's scheduler would take the worker's exit, which it has yet to process, for a failure.
        raise NotNowError(f"The task has only just begun to wait: try again in {left:.0f} seconds.")
    return arguments


def _resume(session: Session, found: Any, by: str, wish: str, event: dict[str, Any]) -> None:
    note = {"trigger": found.trigger_id, "by": by, "wish": wish}
    receiver_internals.put_by_hand(session, found, as_stored(note))
    receiver_internals.resume(session, found, event)


def _complete(task: TaskKey, registration: Registration | None, wish: Wish) -> str:
    if registration is None:
        raise NotNowError("The task expects no callback.")
    if too_deep(wish.value):
        raise NotNowError(f"The result is nested more deeply than {DEEPEST_VALUE} levels.")
    delivery = Delivery(
        state="succeeded",
        remote_status=one_line(f"completed by hand ({wish.by})"),
        received_at=time.time(),
        value=wish.value,
    )
    verdict = deliver(AuthenticatedCallback(task, registration), delivery)
    if verdict is Verdict.WOKEN:
        return "The task is resumed, as if its callback had come."
    raise NotNowError(f"Its callback has come already, or is not expected any more ({verdict.value}).")


def _why_not(action: str, arguments: Mapping[str, Any]) -> str:
    if action == COMPLETE:
        return "Only what nothing but a callback completes is completed by hand; this job can be polled."
    if action == CANCEL and not arguments.get("cancel_on_kill", True):
        return "This task may not cancel its job: cancel_on_kill is False."
    return "The remote system has no request for that."
