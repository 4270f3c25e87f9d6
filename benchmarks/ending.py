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


with DAG("__BEFORE__sensor", schedule=None, catchup=False):
    sensor()

with DAG("__BEFORE__sensor_on_worker", schedule=None, catchup=False):
    sensor(end_from_trigger=False)

with DAG("__BEFORE__http_sensor", schedule=None, catchup=False):
    HttpSensor.partial(task_id="t", http_conn_id="remote", poke_interval=5, deferrable=True).expand(
        **numbered("missing")
    )

with DAG("__BEFORE__operator", schedule=None, catchup=False):
    operator()

with DAG("__BEFORE__operator_on_worker", schedule=None, catchup=False):
    operator(end_from_trigger=False)

with DAG("__BEFORE__http_operator", schedule=None, catchup=False):
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
        write_dags(airflow, "ending.py", tasks)
        write_dags(airflow, "warming_up.py", 2, before="warm_")
        for dag in options.sides:
            airflow.client.wait_dag(dag)
            # what each process does once, when it sees such a task first, is no side's
            side(airflow, remote, f"warm_{dag}", 2, 0.0, {})
        idle = idle_share(airflow, 3.0 if options.smoke else 30.0)
        rows = [side(airflow, remote, dag, tasks, seconds, idle) for dag in options.sides]
    report("ending", rows, smoke=options.smoke, tasks=tasks, idle_cpu_share=sum(idle.values()))


def write_dags(airflow: RealAirflow, file: str, tasks: int, before: str = "") -> None:
    """A DAG for each side, and what its name begins with."""
    airflow.write_dag(file, DAGS.replace("__TASKS__", str(tasks)).replace("__BEFORE__", before))


def side(
    airflow: RealAirflow, remote: Remote, dag: str, tasks: int, seconds: float, idle: Mapping[str, float]
) -> dict[str, Any]:
    """One DAG run; ``idle`` as of :func:`idle_share`."""
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
    more = {
        name: max(now - used.get(name, 0.0) - idle.get(name, 0.0) * took, 0.0)
        for name, now in cpu(airflow).items()
    }
    return {
        "what": SIDES.get(dag, dag),
        "tasks": tasks,
        "succeeded": tasks if state == "success" else 0,
        "cpu_s_a_task": sum(more.values()) / tasks,
        **{f"{name}_cpu_s": seconds / tasks for name, seconds in more.items()},
        "until_all_ended_s": time.monotonic() - released,
    }


def idle_share(airflow: RealAirflow, seconds: float) -> dict[str, float]:
    """CPU seconds a second of the processes of an Airflow that has nothing to do."""
    used = cpu(airflow)
    time.sleep(seconds)
    return {name: (now - used.get(name, 0.0)) / seconds for name, now in cpu(airflow).items()}


def cpu(airflow: RealAirflow) -> dict[str, float]:
    """CPU seconds of its processes so far, with children that have ended; workers are the scheduler's."""
    used: dict[str, float] = {}
    for name, pids in airflow.pids().items():
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended, and its parent counts it
                continue
            ticks = sum(map(int, fields[11:15]))
            used[name] = used.get(name, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return used


if __name__ == "__main__":
    main()
