# SPDX-License-Identifier: Apache-2.0
"""
What belongs to one run of a task but must be found by the task object.

Airflow kills a task, and asks for its links and its lineage, by that object alone.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

#: Of so many tasks something is kept; a worker runs one, a test process many.
MAX_TASKS = 64


class LastOf(Generic[T]):
    """The last value of each task object of this process."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[object, T]] = {}

    def put(self, task: object, value: T) -> None:
        """Keep a value, instead of the last one."""
        self._kept.pop(id(task), None)
        self._kept[id(task)] = (task, value)
        while len(self._kept) > MAX_TASKS:
            del self._kept[next(iter(self._kept))]

    def get(self, task: object) -> T | None:
        """The last value, None when there is none (any more)."""
        kept = self._kept.get(id(task))
        return kept[1] if kept is not None and kept[0] is task else None
