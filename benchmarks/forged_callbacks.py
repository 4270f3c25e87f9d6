# SPDX-License-Identifier: Apache-2.0
"""
What forged callbacks cost the authentic ones, and whether an answer's time tells a forger anything.

The receiver in a process of its own over a private PostgreSQL. Authentic callbacks, each to a task of its
own, are timed one after the other: alone, while ``--forged`` forged ones arrive at ``--rates`` a second, and
afterwards. Then refusals are timed in rounds, one of each kind in an order that is drawn anew: an unknown
task, another one (what differs there is noise), and wrong secrets for tasks that remember nothing, one
callback, or as many as there may be. Each kind's difference from the unknown task is the median of the
differences within a round, with an interval that holds it with 95 % (a bootstrap over blocks of rounds, as
neighbours share what else the machine does).

Then the same with ``--connections`` connections of strangers, in a process of their own, each of which sends
the next forgery as soon as the last one is answered: secrets of the right form, to a task that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import arguments, report

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS.parent))

#: Pause between two authentic callbacks (seconds).
PAUSE = 0.05

#: Rounds of refusals; those that lie together stay together when the rounds are drawn anew.
ROUNDS = 3000
BLOCK = 50

BODY = b'{"runid": 7, "execution_status": 1900}'


def serve() -> None:
    """The receiver, mounted as in the API server; prints its address, ends with its parent's pipe."""
    from airflow_async_provider._callbacks import admission
    from tests.support.callback_world import mounted, served

    if "--unlimited" in sys.argv:  # each refusal is to be timed by itself
        admission.MAX_REFUSALS = sys.maxsize
        admission.MAX_PROMPT_REFUSALS = 1e12
    with served(mounted()) as url:
        print(url, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def receiver(*options: str) -> Iterator[tuple[str, int]]:
    """:func:`serve` in a process of its own; yields its address and the process's id."""
    command = [sys.executable, __file__, "--serve", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = next(line.strip() for line in process.stdout if line.startswith("http://"))
            yield url, process.pid
        finally:
            process.stdin.close()
            process.wait(30)


#: How long the strangers keep on (seconds), and how long they may take to get going.
FLOOD = 20.0
GETTING_GOING = 3.0


async def stranger(host: str, port: int, request: bytes, until: float, seen: Counter[str]) -> None:
    """One connection that sends the same forgery again and again; reconnects when it is closed."""
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            seen["no connection"] += 1
            await asyncio.sleep(0.5)
            continue
        try:
            while time.monotonic() < until:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                seen[head[9:12].decode()] += 1
        except (OSError, asyncio.IncompleteReadError):
            seen["closed"] += 1
        finally:
            writer.close()


async def flood(url: str, connections: int, seconds: float) -> Counter[str]:
    """So many strangers at once; the answers by their status."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    head = f"POST {parts.path} HTTP/1.1\r\nHost: airflow\r\nContent-Length: {len(BODY)}\r\n"
    request = f"{head}Authorization: Bearer {'x' * 43}.{'x' * 16}\r\n\r\n".encode() + BODY
    until, seen = time.monotonic() + seconds, Counter[str]()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + 1):  # the last answers may be a minute away
            await asyncio.gather(
                *(stranger(parts.hostname, parts.port, request, until, seen) for _ in range(connections))
            )
    return seen


def flooding(url: str, connections: int, seconds: float) -> subprocess.Popen[str]:
    """:func:`flood` in a process of its own."""
    command = [sys.executable, __file__, "--flood", url, str(connections), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class Sender:
    """Sends callbacks, and notes how long each took (seconds)."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def send(self, url: str, secret: str, *expected: int) -> float:
        """One callback."""
        begun = time.perf_counter()
        headers = {"Authorization": f"Bearer {secret}"}
        async with self._session.post(url, data=BODY, headers=headers) as answer:
            await answer.read()
            if answer.status not in expected:
                raise RuntimeError(f"HTTP {answer.status} instead of {expected}")
        return time.perf_counter() - begun

    async def authentic(self, tasks: list[Any]) -> list[float]:
        """The callbacks of these tasks, one after the other."""
        took = []
        for task in tasks:
            took.append(await self.send(task.address.url, task.address.secret, 200))
            await asyncio.sleep(PAUSE)
        return took

    async def forged(self, urls: list[str], number: int, rate: float) -> None:
        """So many forged ones at an even rate, whether or not the ones before have been answered."""
        begun, running = time.perf_counter(), set()
        for n in range(number):
            await asyncio.sleep(max(0.0, begun + n / rate - time.perf_counter()))
            running.add(asyncio.ensure_future(self.send(urls[n % len(urls)], "x" * 43, 401, 503)))
            if len(running) > 1000:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
        await asyncio.gather(*running)

    async def refused(self, world: Any, rounds: int) -> dict[str, list[float]]:
        """Rounds of wrong secrets, one to each kind of address in an order of its own; how long each took."""
        targets = strangers(world)
        took: dict[str, list[float]] = {kind: [] for kind in targets}
        for _ in range(rounds):
            for kind in random.sample(list(targets), len(targets)):
                took[kind].append(await self.send(targets[kind], "x" * 43, 401))
        return took


def row(name: str, took: list[float], alone: float | None = None, **facts: Any) -> dict[str, Any]:
    """One line of the table."""
    median = statistics.median(took) * 1000
    return {
        "authentic callbacks": name,
        "number": len(took),
        "median ms": median,
        "95 % ms": sorted(took)[int(len(took) * 0.95)] * 1000,
        "99 % ms": sorted(took)[int(len(took) * 0.99)] * 1000,
        "times alone": None if alone is None else median / alone,
        **facts,
    }


def resident(process: int) -> float:
    """What a process has in memory (MiB)."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


async def measure(world: Any, process: int, given: Any) -> list[dict[str, Any]]:
    """All of it."""
    import aiohttp

    from airflow_async_provider._callbacks.address import TaskKey, new_address

    few = 5 if given.smoke else 60
    targets = [
        new_address(world.url, TaskKey(f"no_{n}", "such", "task", -1, "0" * 32)).url for n in range(20)
    ]
    targets += [world.task().address.url for _ in range(20)]
    # Kept for less long than uvicorn does, which closes an idle connection after five seconds.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(120)) as session:
        sender = Sender(session)
        await sender.authentic([world.task() for _ in range(10)])  # imports, connections
        before = row("alone", await sender.authentic([world.task() for _ in range(few)]))
        rows = [before]
        alone = before["median ms"]
        for rate in given.rates:
            number = 30 if given.smoke else given.forged
            lasts = number / rate
            tasks = [world.task() for _ in range(max(few, min(600, int(lasts / (PAUSE + 0.05)))))]
            flood = asyncio.ensure_future(sender.forged(targets, number, rate))
            begun = time.perf_counter()
            took: list[float] = []
            for task in tasks:
                if flood.done():
                    break
                took += await sender.authentic([task])
            await flood
            served = number / (time.perf_counter() - begun)
            rows.append(
                row(f"beside {rate:g} forged a second", took, alone, forged=number, **{"forged/s": served})
            )
        if given.connections:
            target = world.task()
            going, seconds = (0.5, 1.0) if given.smoke else (GETTING_GOING, FLOOD)
            memory = resident(process)
            with flooding(target.address.url, given.connections, seconds + going) as strangers_process:
                await asyncio.sleep(going)
                end, took = time.monotonic() + seconds, []
                while time.monotonic() < end:
                    took += await sender.authentic([world.task()])
                memory = resident(process) - memory
                assert strangers_process.stdout is not None
                answers = await asyncio.to_thread(strangers_process.stdout.read)
            rows.append(
                row(
                    f"beside {given.connections} connections of strangers",
                    took,
                    alone,
                    forged=answers.strip(),
                    **{"more memory MiB": memory},
                )
            )
        rows.append(row("afterwards", await sender.authentic([world.task() for _ in range(few)]), alone))
    return rows


async def measure_refusals(world: Any, given: Any) -> dict[str, Any]:
    """Who has no secret must not learn from the time whether there is such a task."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(120)) as session:
        sender = Sender(session)
        await sender.refused(world, 5)  # imports, connections
        took = await sender.refused(world, 10 if given.smoke else ROUNDS)
    return refusals(took)


def strangers(world: Any) -> dict[str, str]:
    """Addresses by what a wrong secret finds there, all about equally long."""
    from airflow_async_provider._callbacks.address import new_address
    from airflow_async_provider._callbacks.registration import MAX_CALLBACKS
    from tests.support.callback_world import HAS_TASK_STATE

    numbers = {"one callback": 1, "all callbacks": MAX_CALLBACKS} if HAS_TASK_STATE else {}
    tasks = {name: world.task() for name in ("no memory", *numbers)}
    for name, number in numbers.items():
        task = tasks[name]
        task.remember(*[task.expect()] * number, handle={"job_id": "7", "data": {}})
    there = replace(tasks["no memory"].key, attempt="0" * 32)
    unknown = [
        replace(there, dag_id=there.dag_id[:-6] + letter * 6, run_id=there.run_id[:-6] + letter * 6)
        for letter in "xy"
    ]
    return {
        "unknown task": new_address(world.url, unknown[0]).url,
        "another unknown task": new_address(world.url, unknown[1]).url,
        **{f"wrong secret, {name}": task.address.url for name, task in tasks.items()},
    }


def refusals(took: dict[str, list[float]]) -> dict[str, Any]:
    """What each kind of refusal took, and how it differs from the first (milliseconds)."""
    first = next(iter(took.values()))
    found: dict[str, Any] = {}
    for kind, times in took.items():
        found[kind] = {
            "number": len(times),
            "median ms": statistics.median(times) * 1000,
            "quartiles ms": [q * 1000 for q in statistics.quantiles(times, n=4)],
        }
        if times is not first:
            apart = [(one - other) * 1000 for one, other in zip(times, first, strict=True)]
            found[kind] |= {"difference ms": statistics.median(apart), "95 % interval ms": interval(apart)}
    return found


def interval(values: list[float], draws: int = 2000) -> list[float]:
    """Where the median lies with 95 %, if blocks of the values are drawn anew, with repetition."""
    size = min(BLOCK, max(1, len(values) // 10))
    blocks = [values[at : at + size] for at in range(0, len(values), size)]
    chance = random.Random(7)  # the same values, the same interval
    medians = sorted(
        statistics.median([v for block in chance.choices(blocks, k=len(blocks)) for v in block])
        for _ in range(draws)
    )
    return [medians[int(draws * 0.025)], medians[int(draws * 0.975)]]


def main() -> None:
    given = arguments(
        (__doc__ or "").strip().splitlines()[0], forged=1_000, rates=[100.0, 200.0], connections=1000
    )
    if given.smoke:
        given.rates, given.connections = given.rates[:1], 20
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY": "workers and API server share it",
        }
        from tests.support.harness import Postgres

        with Postgres() as postgres:
            os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = postgres.sql_alchemy_conn
            from airflow.utils import db

            from tests.support.callback_world import World

            db.initdb()
            with receiver() as (url, process):
                rows = asyncio.run(measure(World(url, "postgresql"), process, given))
            with receiver("--unlimited") as (url, _):
                refused = asyncio.run(measure_refusals(World(url, "postgresql"), given))
    report("forged_callbacks", rows, smoke=given.smoke, refusals=refused)
    for kind, figures in refused.items():
        low, _, high = figures["quartiles ms"]
        median = figures["median ms"]
        print(f"refused for {kind}: median {median:.3f} ms, half of them {low:.2f} to {high:.2f} ms", end="")
        if "difference ms" in figures:
            low, high = figures["95 % interval ms"]
            print(f"; {figures['difference ms']:+.3f} ms ({low:+.3f} to {high:+.3f})", end="")
        print()


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    elif "--flood" in sys.argv:
        target, number, lasting = sys.argv[2:]
        print(dict(asyncio.run(flood(target, int(number), float(lasting)))))
    else:
        main()
