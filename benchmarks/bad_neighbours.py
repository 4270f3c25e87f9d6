# SPDX-License-Identifier: Apache-2.0
"""
What large answers and silent remotes do to everybody else who waits in the same event loop.

``lag``: jobs whose remote answers each poll with JSON of some size, all at once, or with interim answers
(HTTP 102) without end; how late a timer of the loop is meanwhile. ``healthy``: polls of one remote that
answers at once, alone, and beside twelve remotes with fifty jobs each that accept connections and never
answer. The remotes are a process of their own.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))
os.environ["NO_PROXY"] = "127.0.0.1"

from bench import arguments, report

KIB = 1024
SIZES = {"1 KiB": KIB, "256 KiB": 256 * KIB, "16 MiB": 16 * KIB * KIB}
SILENT_HOSTS, JOBS_EACH = 12, 50

#: Looks at the clock so often (seconds).
TICK = 0.01

#: Interim answers come in blocks, for so long (seconds) until the poll gives up.
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n" * 1000
INTERIM_SECONDS = 5.0


def document(size: int) -> bytes:
    """A status of this size, which is as dear to parse as JSON can be."""
    head, tail = b'{"status": "running", "x": [', b"0]}"
    return head + b"{}," * ((size - len(head) - len(tail)) // 3) + tail


def remotes(told: Connection, sizes: list[int]) -> None:
    """One server for each size, and the silent ones; ends with its parent."""

    async def serve(body: bytes | None) -> int:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    if body is not None:
                        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                        writer.write(b"Content-Length: %d\r\n\r\n" % len(body))
                        writer.write(body)
                        await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
        return int(server.sockets[0].getsockname()[1])

    async def serve_interim() -> int:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                while True:
                    writer.write(INTERIM)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
        return int(server.sockets[0].getsockname()[1])

    async def main() -> None:
        large = [await serve(document(size)) for size in sizes]
        silent = [await serve(None) for _ in range(SILENT_HOSTS)]
        told.send((large, silent, await serve_interim()))
        await asyncio.sleep(900)

    asyncio.run(main())


async def lags(found: list[float]) -> None:
    """How late a timer is, again and again."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        found.append(time.perf_counter() - began - TICK)


async def rounds(found: list[float]) -> None:
    """CPU of each round of the loop: what the lag is where nothing else wants the processor."""
    while True:
        began = time.thread_time()
        await asyncio.sleep(0)
        found.append(time.thread_time() - began)


async def poll(port: int, patience: float = 60.0) -> str:
    """One poll of a job; the name of the error, if any."""
    from airflow_async_provider._transport import triggerer
    from airflow_async_provider._transport.endpoint import Endpoint
    from airflow_async_provider.errors import AsyncJobError
    from airflow_async_provider.protocols import JobHandle
    from airflow_async_provider.protocols._registry import protocol_of

    url = f"http://127.0.0.1:{port}"
    handle = JobHandle(protocol="http_status_field", job_id="1", submitted_at=0, status_url=f"{url}/jobs/1")
    protocol = protocol_of(handle)
    try:
        response = await triggerer.send(Endpoint(url, timeout=patience), protocol.status(handle))
        protocol.read_status(handle, response)
    except AsyncJobError as e:
        return type(e).__name__
    return ""


async def spread(port: int, patience: float) -> str:
    """A poll at some moment, as those of many jobs are."""
    await asyncio.sleep(random.uniform(0, 0.5))
    return await poll(port, patience)


async def crowd(size: str, port: int, jobs: int, patience: float = 60.0) -> dict[str, Any]:
    """Polls of many jobs at once."""
    from airflow_async_provider._transport.triggerer import pool

    found: list[float] = []
    busy: list[float] = []
    async with pool():
        await poll(port, min(patience, 1.0))  # imports, a connection
        watching = asyncio.gather(lags(found), rounds(busy))
        await asyncio.sleep(0.1)
        found.clear()
        busy.clear()
        began = time.perf_counter()
        errors = {
            error for error in await asyncio.gather(*[spread(port, patience) for _ in range(jobs)]) if error
        }
        seconds = time.perf_counter() - began
        await asyncio.sleep(2 * TICK)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return {
        "what": f"{jobs} jobs whose remote answers {size}",
        "worst_lag_ms": max(found) * 1000,
        "worst_round_cpu_ms": max(busy) * 1000,
        "seconds": seconds,
        "errors": ", ".join(sorted(errors)),
    }


async def healthy(port: int, silent: list[int], polls: int) -> dict[str, Any]:
    """Polls of a healthy remote, one after the other."""
    from airflow_async_provider._transport.triggerer import pool

    async with pool():
        # Time for what the healthy one waits for is longer than what this may take.
        waiting = [asyncio.create_task(poll(p, 30.0)) for p in silent for _ in range(JOBS_EACH)]
        await asyncio.sleep(0.2)
        taken = []
        for _ in range(polls):
            began = time.perf_counter()
            await poll(port)
            taken.append(time.perf_counter() - began)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    name = f"a healthy remote beside {len(silent)} silent ones" if silent else "a healthy remote alone"
    return {
        "what": name,
        "median_poll_ms": statistics.median(taken) * 1000,
        "worst_poll_ms": max(taken) * 1000,
    }


async def measure(
    ports: list[int], silent: list[int], interim: int, jobs: int, polls: int
) -> list[dict[str, Any]]:
    """All rows."""
    rows = [await crowd(size, port, jobs) for size, port in zip(SIZES, ports, strict=True)]
    rows.append(await crowd("102 without end", interim, jobs, INTERIM_SECONDS))
    rows += [await healthy(ports[0], [], polls), await healthy(ports[0], silent, polls)]
    return rows


def main() -> None:
    options = arguments(__doc__ or "", jobs=100, polls=200)
    jobs, polls = (5, 10) if options.smoke else (options.jobs, options.polls)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=remotes, args=(theirs, list(SIZES.values())), daemon=True)
    process.start()
    try:
        ports, silent, interim = ours.recv()
        rows = asyncio.run(measure(ports, silent, interim, jobs, polls))
    finally:
        process.terminate()
        process.join(10)
    report("bad_neighbours", rows, smoke=options.smoke, silent_hosts=SILENT_HOSTS, jobs_each=JOBS_EACH)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    main()
