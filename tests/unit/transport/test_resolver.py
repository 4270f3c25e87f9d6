# SPDX-License-Identifier: Apache-2.0
"""Names of hosts, asked for in threads of our own; the system's resolver is played."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from airflow_async_provider._transport.resolver import Resolver

FOUR = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))
SIX = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 443, 0, 0))
LOCAL = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 3))


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    yield resolver
    await resolver.close()


def play(monkeypatch: pytest.MonkeyPatch, system: Callable[..., Any]) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", system)


async def test_all_addresses_come_back_in_their_order_as_numbers(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def system(*args: Any, **kwargs: Any) -> Any:
        asked.append(args[:3])
        return [SIX, FOUR]

    play(monkeypatch, system)
    found = await resolver.resolve("a.example", 443, socket.AF_UNSPEC)
    assert asked == [("a.example", 443, socket.AF_UNSPEC)]
    assert [(one["host"], one["port"], one["family"], one["hostname"]) for one in found] == [
        ("2001:db8::1", 443, socket.AF_INET6, "a.example"),
        ("192.0.2.1", 443, socket.AF_INET, "a.example"),
    ]
    # Nobody asks a name server for them a second time.
    assert {one["flags"] for one in found} == {socket.AI_NUMERICHOST | socket.AI_NUMERICSERV}


async def test_an_address_of_one_link_says_of_which(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, lambda *args, **kwargs: [LOCAL])
    (found,) = await resolver.resolve("a.example", 443)
    assert found["host"] == "fe80::1%3"


async def test_a_name_that_nobody_knows_is_an_oserror(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def system(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    play(monkeypatch, system)
    with pytest.raises(OSError, match="not known"):
        await resolver.resolve("a.example")


async def test_the_system_is_asked_in_a_thread_of_its_own(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def system(*args: Any, **kwargs: Any) -> Any:
        names.append(threading.current_thread().name)
        return [FOUR]

    play(monkeypatch, system)
    await resolver.resolve("a.example")
    assert names[0].startswith("async-provider-dns")


async def test_closing_waits_for_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on, told = threading.Event(), threading.Event(), []

    def silent(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        told.append(go_on.wait(20))
        return [FOUR]

    play(monkeypatch, silent)
    resolver = Resolver()
    waiting = asyncio.create_task(resolver.resolve("a.example", 443))
    assert await asyncio.to_thread(asked.wait, 20)
    await resolver.close()
    go_on.set()
    assert (await waiting)[0]["host"] == "192.0.2.1"
    assert told == [True]  # else it was the name server that had to end first
    with pytest.raises(RuntimeError):
        await resolver.resolve("a.example")
