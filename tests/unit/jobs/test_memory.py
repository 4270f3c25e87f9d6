# SPDX-License-Identifier: Apache-2.0
"""What a task remembers across its tries."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import DURABLE_KEY, MAX_CALLBACKS
from airflow_async_provider._jobs.memory import (
    VERSION,
    Remembered,
    TaskMemory,
    digests_of,
    was_cleared,
)
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import JobHandle
from tests.support.one_task import OneTask, Store

LOG = logging.getLogger("task")
JOB = Remembered(correlation_id="c", handle=JobHandle("x", "7", 0.0), owner="0192/1")


def memory(task: OneTask) -> TaskMemory:
    return TaskMemory(task.context, LOG)


def test_the_next_try_knows_the_job() -> None:
    task = OneTask()
    memory(task).save(JOB)
    assert memory(task).now == JOB
    memory(task).add(done=True)
    assert memory(task).now.done is True
    memory(task).forget()
    assert memory(task).now == Remembered()
    assert task.store == {}


def test_nothing_is_added_to_what_is_forgotten() -> None:
    task = OneTask()
    memory(task).add(done=True)
    assert task.store == {}


def test_announced_callbacks_outlive_the_job_and_are_bounded() -> None:
    task = OneTask()
    for number in range(MAX_CALLBACKS + 2):
        memory(task).expect({"secret_hash": str(number)})
    memory(task).save(JOB)
    memory(task).forget()
    kept = memory(task).now.callbacks
    assert len(kept) == MAX_CALLBACKS
    assert kept[0]["secret_hash"] == str(MAX_CALLBACKS + 1)


@pytest.mark.parametrize("value", [None, [], "x", {"version": "x"}, {"version": VERSION - 1, "owner": "a"}])
def test_what_is_none_of_ours_counts_as_nothing(value: Any) -> None:
    assert Remembered.from_dict(value) == Remembered()


def test_what_a_later_version_wrote_is_not_forgotten() -> None:
    task = OneTask()
    assert task.store is not None
    task.store[DURABLE_KEY] = {"version": VERSION + 1}
    with pytest.raises(ConfigurationError, match="upgrade the package"):
        _ = memory(task).now


# -- whose job it is


def test_a_job_is_ours_until_another_try_has_taken_it_up() -> None:
    task = OneTask()
    task.try_number = 1
    first = memory(task)
    first.save(Remembered(correlation_id="c", owner=first.owner))
    assert first.still_ours()
    task.try_number = 2
    second = memory(task)
    second.save(Remembered(correlation_id="c", owner=second.owner))
    assert second.still_ours()
    assert not first.still_ours()


def test_no_answer_counts_as_no() -> None:
    class Away(Store):
        def get(self, key: str, default: Any = None) -> Any:
            raise ConnectionError("the API server is away")

    task = OneTask()
    task.store = Away()
    assert not memory(task).still_ours()


# -- clearings


@pytest.mark.parametrize(
    ("then", "now", "cleared"),
    [
        ((1, 0), (1, 0), False),
        ((1, 0), (2, 1), True),
        ((1, 0), (1, 1), None),
        ((1, None), (1, None), None),
        ((3, 0), (1, 0), True),
    ],
)
def test_clearings_as_airflow_shows_them(
    then: tuple[int, int | None], now: tuple[int, int | None], cleared: bool | None
) -> None:
    context = {
        "ti": SimpleNamespace(max_tries=now[0]),
        "dag_run": SimpleNamespace(clear_number=now[1]),
    }
    assert was_cleared(Remembered(max_tries=then[0], clear_number=then[1]), context) is cleared


def test_digests_tell_which_arguments_have_changed_and_not_what_they_are() -> None:
    before, after = digests_of({"a": "secret", "b": 1}), digests_of({"a": "secret", "b": 2})
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]
    assert "secret" not in str(before)
    assert digests_of({"a": object()}) != digests_of({"a": object()})
