# SPDX-License-Identifier: Apache-2.0
"""
Each form of signature over the receiver's real socket and database, sent well and badly by the sender.

What a signature is worth is decided before a row is read; what is written then, on either database, is tried
in ``test_receiver.py``.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_async_provider._callbacks import airflow_internals, receiver, signatures
from airflow_async_provider.protocols._signature_forms import SCHEMES
from airflow_async_provider.simulators._sending import NO_ANSWER, Sender
from airflow_async_provider.simulators._signing import TIMED, other_key
from tests.support.callback_world import (  # noqa: F401 - fixtures
    Waiting,
    World,
    logged,
    on_one_database,
    world_fixture,
)

pytestmark = on_one_database

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENDED = b'{"runid": 7, "status": 1900}'
HOOK = "airflow_async_provider.hooks.http_async.HttpAsyncJobHook"


@pytest.fixture(params=SCHEMES)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


#: For what is no affair of the signature's form.
one_form = pytest.mark.parametrize("form", ["standard-webhooks"], indirect=True)


@pytest.fixture
def task(world: World, form: str, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """A task whose callbacks are signed in this form, while their key is being replaced."""
    monkeypatch.setattr(signatures, "_keys", signatures._Keys())
    extra = {"callback_secret": [other_key(KEY), KEY], "callback_signature": form}
    monkeypatch.setenv("AIRFLOW_CONN_FORM", json.dumps({"conn_type": "http", "extra": extra}))
    return world.task(conn_id="form", hook=HOOK, signature=SCHEMES[form].to_dict())


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Whom the receiver resumes, besides resuming it."""
    found: list[Any] = []
    resume = airflow_internals.resume
    monkeypatch.setattr(airflow_internals, "resume", lambda *a: (found.append(a[1].task_id), resume(*a))[1])
    return found


def send(task: Waiting, form: str, how: str = "well", key: str = KEY, **options: Any) -> list[int]:
    sender = Sender(task.address.url_with_secret, form, key, ENDED, seconds=options.pop("seconds", 1.0))
    return asyncio.run(sender.send(how, **options))


def test_both_keys_are_good_while_one_is_replaced(task: Waiting, form: str, world: World) -> None:
    assert send(task, form, key=other_key(KEY)) == [200]
    assert task.state == "scheduled"
    other = world.task(conn_id="form", hook=HOOK, signature=SCHEMES[form].to_dict())
    assert send(other, form) == [200]
    assert other.state == "scheduled"


def test_forged_changed_unsigned_and_old_ones_do_not_wake(
    task: Waiting, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    hows = ["unsigned"] + ["changed"] * (form != "gitlab") + ["late", "early"] * (form in TIMED)
    for how in hows:
        assert send(task, form, how) == [401], how
    assert send(task, form, key=other_key(other_key(KEY)) + "BBBB") == [401]
    others = [other for other in SCHEMES if SCHEMES[other] != SCHEMES[form]]
    assert [send(task, other) for other in others] == [[401]] * len(others)
    assert task.state == "deferred"
    assert task.delivery is None
    assert KEY not in caplog.text
    assert task.address.secret not in caplog.text


def test_repeated_ones_wake_once(task: Waiting, form: str, wakes: list[Any]) -> None:
    assert send(task, form, "replayed") == [200, 200]
    assert send(task, form, "duplicate") == [200, 200]
    assert len(wakes) == 1


@one_form
def test_half_a_body_and_a_slow_one_do_not_wake(
    task: Waiting, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "MAX_READ", 0.3)
    assert send(task, form, "truncated") == [NO_ANSWER]
    assert send(task, form, "slow", seconds=1.5) == [408]
    assert task.state == "deferred"
    assert task.delivery is None


@one_form
def test_a_late_one_for_an_ended_task_is_harmless(task: Waiting, form: str) -> None:
    task.set("success")
    assert send(task, form) == [200]
    assert task.state == "success"


@one_form
def test_in_a_flood_one_task_takes_no_more_than_its_share(task: Waiting, form: str, wakes: list[Any]) -> None:
    answers = send(task, form, "flood", count=40, connections=20)
    assert set(answers) <= {200, 503}
    assert 200 in answers
    assert len(wakes) == 1
