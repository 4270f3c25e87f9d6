# SPDX-License-Identifier: Apache-2.0
"""
Many waiting jobs whose remote was away: what it gets to do when it is back, and how late ends are seen.

``--jobs`` triggers wait in one event loop, polling every ``--interval`` seconds. Then the remote refuses
connections, or takes them and stays silent (a third of the interval is the connection's ``timeout``), for
``--away`` seconds, in which all jobs end. Counted is from
the moment in which it answers again: requests in the busiest second, beside the connection's budget
(``max_requests_per_minute``), and when the last end has been noticed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))

from bench import arguments, connection_environment, quiet, report
from tiny_server import STILL_PROCESSING, answer

#: Requests a minute to the remote's host: the default of a connection.
BUDGET = 6000

#: An end that needs no result URL.
ENDED = answer("200 OK", b'{"status": "failed"}')


class Remote:
    """Answers, refuses, or stays silent; in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.port = 0
        self.is_silent, self.reply = False, STILL_PROCESSING
        self.answered: list[float] = []
        self.connections: set[Any] = set()
        self.open_()

    def open_(self) -> None:
        """Take connections."""
        asyncio.run_coroutine_threadsafe(self._open(), self.loop).result(30)

    async def _open(self) -> None:
        remote = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport
                remote.connections.add(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                remote.connections.discard(self.transport)

            def data_received(self, data: bytes) -> None:
                for _ in range(data.count(b"\r\n\r\n")):
                    if remote.is_silent:
                        return
                    remote.answered.append(time.time())
                    self.transport.write(remote.reply)

        self.server = await self.loop.create_server(Connection, "127.0.0.1", self.port, backlog=4096)
        self.port = self.server.sockets[0].getsockname()[1]

    def away(self, how: str) -> None:
        """Refuse connections, or stay silent."""
        self.is_silent = True
        if how == "refuses":
            self.loop.call_soon_threadsafe(self._refuse)

    def _refuse(self) -> None:
        self.server.close()
        for transport in list(self.connections):
            transport.abort()

    def back(self, how: str) -> None:
        """Answer again, that all jobs have ended."""
        self.reply = ENDED
        self.is_silent = False
        if how == "refuses":
            self.open_()


def main() -> None:
    options = arguments(__doc__ or "", jobs=2000, interval=30.0, away=60.0)
    jobs, interval, away = (50, 2.0, 4.0) if options.smoke else (options.jobs, options.interval, options.away)
    import airflow_async_provider.triggers.async_job  # noqa: F401 # Airflow sets up its logging here

    quiet()
    rows = [asyncio.run(outage(how, jobs, interval, away)) for how in ("refuses", "silent")]
    report(
        "outage",
        rows,
        smoke=options.smoke,
        jobs=jobs,
        interval_seconds=interval,
        away_seconds=away,
        budget_a_second=BUDGET / 60,
    )


async def outage(how: str, jobs: int, interval: float, away: float) -> dict[str, Any]:
    """One outage."""
    remote = Remote()
    host = f"http://127.0.0.1:{remote.port}"
    extra = {"max_requests_per_minute": BUDGET, "timeout": interval / 3}
    connection_environment(f"aso_{how}", conn_type="jaggaer_aso", host=host, password="t", extra=extra)
    noticed: list[float] = []
    tasks = [
        asyncio.create_task(end_of(trigger(f"aso_{how}", host, number, interval), noticed))
        for number in range(jobs)
    ]
    await asyncio.sleep(interval * 1.2)
    remote.away(how)
    await asyncio.sleep(away)
    before, back = len(remote.answered), time.time()
    await asyncio.to_thread(remote.back, how)
    await asyncio.wait(tasks, timeout=interval * 4)
    by_second = Counter(int(moment - back) for moment in remote.answered[before:])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "remote": how,
        "jobs": jobs,
        "noticed": len(noticed),
        "most_requests_in_a_second": max(by_second.values(), default=0),
        "requests_in_the_first_second": by_second.get(0, 0),
        "budget_a_second": BUDGET / 60,
        "half_noticed_after_s": sorted(noticed)[len(noticed) // 2] - back if noticed else None,
        "last_noticed_after_s": max(noticed, default=back) - back,
        "interval_s": interval,
    }


async def end_of(waiting: Any, noticed: list[float]) -> None:
    await anext(waiting.run())
    noticed.append(time.time())


def trigger(conn_id: str, host: str, number: int, interval: float) -> Any:
    """As the triggerer makes it: of values that came out of JSON, none shared with another trigger."""
    from airflow_async_provider.triggers.async_job import AsyncJobTrigger

    now = time.time()
    given = {
        "job": {
            "protocol": "jaggaer_aso",
            "job_id": f"{number:012x}",
            "submitted_at": now,
            "status_url": f"{host}/status/{number:032x}",
            "expires_at": now + 7200,
            "version": 1,
        },
        "conn_id": conn_id,
        "policy": {"poll_interval": interval, "max_poll_interval": interval, "jitter": 0.1},
        "deadline": now + 3600,
        "deferred_at": now,
        "settle": 0.0,
    }
    return AsyncJobTrigger(**json.loads(json.dumps(given)))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    main()
