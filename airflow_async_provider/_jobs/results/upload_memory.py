# SPDX-License-Identifier: Apache-2.0
"""What a task remembers of an upload that is under way, across its tries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_async_provider._callbacks.mailbox import key_of, look_storing, note_storing
from airflow_async_provider._polling.wait_log import Log

#: Apart from what is remembered of the job, as it comes and goes while a result is stored.
UPLOAD_KEY = "async_job_upload"
UPLOAD_FACTS = frozenset({"bucket", "key", "upload_id"})


class TaskUploadMemory:
    """
    The upload that this task has under way, for a try after one that was killed outright.

    See :class:`~airflow_async_provider._download.destination.base.UploadMemory`. An Airflow that keeps no
    task state, or does not answer now, costs nothing but this: what is left is then a lifecycle rule's to
    remove.

    :param context: Airflow's task context
    :param log: told when Airflow's store does not answer
    :param triggerer: whether a triggerer may have left one, too
    """

    def __init__(self, context: Mapping[str, Any], log: Log, *, triggerer: bool = False) -> None:
        self._store: Any = context.get("task_state_store")
        self._ti = context.get("ti")
        self._first_try = getattr(self._ti, "try_number", 1) <= 1
        self._log = log
        self._triggerer = triggerer

    def left(self) -> Mapping[str, str] | None:
        """What a triggerer or an earlier try has begun and not ended."""
        if self._triggerer:
            noted = self._asked(lambda: look_storing(key_of(self._ti))) or {}
            if (known := _upload(noted.get("upload"))) is not None:
                return known
            if noted.get("owner") and not noted.get("over"):
                return {}
            self._triggerer = False
        if self._store is None or self._first_try:
            return None
        return _upload(self._asked(lambda: self._store.get(UPLOAD_KEY)))

    def began(self, upload: Mapping[str, str]) -> None:
        """Remember an upload."""
        if self._store is not None:
            self._asked(lambda: self._store.set(UPLOAD_KEY, dict(upload)))

    def ended(self) -> None:
        """Forget it."""
        if self._triggerer:
            self._asked(lambda: note_storing(key_of(self._ti), {}))
            self._triggerer = False
        if self._store is not None:
            self._asked(lambda: self._store.delete(UPLOAD_KEY))

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 - the result is worth more than what may be left of an upload
            self._log.warning("The unfinished upload is not remembered (%s).", type(error).__name__)
            return None


def _upload(left: Any) -> Mapping[str, str] | None:
    if not isinstance(left, dict) or set(left) != UPLOAD_FACTS:
        return None
    return {name: str(value) for name, value in left.items()}
