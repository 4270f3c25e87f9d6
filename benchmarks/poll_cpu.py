# SPDX-License-Identifier: Apache-2.0
"""
CPU of one poll in the triggerer, over TLS: triggers of ours, of the http provider, and a bare loop.

The bare loop is the limit for a client of aiohttp: one shared session, one request, the answer's JSON, and
nothing else. All three ask the same server for the same number of jobs at the same pace, their first
questions spread over the interval. They take turns; of several rounds the cheapest counts, as other processes
can only add to it. Logging is off, which spares the peer a line per poll.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))

from bench import arguments, certificate, connection_environment, cpu_and_wall, quiet, report, server

TRIGGERS = 100
PAUSE = 0.5


async def measured(job: Callable[[int], Awaitable[None]], url: str, wanted: int) -> dict[str, Any]:
    """Run the jobs for as long as so many polls should take; CPU per poll that the server has seen."""
    tasks = [asyncio.ensure_future(_spread(job, number)) for number in range(TRIGGERS)]
    await asyncio.sleep(3 * PAUSE)  # connections are made, imports done, first lines logged
    gc.collect()  # what a start leaves to be looked through once is no poll's
    before = await polls(url)
    cpu, wall = cpu_and_wall()
    await asyncio.sleep(wanted / TRIGGERS * PAUSE)
    cpu_end, wall_end = cpu_and_wall()
    count = await polls(url) - before
    ended = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "polls": count,
        "cpu_ms_per_poll": (cpu_end - cpu) * 1000 / max(count, 1),
        "wall_s": wall_end - wall,
        "triggers_that_ended": ended,
    }


async def _spread(job: Callable[[int], Awaitable[None]], number: int) -> None:
    await asyncio.sleep(random.uniform(0, PAUSE))
    await job(number)


async def polls(url: str) -> int:
    """What the server has counted; asked for outside of the measured time."""
    import aiohttp

    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    async with aiohttp.ClientSession() as session, session.get(f"{url}/count", ssl=context) as answer:
        return int((await answer.json())["polls"])


async def bare(url: str, wanted: int) -> dict[str, Any]:
    import aiohttp

    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:

        async def job(number: int) -> None:
            status = f"{url}/status/{number}"
            while True:
                async with session.get(status, headers={"Authorization": "Bearer t"}) as answer:
                    await answer.json()
                await asyncio.sleep(PAUSE * random.uniform(0.9, 1.1))  # as evenly spread as ours

        return await measured(job, url, wanted)


async def ours(url: str, wanted: int) -> dict[str, Any]:
    from airflow_async_provider.triggers.async_job import AsyncJobTrigger

    connection_environment("aso", conn_type="jaggaer_aso", host=url, password="t")

    async def job(number: int) -> None:
        trigger = AsyncJobTrigger(
            job={
                "protocol": "jaggaer_aso",
                "job_id": str(number),
                "submitted_at": time.time(),
                "status_url": f"{url}/status/{number}",
            },
            conn_id="aso",
            # With the jitter that every task has, and the bare loop too: at one fixed pace, polls that a
            # pause has brought together stay together, and a crowd costs less a head than one at a time.
            policy={"poll_interval": PAUSE, "max_poll_interval": PAUSE},
            deadline=time.time() + 3600,
            deferred_at=time.time(),
        )
        async for _ in trigger.run():
            pass

    return await measured(job, url, wanted)


async def peer(url: str, wanted: int) -> dict[str, Any]:
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    connection_environment("peer", conn_type="http", host=url)

    async def job(number: int) -> None:
        trigger = HttpSensorTrigger(
            endpoint=f"missing/{number}", http_conn_id="peer", method="GET", poke_interval=PAUSE
        )
        async for _ in trigger.run():
            pass

    return await measured(job, url, wanted)


SIDES = {
    "bare loop over one aiohttp session (the limit)": bare,
    "AsyncJobTrigger (ours)": ours,
    "HttpSensorTrigger (http provider)": peer,
}


async def main() -> None:
    options = arguments(__doc__ or "", polls=2000, rounds=3)
    wanted, rounds = (200, 1) if options.smoke else (options.polls, options.rounds)
    with certificate() as cert, server("--certificate", str(cert)) as url:
        # Before aiohttp is imported: it reads the trusted certificates then, once for all sessions without an
        # SSL context of their own, which are the peer's.
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(cert)
        # All of Airflow in memory for all three: its many objects make every garbage collection dearer.
        import airflow.providers.http.triggers.http  # noqa: F401 # imported for its weight

        import airflow_async_provider.triggers.async_job  # noqa: F401 # imported for its weight

        quiet()
        best: dict[str, dict[str, Any]] = {}
        for _ in range(rounds):
            for who, side in SIDES.items():
                row = {"who": who, **await side(url, wanted)}
                if who not in best or row["cpu_ms_per_poll"] < best[who]["cpu_ms_per_poll"]:
                    best[who] = row
    rows = list(best.values())
    limit = rows[0]["cpu_ms_per_poll"]
    for row in rows:
        row["times_the_limit"] = row["cpu_ms_per_poll"] / limit
    report("poll_cpu", rows, smoke=options.smoke, triggers=TRIGGERS, pause_seconds=PAUSE, rounds=rounds)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main())
