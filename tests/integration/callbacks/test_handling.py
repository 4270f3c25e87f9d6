# SPDX-License-Identifier: Apache-2.0
"""
Callbacks in every order: before, while and after the task defers, twice at once, with the database away.

And signatures, which stand between the secret and the store.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import handling
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.protocols._signature_forms import SCHEMES
from tests.support.callback_world import (  # noqa: F401 - fixtures
    MUTE,
    Waiting,
    World,
    logged,
    mounted,
    on_one_database,
    served,
    world_fixture,
)

ENDED = b'{"runid": 7, "execution_status": 1900}'
LONGEST = 20.0


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events of all resumed tasks."""
    seen: list[dict[str, Any]] = []
    real = internals.resume

    def resume(session: Any, task_instance: Any, event: dict[str, Any]) -> None:
        seen.append(event)
        real(session, task_instance, event)

    monkeypatch.setattr(internals, "resume", resume)
    return seen


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
    # Nobody can tell; but SQLite lets readers in while somebody writes.
    assert forged.status_code == (401 if world.dialect == "sqlite" else 503)
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


# -- signatures

KEY = "the key of the connection"
SCHEME = {
    "kind": "hmac",
    "header": "X-Signature",
    "prefix": "sha256=",
    "algorithm": "sha256",
    "encoding": "hex",
}
HOOK = "airflow_async_provider.hooks.http_async.HttpAsyncJobHook"


def connect(monkeypatch: pytest.MonkeyPatch, name: str, key: str | None, scheme: Any = None) -> None:
    import json

    extra = {} if key is None else {"callback_secret": key, "callback_signature": scheme or SCHEME}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "http", "extra": extra}))


@pytest.fixture
def signed(world: World, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """A task whose callback must be signed with the connection's key."""
    monkeypatch.setattr(handling, "_keys", handling._Keys())
    connect(monkeypatch, "signed", KEY)
    return world.task(conn_id="signed", hook=HOOK, signature=SCHEME)


def signature(body: bytes, key: str = KEY, algorithm: str = "sha256") -> str:
    return "sha256=" + hmac.new(key.encode(), body, algorithm).hexdigest()


def test_a_signed_callback_wakes(signed: Waiting) -> None:
    assert signed.post(ENDED, headers={"x-signature": signature(ENDED)}).status_code == 200
    assert signed.state == "scheduled"


def test_the_key_lies_in_airflows_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    from airflow.models.connection import Connection  # noqa: TID251 - a person has made it

    monkeypatch.setattr(handling, "_keys", handling._Keys())
    extra = json.dumps({"callback_secret": KEY, "callback_signature": SCHEME})
    with world.session() as session:
        session.add(Connection(conn_id=f"signed_{world.dialect}", conn_type="http", extra=extra))
    task = world.task(conn_id=f"signed_{world.dialect}", hook=HOOK, signature=SCHEME)
    assert task.post(ENDED, headers={"X-Signature": signature(ENDED)}).status_code == 200
    assert task.state == "scheduled"


FORGED: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"X-Signature": ""},
    "no prefix": {"X-Signature": signature(ENDED).removeprefix("sha256=")},
    "another body": {"X-Signature": signature(ENDED + b" ")},
    "re-encoded": {"X-Signature": signature(b'{"runid":7,"execution_status":1900}')},
    "another key": {"X-Signature": signature(ENDED, "another key")},
    "another algorithm": {"X-Signature": "sha256=" + hmac.new(KEY.encode(), ENDED, "sha1").hexdigest()},
    "no key": {"X-Signature": "sha256=" + hashlib.sha256(ENDED).hexdigest()},
    "truncated": {"X-Signature": signature(ENDED)[:-1]},
    "base64": {
        "X-Signature": "sha256=" + base64.b64encode(hmac.digest(KEY.encode(), ENDED, "sha256")).decode()
    },
    "in another header": {"X-Signed": signature(ENDED)},
    "the key itself": {"X-Signature": KEY},
}


@on_one_database
@pytest.mark.parametrize("name", FORGED)
def test_no_other_signature_does(signed: Waiting, name: str, caplog: pytest.LogCaptureFixture) -> None:
    plain = signed.world.task().post(secret="wrong")
    answer = signed.post(ENDED, headers=FORGED[name])
    assert (answer.status_code, answer.content) == (plain.status_code, plain.content)
    assert signed.state == "deferred"
    assert signed.delivery is None
    assert KEY not in caplog.text


def test_a_body_that_was_changed_on_the_way_does_not_wake(signed: Waiting) -> None:
    headers = {"X-Signature": signature(ENDED)}
    for body in (ENDED.replace(b"1900", b"1800"), ENDED[:-1], ENDED + b"\n", b""):
        assert signed.post(body, headers=headers).status_code == 401
    assert signed.state == "deferred"


def test_the_signature_does_not_replace_the_secret(signed: Waiting) -> None:
    assert signed.post(ENDED, secret=None, headers={"X-Signature": signature(ENDED)}).status_code == 401
    assert signed.state == "deferred"


def test_a_replayed_one_is_a_duplicate_and_an_old_one_is_refused_where_time_is_signed(
    world: World, signed: Waiting, monkeypatch: pytest.MonkeyPatch, wakes: list[Any]
) -> None:
    headers = {"X-Signature": signature(ENDED)}
    assert [signed.post(ENDED, headers=headers).status_code for _ in range(2)] == [200, 200]
    assert len(wakes) == 1

    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    connect(monkeypatch, "standard", secret, "standard_webhooks")
    task = world.task(conn_id="standard", hook=HOOK, signature=SCHEMES["standard-webhooks"].to_dict())

    def made(at: int) -> dict[str, str]:
        mac = hmac.digest(b"k" * 24, f"m1.{at}.".encode() + ENDED, "sha256")
        encoded = base64.b64encode(mac).decode()
        return {"webhook-id": "m1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{encoded}"}

    assert task.post(ENDED, headers=made(int(time.time()) - 600)).status_code == 401
    assert task.state == "deferred"
    assert task.post(ENDED, headers=made(int(time.time()))).status_code == 200
    assert task.state == "scheduled"


def test_a_new_key_counts_soon_and_the_old_one_no_longer(
    signed: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = signed.world.task(conn_id="signed", hook=HOOK, signature=SCHEME)
    assert other.post(ENDED, headers={"X-Signature": signature(ENDED)}).status_code == 200
    connect(monkeypatch, "signed", "a new key")
    new = {"X-Signature": signature(ENDED, "a new key")}
    assert signed.post(ENDED, headers=new).status_code == 401  # looked up a moment ago
    monkeypatch.setattr(handling, "KEY_MIN_AGE", 0.0)
    assert signed.post(ENDED, headers=new).status_code == 200
    assert signed.state == "scheduled"


def test_without_its_key_nothing_is_lost_and_nothing_believed(
    signed: Waiting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"X-Signature": signature(ENDED)}
    monkeypatch.delenv("AIRFLOW_CONN_SIGNED")
    assert signed.post(ENDED, headers=headers).status_code == 503
    assert "KeyMissingError" in logged(caplog)
    connect(monkeypatch, "signed", None)  # the connection is there, but somebody has removed its key
    assert signed.post(ENDED, headers=headers).status_code == 401
    assert signed.state == "deferred"
    monkeypatch.setattr(handling, "KEY_MAX_AGE", 0.0)
    connect(monkeypatch, "signed", KEY)
    assert signed.post(ENDED, headers=headers).status_code == 200


@on_one_database
@pytest.mark.parametrize(
    "facts",
    [
        {"hook": "os.path.join"},
        {"hook": None},
        {"conn_id": None},
        {"signature": {"kind": "unheard of"}},
        {"signature": {"kind": "hmac"}},
        {"signature": {"header": "X-Signature", "algorithm": "md5"}},
        {"signature": []},
    ],
)
def test_a_signature_that_cannot_be_checked_is_none(signed: Waiting, facts: dict[str, Any]) -> None:
    signed.expect(**{"conn_id": "signed", "hook": HOOK, "signature": SCHEME, **facts})
    answer = signed.post(ENDED, headers={"X-Signature": signature(ENDED)})
    assert answer.status_code == 401
    assert signed.state == "deferred"


def test_too_large_and_unsigned_still_tells_the_task(signed: Waiting) -> None:
    # The secret has proved the sender; what was not read cannot be verified, and nothing of it is believed.
    signed.expect(conn_id="signed", hook=HOOK, signature=SCHEME, max_bytes=10, **MUTE)
    assert signed.post(ENDED).status_code == 413
    assert signed.event["error"] == "CallbackTooLargeError"


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
