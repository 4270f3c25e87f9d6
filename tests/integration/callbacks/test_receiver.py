# SPDX-License-Identifier: Apache-2.0
"""What the receiver does with a callback, line by line, on SQLite and on PostgreSQL."""

from __future__ import annotations

import base64
import gzip
import json
import random
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from airflow_async_provider._callbacks import handling
from airflow_async_provider._callbacks import receiver as receiver_module
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    EMPTY_MAILBOX,
    MAILBOX_KEY,
)
from tests.support.callback_world import (  # noqa: F401 - fixtures
    HAS_TASK_STATE,
    MUTE,
    Waiting,
    World,
    logged,
    on_one_database,
    wakes_fixture,
    world_fixture,
)

ENDED = {"runid": 7, "execution_status": 1900}
RESPONSE = {"eventId": "e-1", "eventStatus": "completed", "response": {"rows": [1, 2]}}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all metrics."""
    names: list[str] = []
    monkeypatch.setattr(receiver_module, "count", lambda name, **tags: names.append(name))
    monkeypatch.setattr(receiver_module, "timing", lambda name, seconds, **tags: names.append(name))
    return names


def taken(answer: Any) -> bool:
    return (answer.status_code, answer.content) == (200, b"{}")


# -- accepted


@pytest.mark.parametrize("where", ["header", "path"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_callback_wakes_its_task(world: World, where: str, method: str, counted: list[str]) -> None:
    task = world.task()
    before = time.time()

    options = {"url": task.address.url_with_secret, "secret": None} if where == "path" else {}
    answer = task.post(ENDED, method=method, **options)

    assert taken(answer)
    assert answer.headers["content-type"] == "application/json"
    assert task.state == "scheduled"
    event = task.event
    assert before - 1 < event.pop("received_at") < time.time() + 1
    assert event == {
        "version": 1,
        "state": "succeeded",
        "remote_status": "1900",
        "via": "callback",
        "polls": 0,
        "errors": 0,
    }
    assert task.delivery is not None
    assert task.delivery.remote_status == "1900"
    assert counted == ["callback.woken", "callback.handling"]


def test_what_is_not_authentic_is_counted_as_such(world: World, counted: list[str]) -> None:
    assert world.task().post(ENDED, secret="of somebody else").status_code == 401
    assert counted == ["callback.refused"]


def test_within_the_settle_time_it_is_only_put_into_the_mailbox(world: World, counted: list[str]) -> None:
    task = world.task(deferred_for=2.0, settle=120.0)

    assert taken(task.post(ENDED))

    assert task.state == "deferred"
    assert task.delivery is not None
    assert counted[0] == "callback.accepted"


def test_the_settle_time_is_the_tasks_own(world: World) -> None:
    quick, slow = world.task(deferred_for=2.0, settle=1.0), world.task(deferred_for=60.0, settle=120.0)
    assert taken(quick.post(ENDED))
    assert taken(slow.post(ENDED))
    assert (quick.state, slow.state) == ("scheduled", "deferred")


@pytest.mark.parametrize("state", ["scheduled", "queued", "running", "restarting", "up_for_retry"])
def test_a_task_that_has_not_deferred_finds_it_in_its_mailbox(world: World, state: str) -> None:
    task = world.task(state)
    assert taken(task.post(ENDED))
    assert task.state == state
    assert task.delivery is not None


def test_a_task_of_a_mapped_operator_is_distinguished_from_its_brothers(world: World) -> None:
    task = world.task(map_index=4)
    assert taken(task.post(ENDED))
    assert task.state == "scheduled"


def test_run_ids_of_every_kind_arrive(world: World) -> None:
    for run_id in ("scheduled__2026-11-22T00:00:00+00:00", "a/b?c#d%2Fe f", "Lauf für 漢字 🐘"):
        task = world.task(run_id=run_id)
        assert taken(task.post(ENDED, url=task.address.url_with_secret, secret=None)), run_id
        assert task.state == "scheduled"


def test_a_task_that_waits_in_another_trigger_by_now_is_left_alone(world: World) -> None:
    task = world.task(trigger="airflow.providers.standard.triggers.temporal.DateTimeTrigger")
    assert taken(task.post(ENDED))
    assert task.state == "deferred"


def test_the_notification_that_a_job_has_begun_wakes_only_who_can_ask(
    world: World, counted: list[str]
) -> None:
    asks, listens = world.task(), world.task(**MUTE)
    assert taken(asks.post({"status": 1550}))
    assert taken(listens.post({"eventId": "e-1", "eventStatus": "started"}))
    assert (asks.state, listens.state) == ("scheduled", "deferred")
    assert listens.delivery is None
    assert "callback.ignored" in counted


def test_a_result_that_only_the_callback_bears_is_kept(world: World) -> None:
    task = world.task(**MUTE)

    assert taken(task.post(RESPONSE))

    assert task.state == "scheduled"
    assert task.delivery is not None
    assert task.delivery.value == {"rows": [1, 2]}
    assert task.delivery.detail["job_id"] == "e-1"
    assert "rows" not in json.dumps(task.event)


def test_such_a_result_is_stored_once_and_as_it_came(world: World) -> None:
    task = world.task("running", **MUTE)
    if HAS_TASK_STATE:
        task.remember(task.expect(**MUTE))
    noise = base64.b64encode(random.Random(7).randbytes(300_000)).decode()
    quoted = '"\\"' * 50_000

    for text in (noise, quoted):
        assert taken(task.post({"response": {"text": text}, "eventId": str(len(text))}))
        stored = {name: world.stored_length(task.key, name) for name in (MAILBOX_KEY, DURABLE_DELIVERY_KEY)}
        place, other = MAILBOX_KEY, DURABLE_DELIVERY_KEY
        if HAS_TASK_STATE:
            place, other = other, place
        assert stored[place] < 1.4 * len(text) + 500
        assert stored[other] < 1000
        found = task.kept_delivery if HAS_TASK_STATE else task.delivery
        assert found is not None
        assert found.value == {"text": text}
        assert task.delivery is not None
        assert task.delivery.kept is HAS_TASK_STATE
        task.world.set_xcom(task.key, MAILBOX_KEY, EMPTY_MAILBOX)


# -- repeated, late, for nobody


def test_a_repeated_one_changes_nothing(world: World, wakes: list[Any], counted: list[str]) -> None:
    task = world.task()
    answers = [task.post(ENDED) for _ in range(3)]
    assert all(map(taken, answers))
    assert len(wakes) == 1
    assert counted[::2] == ["callback.woken", "callback.duplicate", "callback.duplicate"]


def test_one_with_other_news_replaces_the_first_where_the_remote_can_be_asked(world: World) -> None:
    task = world.task("running")
    task.post({"status": 1550})
    task.post(ENDED)
    assert task.delivery is not None
    assert task.delivery.remote_status == "1900"


def test_the_first_word_stands_where_it_is_the_only_one(world: World) -> None:
    task = world.task("running", **MUTE)
    for body in (RESPONSE, {**RESPONSE, "response": {"rows": []}}, {"eventId": "e-1", "error": "x"}):
        assert taken(task.post(body))
    assert task.delivery is not None
    assert task.delivery.value == {"rows": [1, 2]}


def test_but_not_if_it_was_about_another_job_or_could_not_be_taken(world: World) -> None:
    task = world.task("running", **MUTE)
    for body in (b"rubbish", {**RESPONSE, "eventId": "e-0"}, RESPONSE):
        assert taken(task.post(body))
    assert task.delivery is not None
    assert (task.delivery.job_id, task.delivery.error) == ("e-1", None)


def test_what_could_not_be_taken_is_replaced_by_one_that_names_no_job_either(world: World) -> None:
    task = world.task("running", **MUTE)
    for body in (b"rubbish", {"eventStatus": "completed", "response": {"rows": [1]}}):
        assert taken(task.post(body))
    assert task.delivery is not None
    assert (task.delivery.job_id, task.delivery.error) == (None, None)
    assert task.delivery.value == {"rows": [1]}


def test_one_that_nobody_took_out_wakes_when_it_is_repeated(world: World, wakes: list[Any]) -> None:
    # The triggerer is dead; the first delivery came too early to wake the task.
    task = world.task(deferred_for=0.0, settle=60.0)
    assert taken(task.post(ENDED))
    assert task.state == "deferred"
    task.expect(settle=0.0)  # as if the settle time were over

    assert taken(task.post(ENDED))

    assert task.state == "scheduled"
    assert wakes == [task.delivery.to_event()]


def test_one_that_was_dealt_with_before_this_wait_does_not(world: World) -> None:
    task = world.task("running")
    assert taken(task.post(ENDED))
    time.sleep(0.01)
    task.set("deferred", deferred_for=0.0)
    task.expect(settle=0.0)
    assert taken(task.post(ENDED))
    assert task.state == "deferred"


@pytest.mark.parametrize("state", [None, "success", "failed", "skipped", "upstream_failed", "removed"])
def test_for_ended_and_cleared_tasks_it_is_too_late(
    world: World, state: str | None, counted: list[str]
) -> None:
    task = world.task(state)
    before = world.counts()
    assert taken(task.post(ENDED))
    assert task.state == state
    assert task.delivery is None
    before["log"] += 1  # the record of deliveries
    assert world.counts() == before
    assert counted[0] == "callback.late"


def test_after_the_deadline_it_is_too_late(world: World) -> None:
    task = world.task(deadline=time.time() - 1)
    assert taken(task.post(ENDED))
    assert task.state == "deferred"
    assert task.delivery is None


def test_after_a_new_submission_the_old_address_is_good_for_nothing(world: World) -> None:
    task = world.task()
    old, new = task.address, world.task().address
    first = task.expect()
    task.address = type(old)(old.url, new.secret)
    second = task.expect()
    if HAS_TASK_STATE:
        task.remember(second, first, handle={"job_id": "8"})
        task.remember(second, first)

    answer = task.post(ENDED, secret=old.secret)

    assert taken(answer) if HAS_TASK_STATE else answer.status_code == 401
    assert task.state == "deferred"
    assert task.delivery is None


# -- a new try


def test_a_new_try_that_starts_anew_wants_nothing_of_the_old_one(world: World, counted: list[str]) -> None:
    task = world.task()
    if HAS_TASK_STATE:
        task.remember(task.expect(), intent="abc")
    task.new_try()

    answer = task.post(ENDED)

    assert taken(answer) if HAS_TASK_STATE else answer.status_code == 401
    assert counted[0] == ("callback.late" if HAS_TASK_STATE else "callback.refused")
    assert task.delivery is None


@pytest.mark.skipif(not HAS_TASK_STATE, reason="tasks remember nothing before Airflow 3.3")
@pytest.mark.parametrize("facts", [{}, MUTE])
def test_a_new_try_that_takes_up_the_job_gets_its_callback_before_it_says_so(
    world: World, facts: Any
) -> None:
    task = world.task(**facts)
    registration = task.expect(**facts)
    task.remember(registration, handle={"job_id": "e-1"})
    task.new_try()

    assert taken(task.post(RESPONSE if facts else ENDED))

    assert task.delivery is not None
    assert task.delivery.submission == registration.submission
    assert task.delivery.kept is bool(facts)
    assert task.kept_delivery == (
        replace(task.delivery, value={"rows": [1, 2]}, kept=False) if facts else None
    )


# -- words that cannot be understood


@on_one_database
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"\xff\xfe\x00",
        '{"status": 1900}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 10_000,
        gzip.compress(b'{"status": 1900}', mtime=0),
        b'{"status": 1e999999}',
    ],
)
def test_who_can_be_asked_is_asked(world: World, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    task = world.task()
    assert taken(task.post(body, headers={"Content-Encoding": "gzip"}))
    assert task.state == "scheduled"
    assert task.event["state"] == "running"
    assert "rubbish" not in logged(caplog)


@on_one_database
@pytest.mark.parametrize(
    "body", [b"", b"rubbish", b"[" * 100_000, b'"text"', b'{"response":' + b"[" * 300 + b"]" * 300 + b"}"]
)
def test_a_task_without_polls_is_notified(world: World, body: bytes) -> None:
    task = world.task(**MUTE)
    assert taken(task.post(body))
    assert task.state == "scheduled"
    assert (task.event["state"], task.event["error"]) == ("error", "CallbackError")


def test_what_no_database_takes_arrives_all_the_same(world: World) -> None:
    task = world.task(**MUTE)
    value = {"nul": "a\0b", "half": "\ud800", "__classname__": "builtins.int", "__data__": 1, "é": "漢🐘"}
    assert taken(task.post(json.dumps({"eventId": "e\0", "eventStatus": "done\0\ud800", "response": value})))
    assert task.state == "scheduled"
    assert task.delivery is not None
    assert task.delivery.value == value
    assert task.event["remote_status"].isprintable()


def test_a_protocol_that_breaks_is_no_reason_for_a_500(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_async_provider.protocols._automic.protocol import AutomicProtocol

    def broken(self: Any, headers: Any, body: bytes) -> Any:
        raise KeyError("what the sender wrote")

    monkeypatch.setattr(AutomicProtocol, "read_callback", broken)
    task = world.task()
    assert taken(task.post(ENDED))
    assert task.state == "scheduled"
    assert "KeyError in broken" in logged(caplog)
    assert "what the sender wrote" not in logged(caplog)


@on_one_database
@pytest.mark.parametrize(
    "facts",
    [
        {"protocol": "os.path.join"},
        {"protocol": "tests.support.callback_protocols.Ping"},
        {"options": {"client": "100", "novelty": 1}},
        {"options": ["no", "mapping"]},
    ],
)
def test_protocols_that_the_api_server_does_not_know(
    world: World, facts: Any, caplog: pytest.LogCaptureFixture
) -> None:
    task = world.task(**facts)
    assert taken(task.post(ENDED))
    assert task.state == "scheduled"
    assert task.event["remote_status"] == "unreadable"
    assert "An authentic callback cannot be read" in logged(caplog)
    assert "tests.support.callback_protocols" not in sys.modules


def test_a_protocol_of_the_users_own_may_be_admitted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "tests.support.callback_protocols.Ping"
    task = world.task(protocol=path, options={})
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_PROTOCOLS", f"other.Thing, {path} ,")
    assert taken(task.post({"ping": "pong"}))
    assert task.event["remote_status"] == "pong"
    sys.modules.pop("tests.support.callback_protocols")  # the next database's turn begins without it


# -- trouble inside


def test_a_defect_of_ours_is_no_500_either(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, counted: list[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("with the payload in it")

    task = world.task()
    monkeypatch.setattr(handling, "deliver", broken)
    answer = task.post(ENDED)
    monkeypatch.undo()

    assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (503, b"{}", "15")
    assert "RuntimeError in broken" in logged(caplog)
    assert "payload" not in logged(caplog)
    assert counted == ["callback.unavailable"]
    assert task.delivery is None
    assert taken(task.post(ENDED))


def test_the_whole_database_knows_no_secret(world: World) -> None:
    tasks: list[Waiting] = [
        world.task(),
        world.task("running"),
        world.task(**MUTE),
        world.task(deferred_for=1.0),
    ]
    for task in tasks:
        task.post(RESPONSE)
        task.post(b"rubbish", secret=task.address.secret[:-1])
        task.post(ENDED, url=task.address.url_with_secret, secret=None)
    dump = world.everything()
    assert tasks[0].key.run_id in dump
    assert [task for task in tasks if task.address.secret in dump or task.address.secret[:20] in dump] == []
