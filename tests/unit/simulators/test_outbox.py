# SPDX-License-Identifier: Apache-2.0
"""Messages that a simulator sends when they are due."""

from __future__ import annotations

import pytest

from airflow_async_provider.simulators._outbox import Outbox, accepted


async def nothing(message: str) -> None:
    """Send nothing."""


def test_messages_are_due_in_the_order_of_their_times() -> None:
    now = [0.0]
    outbox: Outbox[str] = Outbox(now=lambda: now[0], send=nothing, user_agent="x")
    outbox.put("late", 2.0)
    outbox.put("early", 1.0)
    assert outbox._due() == []
    now[0] = 1.5
    assert outbox._due() == ["early"]
    outbox.reschedule(lambda message, due: due - 1)
    assert outbox._due() == ["late"]


def test_what_is_cleared_is_never_due() -> None:
    outbox: Outbox[str] = Outbox(now=lambda: 9.0, send=nothing, user_agent="x")
    outbox.put("a", 1.0)
    outbox.clear()
    assert outbox._due() == []


async def test_nothing_is_sent_while_the_simulator_does_not_run() -> None:
    outbox: Outbox[str] = Outbox(now=lambda: 0.0, send=nothing, user_agent="x")
    with pytest.raises(RuntimeError, match="not running"):
        await outbox.post("http://127.0.0.1:1/", b"", {})


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (299, True), (302, False), (500, False), (None, False)]
)
def test_any_2xx_is_taken(status: int | None, taken: bool) -> None:
    assert accepted(status) is taken
