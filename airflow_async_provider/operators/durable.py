# SPDX-License-Identifier: Apache-2.0
"""
What a task remembers across its tries: the intent to submit, then the handle of the job.

Airflow keeps it in ``task_state_store`` (3.3 and later). XCom would not do: a new try starts by clearing it.
Nothing secret goes in: a handle holds none, and of a callback secret only the hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_async_provider.callbacks.mailbox import letter_for
from airflow_async_provider.callbacks.registration import DURABLE_KEY, DURABLE_LETTER_KEY, Letter
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks.waiting import Log

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1

#: Callbacks of so many earlier submissions are still known as authentic (and then change nothing).
MOST_CALLBACKS = 5


class Durable:
    """
    The memory of one task instance.

    :param context: Airflow's task context
    :param log: told once when this Airflow has no such memory
    """

    def __init__(self, context: Mapping[str, Any], log: Log) -> None:
        self._store: Any = context.get("task_state_store")
        self._log: Log | None = log

    def load(self) -> dict[str, Any]:
        """
        What an earlier try left; empty when nothing, or nothing of ours.

        :raises ConfigurationError: a later version of this package wrote it; the job in it may be running
        """
        if self._store is None and self._log is not None:
            self._log.info(
                "This Airflow keeps no task state across tries (3.3 does): should this worker die, the next "
                "try cannot find the remote job by its handle. Nor is the job cancelled when a person clears "
                "or marks the task while it is deferred."
            )
            self._log = None
        value = self._store.get(DURABLE_KEY) if self._store is not None else None
        if not isinstance(value, dict):
            return {}
        version = value.get("version")
        if isinstance(version, int) and version > VERSION:
            raise ConfigurationError(
                f"A later version of this package has written what this task remembers (layout {version}, "
                f"this one reads up to {VERSION}), and with it the remote job; upgrade the package on this "
                "worker."
            )
        return value if version == VERSION else {}

    def save(self, **facts: Any) -> None:
        """Replace what is remembered, but for the callbacks that may still come."""
        if self._store is not None:
            callbacks = self.load().get("callbacks")
            self._store.set(
                DURABLE_KEY,
                {"version": VERSION, **({"callbacks": callbacks} if callbacks else {}), **facts},
            )

    def save_job(self, job: Mapping[str, Any], **facts: Any) -> None:
        """Remember the job."""
        self.save(job=dict(job), **facts)

    def letter(self) -> Letter | None:
        """The callback of the latest submission, where it is the only bearer of the result and has come."""
        if self._store is None:
            return None
        callbacks = self.load().get("callbacks") or [{}]
        submission = str(callbacks[0].get("secret_hash") or "-")[:16]
        return letter_for(submission, self._store.get(DURABLE_LETTER_KEY))

    def expect(self, registration: Mapping[str, Any]) -> None:
        """Remember an announced callback, so that the receiver knows it as authentic after a new try."""
        if self._store is not None:
            saved = self.load()
            known = [dict(registration), *saved.get("callbacks", [])][:MOST_CALLBACKS]
            self._store.set(DURABLE_KEY, {**saved, "version": VERSION, "callbacks": known})

    def clear(self) -> None:
        """Forget the job: the next run of this task starts a new one."""
        if self._store is None:
            return
        saved = self.load()
        if callbacks := saved.get("callbacks"):
            if any(known.get("keep_body") for known in callbacks):
                self._store.delete(DURABLE_LETTER_KEY)  # may be large, and nobody will ask for it again
            self._store.set(DURABLE_KEY, {"version": VERSION, "callbacks": callbacks})
        elif saved:
            self._store.delete(DURABLE_KEY)
