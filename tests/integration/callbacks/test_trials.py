# SPDX-License-Identifier: Apache-2.0
"""Test deliveries go the whole way, say what would become of them, and change nothing but the record."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import deliveries, pushing, signatures, trials
from airflow_async_provider._callbacks.address import CallbackAddress, hash_of
from airflow_async_provider._callbacks.doors import TASKS
from airflow_async_provider._callbacks.registration import REGISTRATION_KEY, Registration
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.protocols._signature_forms import SCHEMES
from airflow_async_provider.simulators._signing import FORMS, Message
from tests.support.callback_world import (  # noqa: F401 - fixtures
    Waiting,
    World,
    world_fixture,
)
from tests.support.push_world import KEY, make_asset, make_source

JSON_FORM: dict[str, Any] = {"protocol": "remote_job", "options": {}, "pollable": False, "keep_body": True}
HOOK = "airflow_async_provider.hooks.http_async.HttpAsyncJobHook"


@pytest.fixture(scope="module", autouse=True)
def key_fixture() -> Iterator[None]:
    """The receiver's server reads the key when it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY", "a-key-of-tests")
        yield


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "_sources", pushing._Sources())


def post(task: Waiting, address: CallbackAddress, body: Any, **options: Any) -> Any:
    return task.post(body, url=address.url, secret=address.secret, **options)


def test_it_is_read_as_a_real_one_and_wakes_nobody(world: World) -> None:
    task = world.task(**JSON_FORM)
    address = trials.new_address(world.url, task.key)
    assert address.url == task.address.url  # the same way, proxies included
    answer = post(task, address, {"state": "succeeded", "result": {"rows": 3}})
    assert answer.status_code == 200
    told = answer.json()["test"]
    assert (told["would"], told["signature"]) == ("resume the task", "not wanted")
    assert told["read_as"]["state"] == "succeeded"
    assert task.state == "deferred"
    assert task.delivery is None
    assert task.kept_delivery is None
    (row,) = deliveries.last(5, task={"dag_id": task.key.dag_id})
    assert row["outcome"] == "test"
    # The real one still counts, once.
    assert task.post({"state": "succeeded"}).json() == {}
    assert task.state == "scheduled"


@pytest.mark.parametrize(
    ("body", "would"),
    [
        ({"state": "running", "progress": 0.5}, "be a sign of life"),
        ({"state": "failed", "message": "disk full"}, "resume the task"),
        ("no json at all", "resume the task"),
    ],
)
def test_it_says_what_would_become_of_it(world: World, body: Any, would: str) -> None:
    task = world.task(**JSON_FORM)
    told = post(task, trials.new_address(world.url, task.key), body).json()["test"]
    assert told["would"] == would
    assert (task.state, task.delivery) == ("deferred", None)


@pytest.mark.skipif(not internals.ENDS_FROM_TRIGGER, reason="tasks end so from Airflow 3.3 on")
@pytest.mark.parametrize(
    ("state", "would"), [("succeeded", "end the task"), ("failed", "resume the task")], ids=["end", "resume"]
)
def test_it_says_where_the_task_would_end_without_a_worker(world: World, state: str, would: str) -> None:
    task = world.task(**JSON_FORM)
    arguments = {
        "job": JobHandle("remote_job", "j-1", time.time()).to_dict(),
        "submission": task.expect(**JSON_FORM).submission,
        "end": {"push": True, "mapped_over": False, "max_bytes": 1000, "by_receiver": True},
    }
    task.set("deferred", deferred_for=1.0, arguments=arguments)
    address = trials.new_address(world.url, task.key)
    body = {"state": state, "result": {"rows": 3}}
    assert post(task, address, body).json()["test"]["would"] == would
    assert (task.state, task.delivery) == ("deferred", None)


def test_one_that_is_too_late_says_so(world: World) -> None:
    task = world.task(**JSON_FORM)
    address = trials.new_address(world.url, task.key)
    task.set("success")
    assert post(task, address, {"state": "succeeded"}).json()["test"]["would"].startswith("be too late")


def test_a_party_of_several_is_tried_and_nothing_is_counted(world: World) -> None:
    parties = [["north", "a" * 64], ["south", "b" * 64]]
    task = world.task(**JSON_FORM, parties=parties, needed=2)
    about = type(task.key)(**{**_fields(task.key), "party": 1})
    address = trials.new_address(world.url, about)
    told = post(task, address, {"state": "succeeded"}).json()["test"]
    assert told["would"] == "wait for what others say"
    assert (task.state, task.delivery) == ("deferred", None)
    whole = trials.new_address(world.url, task.key)
    assert post(task, whole, {"state": "succeeded"}).status_code == 401  # the task as a whole has no address


def _fields(key: Any) -> dict[str, Any]:
    return {name: getattr(key, name) for name in ("dag_id", "run_id", "task_id", "map_index", "attempt")}


def test_its_signature_is_checked_and_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "_keys", signatures._Keys())
    extra = {"callback_secret": KEY, "callback_signature": "github"}
    monkeypatch.setenv("AIRFLOW_CONN_TRIED", json.dumps({"conn_type": "http", "extra": extra}))
    task = world.task(**JSON_FORM, conn_id="tried", hook=HOOK, signature=SCHEMES["github"].to_dict())
    address = trials.new_address(world.url, task.key)
    body = b'{"state": "succeeded"}'
    signed = FORMS["github"](KEY, Message("m-1", int(time.time()), body))
    assert post(task, address, body, headers=signed).json()["test"]["would"] == "resume the task"
    told = post(task, address, body + b" ", headers=signed).json()["test"]
    assert told == {"signature": "does not fit", "would": "be refused"}
    assert task.state == "deferred"


def test_it_is_good_for_a_while_and_for_its_own_task_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, other = world.task(**JSON_FORM), world.task(**JSON_FORM)
    address = trials.new_address(world.url, task.key)
    assert (
        post(
            task,
            address,
            {},
        ).status_code
        == 200
    )
    assert other.post({}, secret=address.secret).status_code == 401
    longer = address.secret[:13] + "ffffffff" + address.secret[21:]
    assert task.post({}, secret=longer).status_code == 401
    monkeypatch.setattr(trials, "GOOD_FOR", -1)
    assert post(task, trials.new_address(world.url, task.key), {}).status_code == 401
    # Nor is a real secret one of a test, nor the other way round.
    assert trials.authenticate(TASKS, task.key.encode(), task.address.secret) is None
    stored = Registration.from_dict(world.xcom(task.key, REGISTRATION_KEY))
    assert stored is not None
    assert stored.secret_hash != hash_of(address.secret)


def test_too_large_a_test_tells_the_task_nothing(world: World) -> None:
    task = world.task(**JSON_FORM, max_bytes=10)
    assert post(task, trials.new_address(world.url, task.key), b"x" * 50).status_code == 413
    assert (task.state, task.delivery) == ("deferred", None)
    (row,) = deliveries.last(5, task={"dag_id": task.key.dag_id})
    assert row["outcome"] == "test too_large"


def test_a_confirm_page_answers_nothing_for_a_test(world: World) -> None:
    task = world.task(**JSON_FORM, page={"subject": "Go?", "body": "", "options": {"Yes": "succeeded"}})
    address = trials.new_address(world.url, task.key)
    for method in ("GET", "POST"):
        answer = task.post(b"answer=Yes", url=address.confirm_url, secret=None, method=method)
        assert answer.status_code == 404
    assert task.state == "deferred"


def test_a_source_is_tried_without_an_event(world: World) -> None:
    name = f"tried_{uuid.uuid4().hex[:8]}"
    make_asset(world, name)
    pushed = make_source(world, name, payload={"order": "body.id"}, when=("body.id",), delivery_id="body.id")
    address = trials.new_address(world.url, pushed.source.name)
    task = world.task()
    headers = {"Content-Type": "application/json"}
    told = post(task, address, {"id": 7}, headers=headers).json()["test"]
    assert told["would"] == "make an event of each asset"
    assert (told["assets"], told["payload"]) == ([name], {"order": 7})
    assert post(task, address, {"other": 7}, headers=headers).json()["test"]["would"].startswith("be ignored")
    assert pushed.events() == []
    assert [row["outcome"] for row in pushed.record()] == ["test", "test"]
    assert post(task, pushed.address, {"id": 7}, headers=headers).status_code == 200
    assert len(pushed.events()) == 1
    for body, would in (({"id": 7}, "be a duplicate"), ({"id": 8}, "make an event of each asset")):
        assert post(task, address, body, headers=headers).json()["test"]["would"] == would
    unknown = make_source(world, f"unknown_{name}")
    told = post(task, trials.new_address(world.url, unknown.source.name), {}).json()["test"]
    assert "no DAG knows an asset" in told["would"]


def test_without_a_key_there_are_no_tests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task = world.task()
    monkeypatch.setattr(trials.settings, "callback_keys", list)
    with pytest.raises(ConfigurationError, match="callback_key"):
        trials.new_address(world.url, task.key)
