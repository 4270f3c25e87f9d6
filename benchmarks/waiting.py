# SPDX-License-Identifier: Apache-2.0
"""
Many jobs waiting in one event loop: loop lag, memory, sockets, pace, connection look-ups; ours and a peer's.

Every side is a process of its own that starts all its triggers at once, as a restarted triggerer does, beside
a server of its own. ``AsyncJobTrigger`` stands beside ``HttpSensorTrigger``; a trigger that only sleeps is
what both are weighed against. ``--jobs 500 1000 2000 5000 10000`` gives a series, for CPU over waiting jobs.

A side that cannot keep up is not waited for: ``jobs_started`` says how many triggers ran before the time was
over, ``note`` that nothing at all could be measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))

from bench import (
    arguments,
    certificate,
    connection_environment,
    main_or_side,
    measured_in_child,
    quiet,
    report,
    server,
)

#: Pause of the sleeper that measures the lag of the loop (seconds).
TICK = 0.01

SIDES = {
    "ours": "AsyncJobTrigger (ours)",
    "peer": "HttpSensorTrigger (http provider)",
}


def main() -> None:
    options = arguments(__doc__ or "", jobs=[10_000], interval=30.0, seconds=75.0)
    with certificate() as cert:
        _many_files()
        if options.smoke:
            rows = series(cert, [50], 1.0, 2.0, sides=list(SIDES), at_once=2)
        else:
            rows = series(cert, options.jobs, options.interval, options.seconds, sides=list(MAKERS))
    report(
        "waiting",
        [{k: v for k, v in row.items() if k != "polls_by_second"} for row in rows],
        smoke=options.smoke,
        interval_seconds=options.interval,
        run_seconds=options.seconds,
        load_average=os.getloadavg()[0],
        polls_by_second=[
            {"who": row["who"], "jobs": row["jobs"], "polls": row["polls_by_second"]}
            for row in rows
            if "polls_by_second" in row
        ],
    )


def series(
    cert: Path,
    sizes: Sequence[int],
    interval: float,
    seconds: float,
    sides: Sequence[str],
    at_once: int = 1,
) -> list[dict[str, Any]]:
    """
    The sides with so many jobs each.

    :param at_once: processes side by side; more than one saves time and spoils the figures
    """
    runs = [(who, jobs) for jobs in sizes for who in sides]

    def run(one: tuple[str, int]) -> dict[str, Any]:
        who, jobs = one
        return measured(who, cert, jobs, interval, seconds if who in SIDES else 2.0)

    with ThreadPoolExecutor(at_once) as threads:
        results = dict(zip(runs, threads.map(run, runs), strict=True))
    rows = []
    for (who, jobs), result in results.items():
        if who in SIDES:
            nothing = results.get(("empty", jobs), {}).get("rss", 0)
            above = (result.pop("rss", nothing) - nothing) / max(result.get("jobs_started", jobs), 1) / 1024
            row = {"who": SIDES[who], "jobs": jobs, **result}
            rows.append(row if "note" in row else {**row, "kib_per_job": above})
    return rows


def _many_files() -> None:
    """As many open files as the system lets us have, for the server and both sides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measured(who: str, cert: Path, jobs: int, interval: float, seconds: float) -> dict[str, Any]:
    """One side in a process of its own, beside a fresh server."""
    with server("--certificate", str(cert)) as url:
        settings = {"who": who, "url": url, "jobs": jobs, "interval": interval, "seconds": seconds}
        longest = seconds * 2 + 60
        try:
            result: dict[str, Any] = measured_in_child(__file__, cert, settings, timeout=longest)
        except (subprocess.SubprocessError, OSError) as e:
            return {"note": f"gave no figures within {longest:.0f} s ({type(e).__name__})"}
    return result


# -- one side, in its own process ---------------------------------------------------------------------------


async def side(who: str, url: str, jobs: int, interval: float, seconds: float) -> dict[str, Any]:
    make, look_ups = MAKERS[who](url), count_look_ups()
    quiet()
    warm = asyncio.create_task(wait_for(make(jobs, 0.3)))  # what is loaded once belongs to nobody's job
    await asyncio.sleep(1.0)
    warm.cancel()
    await asyncio.gather(warm, return_exceptions=True)
    collections = time_collections()
    gc.collect()
    rss, polled = memory(), await counts(url)
    lags: list[float] = []
    lag = asyncio.create_task(sample_lag(lags))
    begun, cpu_begun = time.time(), time.process_time()
    tasks = []
    for number in range(jobs):
        if time.time() > begun + seconds:
            break
        tasks.append(asyncio.create_task(wait_for(make(number, interval))))
        await asyncio.sleep(0)  # the triggerer pauses between two as well
    await asyncio.sleep(max(0.0, begun + interval - time.time()))
    first, cpu_first, at_first = await counts(url), time.process_time(), time.time()
    lags_first = len(lags)
    await asyncio.sleep(max(0.0, begun + seconds - time.time()))
    last, cpu_last, at_last = await counts(url), time.process_time(), time.time()
    lag.cancel()
    gc.collect()
    result: dict[str, Any] = {"rss": memory() - rss, "jobs_started": len(tasks)}
    if who != "empty":
        by_second = {int(s): n for s, n in last["seconds"].items()}
        result |= {
            "lag_ms_p50": percentile(lags, 0.5),
            "lag_ms_p99": percentile(lags, 0.99),
            "lag_ms_max": percentile(lags, 1.0),
            "lag_ms_p99_after_start": percentile(lags[lags_first:], 0.99),
            "longest_collection_ms": max(collections, default=0.0),
            "polls": last["polls"] - polled["polls"],
            "most_polls_in_a_second": max(by_second.values()),
            "polls_by_second": [by_second.get(s, 0) for s in range(int(begun), int(at_last) + 1)],
            "most_sockets": last["most_open"],
            "most_look_ups_in_a_minute": most_in(60.0, look_ups),
            "cpu_s_per_minute": (cpu_last - cpu_first) / max(at_last - at_first, 0.001) * 60,
            "cpu_s_first_interval": cpu_first - cpu_begun,
            "polls_per_s_after_start": (last["polls"] - first["polls"]) / max(at_last - at_first, 0.001),
            "triggers_that_ended": sum(task.done() for task in tasks),
        }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return result


async def wait_for(trigger: Any) -> None:
    async for _ in trigger.run():
        pass


async def sample_lag(lags: list[float]) -> None:
    """How much later than asked for a sleeper wakes up, in milliseconds."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        lags.append((time.perf_counter() - before - TICK) * 1000)


def percentile(values: list[float], part: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None


def memory() -> int:
    """Resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def counts(url: str) -> dict[str, Any]:
    """What the server has counted; in a thread and without a pool, so that it counts for no side."""
    return await asyncio.to_thread(_counts, url)


def _counts(url: str) -> dict[str, Any]:
    import ssl
    from urllib.request import urlopen

    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    with urlopen(f"{url}/count", context=context, timeout=60) as answer:  # the server's own address
        found: dict[str, Any] = json.load(answer)
    return found


def most_in(seconds: float, moments: list[float]) -> int:
    """The most moments that lie within so many seconds."""
    return max((sum(begun <= m < begun + seconds for m in moments) for begun in moments[:1000]), default=0)


def time_collections() -> list[float]:
    """Milliseconds of each garbage collection from now on: they stop the loop, whoever's the objects are."""
    pauses: list[float] = []
    begun = 0.0

    def timed(phase: str, _info: dict[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = time.perf_counter()
        else:
            pauses.append((time.perf_counter() - begun) * 1000)

    gc.callbacks.append(timed)
    return pauses


def count_look_ups() -> list[float]:
    """When connections are looked up from now on; every way of both sides leads through here."""
    from airflow.sdk import Connection

    asked: list[float] = []
    real = Connection.async_get.__func__  # type: ignore[attr-defined] # a class method

    async def counting(cls: type[Connection], conn_id: str) -> Any:
        asked.append(time.monotonic())
        return await real(cls, conn_id)

    Connection.async_get = classmethod(counting)  # type: ignore[method-assign,assignment] # to count only
    return asked


def ours(url: str) -> Callable[[int, float], Any]:
    from airflow_async_provider.triggers.async_job import AsyncJobTrigger

    connection_environment("aso", conn_type="jaggaer_aso", host=url, password="t")

    def make(number: int, interval: float) -> Any:
        now = time.time()
        # As the triggerer makes it: of values that came out of JSON, none shared with another trigger.
        arguments = {
            "job": {
                "protocol": "jaggaer_aso",
                "job_id": f"{number:012x}",
                "submitted_at": now,
                "status_url": f"{url}/status/{number:032x}",
                "expires_at": now + 7200,
                "options": {},
                "data": {},
                "version": 1,
            },
            "conn_id": "aso",
            "policy": {"poll_interval": interval, "max_poll_interval": interval, "jitter": 0.1},
            "deadline": now + 3600,
            "deferred_at": now,
        }
        return AsyncJobTrigger(**json.loads(json.dumps(arguments)))

    return make


def peer(url: str) -> Callable[[int, float], Any]:
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    connection_environment("peer", conn_type="http", host=url)

    def make(number: int, interval: float) -> Any:
        arguments = {"endpoint": f"missing/{number:032x}", "http_conn_id": "peer", "poke_interval": interval}
        return HttpSensorTrigger(**json.loads(json.dumps(arguments)))

    return make


def empty(url: str) -> Callable[[int, float], Any]:
    from airflow.triggers.base import BaseTrigger, TriggerEvent

    class Empty(BaseTrigger):
        """Waits for nothing."""

        def serialize(self) -> tuple[str, dict[str, Any]]:
            return "", {}

        async def run(self) -> AsyncIterator[TriggerEvent]:
            await asyncio.sleep(3600)
            yield TriggerEvent({})

    return lambda number, interval: Empty()  # type: ignore[no-untyped-call]  # Airflow's has no types


MAKERS = {"ours": ours, "peer": peer, "empty": empty}

if __name__ == "__main__":
    main_or_side(main, side)
