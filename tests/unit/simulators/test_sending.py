# SPDX-License-Identifier: Apache-2.0
"""What the sender writes to the wire, read by a server of a few lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from airflow_async_provider.simulators.__main__ import build_parser, main
from airflow_async_provider.simulators._sending import MAX_COUNT, NO_ANSWER, WAYS, Sender
from airflow_async_provider.simulators._signing import TIMED

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Listener:
    """Answers 200 to all, and keeps what came."""

    def __init__(self) -> None:
        self.heads: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        head = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:]) if k}
        self.heads.append(head | {"": lines[0]})
        self.bodies.append(await reader.read(int(head["content-length"])))
        while len(self.bodies[-1]) < int(head["content-length"]) and (more := await reader.read(65536)):
            self.bodies[-1] += more
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


def with_listener(act: Callable[[Listener], Awaitable[list[int]]]) -> tuple[Listener, list[int]]:
    async def run() -> tuple[Listener, list[int]]:
        listener = Listener()
        server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
        listener.port = server.sockets[0].getsockname()[1]
        async with server:
            return listener, await act(listener)

    return asyncio.run(run())


def send(how: str, form: str = "standard-webhooks", **options: int) -> tuple[Listener, list[int]]:
    async def act(listener: Listener) -> list[int]:
        url = f"http://127.0.0.1:{listener.port}/a/b?c=d"
        sender = Sender(url, form, KEY, b'{"a": 1, "b": "22222222222222222222"}', {"X-Own": "v"}, 0.1, 1000)
        return await sender.send(how, **options)

    return with_listener(act)


def test_a_good_one_arrives_as_it_was_meant() -> None:
    listener, answers = send("well")
    assert answers == [200]
    assert listener.heads[0][""] == "POST /a/b?c=d HTTP/1.1"
    assert listener.heads[0]["x-own"] == "v"
    assert listener.bodies == [b'{"a": 1, "b": "22222222222222222222"}']
    assert abs(int(listener.heads[0]["webhook-timestamp"]) - time.time()) < 5


def test_what_is_replayed_is_the_same_and_a_duplicate_is_signed_anew() -> None:
    listener, answers = send("replayed")
    assert answers == [200, 200]
    assert listener.heads[0] == listener.heads[1]
    listener, _ = send("duplicate")
    assert listener.heads[0]["webhook-id"] == listener.heads[1]["webhook-id"]


@pytest.mark.parametrize(("how", "shift"), [("late", -3600), ("early", 3600)])
def test_late_and_early_ones_are_signed_as_such(how: str, shift: int) -> None:
    for form in TIMED:
        headers, _ = Sender("http://x.example", form, KEY).request(how)
        text = " ".join(headers.values())
        assert any(str(int(time.time()) + shift + s) in text for s in (-2, -1, 0))


def test_the_others_differ_in_what_they_say() -> None:
    sender = Sender("http://x.example", "github", KEY)
    good, body = sender.request("well", "m")
    assert sender.request("well", "m") == (good, body)
    assert sender.request("wrong-key", "m")[0] != good
    assert sender.request("changed", "m") == (good, body + b" ")
    assert sender.request("unsigned", "m") == ({}, body)
    assert len(sender.request("large", "m")[1]) > sender.size


def test_half_a_body_and_a_slow_one() -> None:
    listener, answers = send("truncated")
    assert answers == [NO_ANSWER]
    listener, answers = send("slow")
    assert answers == [200]
    assert listener.bodies == [b'{"a": 1, "b": "22222222222222222222"}']


def test_a_flood_has_an_end_and_an_id_for_each() -> None:
    listener, answers = send("flood", count=30, connections=500)
    assert answers == [200] * 30
    assert len({head["webhook-id"] for head in listener.heads}) == 30
    with pytest.raises(SystemExit):
        build_parser().parse_args(["sender", "http://x", "--count", str(MAX_COUNT + 1)])


def test_the_command_says_what_was_answered(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")

    async def act(listener: Listener) -> list[int]:
        url = f"http://127.0.0.1:{listener.port}/"
        options = ["--form", "svix", "--key", f"@{tmp_path / 'key'}", "--header", "X-A: b", "--bearer", "s"]
        return [await asyncio.to_thread(main, ["sender", url, *options])]

    listener, codes = with_listener(act)
    assert codes == [0]
    assert "HTTP 200: 1" in capsys.readouterr().out
    assert listener.heads[0]["authorization"] == "Bearer s"
    assert listener.heads[0]["x-a"] == "b"
    assert main(["sender", "http://127.0.0.1:1/"]) == 1
    assert "no answer: 1" in capsys.readouterr().out


def test_every_way_is_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "simulators.md").read_text()
    assert [way for way in WAYS if f"`{way}`" not in page] == []
