# SPDX-License-Identifier: Apache-2.0
"""Who may send now: no socket, no waiting, a clock of our own."""

from __future__ import annotations

import asyncio
import gc

import pytest

from airflow_async_provider._transport import turns
from airflow_async_provider._transport.turns import HostTurns, OneAtATime, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def rounds(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_turn_is_waited_for_and_handed_on() -> None:
    several = Turns(2, slow_after=1000)
    first, second = await several.take(), await several.take()
    third = asyncio.create_task(several.take())
    await rounds()
    assert not third.done()
    several.give_back(first)
    await rounds()
    assert third.done()
    several.give_back(second)
    several.give_back(third.result())


async def test_slow_requests_no_longer_count_up_to_a_bound() -> None:
    clock = Clock()
    several = Turns(2, slow_after=1.0, max_slow=3, clock=clock)
    for _ in range(2):
        await several.take()
    clock.now += 1.0
    for _ in range(2):  # at once: the others are slow by now
        await asyncio.wait_for(several.take(), 5)
    clock.now += 1.0
    await asyncio.wait_for(several.take(), 5)  # the third slow one
    waiting = asyncio.create_task(several.take())
    await rounds()
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_cancelled_wait_loses_no_turn() -> None:
    several = Turns(1, slow_after=1000)
    first = await several.take()
    waiting, next_one = asyncio.create_task(several.take()), asyncio.create_task(several.take())
    await rounds()
    several.give_back(first)
    waiting.cancel()
    await rounds()
    assert next_one.done()
    assert not next_one.cancelled()


async def test_a_host_earns_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    host = HostTurns(Clock())
    for _ in range(turns.FIRST_SOCKETS):
        await host.take(10**6)
    waiting = asyncio.create_task(host.take(10**6))
    await rounds()
    assert not waiting.done()
    host.answered()  # one more socket
    await rounds()
    assert waiting.done()
    for _ in range(100):
        host.answered()
    assert host._sockets == turns.MAX_SOCKETS_PER_HOST
    for _ in range(10):
        host.silent()
    assert host._sockets == 1


def test_the_budget_is_even_after_a_burst() -> None:
    clock = Clock()
    host = HostTurns(clock)
    pauses = [host._pause(0.1) for _ in range(120)]  # 600 a minute
    assert max(pauses[:99]) <= 0
    assert pauses[-1] == pytest.approx(120 * 0.1 - turns.BURST)
    clock.now += 3600
    assert host._pause(0.1) < 0


def test_a_host_that_is_back_gets_no_burst() -> None:
    """Thousands of jobs wait for it, and what it could not answer meanwhile has saved up its budget."""
    clock = Clock()
    host = HostTurns(clock)
    host._pause(0.1)
    host.silent()
    clock.now += 3600  # the answer to the last question before takes its time
    host.answered()
    pauses = [host._pause(0.1) for _ in range(20)]
    assert pauses == pytest.approx([0.1 * (number + 1) for number in range(20)])
    host.answered()
    clock.now += 3600
    assert host._pause(0.1) < 0


async def test_large_answers_have_a_round_each_without_the_garbage_collector() -> None:
    one, order = OneAtATime(), []

    async def read(name: str) -> None:
        await one.take()
        assert not gc.isenabled()
        order.append(name)

    tasks = [asyncio.create_task(read(name)) for name in "abc"]
    await asyncio.sleep(0)
    assert order == ["a"]
    tasks[1].cancel()
    await rounds(8)
    assert order == ["a", "c"]
    assert gc.isenabled()
    await asyncio.wait_for(one.take(), 5)
    await rounds(2)
    assert gc.isenabled()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_garbage_collector_that_was_off_stays_off() -> None:
    one = OneAtATime()
    gc.disable()
    try:
        await one.take()
        await rounds(3)
        assert not gc.isenabled()
    finally:
        gc.enable()
