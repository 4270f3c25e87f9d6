# SPDX-License-Identifier: Apache-2.0
"""CPU of one poll in the triggerer, over TLS: triggers of ours, of the http provider, and a bare loop."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))

from bench import arguments, certificate, connection_environment, cpu_and_wall, report, server

TRIGGERS = 100
PAUSE = 0.5


async def measured(
    jobs: list[Awaitable[None]], polls: Callable[[], Awaitable[int]], wanted: int
) -> dict[str, float]:
    """Run the jobs until the server has answered so many requests; CPU per request."""
    begun = await polls()
    tasks = [asyncio.ensure_future(job) for job in jobs]
    before = begun
    while before - begun < 2 * TRIGGERS:  # connections are made, imports done, first lines logged
        await asyncio.sleep(0.25)
        before = await polls()
    cpu, wall = cpu_and_wall()
    done = before
    while done - before < wanted:
        await asyncio.sleep(0.25)
        done = await polls()
    cpu_end, wall_end = cpu_and_wall()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    count = done - before
    return {"polls": count, "cpu_ms_per_poll": (cpu_end - cpu) * 1000 / count, "wall_s": wall_end - wall}


async def main() -> None:
    options = arguments(__doc__ or "", polls=2000)
    wanted = 100 if options.smoke else options.polls
    # All of Airflow in memory for all three: its many objects make every garbage collection dearer.

    import airflow_async_provider.triggers.async_job  # noqa: F401

    with certificate() as cert, server("--certificate", str(cert)) as url:
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(cert)
        rows = [
            {"who": "bare loop over one aiohttp session (the limit)", **await bare(url, str(cert), wanted)},
            {"who": "AsyncJobTrigger (ours)", **await ours(url, wanted)},
            {"who": "HttpSensorTrigger (http provider)", **await peer(url, str(cert), wanted)},
        ]
    limit = rows[0]["cpu_ms_per_poll"]
    for row in rows:
        row["times_the_limit"] = row["cpu_ms_per_poll"] / limit
    report("poll_cpu", rows, smoke=options.smoke, triggers=TRIGGERS, pause_seconds=PAUSE)


async def counter(url: str, session: object) -> int:
    async with session.get(f"{url}/count") as answer:  # type: ignore[attr-defined] # an aiohttp session
        return int((await answer.json())["requests"])


async def bare(url: str, cert: str, wanted: int) -> dict[str, float]:
    import aiohttp

    context = ssl.create_default_context(cafile=cert)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit_per_host=32)
    ) as session:

        async def job(number: int) -> None:
            while True:
                await asyncio.sleep(PAUSE)
                async with session.get(
                    f"{url}/status/{number}", headers={"Authorization": "Bearer t"}
                ) as answer:
                    await answer.json()

        return await measured([job(n) for n in range(TRIGGERS)], lambda: counter(url, session), wanted)


async def ours(url: str, wanted: int) -> dict[str, float]:
    import aiohttp

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
            policy={"poll_interval": PAUSE, "max_poll_interval": PAUSE, "jitter": 0},
            deadline=time.time() + 3600,
            deferred_at=time.time(),
        )
        async for _ in trigger.run():
            pass

    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        return await measured([job(n) for n in range(TRIGGERS)], lambda: counter(url, session), wanted)


async def peer(url: str, cert: str, wanted: int) -> dict[str, float]:
    import aiohttp
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    connection_environment("peer", conn_type="http", host=url)

    async def job(number: int) -> None:
        trigger = HttpSensorTrigger(endpoint=f"missing/{number}", http_conn_id="peer", poke_interval=PAUSE)
        async for _ in trigger.run():
            pass

    context = ssl.create_default_context(cafile=cert)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        return await measured([job(n) for n in range(TRIGGERS)], lambda: counter(url, session), wanted)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main())
