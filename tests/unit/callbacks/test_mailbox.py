# SPDX-License-Identifier: Apache-2.0
"""What the mailbox makes of Airflow's task instances, and what it asks about them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from airflow_async_provider._callbacks import mailbox
from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.mailbox import (
    apush_return_value,
    delivery_for,
    is_still_deferred,
    key_of,
)
from airflow_async_provider._callbacks.registration import EMPTY_MAILBOX, Delivery

TRY = UUID("019e1a2b-3c4d-7e5f-8a6b-7c8d9e0fabcd")


@pytest.mark.parametrize(("map_index", "expected"), [(None, -1), (-1, -1), (0, 0), (3, 3)])
def test_the_key_of_a_task_instance_names_its_try(map_index: int | None, expected: int) -> None:
    ti = SimpleNamespace(id=TRY, dag_id="d", run_id="r", task_id="t", map_index=map_index)
    assert key_of(ti) == TaskKey("d", "r", "t", expected, TRY.hex)


def test_a_task_instance_without_a_uuid_has_a_key_all_the_same() -> None:
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
    assert key_of(ti) == TaskKey("d", "r", "t")


def test_an_empty_mailbox_holds_no_delivery() -> None:
    assert delivery_for("", EMPTY_MAILBOX) is None
    assert delivery_for("", None) is None
    stored = Delivery(state="succeeded", submission="a").to_text()
    assert delivery_for("b", stored) is None
    assert (
        delivery_for("a", stored) == delivery_for("", stored) == Delivery(state="succeeded", submission="a")
    )


@pytest.mark.parametrize(
    ("map_index", "answer", "expected"),
    [
        (-1, {"r": {"t": "deferred"}}, True),
        (0, {"r": {"t_0": "deferred"}}, True),
        (3, {"r": {"t_3": "deferred"}}, True),
        (-1, {"r": {"t": SimpleNamespace(value="deferred")}}, True),
        (-1, {"r": {"t": "running"}}, False),
        (3, {"r": {"t": "deferred"}}, False),
        (-1, {"r": None}, False),
        (-1, {}, False),
    ],
)
def test_whether_a_task_is_still_deferred_is_asked_where_airflow_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, map_index: int, answer: Any, expected: bool
) -> None:
    asked: list[Any] = []
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def states(**of: Any) -> Any:
        asked.append(of)
        return answer

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(states))
    key = TaskKey("d", "r", "t", map_index, TRY.hex)
    monkeypatch.setattr(mailbox, "HANDOVER_KILLS", True)
    assert asyncio.run(is_still_deferred(key)) is expected
    assert asked == [{"dag_id": "d", "task_ids": ["t"], "run_ids": ["r"], "map_index": map_index}]

    # From Airflow 3.4 on only a killed task's trigger is told, and iterations of a loop share that name.
    monkeypatch.setattr(mailbox, "HANDOVER_KILLS", False)
    assert asyncio.run(is_still_deferred(key)) is False
    assert len(asked) == 1


#: As Airflow 3.4 keeps the task that a trigger is of.
WHOSE: ContextVar[str] = ContextVar("whose", default="nobody's")


@pytest.mark.parametrize(("mapped_over", "length"), [(True, 3), (False, None)])
async def test_a_value_is_pushed_as_a_worker_would(
    monkeypatch: pytest.MonkeyPatch, mapped_over: bool, length: int | None
) -> None:
    """Whatever this Airflow's own way is: with its length where tasks are expanded over it, as this task."""
    from airflow.sdk.execution_time import task_runner

    sent: list[tuple[Any, str]] = []

    def send(msg: Any) -> None:
        sent.append((msg, WHOSE.get()))

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(send=send), raising=False)
    region = {"region_id": None, "region_index": None}
    ti = SimpleNamespace(id=TRY, dag_id="d", run_id="r", task_id="t", map_index=-1, **region)
    WHOSE.set("this task's")
    await apush_return_value(ti, ["a", "b", "c"], mapped_over=mapped_over)

    ((message, whose),) = sent
    assert (message.key, message.value) == ("return_value", ["a", "b", "c"])
    assert (message.dag_id, message.run_id, message.task_id, message.map_index) == ("d", "r", "t", -1)
    assert (message.mapped_length, whose) == (length, "this task's")
