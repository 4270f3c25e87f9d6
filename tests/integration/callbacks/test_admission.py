# SPDX-License-Identifier: Apache-2.0
"""A flood of strangers, and one sender alone, hold up no authentic callback."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks import admission
from airflow_async_provider._callbacks.address import (
    HEALTH,
    PREFIX,
    is_proven,
    may_be_ours,
    new_address,
    proof_keys,
)
from airflow_async_provider._callbacks.admission import Buffered, BusyError, Lane, Refusals
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
from tests.support.raw_requests import ENDED, connected, raw, request, undated, whole_answer

KEY = "AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY"


@pytest.fixture
def keyed(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A receiver that shares a key with the workers, and has refused nobody yet."""
    monkeypatch.setenv(KEY, "shared")
    with served(mounted()) as url:
        assert raw(url, request(PREFIX + HEALTH, b"", method="GET")).startswith(b"HTTP/1.1 200")
        # Now it is built, with this key.
        yield World(url, world.dialect)


def forged(task: Waiting, secret: str = "") -> bytes:
    return raw(task.world.url, request(f"/{task.path}/{secret or 'x' * 43}"))


# -- the proof


def test_a_proof_is_for_one_address_and_one_secret(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setenv(KEY, "new,old")
    new, old = proof_keys()
    address = new_address("http://a", world.task().key)
    token, secret = address.url.rsplit("/", 1)[1], address.secret
    other = new_address("http://a", world.task().key)

    assert may_be_ours(token, secret)
    assert is_proven([new, old], token, secret)
    assert not is_proven([old], token, secret)
    assert not is_proven([], token, secret)
    assert not is_proven([new], other.url.rsplit("/", 1)[1], secret)
    assert not is_proven([new], token, other.secret.partition(".")[0] + "." + secret.partition(".")[2])
    assert not is_proven([new], token, secret.partition(".")[0])


def test_what_the_key_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "of airflow")
    monkeypatch.delenv(KEY, raising=False)
    airflows = proof_keys()
    assert len(airflows) == 1
    assert b"of airflow" not in airflows[0]
    monkeypatch.setenv(KEY, "own, older")
    assert len(proof_keys()) == 2
    assert airflows[0] not in proof_keys()


def test_without_a_shared_key_callbacks_are_taken_all_the_same(
    keyed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("of this worker alone", ""):
        monkeypatch.setenv(KEY, key)
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
        task = keyed.task()
        assert ("." in task.address.secret) is bool(key)
        assert task.post(ENDED).status_code == 200
        assert task.state == "scheduled"


# -- strangers


def test_when_there_are_many_refusals_only_the_proven_are_listened_to(
    keyed: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(admission, "MAX_REFUSALS", 3)
    monkeypatch.setattr(admission, "REFUSALS_FORGOTTEN", 0.0)
    task, proven = keyed.task(), keyed.task()
    monkeypatch.setenv(KEY, "of another worker")
    unproven = keyed.task()
    waits, wait_for_turn = [], Refusals.wait_for_turn

    async def counted(refusals: Refusals, receive: Any) -> None:
        waits.append(receive)
        await wait_for_turn(refusals, receive)

    monkeypatch.setattr(Refusals, "wait_for_turn", counted)

    answers = [forged(task).split(b" ")[1] for _ in range(6)]

    assert answers == [b"401"] * 3 + [b"503"] * 3
    assert len(waits) == 6  # each for its turn, whatever it is told then
    assert unproven.post(ENDED).status_code == 503  # it comes again
    assert proven.post(ENDED).status_code == 200
    assert proven.state == "scheduled"
    assert "Asked 1 callback(s) to come again, as too many came at once" in logged(caplog)


def test_the_lane_opens_again(keyed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_REFUSALS", 1)
    monkeypatch.setattr(admission, "REFUSALS_FORGOTTEN", 1e6)
    task = keyed.task()
    assert [forged(task).split(b" ")[1] for _ in range(3)] == [b"401"] * 3


def test_what_cannot_be_ours_does_not_close_it(keyed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_REFUSALS", 1)
    monkeypatch.setattr(admission, "REFUSALS_FORGOTTEN", 0.0)
    task = keyed.task()
    assert {forged(task, "guessed").split(b" ")[1] for _ in range(5)} == {b"401"}
    assert forged(task).split(b" ")[1] == b"401"


@on_one_database
@pytest.mark.parametrize("secret", ["wrong", "x" * 43, "x" * 43 + "." + "x" * 16])
def test_no_body_is_read_before_the_secret(keyed: World, secret: str) -> None:
    task = keyed.task()
    head = request(f"/{task.path}/{secret}", b"").replace(b"Content-Length: 0", b"Content-Length: 9999999")
    with connected(keyed.url) as connection:
        connection.sendall(head)  # and nothing of the body
        answer = whole_answer(connection)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert undated(answer) == undated(forged(task))


# -- one sender, and the room for all


@on_one_database
def test_one_callback_that_is_repeated_again_and_again_harms_nobody(keyed: World) -> None:
    loud, others = keyed.task(), [keyed.task() for _ in range(5)]
    stop = threading.Event()
    answers: Counter[int] = Counter()

    def repeat() -> None:
        while not stop.is_set():
            answers[loud.post(ENDED).status_code] += 1

    with ThreadPoolExecutor(admission.MAX_PER_TASK * 2) as pool:
        for _ in range(admission.MAX_PER_TASK * 2):
            pool.submit(repeat)
        try:
            assert [task.post(ENDED).status_code for task in others] == [200] * 5
        finally:
            stop.set()
    assert set(answers) <= {200, 503}
    assert answers[200] > 0
    assert {task.state for task in (loud, *others)} == {"scheduled"}


def test_more_of_one_task_than_may_be_at_work_comes_again() -> None:
    lane = Lane("test", 1, 10)

    def fill(task: str, number: int) -> None:
        if not number:
            return
        with lane.place(task):
            fill(task, number - 1)

    fill("a", admission.MAX_PER_TASK)
    with pytest.raises(BusyError):
        fill("a", admission.MAX_PER_TASK + 1)
    with lane.place("b"):
        fill("a", admission.MAX_PER_TASK)  # everything has been given back
    with pytest.raises(BusyError), lane.place("b"), lane.place("c"), lane.place("d"):
        fill("a", admission.MAX_PER_TASK)


def test_bodies_fill_no_memory(keyed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_BUFFERED", 1000)
    task = keyed.task(**MUTE)
    assert task.post(b'{"response": "' + b"x" * 2000 + b'"}').status_code == 503
    assert (task.state, task.delivery) == ("deferred", None)
    for _ in range(3):  # and what it took is given back
        assert task.post(b'{"response": "' + b"x" * 900 + b'"}').status_code == 200


def test_bytes_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_BUFFERED", 10)
    buffered = Buffered()
    buffered.take(10)
    with pytest.raises(BusyError):
        buffered.take(1)
    buffered.release(10)
    buffered.take(1)


async def stays() -> dict[str, Any]:
    """A sender who has sent everything and waits for the answer."""
    await asyncio.Event().wait()
    raise AssertionError("nobody woke it")


@pytest.fixture
def one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All refusals come at the same moment, however busy this machine is."""
    monkeypatch.setattr(admission, "time", SimpleNamespace(monotonic=lambda: 1000.0))


@pytest.mark.usefixtures("one_moment")
def test_refusals_beyond_a_number_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_PROMPT_REFUSALS", 100.0)
    refused: list[int] = []

    async def refuse() -> None:
        refusals = Refusals()

        async def one(number: int) -> None:
            await refusals.wait_for_turn(stays)
            refused.append(number)

        all_of_them = [asyncio.create_task(one(number)) for number in range(130)]
        await asyncio.sleep(0)
        prompt = len(refused)
        assert 100 <= prompt <= 101
        # The loop is busy for fifty turns, which must not all be due then: it would be busy with them.
        time.sleep(0.5)  # noqa: ASYNC251 - that is what it is about
        rounds = 5
        for _ in range(rounds):
            await asyncio.sleep(0)
        assert len(refused) <= prompt + rounds
        await asyncio.wait(all_of_them)

    asyncio.run(refuse())
    assert refused == list(range(130))


@pytest.mark.parametrize("body", [0, 1000, 10_000_000])
def test_who_leaves_is_forgotten_before_its_turn(monkeypatch: pytest.MonkeyPatch, body: int) -> None:
    monkeypatch.setattr(admission, "MAX_PROMPT_REFUSALS", 0.01)
    refusals, left = Refusals(), body

    async def leaves() -> dict[str, Any]:
        nonlocal left
        if not left:
            return {"type": "http.disconnect"}
        size = min(left, admission.MAX_DROPPED // 2)
        left -= size
        return {"type": "http.request", "body": b"x" * size}

    async def refuse() -> None:
        for _ in range(2):  # the second one's turn is in 100 seconds
            async with asyncio.timeout(0.5 if body > admission.MAX_DROPPED else 50):
                await refusals.wait_for_turn(leaves)

    if body > admission.MAX_DROPPED:
        with pytest.raises(TimeoutError):  # it sends so much that nobody listens to it any more
            asyncio.run(refuse())
        assert left > body - 2 * admission.MAX_DROPPED
    else:
        asyncio.run(refuse())


@pytest.mark.usefixtures("one_moment")
def test_the_first_flood_takes_what_is_loaded_out_of_garbage_collection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen: list[None] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(None))
    refusals = Refusals()

    async def wait(number: int) -> None:
        waiting = [asyncio.create_task(refusals.wait_for_turn(stays)) for _ in range(number)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    asyncio.run(wait(int(admission.MAX_PROMPT_REFUSALS)))
    assert not frozen
    for _ in range(2):
        asyncio.run(wait(5))
        assert len(frozen) == 1


def test_no_more_than_a_number_wait_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_PROMPT_REFUSALS", 0.01)
    monkeypatch.setattr(admission, "MAX_DELAYED", 3)
    refusals = Refusals()

    async def refuse() -> int:
        waiting = [asyncio.create_task(refusals.wait_for_turn(stays)) for _ in range(10)]
        await asyncio.sleep(0.1)
        done = sum(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await asyncio.wait_for(refusals.wait_for_turn(left_at_once), 5)  # their places are free again
        return done

    async def left_at_once() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert asyncio.run(refuse()) == 7  # the first one's turn is now


@on_one_database
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "", b"405"), ("DELETE", "", b"405"), ("POST", "/a/b/c", b"404"), ("POST", "", b"401")],
)
def test_whatever_is_no_callback_waits_for_its_turn(
    keyed: World, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: bytes
) -> None:
    monkeypatch.setattr(admission, "MAX_PROMPT_REFUSALS", 0.7)
    task = keyed.task()
    stray = request(f"/{task.path}{path}", b"", method=method)
    begun = time.monotonic()
    assert raw(keyed.url, stray).split(b" ")[1] == status
    assert raw(keyed.url, stray).split(b" ")[1] == status
    assert time.monotonic() - begun > 1  # its turn comes 1.4 s after the first one's
    assert raw(keyed.url, request(PREFIX + HEALTH, b"", method="GET")).startswith(b"HTTP/1.1 200")
    assert task.post(ENDED).status_code == 200


def test_refusals_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now: Any = time.monotonic()
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(admission, "time", clock)
    refusals = Refusals()
    for _ in range(admission.MAX_REFUSALS):
        assert not refusals.too_many()
        refusals.count()
    assert refusals.too_many()
    now += 2 / admission.REFUSALS_FORGOTTEN
    assert not refusals.too_many()


async def test_who_waits_for_a_turn_and_leaves_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_PROMPT_REFUSALS", 0.01)  # a turn comes every 100 seconds

    async def left() -> dict[str, str]:
        return {"type": "http.disconnect"}

    refusals = Refusals()
    for _ in range(3):
        await asyncio.wait_for(refusals.wait_for_turn(left), 20)
    assert refusals._waiting == {}
    assert refusals._letting_go is not None
    refusals._letting_go.cancel()
