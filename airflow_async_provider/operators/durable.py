# SPDX-License-Identifier: Apache-2.0
"""
What a task remembers across its tries: the intent to submit, then the handle of the job.

Airflow keeps it in ``task_state_store`` (3.3 and later). XCom would not do: a new try starts by clearing it.
Nothing secret goes in: a handle holds none, and of a callback secret only the hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_async_provider.hooks.waiting import Log

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "async_job"
VERSION = 1


class Durable:
    """
    The memory of one task instance.

    :param context: Airflow's task context
    :param log: told once when this Airflow has no such memory
    """

    def __init__(self, context: Mapping[str, Any], log: Log) -> None:
        self._store: Any = context.get("task_state_store")
        if self._store is None:
            log.info(
                "This Airflow keeps no task state across tries (3.3 does): should this worker die, the next "
                "try cannot find the remote job by its handle."
            )

    def load(self) -> dict[str, Any]:
        """What an earlier try left; empty when nothing, or nothing that this version can read."""
        value = self._store.get(KEY) if self._store is not None else None
        return value if isinstance(value, dict) and value.get("version") == VERSION else {}

    def save(self, **facts: Any) -> None:
        """Replace what is remembered."""
        if self._store is not None:
            self._store.set(KEY, {"version": VERSION, **facts})

    def clear(self) -> None:
        """Forget: the next run of this task starts a new job."""
        if self._store is not None and self._store.get(KEY) is not None:
            self._store.delete(KEY)
