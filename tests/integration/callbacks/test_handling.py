# SPDX-License-Identifier: Apache-2.0
"""Callbacks in every order: before, while, after the task defers, twice at once, with the database away."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import handling
from airflow_async_provider.protocols import JobHandle
from tests.support.callback_world import (  # noqa: F401 - fixtures
    MUTE,
    Waiting,
    World,
    logged,
    mounted,
    on_one_database,
    served,
    wakes_fixture,
    world_fixture,
)

ENDED = b'{"runid": 7, "execution_status": 1900}'
LONGEST = 20.0


# -- while the worker switches the task to DEFERRED, under the lock of its row


def defer(world: World, task: Waiting, holding: threading.Event, go_on: threading.Event) -> None:
    """As the execution API does it: lock the row, add the trigger, change the state, commit."""
    with world.session() as session:
        internals.lock_task(session, task.key)
        holding.set()
        assert go_on.wait(LONGEST)
        world.change_state(session, task.key, "deferred", deferred_for=0.0)


def test_a_callback_that_comes_while_the_task_defers_waits_for_it(world: World) -> None:
    task = world.task("running", settle=30.0)
    holding, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        deferring = pool.submit(defer, world, task, holding, go_on)
        assert holding.wait(LONGEST)
        posting = pool.submit(task.post, ENDED)
        time.sleep(0.3)  # it is at the lock by now
        assert not posting.done()
        go_on.set()
        deferring.result(LONGEST)
        assert posting.result(LONGEST).status_code == 200

    assert task.state == "deferred"
    assert task.delivery is not None  # for the trigger, when the settle time is over


def test_and_wakes_it_when_no_settle_time_is_wanted(world: World) -> None:
    task = world.task("running", settle=0.0)
    holding, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        deferring = pool.submit(defer, world, task, holding, go_on)
        assert holding.wait(LONGEST)
        posting = pool.submit(task.post, ENDED)
        time.sleep(0.3)
        go_on.set()
        deferring.result(LONGEST)
        assert posting.result(LONGEST).status_code == 200

    assert task.state == "scheduled"


def test_a_task_that_defers_while_a_callback_is_stored_finds_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = world.task("running", settle=0.0)
    storing, go_on, tried = threading.Event(), threading.Event(), threading.Event()
    real = internals.put_delivery

    def slowly(*arguments: Any) -> None:
        storing.set()
        assert go_on.wait(LONGEST)
        real(*arguments)

    monkeypatch.setattr(internals, "put_delivery", slowly)
    done = threading.Event()
    done.set()

    def switch() -> None:
        tried.set()
        defer(world, task, threading.Event(), done)

    with ThreadPoolExecutor(2) as pool:
        posting = pool.submit(task.post, ENDED)
        assert storing.wait(LONGEST)
        switching = pool.submit(switch)
        assert tried.wait(LONGEST)
        time.sleep(0.3)
        assert not switching.done()
        go_on.set()
        assert posting.result(LONGEST).status_code == 200
        switching.result(LONGEST)

    assert task.state == "deferred"
    assert task.delivery is not None  # the trigger's first look finds it


def test_two_at_the_same_moment_wake_once(world: World, wakes: list[Any]) -> None:
    task = world.task()
    start = threading.Barrier(8)

    def post(_: int) -> int:
        start.wait(LONGEST)
        return int(task.post(ENDED).status_code)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(post, range(8))) == [200] * 8

    assert len(wakes) == 1
    assert task.state == "scheduled"


def test_two_of_different_news_at_the_same_moment_wake_once(world: World, wakes: list[Any]) -> None:
    task = world.task()
    start = threading.Barrier(6)

    def post(number: int) -> int:
        start.wait(LONGEST)
        return int(task.post({"status": 1900 + number}).status_code)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(post, range(6))) == [200] * 6

    assert len(wakes) == 1


def test_many_tasks_at_the_same_moment(world: World, wakes: list[Any]) -> None:
    tasks = [world.task() for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda task: task.post(ENDED).status_code, tasks)) == [200] * 20
    assert {task.state for task in tasks} == {"scheduled"}
    assert len(wakes) == 20


def test_the_trigger_that_fires_at_the_same_moment_does_no_harm(world: World, wakes: list[Any]) -> None:
    # The triggerer resumes the task under the receiver's nose: whoever comes second finds it resumed.
    task = world.task()
    with internals.transaction() as session:
        internals.resume(session, internals.lock_task(session, task.key), {"via": "poll"})
    assert task.post(ENDED).status_code == 200
    assert task.event == {"via": "poll"}
    assert len(wakes) == 1


def test_the_secret_is_looked_at_again_under_the_lock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Between the check of the secret and the store, a new submission takes the place of the old one.
    task, other = world.task(), world.task()
    real = handling.deliver

    def late(claim: Any, delivery: Any) -> Any:
        task.address = type(task.address)(task.address.url, other.address.secret)
        task.expect()
        return real(claim, delivery)

    monkeypatch.setattr(handling, "deliver", late)
    assert task.post(ENDED).status_code == 200
    assert task.state == "deferred"
    assert task.delivery is None


# -- the database away


@contextlib.contextmanager
def database_away(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """PostgreSQL lets nobody in; SQLite is locked by somebody who does not let go."""
    if world.dialect == "sqlite":
        import sqlite3

        path = request.getfixturevalue("airflow_db")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        return
    import psycopg2

    server = request.getfixturevalue("callback_postgres")
    with contextlib.closing(psycopg2.connect(server.dsn.replace("/postgres", "/template1"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS false")
            try:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
                )
                yield
            finally:
                cursor.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS true")


def test_with_the_database_away_the_sender_is_asked_to_come_again(
    world: World, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    task = world.task()

    with database_away(world, request):
        answer = task.post(ENDED)
        forged = task.post(ENDED, secret="x" * 43)
    again = task.post(ENDED)

    assert (answer.status_code, answer.headers["retry-after"], answer.content) == (503, "15", b"{}")
    # Nobody can tell; but SQLite may let readers in while somebody writes.
    assert forged.status_code in ({401, 503} if world.dialect == "sqlite" else {503})
    assert again.status_code == 200
    assert task.state == "scheduled"
    assert "asked to repeat it: OperationalError" in logged(caplog)
    assert "execution_status" not in logged(caplog)


def test_with_the_row_locked_for_long_too(
    world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if world.dialect == "sqlite":
        pytest.skip("it has no row locks; the lock of the whole file is tried above")
    monkeypatch.setattr(internals, "MAX_LOCK", 0.3)
    task, other = world.task(), world.task()
    with world.session() as session:
        internals.lock_task(session, task.key)
        assert task.post(ENDED).status_code == 503
        assert other.post(ENDED).status_code == 200  # nobody else waits for it
    assert task.state == "deferred"
    assert task.post(ENDED).status_code == 200
    assert task.state == "scheduled"


def test_nothing_is_acknowledged_that_was_not_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = world.task()
    real = internals.transaction

    @contextlib.contextmanager
    def broken() -> Iterator[Any]:
        with real() as session:
            yield session
            session.rollback()
            raise_down()

    def raise_down() -> None:
        from sqlalchemy.exc import OperationalError

        raise OperationalError("COMMIT", {}, Exception("the line went dead"))

    with monkeypatch.context() as patched:
        patched.setattr(internals, "transaction", broken)
        assert task.post(ENDED).status_code == 503
    assert task.delivery is None
    assert task.post(ENDED).status_code == 200
    assert task.state == "scheduled"


# -- behind a proxy


def test_below_a_path_that_a_proxy_leaves_in_place_or_takes_away(world: World) -> None:
    with served(mounted(root_path="/airflow")) as url:  # as Airflow does for a path in [api] base_url
        for prefix in ("/airflow", ""):
            task = world.task()
            path = task.address.url_with_secret.removeprefix(world.url)
            assert task.post(ENDED, url=f"{url}{prefix}{path}", secret=None).status_code == 200
            assert task.state == "scheduled"


# -- ended at once, where nothing is left for a worker

RESPONSE = b'{"eventId": "e-1", "eventStatus": "completed", "response": {"rows": [1, 2]}}'
ends = pytest.mark.skipif(not internals.ENDS_FROM_TRIGGER, reason="tasks end so from Airflow 3.3 on")


def waiting_for_all(world: World, *, end: dict[str, Any] | None = None, **facts: Any) -> Waiting:
    """A task that deferred a second ago, whose worker has said how it ends."""
    task = world.task(**{**MUTE, "deferred_for": 1.0, **facts})
    ending = {"push": True, "mapped_over": False, "max_bytes": 1000, "by_receiver": True, **(end or {})}
    handle = JobHandle("open_connectors", "e-1", time.time()).to_dict()
    arguments = {"job": handle, "submission": task.expect(**MUTE).submission, "end": ending}
    task.set("deferred", deferred_for=facts.get("deferred_for", 1.0), arguments=arguments)
    return task


@ends
def test_a_callback_that_brings_everything_ends_its_task_at_once(
    world: World, wakes: list[dict[str, Any]]
) -> None:
    task = waiting_for_all(world)  # within its settle time, which is for tasks that go on
    assert task.post(RESPONSE).status_code == 200
    assert task.state == "success"
    assert task.row["trigger_id"] is None
    assert world.xcom(task.key, "return_value") == {"rows": [1, 2]}
    assert task.delivery is not None  # by which the trigger knows that nobody has killed the task
    assert task.post(RESPONSE).status_code == 200  # late, and harmless
    assert task.state == "success"
    assert wakes == []


@ends
def test_a_task_that_pushes_nothing_is_ended_without_a_value(world: World) -> None:
    task = waiting_for_all(world, end={"push": False})
    assert task.post(RESPONSE).status_code == 200
    assert task.state == "success"
    assert world.xcom(task.key, "return_value") is None


@ends
@pytest.mark.parametrize(
    ("end", "body"),
    [
        ({"by_receiver": False}, RESPONSE),
        ({"max_bytes": 5}, RESPONSE),
        ({"mapped_over": True}, b'{"eventId": "e-1", "eventStatus": "completed", "response": 7}'),
        ({"asked_for_by_a_later_version": True}, RESPONSE),
        ({}, b'{"eventId": "e-1", "eventStatus": "failed", "response": {}}'),
        ({}, b'{"eventId": "e-1", "eventStatus": "completed", "response": {"__classname__": "x"}}'),
        ({}, b'{"eventId": "of another job", "eventStatus": "completed", "response": {}}'),
        ({}, b"no JSON"),
    ],
)
def test_what_is_no_plain_success_goes_to_a_worker(world: World, end: dict[str, Any], body: bytes) -> None:
    early, settled = waiting_for_all(world, end=end), waiting_for_all(world, end=end)
    settled.set("deferred", deferred_for=60.0, arguments=world.trigger_arguments(settled.key))
    assert early.post(body).status_code == settled.post(body).status_code == 200
    assert early.state == "deferred"
    assert settled.state == "scheduled"
    assert world.xcom(settled.key, "return_value") is None
    assert settled.delivery is not None


@ends
def test_a_value_that_the_database_refuses_goes_to_a_worker(world: World) -> None:
    task = waiting_for_all(world)
    task.set("deferred", deferred_for=60.0, arguments=world.trigger_arguments(task.key))
    nul = b'{"eventId": "e-1", "eventStatus": "completed", "response": {"text": "a\\u0000b"}}'
    assert task.post(nul).status_code == 200
    refused = world.dialect == "postgresql"
    assert task.state == ("scheduled" if refused else "success")
    assert task.delivery is not None


@ends
def test_a_callback_of_another_submission_ends_nothing(world: World) -> None:
    task = waiting_for_all(world)
    arguments = {**world.trigger_arguments(task.key), "submission": "another"}
    task.set("deferred", deferred_for=60.0, arguments=arguments)
    assert task.post(RESPONSE).status_code == 200
    assert task.state == "scheduled"


@ends
def test_a_task_that_the_trigger_ends_at_the_same_moment_ends_once(world: World) -> None:
    from airflow.models.trigger import Trigger  # noqa: TID251 - the triggerer's part is played here
    from airflow.triggers.base import TaskSuccessEvent

    task = waiting_for_all(world)
    trigger_id = task.row["trigger_id"]
    assert task.post(RESPONSE).status_code == 200
    with world.session() as session:
        Trigger.submit_event(trigger_id, TaskSuccessEvent(), session=session)
    assert task.state == "success"


def test_before_airflow_3_3_the_task_is_resumed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "ENDS_FROM_TRIGGER", False)
    task = waiting_for_all(world, deferred_for=60.0)
    assert task.post(RESPONSE).status_code == 200
    assert task.state == "scheduled"
    assert world.xcom(task.key, "return_value") is None
