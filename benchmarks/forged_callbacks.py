# SPDX-License-Identifier: Apache-2.0
"""
What forged callbacks cost the authentic ones, and whether an answer's time tells a forger anything.

The receiver in a process of its own over a private PostgreSQL. Authentic callbacks, each to a task of its
own, are timed one after the other: alone, while ``--forged`` forged ones arrive at ``--rates`` a second, and
afterwards. Then unknown tasks and wrong secrets are timed in turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import arguments, report

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "integration")]

#: Pause between two authentic callbacks (seconds).
PAUSE = 0.05

BODY = b'{"runid": 7, "execution_status": 1900}'


def serve() -> None:
    """The receiver, mounted as in the API server; prints its address, ends with its parent's pipe."""
    from callback_world import mounted, served

    with served(mounted()) as url:
        print(url, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """:func:`serve` in a process of its own; yields its address."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if line.startswith("http://"))
        finally:
            process.stdin.close()
            process.wait(30)


class Sender:
    """Sends callbacks, and notes how long each took (seconds)."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def send(self, url: str, secret: str, expected: int) -> float:
        """One callback."""
        begun = time.perf_counter()
        headers = {"Authorization": f"Bearer {secret}"}
        async with self._session.post(url, data=BODY, headers=headers) as answer:
            await answer.read()
            if answer.status != expected:
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
            running.add(asyncio.ensure_future(self.send(urls[n % len(urls)], "x" * 43, 401)))
            if len(running) > 1000:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
        await asyncio.gather(*running)


def row(name: str, took: list[float], alone: float | None = None, **facts: Any) -> dict[str, Any]:
    """One line of the table."""
    median = statistics.median(took) * 1000
    return {
        "authentic callbacks": name,
        "number": len(took),
        "median ms": median,
        "95 % ms": sorted(took)[int(len(took) * 0.95)] * 1000,
        "times alone": None if alone is None else median / alone,
        **facts,
    }


async def measure(world: Any, given: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All of it."""
    import aiohttp

    from airflow_async_provider.callbacks.address import TaskKey, new_address

    few = 5 if given.smoke else 60
    targets = [new_address(world.url, TaskKey(f"no_{n}", "such", "task")).url for n in range(20)]
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
        rows.append(row("afterwards", await sender.authentic([world.task() for _ in range(few)]), alone))

        # Who has no secret must not learn from the time whether there is such a task.
        kinds: dict[str, list[float]] = {"unknown task": [], "wrong secret": []}
        for _ in range(10 if given.smoke else 1000):
            turns = list(zip(kinds, (targets[0], targets[-1]), strict=True))
            random.shuffle(turns)
            for kind, url in turns:
                kinds[kind].append(await sender.send(url, "x" * 43, 401))
    refusals = {
        kind: {
            "median ms": statistics.median(took) * 1000,
            "quartiles ms": [q * 1000 for q in statistics.quantiles(took, n=4)],
        }
        for kind, took in kinds.items()
    }
    return rows, refusals


def main() -> None:
    given = arguments((__doc__ or "").strip().splitlines()[0], forged=10_000, rates=[100.0, 200.0])
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        from harness import Postgres

        with Postgres() as postgres:
            os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = postgres.sql_alchemy_conn
            from airflow.utils import db
            from callback_world import World

            db.initdb()
            with receiver() as url:
                rows, refusals = asyncio.run(measure(World(url, "postgresql"), given))
    report("forged_callbacks", rows, smoke=given.smoke, refusals=refusals)
    for kind, figures in refusals.items():
        low, _, high = figures["quartiles ms"]
        median = figures["median ms"]
        print(f"refused for {kind}: median {median:.2f} ms, half of them {low:.2f} to {high:.2f} ms")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    else:
        main()
