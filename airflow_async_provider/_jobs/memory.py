# SPDX-License-Identifier: Apache-2.0
"""
What a task remembers across its tries: the intent to submit, then the handle of the job.

Airflow keeps it in ``task_state_store`` (3.3 and later). XCom would not do: a new try starts by clearing it.
Nothing secret goes in: a handle holds none, and of a callback secret only the hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks.mailbox import delivery_for, key_of, state_of_task
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    DURABLE_KEY,
    MAX_CALLBACKS,
    Delivery,
    Registration,
)
from airflow_async_provider._polling.wait_log import Log
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._job import JobHandle

if TYPE_CHECKING:
    from airflow_async_provider.hooks._base import AsyncApiHook

VERSION = 1

#: States of a task in which this worker's try is over. Without a memory nothing tells the try's id, but only
#: jobs of remote systems that can be searched are ever taken up by another try then.
_OF_ANOTHER_TRY = frozenset({"deferred", "queued", "scheduled", "up_for_retry"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """
    What earlier tries have left.

    :param correlation_id: our own name for the job, the same on every try until the job is known
    :param handle: the job, once it is known
    :param owner: the try that has the job now, see :func:`try_of`
    :param max_tries: Airflow's number at that time, which grows when a person clears the task
    :param clear_number: the DAG run's, which grows when a person clears any task of the run
    :param restarts: how often the job was started anew within its try
    :param conn_id: connection that it was started by
    :param origin: where that connection pointed
    :param arguments: digests of the arguments that it was started with
    :param done: its result is where it shall be
    :param blocked: it was left to a person, who will resolve it and then clear the task
    :param ends_elsewhere: with its success the task is ended without a worker, which could note ``done``
    :param callbacks: registrations of the last submissions, the newest first; the receiver reads them
    """

    correlation_id: str = ""
    handle: JobHandle | None = None
    owner: str = ""
    max_tries: int | None = None
    clear_number: int | None = None
    restarts: int = 0
    conn_id: str = ""
    origin: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    blocked: bool = False
    ends_elsewhere: bool = False
    callbacks: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form with its version; what says nothing is left out."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["handle"] = None if self.handle is None else self.handle.to_dict()
        values["callbacks"] = [dict(c) for c in self.callbacks]
        stored_fields = {
            k: v for k, v in values.items() if v is not None and v is not False and v not in ("", [], {})
        }
        return {"version": VERSION, **stored_fields}

    @classmethod
    def from_dict(cls, value: Any) -> Remembered:
        """
        Rebuild; nothing of ours counts as nothing.

        :raises ConfigurationError: a later version of this package wrote it; the job in it may be running
        """
        if not isinstance(value, Mapping):
            return cls()
        version = value.get("version")
        if isinstance(version, int) and version > VERSION:
            raise ConfigurationError(
                f"A later version of this package has written what this task remembers (layout {version}, "
                f"this one reads up to {VERSION}), and with it the remote job; upgrade the package on this "
                "worker."
            )
        if version != VERSION:
            return cls()
        known = {name: value[name] for name in cls.__slots__ if name in value}
        if known.get("handle") is not None:
            known["handle"] = JobHandle.from_dict(known["handle"])
        known["callbacks"] = tuple(c for c in known.get("callbacks", ()) if isinstance(c, Mapping))
        return cls(**known)


class TaskMemory:
    """
    The memory of one task instance, as one try of it sees it.

    :param context: Airflow's task context
    :param log: told once when this Airflow has no such memory
    """

    def __init__(self, context: Mapping[str, Any], log: Log) -> None:
        self._context = context
        self._store: Any = context.get("task_state_store")
        self._log = log
        self.owner = try_of(context)
        #: Whether this Airflow keeps anything across tries.
        self.works = self._store is not None

    @cached_property
    def now(self) -> Remembered:
        """
        What is remembered.

        :raises ConfigurationError: a later version of this package wrote it
        """
        if not self.works:
            self._log.info(
                "This Airflow keeps no task state across tries (3.3 does): should this worker die, the "
                "next try cannot find the remote job by its handle. Nor is the job cancelled when a "
                "person clears or marks the task while it is deferred."
            )
        return Remembered.from_dict(self._store.get(DURABLE_KEY) if self.works else None)

    @property
    def cleared(self) -> bool | None:
        """Whether a person has cleared the task since; None when that is not known."""
        return was_cleared(self.now, self._context)

    def note(
        self,
        correlation_id: str,
        hook: AsyncApiHook,
        arguments: Mapping[str, Any],
        *,
        handle: JobHandle | None = None,
        restarts: int = 0,
    ) -> None:
        """
        Note the intent to start a job, or the job.

        :param correlation_id: our own name for it
        :param hook: by whose connection it is started
        :param arguments: what says what the job is
        :param handle: the job, once it is known
        :param restarts: how often the job was started anew within its try
        """
        max_tries, clear_number = clearings_of(self._context)
        self.save(
            Remembered(
                correlation_id=correlation_id,
                handle=handle,
                owner=self.owner,
                restarts=restarts,
                conn_id=hook.conn_id,
                origin=hook.origin,
                arguments=digests_of(arguments),
                max_tries=max_tries,
                clear_number=clear_number,
            )
        )

    def save(self, remembered: Remembered) -> None:
        """Remember this, and the callbacks that may still come."""
        self.now = replace(remembered, callbacks=remembered.callbacks or self.now.callbacks)
        if self.works:
            self._store.set(DURABLE_KEY, self.now.to_dict())

    def add(self, **facts: Any) -> None:
        """Remember further facts about the job, unless it is forgotten already."""
        if self.now.handle is not None:
            self.save(replace(self.now, **facts))

    def note_end(self, *, elsewhere: bool) -> None:
        """
        Remember whether the triggerer or the receiver ends the task when its job has succeeded.

        Read anew and not kept: what the next try writes meanwhile must not be overwritten later.
        """
        known = self.__dict__.get("now")
        if not self.works or (known is not None and known.ends_elsewhere is elsewhere):
            return
        stored = Remembered.from_dict(self._store.get(DURABLE_KEY))
        if stored.handle is None or stored.owner != self.owner or stored.ends_elsewhere is elsewhere:
            return
        self._store.set(DURABLE_KEY, replace(stored, ends_elsewhere=elsewhere).to_dict())
        if known is not None:
            self.now = replace(known, ends_elsewhere=elsewhere)

    def forget(self) -> None:
        """Forget the job: the next run of this task starts a new one."""
        callbacks, known = self.now.callbacks, self.now != Remembered()
        self.now = Remembered(callbacks=callbacks)
        if not self.works or not known:
            return
        if any(c.get("keep_body") for c in callbacks):
            self._store.delete(DURABLE_DELIVERY_KEY)  # may be large, and is not asked for again
        if callbacks:
            self._store.set(DURABLE_KEY, self.now.to_dict())
        else:
            self._store.delete(DURABLE_KEY)

    def expect(self, registration: Mapping[str, Any]) -> None:
        """Remember an announced callback, so that the receiver knows it as authentic after a new try."""
        known = (dict(registration), *self.now.callbacks)[:MAX_CALLBACKS]
        self.save(replace(self.now, callbacks=known))

    def delivery(self) -> Delivery | None:
        """The callback of the latest submission, where it is the only bearer of the result and has come."""
        if not self.works:
            return None
        newest = Registration.from_dict(next(iter(self.now.callbacks), None))
        submission = newest.submission if newest else "-"
        return delivery_for(submission, self._store.get(DURABLE_DELIVERY_KEY))

    def still_ours(self) -> bool:
        """
        Whether the job is still this try's, asked of Airflow at this moment.

        Airflow gives every try an id of its own and answers for the newest one only; and whoever takes a job
        up notes it. No answer counts as no.
        """
        try:
            if self.works:
                return Remembered.from_dict(self._store.get(DURABLE_KEY)).owner == self.owner
            return state_of_task(key_of(self._context["ti"])) not in _OF_ANOTHER_TRY
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as e:  # noqa: BLE001 - Airflow raises one where a signal strikes within a question to it
            self._log.warning(
                "Airflow does not say whether this try is still the task's (%s).", type(e).__name__
            )
            return False


def try_of(context: Mapping[str, Any]) -> str:
    """A name for this try of the task: the same after a deferral, another one on a retry."""
    ti = context.get("ti")
    return f"{getattr(ti, 'id', '')}/{getattr(ti, 'try_number', '')}"


def clearings_of(context: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """What clearing changes: ``max_tries`` of the task, and ``clear_number`` of its DAG run."""
    max_tries = getattr(context.get("ti"), "max_tries", None)
    return max_tries, getattr(context.get("dag_run"), "clear_number", None)


def was_cleared(remembered: Remembered, context: Mapping[str, Any]) -> bool | None:
    """
    Whether a person has cleared the task since, as far as Airflow shows it.

    :return: None when it may be so: clearing a task that runs leaves ``max_tries`` as it is, and so may
        clearing after ``retries`` was lowered; clearing another task of the run raises ``clear_number`` too
    """
    max_tries, clear_number = clearings_of(context)
    if remembered.max_tries != max_tries:
        return True
    return False if clear_number is not None and remembered.clear_number == clear_number else None


def digests_of(arguments: Mapping[str, Any]) -> dict[str, str]:
    """
    A short digest of each argument, to tell later which have changed without keeping their values.

    What has no constant ``repr`` of its own, which is nothing that could be sent, counts as changed.
    """
    from hashlib import sha256

    return {
        name: sha256(repr(value).encode("utf-8", "backslashreplace")).hexdigest()[:12]
        for name, value in arguments.items()
    }
