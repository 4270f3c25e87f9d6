# SPDX-License-Identifier: Apache-2.0
"""
CPU of the whole Airflow for waiting tasks, with and without a worker at their end, beside the HTTP provider.

A real Airflow on PostgreSQL with LocalExecutor. Each side is a DAG of ``--tasks`` mapped sensors, or of
operators that start a job and return its result. Their jobs all end ``--seconds`` after the last has
deferred; the HTTP provider's operator cannot poll, so its request is answered only then. Counted is the CPU
of all processes of Airflow, dead ones with them, from the start of the run to its end, less what Airflow
needs in that time with nothing to do.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import HttpRemote, arguments, report

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.harness import Postgres, RealAirflow, wait_until

SIDES = {
    "sensor": "our sensor, ended in the triggerer",
    "sensor_on_worker": "our sensor, end_from_trigger=False",
    "http_sensor": "HttpSensor(deferrable=True)",
    "operator": "our operator, ended in the triggerer",
    "operator_on_worker": "our operator, end_from_trigger=False",
    "http_operator": "HttpOperator(deferrable=True)",
}

DAGS = """
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor

NUMBERS = range(__TASKS__)


def numbered(what):
    return {"endpoint": [f"{what}/{n}" for n in NUMBERS]}


def sensor(**options):
    HttpAsyncJobSensor.partial(task_id="t", http_conn_id="remote", poke_interval=5, **options).expand(
        **numbered("status")
    )


def operator(**options):
    HttpAsyncJobOperator.partial(
        task_id="t", http_conn_id="remote", profile="location", poll_interval=5, max_poll_interval=5,
        **options,
    ).expand(**numbered("jobs"))


with DAG("sensor", schedule=None, catchup=False):
    sensor()

with DAG("sensor_on_worker", schedule=None, catchup=False):
    sensor(end_from_trigger=False)

with DAG("http_sensor", schedule=None, catchup=False):
    HttpSensor.partial(task_id="t", http_conn_id="remote", poke_interval=5, deferrable=True).expand(
        **numbered("missing")
    )

with DAG("operator", schedule=None, catchup=False):
    operator()

with DAG("operator_on_worker", schedule=None, catchup=False):
    operator(end_from_trigger=False)

with DAG("http_operator", schedule=None, catchup=False):
    HttpOperator.partial(task_id="t", http_conn_id="remote", method="GET", deferrable=True).expand(
        **numbered("held")
    )
"""


class Remote(HttpRemote):
    """Reports all jobs as running until they are done: in words, by 202, by 404, or by silence."""

    def __init__(self) -> None:
        self.done = False
        super().__init__()

    def answer(self, path: str, posted: Any) -> tuple[int, Any, Mapping[str, str]]:
        headers = {"Content-Type": "application/json"}
        if posted is not None:
            return 202, {}, {**headers, "Location": path}
        while path.startswith("/held") and not self.done:
            time.sleep(0.2)
        waits = not self.done
        statuses = {"missing": 404, "jobs": 202} if waits else {}
        return statuses.get(path.split("/")[1], 200), {"status": "running" if waits else "done"}, headers


def main() -> None:
    options = arguments(__doc__ or "", tasks=100, seconds=20.0, sides=list(SIDES))
    tasks, seconds = (3, 2.0) if options.smoke else (options.tasks, options.seconds)
    remote = Remote()
    limits = {"core": {"parallelism": 8, "max_active_tasks_per_dag": tasks}}
    with (
        Postgres() as postgres,
        RealAirflow(sql_alchemy_conn=postgres.sql_alchemy_conn, config=limits) as airflow,
    ):
        airflow.client.put_connection("remote", "http", host="127.0.0.1", port=remote.port, schema="http")
        airflow.write_dag("ending.py", DAGS.replace("__TASKS__", str(tasks)))
        for dag in options.sides:
            airflow.client.wait_dag(dag)
        idle = idle_share(airflow, 3.0 if options.smoke else 30.0)
        rows = [side(airflow, remote, dag, tasks, seconds, idle) for dag in options.sides]
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
