# SPDX-License-Identifier: Apache-2.0
"""
CPU of the whole Airflow for waiting sensors, with and without a worker at their end, beside the HTTP sensor.

A real Airflow on PostgreSQL with LocalExecutor. Each side is a DAG of ``--tasks`` mapped sensors, whose jobs
all end ``--seconds`` after the last has deferred. Counted is the CPU of all processes of Airflow, dead ones
with them, from the start of the run to its end, less what Airflow needs in that time with nothing to do.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench import arguments, report

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.harness import Postgres, RealAirflow, wait_until

SIDES = {
    "in_triggerer": "ours, ended in the triggerer",
    "on_worker": "ours, end_from_trigger=False",
    "peer": "HttpSensor(deferrable=True)",
}

DAGS = """
from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG

from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor

NUMBERS = range(__TASKS__)


def ours(**options):
    HttpAsyncJobSensor.partial(task_id="t", http_conn_id="remote", poke_interval=5, **options).expand(
        endpoint=[f"status/{n}" for n in NUMBERS]
    )


with DAG("in_triggerer", schedule=None, catchup=False):
    ours()

with DAG("on_worker", schedule=None, catchup=False):
    ours(end_from_trigger=False)

with DAG("peer", schedule=None, catchup=False):
    HttpSensor.partial(task_id="t", http_conn_id="remote", poke_interval=5, deferrable=True).expand(
        endpoint=[f"missing/{n}" for n in NUMBERS]
    )
"""


class Remote:
    """Says "running", or 404 to the HTTP sensor, until it is told that all jobs are done."""

    def __init__(self) -> None:
        self.done = False
        remote = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                waits = not remote.done
                body = json.dumps({"status": "running" if waits else "done"}).encode()
                self.send_response(404 if waits and self.path.startswith("/missing") else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


def main() -> None:
    options = arguments(__doc__ or "", tasks=100, seconds=20.0)
    tasks, seconds = (3, 2.0) if options.smoke else (options.tasks, options.seconds)
    remote = Remote()
    limits = {"core": {"parallelism": 8, "max_active_tasks_per_dag": tasks}}
    with (
        Postgres() as postgres,
        RealAirflow(sql_alchemy_conn=postgres.sql_alchemy_conn, config=limits) as airflow,
    ):
        airflow.client.put_connection("remote", "http", host="127.0.0.1", port=remote.port, schema="http")
        airflow.write_dag("ending.py", DAGS.replace("__TASKS__", str(tasks)))
        for dag in SIDES:
            airflow.client.wait_dag(dag)
        idle = idle_share(airflow, 3.0 if options.smoke else 30.0)
        rows = [side(airflow, remote, dag, tasks, seconds, idle) for dag in SIDES]
    report("ending", rows, smoke=options.smoke, tasks=tasks, idle_cpu_share=idle)


def side(
    airflow: RealAirflow, remote: Remote, dag: str, tasks: int, seconds: float, idle: float
) -> dict[str, Any]:
    """One DAG run."""
    remote.done = False
    states = "select state, count(*) as n from task_instance where dag_id = ? group by state"
    begun, used = time.monotonic(), cpu(airflow)
    run_id = airflow.client.trigger(dag)
    airflow.client.unpause(dag)
    wait_until(
        lambda: {row["state"]: row["n"] for row in airflow.db(states, [dag])}.get("deferred") == tasks,
        f"{tasks} tasks of {dag} to be deferred",
        60 + 10 * tasks,
    )
    time.sleep(seconds)
    remote.done = True
    released = time.monotonic()
    state = airflow.client.wait_run(dag, run_id, timeout=60 + 10 * tasks)
    took = time.monotonic() - begun
    return {
        "what": SIDES[dag],
        "tasks": tasks,
        "succeeded": tasks if state == "success" else 0,
        "cpu_s_a_task": max(cpu(airflow) - used - idle * took, 0.0) / tasks,
        "until_all_ended_s": time.monotonic() - released,
    }


def idle_share(airflow: RealAirflow, seconds: float) -> float:
    """CPU seconds a second of an Airflow that has nothing to do."""
    used = cpu(airflow)
    time.sleep(seconds)
    return (cpu(airflow) - used) / seconds


def cpu(airflow: RealAirflow) -> float:
    """CPU seconds of all its processes so far, with those of children that have ended."""
    ticks = 0
    for pids in airflow.pids().values():
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended, and its parent counts it
                continue
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
