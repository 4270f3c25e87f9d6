# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: TID251 - Airflow's internals are what is tried here
"""
Every internal name of Airflow that is used, tried on the Airflow at hand: this file must pass on 3.1 to 3.4.

What an older version lacks is asserted here, too.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from airflow_async_provider import _metrics
from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    MAILBOX_KEY,
    REGISTRATION_KEY,
    Delivery,
    Registration,
)
from tests.support.callback_world import (  # noqa: F401 - fixtures
    HAS_TASK_STATE,
    OURS,
    World,
    world_fixture,
)
from tests.support.harness import AIRFLOW

needs_attempts = pytest.mark.skipif(AIRFLOW < (3, 4), reason="Airflow 3.4 and later")

#: What PostgreSQL refuses in JSON and Airflow takes for an object, in one text.
HOSTILE = "json:" + '{"a":"\\\\u0000 \\\\ud800","__classname__":"builtins.int","__data__":"1"}'


def test_the_version_at_hand_is_one_that_is_supported() -> None:
    assert internals.AIRFLOW == AIRFLOW
    oldest, newest = internals.TESTED
    assert oldest <= AIRFLOW <= newest


def test_an_announced_callback_is_read_as_the_execution_api_has_stored_it(world: World) -> None:
    task = world.task(max_bytes=77)

    with internals.transaction() as session:
        stored = internals.registration_of(session, task.key)
        nothing = internals.registration_of(session, TaskKey("no", "such", "task"))

    assert Registration.from_dict(stored) == Registration.from_dict(world.xcom(task.key, REGISTRATION_KEY))
    assert Registration.from_dict(stored).max_bytes == 77
    assert nothing is None


@pytest.mark.parametrize(
    "stored", [Delivery(state="succeeded", remote_status="1900").to_text(), HOSTILE, "json:{}"]
)
def test_a_delivery_is_read_by_the_task_as_it_was_put(world: World, stored: str) -> None:
    task = world.task()

    for _ in range(2):  # the second one replaces the first
        with internals.transaction() as session:
            internals.put_delivery(session, internals.lock_task(session, task.key), stored)

    assert world.xcom(task.key, MAILBOX_KEY) == stored
    try:
        from airflow.sdk.serde import deserialize
    except ImportError:  # Airflow 3.1
        from airflow.serialization.serde import deserialize

    assert deserialize(stored) == stored  # what the SDK does to what it got
    with internals.transaction() as session:
        assert internals.delivery_of(session, task.key) == stored


def test_a_delivery_of_a_mapped_task_is_its_own(world: World) -> None:
    task = world.task(map_index=3)
    with internals.transaction() as session:
        internals.put_delivery(session, internals.lock_task(session, task.key), "json:{}")

    assert world.xcom(task.key, MAILBOX_KEY) == "json:{}"
    assert world.xcom(TaskKey(task.key.dag_id, task.key.run_id, task.key.task_id), MAILBOX_KEY) is None


def test_the_memory_of_a_task(world: World) -> None:
    task = world.task()
    with internals.transaction() as session:
        assert internals.durable_of(session, task.key) == {}
        internals.keep_delivery(session, task.key, HOSTILE)
        internals.keep_delivery(session, task.key, HOSTILE)
    if not HAS_TASK_STATE:
        with internals.transaction() as session:
            assert internals.durable_of(session, task.key) == {}
            assert internals.kept_delivery_of(session, task.key) is None
        with pytest.raises(ImportError):
            import airflow.state  # noqa: F401 - it is the lack of it that counts
        return

    registration = task.expect()
    task.remember(registration, handle={"job_id": "7"})

    with internals.transaction() as session:
        memory = internals.durable_of(session, task.key)
        assert internals.kept_delivery_of(session, task.key) == HOSTILE
    assert memory["handle"] == {"job_id": "7"}
    assert Registration.from_dict(memory["callbacks"][0]) == registration
    assert world.task_state(task.key, DURABLE_DELIVERY_KEY) == HOSTILE


def test_a_memory_that_is_none_of_ours_is_empty(world: World) -> None:
    if not HAS_TASK_STATE:
        pytest.skip("Airflow 3.3 and later")
    task = world.task()
    for value in ([1], "text", 7, True):
        world.set_task_state(task.key, "async_job", value)
        with internals.transaction() as session:
            assert internals.durable_of(session, task.key) == {}


@pytest.mark.parametrize("state", [None, "scheduled", "running", "success", "failed", "removed"])
def test_states_are_plain_words(world: World, state: str | None) -> None:
    task = world.task(state)
    with internals.transaction() as session:
        locked = internals.lock_task(session, task.key)
        assert internals.state_of(locked) == (state or "")
        assert internals.deferred_at(locked) is None


@pytest.mark.parametrize("names_attempt", [True, False])
def test_an_address_leads_to_the_live_row_however_many_tries_ago_it_was_made(
    world: World, names_attempt: bool
) -> None:
    task = world.task(names_attempt=names_attempt)
    for _ in range(2):
        task.new_try()
        task.expect(max_bytes=77)
        if HAS_TASK_STATE:
            task.remember(handle={"job_id": "7"})
    with internals.transaction() as session:
        locked = internals.lock_task(session, task.key)
        assert locked.id == task.row["id"]
        assert internals.state_of(locked) == "running"
        assert Registration.from_dict(internals.registration_of(session, task.key)).max_bytes == 77
        internals.put_delivery(session, locked, "json:{}")
        internals.keep_delivery(session, task.key, "json:{}")
        memory = internals.durable_of(session, task.key)
    assert world.xcom(task.key, MAILBOX_KEY) == "json:{}"
    if HAS_TASK_STATE:
        assert memory["handle"] == {"job_id": "7"}
        assert world.task_state(task.key, DURABLE_DELIVERY_KEY) == "json:{}"


@needs_attempts
def test_the_registration_of_an_earlier_try_is_not_that_of_the_task(world: World) -> None:
    task = world.task()
    task.new_try()
    with internals.transaction() as session:
        assert internals.registration_of(session, task.key) is None


@needs_attempts
def test_iterations_of_a_loop_are_distinguished_by_their_try(world: World) -> None:
    first, second = world.iterations(2)
    for number, task in enumerate((first, second)):
        task.remember(handle={"job_id": str(number)})
    second.new_try()
    second.expect(max_bytes=78)

    with internals.transaction() as session:
        locked = [internals.lock_task(session, task.key) for task in (first, second)]
        assert [row.id for row in locked] == [first.row["id"], second.row["id"]]
        assert [row.region_index for row in locked] == [0, 1]
        internals.put_delivery(session, locked[1], "json:{}")
        assert [internals.durable_of(session, t.key)["handle"]["job_id"] for t in (first, second)] == [
            "0",
            "1",
        ]
        assert [internals.delivery_of(session, t.key) for t in (first, second)] == [None, "json:{}"]
        found = [Registration.from_dict(internals.registration_of(session, t.key)) for t in (first, second)]
        assert [one.max_bytes == 78 for one in found] == [False, True]
        nameless = TaskKey(first.key.dag_id, first.key.run_id, first.key.task_id)
        assert internals.lock_task(session, nameless) is None  # no such address can name a loop's iteration


@needs_attempts
def test_what_airflow_3_3_has_stored_is_read_after_an_upgrade(world: World) -> None:
    from airflow.models.taskinstance import LegacyTaskDataOwner
    from airflow.models.xcom import XComModelV1
    from sqlalchemy import insert, select

    task = world.task()
    stored = world.xcom(task.key, REGISTRATION_KEY)
    task.new_try()  # nothing of its own
    names = {"dag_id": task.key.dag_id, "run_id": task.key.run_id, "task_id": task.key.task_id}
    with world.session() as session:
        from airflow.models.dagrun import DagRun

        run = session.scalar(select(DagRun.id).where(DagRun.dag_id == names["dag_id"]))
        owner = LegacyTaskDataOwner.__table__
        session.execute(insert(owner).values(**names, map_index=-1, task_instance_id=task.row["id"]))
        session.add(XComModelV1(**names, dag_run_id=run, map_index=-1, key=REGISTRATION_KEY, value=stored))

    with internals.transaction() as session:
        assert internals.registration_of(session, task.key) == stored


def test_a_task_that_is_not_there_is_none(world: World) -> None:
    with internals.transaction() as session:
        assert internals.lock_task(session, TaskKey("no", "such", "task")) is None


def test_since_when_a_task_waits(world: World) -> None:
    task = world.task(deferred_for=5.0)
    other = world.task(trigger="airflow.providers.standard.triggers.temporal.DateTimeTrigger")
    with internals.transaction() as session:
        since = internals.deferred_at(internals.lock_task(session, task.key))
        assert since is not None
        assert since.tzinfo is not None
        assert time.time() - since.timestamp() == pytest.approx(5.0, abs=3.0)
    with internals.transaction() as session:
        assert internals.deferred_at(internals.lock_task(session, other.key)) is None


def test_the_trigger_is_the_one_that_operators_defer_with() -> None:
    from airflow_async_provider.triggers.async_job import AsyncJobTrigger

    trigger = AsyncJobTrigger(job={"protocol": "p"}, conn_id=None, policy={}, deadline=0.0, deferred_at=0.0)
    assert trigger.serialize()[0] == OURS
    assert OURS.startswith(internals.OUR_TRIGGERS)


def test_a_resumed_task_gets_the_event_beside_what_it_deferred_with(world: World) -> None:
    task = world.task()
    event = Delivery(state="succeeded", remote_status="1900 ✓", received_at=1.5).to_event()

    with internals.transaction() as session:
        internals.resume(session, internals.lock_task(session, task.key), event)

    assert task.state == "scheduled"
    assert task.row["trigger_id"] is None
    assert task.row["next_method"] == "execute_complete"
    assert world.next_kwargs(task.key) == {"run": {"job": {"job_id": "7"}}, "event": event}


def test_the_lock_keeps_a_second_one_out(world: World) -> None:
    task = world.task()
    order: list[str] = []
    second_tries = threading.Event()

    def second() -> None:
        with internals.transaction() as session:
            second_tries.set()
            internals.lock_task(session, task.key)
            order.append("second")

    with internals.transaction() as session:
        internals.lock_task(session, task.key)
        thread = threading.Thread(target=second)
        thread.start()
        assert second_tries.wait(10)
        thread.join(0.5)
        order.append("first")
    thread.join(20)

    assert order == ["first", "second"]


def test_an_error_undoes_the_whole_transaction(world: World) -> None:
    task = world.task()

    def broken() -> None:
        with internals.transaction() as session:
            locked = internals.lock_task(session, task.key)
            internals.put_delivery(session, locked, "json:{}")
            internals.resume(session, locked, {})
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        broken()

    assert task.state == "deferred"
    assert world.xcom(task.key, MAILBOX_KEY) is None


def test_a_lock_of_somebody_else_ends_the_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import text

    monkeypatch.setattr(internals, "MAX_LOCK", 0.3)
    task = world.task()
    caught: list[BaseException] = []

    def second() -> None:
        try:
            with internals.transaction() as session:
                if world.dialect == "sqlite":  # its driver waits for 5 seconds
                    session.execute(text("PRAGMA busy_timeout = 300"))
                internals.lock_task(session, task.key)
        except Exception as e:  # noqa: BLE001 - it is looked at
            caught.append(e)

    with internals.transaction() as session:
        internals.lock_task(session, task.key)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(20)

    with world.session() as session:
        session.get_bind().dispose()  # a connection with our time limit may lie in the pool
    assert [internals.is_store_down(e) for e in caught] == [True]


def test_which_errors_are_worth_another_try() -> None:
    from sqlalchemy import exc

    down = [
        exc.OperationalError("s", {}, Exception()),
        exc.InterfaceError("s", {}, Exception()),
        exc.IntegrityError("s", {}, Exception()),
        exc.TimeoutError(),
        exc.DisconnectionError(),
    ]
    assert all(internals.is_store_down(e) for e in down)
    others = [exc.DataError("s", {}, Exception()), exc.ArgumentError("connection"), KeyError("k")]
    assert not any(internals.is_store_down(e) for e in others)


def test_the_team_of_a_dag_decides_whose_connection_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.connection import Connection
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.team import Team

    task = world.task()
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(
        Connection, "get_connection_from_secrets", classmethod(lambda cls, conn_id, **of: asked.append(of))
    )
    assert internals.team_of(task.key.dag_id) is None  # teams are off
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    assert internals.team_of("of_no_team") is None
    with world.session() as session:
        bundle = session.get(DagBundleModel, "tests")
        # In Airflow 3.1 a team has an id beside its name.
        own = {"id": str(uuid4())} if "id" in Team.__table__.columns else {}
        bundle.teams = [Team(name="blue", **own)]
    try:
        team = internals.team_of(task.key.dag_id)
        assert team == "blue"
    finally:
        with world.session() as session:
            bundle = session.get(DagBundleModel, "tests")
            for one in list(bundle.teams):
                bundle.teams.remove(one)
                session.delete(one)
    internals.connection_of("c", team)
    internals.connection_of("c")
    assert asked == ([{"team_name": "blue"}, {}] if AIRFLOW >= (3, 2) else [{}, {}])


def test_connections(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.connection import Connection

    with world.session() as session:
        session.add(Connection(conn_id=f"in_{world.dialect}", conn_type="http", extra='{"k": "v"}'))
    monkeypatch.setenv("AIRFLOW_CONN_OF_THE_ENVIRONMENT", '{"conn_type": "http", "host": "h"}')

    assert internals.connection_of(f"in_{world.dialect}").extra_dejson == {"k": "v"}
    assert internals.connection_of("of_the_environment").host == "h"
    assert internals.connection_of("of_nobody") is None


METRICS = """
import socket, sys
import os
os.environ.update(
    AIRFLOW__METRICS__STATSD_ON="True", AIRFLOW__METRICS__STATSD_HOST="127.0.0.1",
    AIRFLOW__METRICS__STATSD_PORT=sys.argv[1],
)
from airflow_async_provider._metrics import count, timing
count("callback.woken", protocol="automic")
timing("callback.handling", 0.25)
"""


def test_metrics_reach_airflows_statsd(tmp_path: Path) -> None:
    # In a process of its own: Airflow reads the settings of its metrics once.
    import subprocess

    pytest.importorskip("statsd", reason="the client that Airflow uses is an extra of it")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        subprocess.run(
            [sys.executable, "-c", METRICS, str(server.getsockname()[1])],
            check=True,
            timeout=120,
            cwd=tmp_path,
        )
        lines = set()
        while len([line for line in lines if "async_provider" in line]) < 2:
            lines.add(server.recv(1000).decode())

    assert "airflow.async_provider.callback.woken:1|c" in lines
    assert any(line.startswith("airflow.async_provider.callback.handling:250") for line in lines)


def test_counting_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no such server")

    monkeypatch.setattr(_metrics, "_stats", broken)
    _metrics.count("callback.woken")
    _metrics.timing("callback.handling", 1.0)
