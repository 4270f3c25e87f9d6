# SPDX-License-Identifier: Apache-2.0
"""
From a received request to a task that goes on: authenticate, read, store and wake in one transaction.

Knows nothing of HTTP servers; runs in a thread, as Airflow's database access blocks.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_async_provider.callbacks import airflow_internals as internals
from airflow_async_provider.callbacks.address import NO_HASH, TaskKey, matches
from airflow_async_provider.callbacks.registration import Letter, Registration
from airflow_async_provider.errors import AsyncJobError, CallbackError, ConfigurationError
from airflow_async_provider.hooks.registry import GENERIC, HOOKS
from airflow_async_provider.protocols.base import Headers, JobProtocol, JobState, JobStatus
from airflow_async_provider.protocols.registry import PROTOCOLS, protocol_for
from airflow_async_provider.protocols.signatures import scheme_from_dict
from airflow_async_provider.settings import callback_protocols

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: A task whose result comes in its callback alone can be given this much of it (bytes) in the error text.
TOO_LARGE = "CallbackTooLargeError"

#: Signature keys are looked up once a minute and connection.
KEY_LIFE = 60.0


class Verdict(Enum):
    """What became of a callback; the receiver turns it into a status code, metrics count it."""

    ACCEPTED = "accepted"
    WOKEN = "woken"
    DUPLICATE = "duplicate"
    LATE = "late"
    IGNORED = "ignored"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Claim:
    """
    An authentic sender: the secret was right. The signature, where one is wanted, is still to be checked.

    :param task: the task instance
    :param registration: what it expects
    :param current: False when the secret belongs to an earlier submission of this task
    """

    task: TaskKey
    registration: Registration
    current: bool = True


def authenticate(token: str, secret: str | None) -> Claim | None:
    """
    The claim of a sender, None when it has none: unknown task and wrong secret are not told apart.

    :param token: path segment that names the task
    :param secret: from the path or the Authorization header
    """
    task = TaskKey.decode(token)
    if task is None:
        matches(secret, NO_HASH)
        return None
    with internals.transaction() as session:
        return _claim(session, task, secret)


def _claim(session: Session, task: TaskKey, secret: str | None) -> Claim | None:
    registration = Registration.from_dict(internals.registration_of(session, task))
    if matches(secret, registration.secret_hash if registration else NO_HASH) and registration:
        return Claim(task, registration)
    # A new try clears the task's XComs; what its earlier submissions expected is still in its memory.
    for past in internals.durable_of(session, task).get("callbacks", ()):
        known = Registration.from_dict(past)
        if known and matches(secret, known.secret_hash):
            return Claim(task, known, current=False)
    return None


def signature_fits(claim: Claim, headers: Headers, body: bytes) -> bool:
    """Whether the body carries the signature that the connection's key makes, where one is wanted."""
    registration = claim.registration
    if registration.signature is None:
        return True
    try:
        scheme = scheme_from_dict(registration.signature)
        key = _keys.get(registration.hook, registration.conn_id)
    except AsyncJobError:
        log.warning("The signature of a callback cannot be checked: its scheme or key cannot be read.")
        return False
    return bool(key) and scheme.verify(key, headers, body, now=time.time())


def take(claim: Claim, headers: Headers, body: bytes) -> Verdict:
    """
    Read an authentic callback, store it, and wake its task if it is deferred: one transaction.

    :raises Exception: what the database raises; nothing was stored then
    """
    registration = claim.registration
    try:
        protocol = _protocol(registration)
        status = protocol.read_callback(headers, body)
        delivery_id = getattr(protocol, "delivery_id", _no_delivery_id)(headers, body)
    except AsyncJobError as e:
        # The sender is who it says; only its words are strange. Asking it to repeat them helps nobody.
        log.warning("An authentic callback cannot be read (%s).", type(e).__name__)
        if not registration.pollable:
            return Verdict.UNREADABLE
        status, delivery_id = JobStatus(JobState.RUNNING, native="unreadable", understood=False), None
    if status.state is JobState.RUNNING and not registration.pollable:
        return Verdict.IGNORED  # "the job has started"
    letter = Letter(
        state=status.state.value,
        native=status.native,
        received_at=time.time(),
        message=status.message,
        value=status.result.value if registration.keep_body and status.result else None,
        detail=dict(status.detail),
        delivery_id=delivery_id,
    )
    return deliver(claim, letter)


def refuse_size(claim: Claim) -> Verdict:
    """Tell the task that its callback was too large to be taken, so that it fails instead of hanging."""
    return deliver(claim, Letter(state="error", native="too large", received_at=time.time(), error=TOO_LARGE))


def deliver(claim: Claim, letter: Letter) -> Verdict:
    """Put a letter into the mailbox of its task and wake it, in one transaction."""
    task, registration = claim.task, claim.registration
    with internals.transaction() as session:
        task_instance = internals.lock_task(session, task)
        state = "" if task_instance is None else internals.state_of(task_instance)
        if not claim.current or state not in internals.OPEN_STATES or time.time() > registration.deadline:
            return Verdict.LATE
        known = Letter.from_dict(internals.letter_of(session, task))
        if known and (known.same_as(letter) or (registration.keep_body and known.state != "error")):
            return Verdict.DUPLICATE
        internals.put_letter(session, task, letter.to_dict())
        if registration.keep_body:
            internals.keep_letter(session, task, letter.to_dict())
        ready_at = internals.may_be_woken_at(task_instance, registration.settle)
        # Too early: the task's own trigger takes the letter out when the settle time is over.
        if ready_at is None or ready_at.timestamp() > time.time():
            return Verdict.ACCEPTED
        internals.resume(session, task_instance, letter.to_event())
        return Verdict.WOKEN


def _no_delivery_id(headers: Headers, body: bytes) -> str | None:
    return None


class _Keys:
    """Signature keys by hook and connection, looked up once a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def get(self, hook: str | None, conn_id: str | None) -> str:
        if not hook or not conn_id:
            return ""
        with self._lock:
            known = self._known.get((hook, conn_id))
            if known and time.monotonic() < known[0]:
                return known[1]
        key = _hook_class(hook).signature_key(internals.connection_of(conn_id)) or ""
        with self._lock:
            self._known[hook, conn_id] = (time.monotonic() + KEY_LIFE, key)
        return str(key)


def _hook_class(path: str) -> Any:
    """
    The hook that knows where in its connection the signature key is.

    The path comes from an XCom, which DAG authors can write, and this runs in the API server, where their
    code has no business: only our own hooks are imported.
    """
    from importlib import import_module

    if path not in {*HOOKS.values(), GENERIC}:
        raise ConfigurationError(f"{path!r} is no hook of this package")
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _protocol(registration: Registration) -> JobProtocol:
    """The protocol that reads the callback; for the same reason only our own, or what the option admits."""
    name = registration.protocol
    if name not in PROTOCOLS and name not in callback_protocols():
        raise CallbackError(
            f"The protocol {name!r} is not admitted in the API server: list it in [async_provider] "
            "callback_protocols."
        )
    return protocol_for(name, registration.options)


_keys = _Keys()
