# SPDX-License-Identifier: Apache-2.0
"""
From a received request to a task that goes on or ends: authenticate, read, store and wake in one transaction.

Knows nothing of HTTP servers; runs in a thread, as Airflow's database access blocks.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks.address import TaskKey, matches
from airflow_async_provider._callbacks.mailbox import delivery_for
from airflow_async_provider._callbacks.merging import merge
from airflow_async_provider._callbacks.registration import (
    DURABLE_HANDLE,
    MAX_CALLBACKS,
    MAX_MESSAGE,
    NO_HASH,
    Delivery,
    Registration,
    as_stored,
    from_stored,
    plain,
    too_deep,
)
from airflow_async_provider._polling.task_end import NeedsWorkerError, TaskEnd
from airflow_async_provider._settings import callback_protocols
from airflow_async_provider.errors import AsyncJobError, CallbackError, ConfigurationError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import Headers
from airflow_async_provider.protocols._job import JobHandle, JobState
from airflow_async_provider.protocols._registry import PROTOCOLS, protocol_for

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: Names of the reasons why a callback could not be taken, in the event that resumes the task.
TOO_LARGE = "CallbackTooLargeError"
UNREADABLE = "CallbackError"

#: Decoded and compared in place of what a task does not expect or remember, or of a task that is not there.
_NOBODY = Registration(secret_hash=NO_HASH, deadline=0.0, protocol="none")
_NOTHING = {"version": 1, "callbacks": [_NOBODY.to_dict()], DURABLE_HANDLE: {"job_id": "0"}}


class Verdict(Enum):
    """What became of a callback; the receiver turns it into a status code, metrics count it."""

    ACCEPTED = "accepted"
    WOKEN = "woken"
    ENDED = "ended"
    HEARTBEAT = "heartbeat"
    DUPLICATE = "duplicate"
    LATE = "late"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AuthenticatedCallback:
    """
    A callback whose secret was right. The signature, where one is wanted, is still to be checked.

    :param task: the task instance
    :param registration: what it expects
    """

    task: TaskKey
    registration: Registration

    @property
    def party(self) -> str:
        """Whose address it came to, where several call back one by one."""
        parties = self.registration.parties
        return parties[self.task.party][0] if parties else ""


def authenticate(token: str, secret: str | None) -> AuthenticatedCallback | None:
    """
    The callback that a secret proves; None for an unknown task and for a wrong secret alike.

    They cost the same effort, too: every refusal the same queries, and as many callbacks are decoded and
    compared, whether or not there is such a task and whatever it remembers. (What the database needs to find
    a row or none is its own affair.)

    :param token: path segment that names the task
    :param secret: from the path or the Authorization header
    """
    task = TaskKey.decode(token)
    if task is None:
        _whose(secret, [], 1 + MAX_CALLBACKS, -1)
        return None
    with internals.transaction() as session:
        stored = internals.registration_of(session, task)
        announced = from_stored(_NOBODY.to_text() if stored is None else stored)
        found = _whose(secret, [announced], 1, task.party)
        if found is None:
            # A new try clears the task's XComs; what its submissions expected is still in its memory.
            memory = internals.durable_of(session, task) or from_stored(as_stored(_NOTHING))
            found = _whose(secret, _callbacks(memory), MAX_CALLBACKS, task.party)
    return AuthenticatedCallback(task, found) if found else None


def expected(token: str) -> AuthenticatedCallback | None:
    """
    What a task expects, for a caller that is authorized in another way; None where it expects nothing.

    :param token: path segment that names the task
    """
    task = TaskKey.decode(token)
    if task is None:
        return None
    with internals.transaction() as session:
        registration = Registration.from_dict(internals.registration_of(session, task))
    if registration is None or registration.hash_for(task.party) == NO_HASH:
        return None
    return AuthenticatedCallback(task, registration)


def _whose(secret: str | None, stored: list[Any], number: int, party: int) -> Registration | None:
    """
    Which of the stored callbacks a secret is for, the first such one.

    :param number: so many are decoded and compared, neither fewer nor more, even when one has fitted
    :param party: which of several parties the address names
    """
    found = None
    for one in [*stored, *[_NOBODY.to_dict()] * number][:number]:
        registration = Registration.from_dict(one)
        fits = matches(secret, registration.hash_for(party) if registration else NO_HASH)
        if fits and found is None:
            found = registration
    return found


def take(callback: AuthenticatedCallback, headers: Headers, body: bytes) -> Verdict:
    """
    Read an authentic callback, store it, and wake or end its task if it is deferred: one transaction.

    :raises Exception: what the database raises; nothing was stored then
    """
    delivery = _read(callback.registration, headers, body)
    if delivery is None:
        return Verdict.IGNORED
    return deliver(callback, delivery)


def try_out(callback: AuthenticatedCallback, headers: Headers, body: bytes) -> tuple[str, Delivery | None]:
    """
    What a callback would bring about, in words, and what it says; nothing is stored.

    :raises Exception: what the database raises
    """
    delivery = _read(callback.registration, headers, body)
    if delivery is None:
        return "be ignored: it is no news", None
    with internals.transaction() as session:
        task_instance = internals.lock_task(session, callback.task)
        if not _is_awaited(session, callback, task_instance):
            return "be too late: the task does not wait for it any more", delivery
        known = _known(session, callback)
        merged = merge(callback.registration, known, delivery, callback.task.party)
        ends = internals.ENDS_FROM_TRIGGER and internals.deferred_at(task_instance) is not None
        ends = ends and _value_at_end(callback.registration, task_instance, merged.delivery) is not None
        session.rollback()
    if not merged.wakes:
        return ("be a sign of life" if delivery.heartbeat else "wait for what others say"), delivery
    if merged.repeated:
        return "be a duplicate", delivery
    return ("end the task" if ends else "resume the task"), delivery


def take_answer(callback: AuthenticatedCallback, answer: str, state: str, message: str) -> Verdict:
    """
    Store what a person has answered on the confirm page, and wake the task.

    :param answer: the button's label
    :param state: what that means
    :param message: what the person wrote besides
    :raises Exception: what the database raises; nothing was stored then
    """
    delivery = Delivery(
        state=state,
        remote_status="answered",
        received_at=time.time(),
        message=plain(f"{answer}: {message}" if message else answer, MAX_MESSAGE),
        value={"answer": answer, "message": message},
    )
    return deliver(callback, delivery)


def _read(registration: Registration, headers: Headers, body: bytes) -> Delivery | None:
    """What a callback says; None when that is no news for its task ("the job has started")."""
    now, pollable, why = time.time(), registration.pollable, None
    try:
        protocol = _protocol(registration)
        status = protocol.read_callback(headers, body)
        if status.state is JobState.RUNNING and not pollable and not status.heartbeat:
            return None
        value = status.result.value if registration.keep_body and status.result else None
        if too_deep(value):
            raise CallbackError("its result is nested too deeply")
        delivery_id = _delivery_id(protocol, headers, body)
        return Delivery(
            state=status.state.value,
            remote_status=plain(status.remote_status),
            received_at=now,
            message=None if status.message is None else plain(status.message, MAX_MESSAGE),
            value=value,
            detail=dict(status.detail),
            delivery_id=plain(delivery_id) if delivery_id else None,
            heartbeat=status.heartbeat,
            progress=status.progress,
        )
    except ConfigurationError as e:
        log.warning("An authentic callback cannot be read: %s", e)
    except AsyncJobError as e:
        log.warning("An authentic callback cannot be read (%s).", type(e).__name__)
        why = plain(e, MAX_MESSAGE)
    except Exception as e:  # noqa: BLE001 - whatever a body does to a protocol, its sender gets an answer
        log.warning("An authentic callback cannot be read: %s", where(e))
    # The sender is authenticated; only its message cannot be read, and repeating it would not help. But
    # the remote may be asked now, and a task that cannot ask must not wait for a callback that has been.
    if pollable:
        return Delivery(state="running", remote_status="unreadable", received_at=now)
    return Delivery(state="error", remote_status="unreadable", received_at=now, error=UNREADABLE, message=why)


def where(error: BaseException) -> str:
    """An unexpected error for the log: its kind and place; its text may hold what the sender wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place} (a defect: please report it)"


def refuse_size(callback: AuthenticatedCallback) -> Verdict:
    """Tell the task that its callback was too large to be taken, so that it fails instead of hanging."""
    return deliver(
        callback, Delivery(state="error", remote_status="too large", received_at=time.time(), error=TOO_LARGE)
    )


def deliver(callback: AuthenticatedCallback, delivery: Delivery) -> Verdict:
    """Put a delivery into the mailbox of its task, and wake or end the task, in one transaction."""
    task, registration = callback.task, callback.registration
    delivery = replace(delivery, submission=registration.submission)
    with internals.transaction() as session:
        task_instance = internals.lock_task(session, task)
        if not _is_awaited(session, callback, task_instance):
            return Verdict.LATE
        waiting_since = internals.deferred_at(task_instance)
        merged = merge(registration, _known(session, callback), delivery, task.party)
        if merged.news:
            _store(session, callback, task_instance, merged.delivery)
        if not merged.wakes:
            stored = Verdict.DUPLICATE if merged.repeated else Verdict.ACCEPTED
            return Verdict.HEARTBEAT if delivery.heartbeat else stored
        if merged.repeated and (
            waiting_since is None or merged.delivery.received_at < waiting_since.timestamp()
        ):
            return Verdict.DUPLICATE
        # One that is repeated, came during this wait and finds the task still waiting: nobody has taken it
        # out, perhaps because no triggerer is there to do so.
        if waiting_since is not None and _end(session, registration, task_instance, merged.delivery):
            return Verdict.ENDED
        # Too early: the task's own trigger takes the delivery out when the settle time is over.
        if waiting_since is None or waiting_since.timestamp() + registration.settle > time.time():
            return Verdict.DUPLICATE if merged.repeated else Verdict.ACCEPTED
        internals.resume(session, task_instance, merged.delivery.to_event())
        return Verdict.WOKEN


def _end(session: Session, registration: Registration, task_instance: Any, delivery: Delivery) -> bool:
    """End a waiting task at once, where its callback contains all that it waits for."""
    value = _value_at_end(registration, task_instance, delivery)
    return value is not None and internals.end(session, task_instance, value[0])


def _value_at_end(registration: Registration, task_instance: Any, delivery: Delivery) -> tuple[Any] | None:
    """
    What a waiting task returns where its callback ends it; None where a worker goes on.

    Its worker has stated when it deferred that nothing else would be left to do. Everything but a plain
    success, and a value that no XCom holds, goes to a worker. There is no settle time: Airflow's scheduler
    takes no task for failed that has ended.
    """
    if not registration.keep_body or delivery.kept or delivery.error or delivery.state != JobState.SUCCEEDED:
        return None
    if delivery.value is None and registration.pollable:
        return None  # the remote system has the result
    wait = internals.trigger_arguments_of(task_instance)
    end = TaskEnd.from_dict(wait.get("end"))
    if end is None or not end.by_receiver or wait.get("submission") != registration.submission:
        return None
    try:
        handle = JobHandle.from_dict(wait.get("job"))
        if delivery.job_id not in (None, handle.job_id):
            return None
        return (end.value(handle, delivery.to_status()),)
    except (NeedsWorkerError, AsyncJobError, ValueError) as e:
        log.info("A worker ends the task of a callback (%s).", type(e).__name__)
        return None


def _known(session: Session, callback: AuthenticatedCallback) -> Delivery | None:
    """What the mailbox holds of this submission."""
    task, registration = callback.task, callback.registration
    known = delivery_for(registration.submission, internals.delivery_of(session, task))
    if registration.parties and (known is None or known.kept):
        # What the others have sent lies in the task's memory, also after a new try has begun.
        return delivery_for(registration.submission, internals.kept_delivery_of(session, task)) or known
    return known


def _store(session: Session, callback: AuthenticatedCallback, task_instance: Any, delivery: Delivery) -> None:
    """
    Store a delivery in the mailbox, and its value once: in the task's memory, where there is one.

    The mailbox ends with the try. That the memory holds the callbacks that the worker has registered shows
    that workers and API server have the same memory: a worker may keep its state elsewhere.
    """
    registration = callback.registration
    # A sign of life contains nothing that a new try would miss; what parties have reported is kept.
    keeps = registration.keep_body and (registration.parties or not delivery.heartbeat)
    if keeps and _callbacks(internals.durable_of(session, callback.task)):
        internals.keep_delivery(session, callback.task, delivery.to_text())
        delivery = replace(delivery, value=None, kept=True)
    internals.put_delivery(session, task_instance, delivery.to_text())


def _is_awaited(session: Session, callback: AuthenticatedCallback, task_instance: Any) -> bool:
    """Whether the task still waits for this very callback; asked under its lock."""
    if task_instance is None or internals.state_of(task_instance) not in internals.OPEN_STATES:
        return False
    if time.time() > callback.registration.deadline:
        return False
    announced = Registration.from_dict(internals.registration_of(session, callback.task))
    if announced is not None:
        return announced.submission == callback.registration.submission
    # A new try has begun, which clears the XComs, and has not announced anything yet. If it is going to take
    # up the job of the try before, that job's callback is welcome.
    memory = internals.durable_of(session, callback.task)
    latest = next(iter(_remembered(memory)), None)
    return (
        DURABLE_HANDLE in memory
        and latest is not None
        and latest.submission == callback.registration.submission
    )


def _remembered(memory: Mapping[str, Any]) -> Iterator[Registration]:
    """The callbacks that a task's memory knows, the latest first."""
    for past in _callbacks(memory):
        known = Registration.from_dict(past)
        if known:
            yield known


def _callbacks(memory: Mapping[str, Any]) -> list[Any]:
    """The same as stored."""
    callbacks = memory.get("callbacks")
    return callbacks if isinstance(callbacks, list) else []


def delivery_id_of(callback: AuthenticatedCallback, headers: Headers, body: bytes) -> str:
    """
    The sender's id of a delivery; empty where its protocol knows none.

    :raises Exception: whatever a body does to a protocol
    """
    return _delivery_id(_protocol(callback.registration), headers, body)


def _delivery_id(protocol: JobProtocol, headers: Headers, body: bytes) -> str:
    read = getattr(protocol, "delivery_id", None)
    return str(read(headers, body) or "") if read else ""


def _protocol(registration: Registration) -> JobProtocol:
    """
    The protocol that reads the callback.

    Its name comes from an XCom, which DAG authors can write, and this runs in the API server, where their
    code has no business: only our own are imported, or what the option admits.
    """
    name = registration.protocol
    if name not in PROTOCOLS and name not in callback_protocols():
        raise ConfigurationError(
            f"The protocol {name!r} is not admitted in the API server: list it in [async_provider] "
            "callback_protocols."
        )
    return protocol_for(name, registration.options)
