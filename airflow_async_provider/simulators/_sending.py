# SPDX-License-Identifier: Apache-2.0
"""
A sender of callbacks, well and badly: ``python -m airflow_async_provider.simulators sender URL``.

Writes HTTP/1.1 by hand, as much of what it does wrong no HTTP library does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
import time
import uuid
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from airflow_async_provider.simulators._signing import FORMS, Message, other_key

#: How -> what it is; the order is that of the help.
WAYS = {
    "well": "as the sender should",
    "wrong-key": "signed with another key",
    "changed": "the body was changed after it had been signed",
    "unsigned": "without the headers of the signature",
    "late": "signed an hour ago",
    "early": "signed by a clock that is an hour ahead",
    "replayed": "the very same request twice",
    "duplicate": "the same delivery twice, signed anew: a sender that got no answer",
    "truncated": "half of the body, then the connection is closed",
    "slow": "the body in small pieces, over --seconds",
    "large": "a body of --bytes",
    "flood": "--count requests over --connections connections, each with an id of its own",
}

#: A flood has an end.
MAX_COUNT, MAX_CONNECTIONS, MAX_BYTES = 5000, 100, 64 * 1024 * 1024

#: An answer may take so long (seconds).
ANSWER_SECONDS = 60.0

HOUR = 3600

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Sender:
    """
    Somebody who sends one kind of callback to one address.

    :param url: where to
    :param form: one of :data:`~airflow_async_provider.simulators._signing.FORMS`
    :param key: what is signed with, as the vendor hands it out
    :param body: raw bytes
    :param headers: further ones
    :param seconds: how long the body takes when it is slow
    :param size: bytes of the body when it is large
    """

    url: str
    form: str = "none"
    key: str = field(default="", repr=False)
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 40.0
    size: int = 32 * 1024 * 1024

    def request(self, how: str = "well", message_id: str = "") -> tuple[dict[str, str], bytes]:
        """
        Headers and body of one delivery.

        :param how: one of :data:`WAYS`
        :param message_id: id of the delivery, a new one by default
        """
        moment = int(time.time()) + {"late": -HOUR, "early": HOUR}.get(how, 0)
        body = b'{"filler": "%s"}' % (b"x" * self.size) if how == "large" else self.body
        key = other_key(self.key) if how == "wrong-key" else self.key
        message = Message(message_id or f"msg_{uuid.uuid4().hex}", moment, body)
        signed = {} if how == "unsigned" else FORMS[self.form](key, message)
        return {**self.headers, **signed}, body + b" " if how == "changed" else body

    async def send(self, how: str = "well", *, count: int = 1, connections: int = 10) -> list[int]:
        """
        Send, and say what was answered.

        :param count: requests of a flood
        :param connections: how many of them at a time
        :return: HTTP statuses in order, :data:`NO_ANSWER` where there was none
        """
        if how == "flood":
            room = asyncio.Semaphore(min(connections, MAX_CONNECTIONS))
            return await asyncio.gather(*(self._in(room) for _ in range(min(count, MAX_COUNT))))
        first = f"msg_{uuid.uuid4().hex}"
        request = self.request(how, first)
        answers = [await self._exchange(*request, how=how)]
        if how in ("replayed", "duplicate"):
            again = request if how == "replayed" else self.request(how, first)
            answers.append(await self._exchange(*again, how=how))
        return answers

    async def _in(self, room: asyncio.Semaphore) -> int:
        async with room:
            return await self._exchange(*self.request(), how="well")

    async def _exchange(self, headers: dict[str, str], body: bytes, *, how: str) -> int:
        parts = urlsplit(self.url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        lines = [f"POST {path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
        try:
            async with asyncio.timeout(ANSWER_SECONDS + self.seconds):
                reader, writer = await asyncio.open_connection(
                    parts.hostname, parts.port or (443 if tls else 80), ssl=tls
                )
                try:
                    writer.write(head)
                    # Read while writing: who answers early closes, and the answer would be lost with that.
                    answer = asyncio.create_task(reader.readline())
                    with contextlib.suppress(ConnectionError):
                        for piece, pause in self._pieces(body, how):
                            writer.write(piece)
                            await writer.drain()
                            if pause and (await asyncio.wait({answer}, timeout=pause))[0]:
                                break
                    if how == "truncated":
                        answer.cancel()
                        return NO_ANSWER
                    return _status(await answer)
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return NO_ANSWER

    def _pieces(self, body: bytes, how: str) -> Iterator[tuple[bytes, float]]:
        """The body in pieces, and the pause after each (seconds)."""
        if how == "truncated":
            yield body[: len(body) // 2], 0.0
        elif how == "slow":
            step = max(1, -(-len(body) // 20))
            pieces = [body[at : at + step] for at in range(0, len(body), step)]
            yield from ((piece, self.seconds / len(pieces)) for piece in pieces)
        elif how == "large":
            yield from ((body[at : at + 65536], 0.0001) for at in range(0, len(body), 65536))
        else:
            yield body, 0.0


def _status(line: bytes) -> int:
    parts = line.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else NO_ANSWER


# -- the command


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``sender``."""
    parser.add_argument("url", help="the whole address")
    parser.add_argument("--form", choices=list(FORMS), default="none", help="how the delivery is signed")
    parser.add_argument("--key", default="", help="the key, or @FILE")
    parser.add_argument("--how", choices=list(WAYS), default="well", help=_ways())
    parser.add_argument("--body", default='{"test": true}', help="the body, or @FILE")
    parser.add_argument("--header", action="append", default=[], type=_header, metavar="NAME:VALUE")
    parser.add_argument("--bearer", default="", help="secret for the header Authorization, or @FILE")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long a slow body takes")
    parser.add_argument("--bytes", type=_at_most(MAX_BYTES), default=32 * 1024 * 1024)
    parser.add_argument("--count", type=_at_most(MAX_COUNT), default=200, help="requests of a flood")
    parser.add_argument("--connections", type=_at_most(MAX_CONNECTIONS), default=10)


def _ways() -> str:
    return "; ".join(f"{name}: {text}" for name, text in WAYS.items())


def _header(text: str) -> tuple[str, str]:
    name, mark, value = text.partition(":")
    if not name.strip() or not mark or set("\r\n") & set(text):
        raise ArgumentTypeError("expected NAME:VALUE")
    return name.strip(), value.strip()


def _at_most(limit: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= limit:
            raise ArgumentTypeError(f"a number from 1 to {limit} is expected")
        return int(text)

    return read


def _content(text: str) -> bytes:
    return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()


def run(arguments: Namespace) -> int:
    """
    Send what the command line says, and print what was answered.

    :return: 0 when all answers were 2xx, else 1
    :raises OSError: a file that is named cannot be read
    """
    headers = {"Content-Type": "application/json", "User-Agent": "airflow-async-provider sender"}
    if arguments.bearer:
        headers["Authorization"] = f"Bearer {_content(arguments.bearer).decode().strip()}"
    sender = Sender(
        arguments.url,
        form=arguments.form,
        key=_content(arguments.key).decode().strip(),
        body=_content(arguments.body),
        headers={**headers, **dict(arguments.header)},
        seconds=arguments.seconds,
        size=arguments.bytes,
    )
    begun = time.monotonic()
    answers = asyncio.run(
        sender.send(arguments.how, count=arguments.count, connections=arguments.connections)
    )
    seconds = time.monotonic() - begun
    for status, number in sorted(Counter(answers).items()):
        text = f"HTTP {status}" if status else "no answer"
        sys.stdout.write(f"{text}: {number}\n")
    sys.stdout.write(f"{len(answers)} request(s) in {seconds:.2f} s\n")
    return 0 if all(200 <= status < 300 for status in answers) else 1
