# SPDX-License-Identifier: Apache-2.0
"""
States of runs and task instances, read once for all who wait for them.

Dozens of tests that wait at the same time would keep an API server busy with nothing but their questions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Rows = list[dict[str, Any]]

#: How old an answer may be (seconds).
AGE = 0.3


class States:
    """
    What the metadata database says, at most :data:`AGE` seconds old.

    :param db: reads rows, see :meth:`~tests.support.harness.real_airflow.RealAirflow.db`
    :param map_index: the column of task_instance with a mapped task's index
    """

    def __init__(self, db: Callable[[str, Sequence[Any]], Rows], map_index: str) -> None:
        self._db = db
        self._sql = (
            f"select dag_id, run_id, task_id, {map_index} as map_index, state, try_number from task_instance"
        )
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._runs: dict[tuple[str, str], str] = {}
        self._tasks: dict[tuple[str, str], Rows] = {}

    def run(self, dag_id: str, run_id: str) -> str | None:
        """State of a run, None where there is none."""
        self._refresh()
        return self._runs.get((dag_id, run_id))

    def tasks(self, dag_id: str, run_id: str) -> Rows:
        """``task_id``, ``map_index``, ``state`` and ``try_number`` of a run's task instances."""
        self._refresh()
        return self._tasks.get((dag_id, run_id), [])

    def forget(self) -> None:
        """Somebody has changed something: the next answer is read anew."""
        with self._lock:
            self._read_at = 0.0

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._read_at < AGE:
                return
            began = time.monotonic()
            runs = self._db("select dag_id, run_id, state from dag_run", ())
            tasks: dict[tuple[str, str], Rows] = {}
            for row in self._db(self._sql, ()):
                tasks.setdefault((row["dag_id"], row["run_id"]), []).append(row)
            self._runs = {(row["dag_id"], row["run_id"]): row["state"] for row in runs}
            self._tasks = tasks
            self._read_at = began
