# SPDX-License-Identifier: Apache-2.0
"""
What the page "Remote jobs" costs with ``--jobs`` waiting jobs: the triggerer, the database, the reader.

The triggerer's side: the time for which its event loop stands still while a report is made. The
database's side: all jobs reported, on a private PostgreSQL, as the API server does it; once when all are
new, then ``--rounds`` times when all have changed, which is what a round of polls brings. ``database_share``
is the part of one core that this takes with the default of ``page_report_seconds`` when every job is polled
in between. The reader's side: pages of the list, as the page asks for them, with the statements that the
database gets, the size of the answer, and the most memory that Python holds for one.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

HOME = os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))
os.environ.setdefault("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{HOME}/airflow.db")
os.environ.setdefault("AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS", "False")
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import arguments, report  # noqa: E402 - Airflow's settings come before, and the tests' helpers


def main() -> None:
    options = arguments(__doc__ or "", jobs=10_000, rounds=10)
    jobs, rounds = (600, 2) if options.smoke else (options.jobs, options.rounds)

    from tests.support.callback_world import airflow_on
    from tests.support.harness import Postgres

    rows = [triggerer(jobs)]
    with Postgres() as postgres, airflow_on(postgres.sql_alchemy_conn):
        ids = waiting(jobs)
        rows += database(ids, rounds, postgres.pid)
        rows += reader()
    report(
        "page_reports", rows, smoke=options.smoke, jobs=jobs, rounds=rounds, load_average=os.getloadavg()[0]
    )


def facts(ti_id: str, number: int, polls: int) -> dict[str, Any]:
    """One job in a report, of a usual size."""
    return {
        "ti_id": ti_id,
        "trigger_id": number,
        "system": ("JAGGAER ASO", "Broadcom Automic", "HTTP API")[number % 3],
        "conn_id": "a_connection",
        "label": f"event/{number}/apiItems/async",
        "job_id": f"job-{number}",
        "remote_url": f"https://api.example.com/v1/exports/{number}",
        "state": "running",
        "remote_status": "IN_PROGRESS",
        "submitted_at": -600.0,
        "waiting_since": -590.0,
        "deadline": 3600.0 + number,
        "last_poll_at": -float(number % 60),
        "next_poll_at": float(60 - number % 60),
        "polls": polls,
        "failures": 0,
        "failures_in_row": 0,
        "progress": 0.25,
        "callback": False,
        "events": [],
    }


def timed(work: Callable[[], Any], times: int = 1) -> float:
    """The median of so many runs (milliseconds)."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        found.append((time.perf_counter() - begin) * 1000)
    return statistics.median(found)


def triggerer(jobs: int) -> dict[str, Any]:
    """What the event loop does for one report, and what stays in memory for a job."""
    from airflow_async_provider._page.facts import MAX_JOBS
    from airflow_async_provider._page.report import AT_ONCE, JobReport, body_of

    reports = [
        JobReport({**facts(str(uuid.uuid4()), n, 4), "waiting_since": 0.0}, _nothing, time.time)
        for n in range(MAX_JOBS)
    ]

    size = len(asyncio.run(body_of(reports)))
    return {
        "what": f"{AT_ONCE} jobs of a report, for which the triggerer's loop stands still",
        "ms": timed(lambda: asyncio.run(body_of(reports[:AT_ONCE])), 50),
        "bytes_a_job": size / MAX_JOBS,
        "reports_a_round": float(-(-jobs // MAX_JOBS)),
    }


def _nothing(report: Any) -> None:
    """Nobody is told."""


def waiting(jobs: int) -> list[str]:
    """Waiting tasks in Airflow's tables, 1,000 in a run."""
    from sqlalchemy import insert

    from airflow_async_provider._callbacks.airflow_internals import HAS_ATTEMPTS
    from airflow_async_provider._page import airflow_internals as internals
    from tests.support.page_world import airflow_rows

    ids = [uuid.uuid4() for _ in range(jobs)]
    known = internals.tables()
    begun = datetime.now(UTC) - timedelta(minutes=10)
    with internals.transaction() as session:
        airflow_rows(session, "benchmark", [f"run_{n}" for n in range(-(-jobs // 1000))])
        for begin in range(0, jobs, 1000):
            part = range(begin, min(begin + 1000, jobs))
            session.execute(
                insert(known.trigger),
                [
                    {
                        "id": n + 1,
                        "classpath": "airflow_async_provider.triggers.async_job.AsyncJobTrigger",
                        "kwargs": "{}",
                        "created_date": begun,
                    }
                    for n in part
                ],
            )
            session.execute(
                insert(known.ti),
                [
                    {
                        "id": ids[n],
                        "dag_id": "benchmark",
                        "run_id": f"run_{begin // 1000}",
                        "task_id": "wait",
                        "region_index" if HAS_ATTEMPTS else "map_index": n,
                        "state": "deferred",
                        "trigger_id": n + 1,
                        "try_number": 1,
                        "max_tries": 1,
                        "pool": "default_pool",
                        "pool_slots": 1,
                        "updated_at": begun,
                    }
                    for n in part
                ],
            )
    return [str(i) for i in ids]


def database(ids: list[str], rounds: int, postgres: int) -> list[dict[str, Any]]:
    """All jobs reported, as the API server stores them."""
    from sqlalchemy import text

    from airflow_async_provider._page import airflow_internals as internals
    from airflow_async_provider._page.facts import MAX_JOBS, REPORT_VERSION, read_report
    from airflow_async_provider._page.table import NAME, JobsTable
    from airflow_async_provider._settings import DEFAULT_PAGE_REPORT_SECONDS

    table = JobsTable()
    polls = 0

    def told() -> None:
        nonlocal polls
        polls += 1
        for begin in range(0, len(ids), MAX_JOBS):
            jobs = [facts(i, begin + n, polls) for n, i in enumerate(ids[begin : begin + MAX_JOBS])]
            rows = read_report(json.dumps({"version": REPORT_VERSION, "jobs": jobs}).encode(), time.time())
            with internals.transaction() as session:
                table.write(session, rows)

    def size() -> float:
        with internals.transaction() as session:
            return float(session.scalar(text(f"select pg_total_relation_size('{NAME}')")))

    first = timed(told)
    before = server_cpu(postgres)
    again = timed(told, rounds)
    spent = (server_cpu(postgres) - before) / rounds
    return [
        {"what": f"{len(ids)} new jobs stored", "ms": first, "bytes_a_job": size() / len(ids)},
        {
            "what": f"{len(ids)} changed jobs stored",
            "ms": again,
            "bytes_a_job": size() / len(ids),
            "server_cpu_ms": spent * 1000,
            "database_share": spent / DEFAULT_PAGE_REPORT_SECONDS,
            "cpu_ms_a_minute": spent * 1000 * 60 / DEFAULT_PAGE_REPORT_SECONDS,
        },
    ]


def server_cpu(postgres: int) -> float:
    """
    CPU seconds of the database so far: of its processes, and of those that have ended.

    :param postgres: id of its first process
    """
    found: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        found[int(path.parent.name)] = (int(values[1]), sum(map(int, values[11:15])))
    ours = {postgres}
    for _ in range(4):
        ours |= {pid for pid, (parent, _) in found.items() if parent in ours}
    return sum(ticks for pid, (_, ticks) in found.items() if pid in ours) / os.sysconf("SC_CLK_TCK")


def reader() -> list[dict[str, Any]]:
    """Pages of the list, as the page asks for them."""
    from airflow_async_provider._page import airflow_internals as internals
    from airflow_async_provider._page.listing import Listing, Query
    from airflow_async_provider._page.table import JobsTable

    listing = Listing(JobsTable())
    asked = {
        "first page, by deadline": Query(),
        "last page": Query(offset=9950),
        "first page, by task": Query(sort="-task"),
        "first page, by last poll": Query(sort="-last_poll"),
        "a search that finds one": Query(search="event/77/apiitems a_connection"),
        "a search that finds nothing": Query(search="no such job"),
        "failing polls alone": Query(only="failing"),
    }

    def page(query: Query) -> dict[str, Any]:
        with internals.transaction() as session:
            return listing.page(session, query, {"benchmark"})

    return [
        {"what": what, "ms": timed(partial(page, query), 10), **_cost(partial(page, query))}
        for what, query in asked.items()
    ]


def _cost(page: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What one page takes beside time."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    statements = 0

    def counted(*_: Any) -> None:
        nonlocal statements
        statements += 1

    event.listen(Engine, "after_cursor_execute", counted)
    tracemalloc.start()
    try:
        answer = page()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        event.remove(Engine, "after_cursor_execute", counted)
    return {
        "statements": statements,
        "peak_kib": peak / 1024,
        "answer_kib": len(json.dumps(answer)) / 1024,
        "rows": len(answer["jobs"]),
        "total": answer["total"],
    }


if __name__ == "__main__":
    main()
