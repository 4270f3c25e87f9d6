# SPDX-License-Identifier: Apache-2.0
"""
A real triggerer with thousands of deferred tasks: ours beside ``HttpSensor(deferrable=True)``.

Each side has a new Airflow on a new PostgreSQL. The tasks are written into the database as deferring workers
leave them; then the triggerer starts, loads all triggers and polls a small server at the same interval. After
``--wait`` seconds all jobs end at once. Measured are CPU and memory of the triggerer's and the database's
processes, from the triggerer's start until no task is deferred any more. Scheduler, DAG processor and workers
do not run meanwhile: they would do the same for both, and for minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench import arguments, real_airflow, report, server, within

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.harness import MAP_INDEX, Postgres, RealAirflow, wait_until

SIDES = {"ours": "AsyncJobTrigger (ours)", "peer": "HttpSensorTrigger (http provider)"}

#: As deferring workers see them; nobody runs them, as their pool has no slots.
DAG = """
from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG

from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor

NUMBERS = range(__JOBS__)

with DAG("ours", schedule=None, catchup=False, max_active_tasks=__JOBS__ + 1):
    HttpAsyncJobSensor.partial(task_id="job", http_conn_id="remote", pool="nobody").expand(
        endpoint=[f"status/{n}" for n in NUMBERS]
    )

with DAG("peer", schedule=None, catchup=False, max_active_tasks=__JOBS__ + 1):
    HttpSensor.partial(task_id="job", http_conn_id="remote", deferrable=True, pool="nobody").expand(
        endpoint=[f"missing/{n}" for n in NUMBERS]
    )
"""

TICKS = os.sysconf("SC_CLK_TCK")


class Family:
    """
    CPU seconds and peak memory of a process and all that it starts, read from ``/proc`` twice a second.

    What a child used in its last half second counts when its parent has waited for it.
    """

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._ended = threading.Event()
        self.most_mib = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def cpu(self) -> float:
        """So far: of those that live, and of those that have ended and were waited for."""
        return sum(sum(map(int, _stat(pid)[11:15])) for pid in self.members() if _stat(pid)) / TICKS

    def members(self) -> list[int]:
        """The process and its descendants."""
        found, new = [self._root], [self._root]
        while new:
            pid = new.pop()
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    children = [int(c) for c in (task / "children").read_text().split()]
                    found += children
                    new += children
        return found

    def stop(self) -> None:
        """No more watching."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self.most_mib = max(self.most_mib, sum(_proportional(pid) for pid in self.members()) / 1024)


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` behind the name."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _proportional(pid: int) -> int:
    """Memory (KiB) of a process, what it shares with others divided among them."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        if found:
            return int(found[1])
    return 0


def ask(url: str) -> dict[str, Any]:
    """A page of the small server."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read() or b"{}")
        return found


def one_side(side: str, jobs: int, interval: float, wait: float) -> dict[str, Any]:
    """All of it for one kind of trigger."""
    config = {
        "core": {"parallelism": 1, "max_active_tasks_per_dag": jobs + 1, "max_map_length": jobs + 1},
        "triggerer": {"capacity": jobs + 10},
    }
    with server() as url, real_airflow(config) as (airflow, postgres):
        port = int(url.rsplit(":", 1)[1])
        airflow.client.put_connection("remote", "http", host="127.0.0.1", port=port, schema="http")
        airflow.client.put_pool("nobody", slots=0, include_deferred=False)
        airflow.terminate("triggerer")
        airflow.write_dag("waiting.py", DAG.replace("__JOBS__", str(jobs)))
        airflow.client.wait_dag(side)
        run_id = airflow.client.trigger(side)
        wait_until(lambda: count(airflow, side) == jobs, f"{jobs} mapped tasks", 120 + jobs / 10)
        for component in ("scheduler", "dag-processor"):
            airflow.terminate(component)
        defer(airflow, side, run_id, interval)
        return {"who": SIDES[side], "jobs": jobs, **measured(airflow, postgres, url, side, wait)}


def count(airflow: RealAirflow, side: str, where: str = "true") -> int:
    """How many of the mapped tasks there are."""
    sql = f"select count(*) as n from task_instance where dag_id = ? and {MAP_INDEX} >= 0 and {where}"
    return int(airflow.db(sql, [side])[0]["n"])


def defer(airflow: RealAirflow, side: str, run_id: str, interval: float) -> None:
    """Put the tasks into the state in which workers leave them."""
    within(airflow.env, "make_deferred.py", side, run_id, str(interval))


def measured(airflow: RealAirflow, postgres: Postgres, url: str, side: str, wait: float) -> dict[str, Any]:
    """Start the triggerer, let it wait, end all jobs, and see how long it takes to hand all tasks back."""
    began = time.monotonic()
    database = Family(postgres.pid)
    database_before = database.cpu()
    airflow.start("triggerer")
    triggerer = Family(airflow.pids()["triggerer"][0])
    jobs = count(airflow, side)
    wait_until(lambda: ask(f"{url}/count")["polls"] >= jobs, "the first polls", 600, interval=0.5)
    loaded = time.monotonic()
    steady = (triggerer.cpu(), database.cpu(), ask(f"{url}/count")["polls"], time.monotonic())
    time.sleep(wait)
    cpu, database_cpu, polls, now = (
        triggerer.cpu(),
        database.cpu(),
        ask(f"{url}/count")["polls"],
        time.monotonic(),
    )
    minutes = (now - steady[3]) / 60
    ask(f"{url}/end")
    ended = time.monotonic()
    wait_until(lambda: count(airflow, side, "state = 'deferred'") == 0, "all to end", 900, interval=0.5)
    done = time.monotonic()
    facts = {
        "polls_per_s": (polls - steady[2]) / 60 / minutes,
        "cpu_ms_per_poll": (cpu - steady[0] + database_cpu - steady[1]) * 1000 / max(polls - steady[2], 1),
        "cpu_s_per_minute": (cpu - steady[0]) / minutes,
        "db_cpu_s_per_minute": (database_cpu - steady[1]) / minutes,
        "until_all_polled_s": loaded - began,
        "until_all_ended_s": done - ended,
        "cpu_s": triggerer.cpu(),
        "db_cpu_s": database.cpu() - database_before,
        "most_mib": triggerer.most_mib,
        "db_most_mib": database.most_mib,
        "most_sockets": ask(f"{url}/count")["most_open"],
        "resumed": count(airflow, side, "state = 'scheduled'"),
    }
    triggerer.stop()
    database.stop()
    return facts


def main() -> None:
    options = arguments(__doc__ or "", jobs=2000, interval=10.0, wait=60.0)
    if options.smoke:
        options.jobs, options.interval, options.wait = 20, 2.0, 3.0
    rows = [one_side(side, options.jobs, options.interval, options.wait) for side in SIDES]
    report("triggerer", rows, smoke=options.smoke, interval_seconds=options.interval, waited=options.wait)


if __name__ == "__main__":
    main()
