# SPDX-License-Identifier: Apache-2.0
"""Signs of life, several parties and confirm pages over Airflow's real database, on a real socket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import requests

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks.address import CallbackAddress, hash_of, new_address
from airflow_async_provider._callbacks.merging import HEARTBEAT_PAUSE
from tests.support.callback_world import (  # noqa: F401 - fixtures
    HAS_TASK_STATE,
    Waiting,
    World,
    world_fixture,
)

OWN: dict[str, Any] = {"protocol": "remote_job", "options": {}, "pollable": False, "keep_body": True}
NAMES = ("a", "b", "c")


def parties_of(world: World, needed: int, **facts: Any) -> tuple[Waiting, dict[str, CallbackAddress]]:
    """A waiting task with an address for each party."""
    task = world.task(**OWN)
    addresses = {n: new_address(world.url, replace(task.key, party=i)) for i, n in enumerate(NAMES)}
    registration = task.expect(
        **OWN,
        parties=[[name, hash_of(address.secret)] for name, address in addresses.items()],
        needed=needed,
        name="intent",
        **facts,
    )
    if HAS_TASK_STATE:
        task.remember(registration, handle={"job_id": "7"})
    return task, addresses


def post(task: Waiting, address: CallbackAddress, said: Any) -> int:
    return int(task.post(said, secret=address.secret, url=address.url).status_code)


def test_a_sign_of_life_is_stored_and_wakes_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_async_provider._callbacks.merging.HEARTBEAT_PAUSE", 0.0)
    assert HEARTBEAT_PAUSE > 0
    task = world.task(**OWN)
    for number in range(3):
        assert task.post({"state": "running", "progress": number / 10}).status_code == 200
    assert task.state == "deferred"
    assert task.delivery is not None
    assert (task.delivery.heartbeat, task.delivery.progress) == (True, 0.2)
    assert task.kept_delivery is None

    assert task.post({"state": "succeeded", "result": 1}).status_code == 200
    assert task.state == "scheduled"
    assert task.event["state"] == "succeeded"
    # After the end nothing is a sign of life.
    assert task.post({"state": "running"}).status_code == 200
    assert task.delivery.state == "succeeded"


def test_the_last_needed_party_wakes_the_task_with_what_all_have_sent(world: World) -> None:
    task, at = parties_of(world, 2)
    assert post(task, at["a"], {"state": "succeeded", "result": {"n": 1}}) == 200
    assert post(task, at["b"], {"state": "failed", "message": "no"}) == 200
    assert task.state == "deferred"
    assert post(task, at["c"], {"state": "succeeded", "result": 3}) == 200
    assert task.state == "scheduled"
    found = task.kept_delivery if HAS_TASK_STATE else task.delivery
    assert found is not None
    assert found.value == {"a": {"n": 1}, "c": 3}
    assert found.message == "b: no"


def test_all_at_the_same_moment_are_counted_once_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    real = internals.resume

    def resume(session: Any, task_instance: Any, event: Any) -> None:
        seen.append(event)
        real(session, task_instance, event)

    monkeypatch.setattr(internals, "resume", resume)
    task, at = parties_of(world, 3)
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(lambda n: post(task, at[n], {"state": "succeeded", "result": n}), [*NAMES, *NAMES])
        assert set(answers) <= {200, 503}  # 503: asked to come again
    for name in NAMES:
        post(task, at[name], {"state": "succeeded", "result": name})
    assert task.state == "scheduled"
    assert [event["state"] for event in seen] == ["succeeded"]


def test_a_secret_is_good_for_the_address_of_its_party_only(world: World) -> None:
    task, at = parties_of(world, 1)
    whole = new_address(world.url, task.key)
    beyond = new_address(world.url, replace(task.key, party=7))
    for address in (at["b"], whole, beyond):
        assert post(task, replace(address, secret=at["a"].secret), {"state": "succeeded"}) == 401
    assert task.state == "deferred"


def test_what_was_said_outlives_a_try(world: World) -> None:
    if not HAS_TASK_STATE:
        pytest.skip("Airflow 3.3 and later")
    task, at = parties_of(world, 2)
    assert post(task, at["a"], {"state": "succeeded", "result": 1}) == 200
    task.new_try()
    # The retry has not announced anything yet; what it remembers is enough.
    assert post(task, at["b"], {"state": "succeeded", "result": 2}) == 200
    assert task.kept_delivery is not None
    assert (task.kept_delivery.state, task.kept_delivery.value) == ("succeeded", {"a": 1, "b": 2})


def test_a_link_is_followed_without_harm_and_a_button_counts(world: World) -> None:
    page = {"subject": "Sure?", "body": "", "options": {"Yes": "succeeded"}}
    task = world.task(**OWN, page=page)
    with requests.Session() as session:
        session.trust_env = False
        shown = session.get(task.address.confirm_url, timeout=30)
        assert shown.status_code == 200
        assert "Sure?" in shown.text
        assert task.delivery is None
        assert task.state == "deferred"
        wrong = session.get(task.address.url + "/" + "x" * 43 + "/confirm", timeout=30)
        assert wrong.status_code == 401
        pressed = session.post(task.address.confirm_url, data={"answer": "Yes"}, timeout=30)
    assert pressed.status_code == 200
    assert task.state == "scheduled"
