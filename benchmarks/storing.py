# SPDX-License-Identifier: Apache-2.0
"""
Thousands of jobs waiting in one event loop while four results are being stored: lag and memory.

One process, as a triggerer: ``waiting.py``'s triggers poll a small server, and after one interval results are
stored all the time, one after the other in each thread, from ``byte_source.py`` to ``s3_sink.py``: as fast as
the machine goes, and at ``--rate`` bytes a second each. All of it shares the machine.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import tempfile
import time
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
from waiting import _many_files, memory, ours, percentile, sample_lag, wait_for

THREADS = 4


def main() -> None:
    options = arguments(__doc__ or "", jobs=10_000, interval=30.0, seconds=30.0, mib=256, rate=20_000_000)
    if options.smoke:
        options.jobs, options.interval, options.seconds, options.mib = 100, 1.0, 1.5, 32
    _many_files()
    with (
        certificate() as cert,
        server("--certificate", str(cert)) as url,
        server(script="byte_source.py") as fast,
        server("--rate", str(options.rate), script="byte_source.py") as slow,
        server(script="s3_sink.py") as sink,
    ):
        settings = {
            "url": url,
            "sources": {"as fast as it goes": fast, f"{options.rate / 1e6:g} MB/s each": slow},
            "sink": sink,
            "jobs": options.jobs,
            "interval": options.interval,
            "seconds": options.seconds,
            "size": options.mib * 1024 * 1024,
        }
        longest = options.interval + options.seconds * 6 + 240
        rows = measured_in_child(__file__, cert, settings, timeout=longest)
    report(
        "storing",
        rows,
        smoke=options.smoke,
        interval_seconds=options.interval,
        run_seconds=options.seconds,
        load_average=os.getloadavg()[0],
    )


async def side(
    url: str, sources: dict[str, str], sink: str, jobs: int, interval: float, seconds: float, size: int
) -> list[dict[str, Any]]:
    """The triggerer."""
    make = ours(url)
    quiet()
    os.environ["AIRFLOW__ASYNC_PROVIDER__TRIGGERER_STORE_THREADS"] = str(THREADS)
    extra = {"endpoint_url": sink, "region_name": "us-east-1"}
    connection_environment("aws_default", conn_type="aws", login="k", password="s", extra=extra)
    begun = time.monotonic()
    tasks = []
    for number in range(jobs):
        tasks.append(asyncio.create_task(wait_for(make(number, interval))))
        await asyncio.sleep(0)
    await asyncio.sleep(max(0.0, begun + interval - time.monotonic()))
    rows = [await measured("nothing is stored", jobs, seconds, [])]
    for conn_id, (name, source) in zip(("fast", "slow"), sources.items(), strict=True):
        connection_environment(conn_id, conn_type="jaggaer_aso", host=source, password="t")
        await store(conn_id, source, 1024, "first")  # what is imported once
        stored: list[int] = []
        ways = [asyncio.create_task(keep_storing(conn_id, source, size, n, stored)) for n in range(THREADS)]
        await asyncio.sleep(1)
        rows.append(await measured(f"{THREADS} results, {name}", jobs, seconds, stored))
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return rows


async def measured(what: str, jobs: int, seconds: float, stored: list[int]) -> dict[str, Any]:
    """The loop's lag, and what was stored, over so many seconds."""
    lags: list[float] = []
    lag = asyncio.create_task(sample_lag(lags))
    before, cpu, began = sum(stored), time.process_time(), time.monotonic()
    most = 0
    while time.monotonic() - began < seconds:
        most = max(most, memory())
        await asyncio.sleep(0.2)
    took = time.monotonic() - began
    lag.cancel()
    return {
        "what": what,
        "jobs": jobs,
        "lag_ms_p50": percentile(lags, 0.5),
        "lag_ms_p99": percentile(lags, 0.99),
        "lag_ms_max": percentile(lags, 1.0),
        "most_mib": most / 1024**2,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "stored_mb_per_s": (sum(stored) - before) / took / 1e6,
        "cpu_s_per_s": (time.process_time() - cpu) / took,
    }


async def keep_storing(conn_id: str, source: str, size: int, number: int, stored: list[int]) -> None:
    while True:
        await store(conn_id, source, size, str(number))
        stored.append(size)


async def store(conn_id: str, source: str, size: int, key: str) -> None:
    """One result, as a trigger stores it."""
    from airflow_async_provider.hooks._registry import hook_for
    from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result
    from airflow_async_provider.triggers._storing import StoreRequest, stored_result

    handle = JobHandle("jaggaer_aso", key, 0.0, f"{source}/status")
    handle = await hook_for(handle, conn_id).abound(handle)
    status = JobStatus(JobState.SUCCEEDED, result=Result(url=f"{source}/bytes/{size}"))
    request = StoreRequest(destination=f"s3://bucket/{key}", options={})
    log = logging.getLogger("storing")
    await stored_result(request, handle, status, conn_id=conn_id, task=None, log=log)


if __name__ == "__main__":
    main_or_side(main, side)
