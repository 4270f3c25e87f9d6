# SPDX-License-Identifier: Apache-2.0
"""The record of deliveries: what it holds, what it never holds, and that it stays small."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import deliveries, doors
from tests.support.callback_world import MUTE, World, world_fixture  # noqa: F401 - fixtures


def test_what_came_for_a_task_is_written_down_without_secret_and_body(world: World) -> None:
    task, other = world.task(**MUTE), world.task()
    body = {"eventId": "e-1", "notificationId": 1084, "response": {"text": "geheimer Inhalt"}}
    for _ in range(2):
        assert task.post(body).status_code == 200
    other.post({"status": 1900})
    where = {"dag_id": task.key.dag_id, "task_id": task.key.task_id, "run_id": task.key.run_id}
    rows = deliveries.last(10, task={**where, "map_index": -1})
    assert [row["outcome"] for row in rows] == ["duplicate", "woken"]
    assert rows[0]["bytes"] == len(json.dumps(body))
    assert rows[0] | where == rows[0]
    assert "geheimer" not in json.dumps(rows)
    assert task.address.secret not in json.dumps(rows)
    assert len(deliveries.last(1, task=where)) == 1


def test_the_record_of_a_task_has_the_sender_s_id_unless_the_body_is_large(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    form: dict[str, Any] = {"protocol": "remote_job", "options": {}, "pollable": False, "keep_body": True}
    task = world.task(**form)
    assert task.post({"status": "running"}, headers={"webhook-id": "msg_1"}).status_code == 200
    monkeypatch.setattr(doors, "MAX_READ_AGAIN", 10)
    assert task.post({"status": "succeeded"}, headers={"webhook-id": "msg_2"}).status_code == 200
    rows = deliveries.last(10, task={"dag_id": task.key.dag_id, "task_id": task.key.task_id})
    assert [row.get("id") for row in rows] == [None, "msg_1"]


def test_the_record_of_a_task_stays_small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "KEEP_TASK", 3)
    task, other = world.task(), world.task()
    other.post()
    for _ in range(6):
        task.post()
    assert len(deliveries.last(10, task={"dag_id": task.key.dag_id})) == 3
    assert len(deliveries.last(10, task={"dag_id": other.key.dag_id})) == 1


def test_the_record_of_a_source_stays_small_and_keeps_what_tells_repeats(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "KEEP_OTHER", 3)
    monkeypatch.setattr(deliveries, "KEEP_MADE", 2)
    name = f"s-{uuid.uuid4().hex[:8]}"

    def event(key: str) -> None:
        with internals.transaction() as session:
            deliveries.record_event(session, name, 5, key, team=None, key=key, assets=["a"])

    def repeated(key: str) -> bool:
        with internals.transaction() as session:
            return deliveries.is_repeated(session, name, key)

    event("k1")
    for _ in range(6):
        deliveries.record_for_source(name, "bad_signature", 5, "", None)
    assert repeated("k1")
    assert not repeated("k2")
    assert not repeated("")
    for key in ("k2", "k3", "k4"):
        event(key)
    assert repeated("k1"), "young rows stay, or a flood would make a source forget"
    monkeypatch.setattr(deliveries, "MIN_AGE", 0.0)
    event("k5")
    assert [repeated(key) for key in ("k1", "k3", "k4", "k5")] == [False, False, True, True]
    outcomes: list[Any] = [row["outcome"] for row in deliveries.last(20, source=name)]
    assert sorted(outcomes) == ["bad_signature"] * 3 + ["event"] * 2
    assert "key" not in json.dumps(deliveries.last(20, source=name))


def test_the_id_of_a_sender_cannot_pass_for_what_is_recorded(world: World) -> None:
    name = f"s-{uuid.uuid4().hex[:8]}"
    deliveries.record_for_source(name, "ignored", 1, 'x","outcome":"event","key":"k\n\x00', None)
    with internals.transaction() as session:
        assert not deliveries.is_repeated(session, name, "k")
    (row,) = deliveries.last(5, source=name)
    assert (row["outcome"], row["source"]) == ("ignored", name)
    assert row["id"].isprintable()


def test_a_source_is_not_shown_with_another_whose_name_begins_so(world: World) -> None:
    name = f"s-{uuid.uuid4().hex[:8]}"
    for one in (name, f"{name}-2"):
        deliveries.record_for_source(one, "ignored", 1, "", None)
    assert [row["source"] for row in deliveries.last(5, source=name)] == [name]
    assert {row["source"] for row in deliveries.last(2, source="")} == {name, f"{name}-2"}
