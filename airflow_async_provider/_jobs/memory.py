# SPDX-License-Identifier: Apache-2.0
"""
What a task remembers across its tries: the intent to submit, then the handle of the job.

Airflow keeps it in ``task_state_store`` (3.3 and later). XCom would not do: a new try starts by clearing it.
Nothing secret goes in: a handle holds none, and of a callback secret only the hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks.mailbox import delivery_for
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    DURABLE_KEY,
    MAX_CALLBACKS,
    Delivery,
)
from airflow_async_provider._polling.loop import Log
from airflow_async_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = 1

#: Apart from the rest, as it comes and goes while a result is stored.
UPLOAD_KEY = "async_job_upload"
UPLOAD_FACTS = frozenset({"bucket", "key", "upload_id"})


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

    def delivery(self) -> Delivery | None:
        """The callback of the latest submission, where it is the only bearer of the result and has come."""
        if self._store is None:
            return None
        callbacks = self.load().get("callbacks") or [{}]
        submission = str(callbacks[0].get("secret_hash") or "-")[:16]
        return delivery_for(submission, self._store.get(DURABLE_DELIVERY_KEY))

    def expect(self, registration: Mapping[str, Any]) -> None:
        """Remember an announced callback, so that the receiver knows it as authentic after a new try."""
        if self._store is not None:
            saved = self.load()
            known = [dict(registration), *saved.get("callbacks", [])][:MAX_CALLBACKS]
            self._store.set(DURABLE_KEY, {**saved, "version": VERSION, "callbacks": known})

    def done(self) -> None:
        """
        Note that the job's result is where it shall be.

        The job is not forgotten: should this try be killed before Airflow has noted its success, the next one
        goes on with it. Whoever clears the task afterwards wants a new job and gets one.
        """
        self._add(done=True)

    def is_done(self, max_tries: int | None) -> bool:
        """Whether an earlier try has brought the result home, and nobody has cleared the task since."""
        if self._store is None:
            return False
        saved = self.load()
        return bool(saved.get("done")) and saved.get("max_tries") == max_tries

    def blocked(self) -> None:
        """Note that the job was left to a person; who clears the task then has resolved it and wants it."""
        self._add(blocked=True)

    def _add(self, **facts: Any) -> None:
        if self._store is not None:
            saved = self.load()
            if "job" in saved:
                self._store.set(DURABLE_KEY, {**saved, **facts})

    def clear(self) -> None:
        """Forget the job: the next run of this task starts a new one."""
        if self._store is None:
            return
        saved = self.load()
        if callbacks := saved.get("callbacks"):
            if any(known.get("keep_body") for known in callbacks):
                self._store.delete(DURABLE_DELIVERY_KEY)  # may be large, and nobody will ask for it again
            self._store.set(DURABLE_KEY, {"version": VERSION, "callbacks": callbacks})
        elif saved:
            self._store.delete(DURABLE_KEY)


class Uploads:
    """
    The upload that this task has under way, for a try after one that was killed outright.

    See :class:`~airflow_async_provider._download.destination.base.UploadMemory`. An Airflow that keeps no
    task state, or does not answer now, costs nothing but this: what is left is then a lifecycle rule's to
    remove.

    :param context: Airflow's task context
    :param log: told when Airflow's store does not answer
    """

    def __init__(self, context: Mapping[str, Any], log: Log) -> None:
        self._store: Any = context.get("task_state_store")
        self._first_try = getattr(context.get("ti"), "try_number", 1) <= 1
        self._log = log

    def left(self) -> Mapping[str, str] | None:
        """What an earlier try has begun and not ended."""
        if self._store is None or self._first_try:
            return None
        left = self._asked(lambda: self._store.get(UPLOAD_KEY))
        if not isinstance(left, dict) or set(left) != UPLOAD_FACTS:
            return None
        return {name: str(value) for name, value in left.items()}

    def began(self, upload: Mapping[str, str]) -> None:
        """Remember an upload."""
        if self._store is not None:
            self._asked(lambda: self._store.set(UPLOAD_KEY, dict(upload)))

    def ended(self) -> None:
        """Forget it."""
        if self._store is not None:
            self._asked(lambda: self._store.delete(UPLOAD_KEY))

    def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - the result is worth more than what may be left of an upload
            self._log.warning("The unfinished upload is not remembered (%s).", type(error).__name__)
            return None


def max_tries_of(context: Mapping[str, Any]) -> int | None:
    """What tells a person's wish from Airflow's: clearing a task raises it, a retry does not."""
    return getattr(context.get("ti"), "max_tries", None)
