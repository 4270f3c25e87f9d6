# SPDX-License-Identifier: Apache-2.0
"""Who stores a result, when several triggerers want to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider.triggers import _claim
from airflow_async_provider.triggers._claim import Claim, StoppedError

TASK = TaskKey("d", "r", "t", -1)
UPLOAD = {"bucket": "b", "key": "k", "upload_id": "7"}


class Noted:
    """The task's XCom."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.away = False

    async def look(self, task: TaskKey) -> dict[str, Any]:
        if self.away:
            raise ConnectionError
        return dict(self.facts)

    async def note(self, task: TaskKey, facts: dict[str, Any]) -> None:
        self.facts = dict(facts)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    found = Noted()
    monkeypatch.setattr(_claim, "alook_storing", found.look)
    monkeypatch.setattr(_claim, "anote_storing", found.note)
    monkeypatch.setattr(_claim, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(_claim, "LEASE", 0.05)
    return found


async def in_thread(work: Any, *given: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work, *given)


def test_the_first_one_has_it_until_it_says_that_it_is_over(noted: Noted) -> None:
    async def scene() -> None:
        claim = Claim(TASK, "job")
        assert await claim.take() is None
        await in_thread(claim.check)
        await claim.release({"uri": "s3://b/k"})
        assert noted.facts["over"]
        assert await Claim(TASK, "job").take() == {"uri": "s3://b/k"}
        assert await Claim(TASK, "another job").take() is None

    asyncio.run(scene())


@pytest.mark.parametrize("over", [True, False])
def test_only_what_is_not_over_is_waited_for(
    noted: Noted, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    waits: list[None] = []

    async def lease_over() -> None:
        waits.append(None)

    monkeypatch.setattr(_claim, "lease_over", lease_over)

    async def scene() -> None:
        first = Claim(TASK, "job")
        await first.take()
        if over:
            await first.release()  # it could not be stored
        assert await Claim(TASK, "job").take() is None

    asyncio.run(scene())
    assert len(waits) == (0 if over else 1)


def test_who_has_lost_it_stops(noted: Noted) -> None:
    async def scene() -> None:
        first, second = Claim(TASK, "job"), Claim(TASK, "job")
        await first.take()
        taking = asyncio.ensure_future(second.take())
        await asyncio.sleep(0.01)
        with pytest.raises(StoppedError):
            await in_thread(first.check)
        assert await taking is None
        await in_thread(second.check)
        await first.release({"uri": "s3://b/k"})
        assert "stored" not in noted.facts

    asyncio.run(scene())


def test_airflow_is_not_asked_before_each_block(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_claim, "LOOK_EVERY", 3600.0)

    async def scene() -> None:
        claim = Claim(TASK, "job")
        await claim.take()
        noted.facts["owner"] = "another"
        await in_thread(claim.check)

    asyncio.run(scene())


def test_of_two_that_take_it_at_once_one_has_it(noted: Noted) -> None:
    async def scene() -> None:
        await Claim(TASK, "job").take()
        both = [Claim(TASK, "job").take() for _ in range(2)]
        found = await asyncio.gather(*both, return_exceptions=True)
        assert {type(one) for one in found} == {type(None), StoppedError}

    asyncio.run(scene())


def test_an_airflow_that_does_not_answer_ends_it_when_the_lease_is_over(noted: Noted) -> None:
    async def scene() -> None:
        claim = Claim(TASK, "job")
        await claim.take()
        noted.away = True
        claim._known_at += 100
        await in_thread(claim.check)
        claim._known_at -= 200
        with pytest.raises(StoppedError):
            await in_thread(claim.check)

    asyncio.run(scene())


def test_who_is_asked_to_stop_stops(noted: Noted) -> None:
    async def scene() -> None:
        claim = Claim(TASK, "job")
        await claim.take()
        claim.stop()
        with pytest.raises(StoppedError):
            await in_thread(claim.check)

    asyncio.run(scene())


def test_an_upload_is_remembered_for_the_next_one(noted: Noted) -> None:
    async def scene() -> None:
        claim = Claim(TASK, "job")
        await claim.take()
        await in_thread(claim.began, UPLOAD)
        after = Claim(TASK, "job")
        await after.take()
        assert after.left() == UPLOAD
        await in_thread(after.ended)
        assert "upload" not in noted.facts

    asyncio.run(scene())


def test_an_event_loop_that_has_ended_holds_nobody_up(noted: Noted) -> None:
    async def begun() -> Claim:
        claim = Claim(TASK, "job")
        await claim.take()
        return claim

    claim = asyncio.run(begun())
    with pytest.raises(StoppedError):
        claim.began(UPLOAD)


def test_nobody_else_can_be_at_what_belongs_to_no_task() -> None:
    async def scene() -> None:
        claim = Claim(None, "job")
        assert await claim.take() is None
        claim.check()
        claim.began(UPLOAD)
        await claim.release()

    asyncio.run(scene())
