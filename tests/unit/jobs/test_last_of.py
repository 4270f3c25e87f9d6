# SPDX-License-Identifier: Apache-2.0
"""The last value of a task object, without a place on the object."""

from __future__ import annotations

from airflow_async_provider._jobs.last_of import MAX_TASKS, LastOf


def test_the_last_value_of_each_task() -> None:
    kept, one, other = LastOf[int](), object(), object()
    kept.put(one, 1)
    kept.put(one, 2)
    kept.put(other, 3)
    assert (kept.get(one), kept.get(other), kept.get(object())) == (2, 3, None)


def test_it_is_bounded() -> None:
    kept, tasks = LastOf[int](), [object() for _ in range(MAX_TASKS + 1)]
    for task in tasks:
        kept.put(task, 1)
    assert kept.get(tasks[0]) is None
    assert kept.get(tasks[-1]) == 1
