# SPDX-License-Identifier: Apache-2.0
"""
A thousand Automic runs waiting: requests and CPU of one interval, by lists and by one GET each.

Real triggers in one event loop against the simulated Automic in a process of its own. After the first
interval, in which every wait asks for the first time, a whole interval is counted. Then all runs end, a few
at a time, and the time from each run's end to its trigger's event is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import statistics
import tempfile
import time
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))

from bench import arguments, connection_environment, cpu_and_wall, report, started

#: The ends come in so many groups, evenly over an interval.
GROUPS = 20

#: Between two looks at how late the event loop is (seconds); more of them would be most of the CPU.
PAUSE = 0.05


async def main() -> None:
    options = arguments(__doc__ or "", runs=1000, interval=30.0)
    runs, interval = (40, 0.5) if options.smoke else (options.runs, options.interval)
    import airflow_async_provider.triggers.async_job  # noqa: F401 - imported before anything is measured

    silence()
    rows = [
        {"who": who, **await measured(runs, interval, batch_polls=batch_polls)}
        for who, batch_polls in (("one GET each (batch_polls=false)", False), ("lists (ours)", True))
    ]
    report("automic_batch", rows, smoke=options.smoke, runs=runs, interval_seconds=interval)


def automic() -> contextlib.AbstractContextManager[str]:
    """The simulated Automic, whose runs end when they are told."""
    return started("-m", "airflow_async_provider.simulators", "automic", "--run-seconds", "none")


async def measured(runs: int, interval: float, *, batch_polls: bool) -> dict[str, Any]:
    """One way of asking, from the start of the waits to the end of the last run."""
    import aiohttp

    from airflow_async_provider._transport.triggerer import pool
    from airflow_async_provider.hooks import _endpoint_cache as endpoint_cache
    from airflow_async_provider.hooks.automic import AutomicHook

    with automic() as url:
        connection_environment(
            "automic_default",
            conn_type="automic",
            host=url,
            login="AIRFLOW/AF",
            password="päss§word",
            extra={"client": "100", "batch_polls": batch_polls},
        )
        endpoint_cache._endpoints.clear()  # the address has changed, not a connection somebody waits with
        async with pool(), aiohttp.ClientSession(url) as control:

            async def asked() -> dict[str, int]:
                async with control.get("/_sim/journal", params={"kind": "none"}) as answer:
                    return (await answer.json())["counts"]  # type: ignore[no-any-return] # JSON

            hook = AutomicHook()
            handles = []
            for first in range(0, runs, 20):
                some = range(first, min(first + 20, runs))
                handles += await asyncio.gather(
                    *(hook.aexecute("JOBS.BENCHMARK", correlation_id=str(n)) for n in some)
                )
            begun = time.monotonic()
            waits = [asyncio.ensure_future(wait(handle, interval)) for handle in handles]
            lags: list[float] = []
            lagging = asyncio.ensure_future(loop_lag(lags))
            await asyncio.sleep(interval * 1.1)
            first_interval = await asked()
            lags.clear()
            cpu, _ = cpu_and_wall()
            before, started = await asked(), time.monotonic()
            await asyncio.sleep(interval)
            after = await asked()
            cpu_end, _ = cpu_and_wall()
            span = (time.monotonic() - started) / interval
            lagging.cancel()
            lag = sorted(lags)[int(len(lags) * 0.99)] * 1000
            ended = await end_all(control, handles, interval)
            noticed = await asyncio.gather(*waits)
            delays = sorted(done - ended[run_id] for run_id, done in noticed)
            return {
                "requests_first_interval": total(first_interval),
                "requests_an_interval": (total(after) - total(before)) / span,
                "lists": (after.get("list", 0) - before.get("list", 0)) / span,
                "cpu_ms_an_interval": (cpu_end - cpu) * 1000 / span,
                "loop_lag_p99_ms": lag,
                "end_noticed_mean_s": statistics.mean(delays),
                "end_noticed_p95_s": delays[int(len(delays) * 0.95)],
                "wall_s": time.monotonic() - begun,
            }


def total(counts: dict[str, int]) -> int:
    """Questions for states, of both kinds."""
    return counts.get("status", 0) + counts.get("list", 0)


async def wait(handle: Any, interval: float) -> tuple[str, float]:
    from airflow_async_provider.triggers.async_job import AsyncJobTrigger

    trigger = AsyncJobTrigger(
        job=handle.to_dict(),
        conn_id="automic_default",
        policy={"poll_interval": interval, "max_poll_interval": interval},
        deadline=time.time() + 3600,
        deferred_at=time.time(),
        settle=0.0,
    )
    async for event in trigger.run():
        assert event.payload["state"] == "succeeded", event.payload
    return handle.job_id, time.monotonic()


async def loop_lag(lags: list[float]) -> None:
    """How late the event loop is when it should wake somebody up."""
    while True:
        begun = time.monotonic()
        await asyncio.sleep(PAUSE)
        lags.append(time.monotonic() - begun - PAUSE)


async def end_all(control: Any, handles: list[Any], interval: float) -> dict[str, float]:
    """When each run was ended."""
    ended = {}
    for group in range(GROUPS):
        for handle in handles[group::GROUPS]:
            ended[handle.job_id] = time.monotonic()
            action = {"run_id": int(handle.job_id), "status": 1900}
            async with control.post("/_sim/actions/finish_run", json=action) as answer:
                answer.raise_for_status()
        await asyncio.sleep(interval / GROUPS)
    return ended


def silence() -> None:
    """No task log: it goes through structlog, which Airflow has set up when it was imported."""
    import structlog

    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


if __name__ == "__main__":
    asyncio.run(main())
