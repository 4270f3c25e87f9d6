# SPDX-License-Identifier: Apache-2.0
"""
From a callback to the operator's next line, beside Airflow's own human-in-the-loop response.

A real Airflow on PostgreSQL. First ``--tasks`` deferred tasks of each kind are answered one by one, in turns:
how long until the first line of ``execute_complete``? Then ``--burst`` deferred tasks of each kind (made in
the database, with scheduler and triggerer stopped) are answered all at once: accepted, woken, lost, how many
a second?
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import HttpRemote, arguments, real_airflow, report, within

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.harness import MAP_INDEX, RealAirflow, wait_until

#: Past it a callback wakes its task by itself (the settle time of the operators is 10 s).
SETTLED = 12.0

#: Requests under way at the same time.
AT_ONCE = 8

DAGS = """
import time

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator


class TimedJob(HttpAsyncJobOperator):
    def execute_complete(self, context, event=None, run=None):
        now = time.time()
        super().execute_complete(context, event, run)
        return now


class TimedPerson(HITLOperator):
    def execute_complete(self, context, event):
        now = time.time()
        super().execute_complete(context, event)
        return now


def job(**options):
    return TimedJob.partial(
        task_id="job", http_conn_id="remote", profile="location", callback_field="callback",
        callback_base_url="__BASE__", **options,
    )


with DAG("by_callback", schedule=None, catchup=False, max_active_tasks=4):
    job().expand(json=[{"number": n} for n in range(__TASKS__)], endpoint=["jobs"])

with DAG("by_person", schedule=None, catchup=False, max_active_tasks=4):
    TimedPerson.partial(task_id="person", options=["yes"]).expand(
        subject=[f"number {n}" for n in range(__TASKS__)]
    )

# Nobody runs these: their pool has no slots.
with DAG("burst", schedule=None, catchup=False, max_active_tasks=__BURST__ + 1):
    job(pool="nobody").expand(json=[{"number": n} for n in range(__BURST__)], endpoint=["jobs"])
    TimedPerson.partial(task_id="person", options=["yes"], pool="nobody").expand(
        subject=[f"number {n}" for n in range(__BURST__)]
    )
"""


class Remote(HttpRemote):
    """Accepts jobs, notes the address to call, and reports each as running until it has called."""

    def __init__(self) -> None:
        self.addresses: dict[int, str] = {}
        self.done: set[int] = set()
        super().__init__()

    def answer(self, path: str, posted: Any) -> tuple[int, Any, Mapping[str, str]]:
        if posted is None:
            return 200 if int(path.rsplit("/", 1)[1]) in self.done else 202, {}, {}
        self.addresses[posted["number"]] = posted["callback"]
        return 202, {}, {"Location": f"/jobs/{posted['number']}"}


def main() -> None:
    options = arguments(__doc__ or "", tasks=50, burst=1000)
    tasks, burst = (2, 10) if options.smoke else (options.tasks, options.burst)
    remote = Remote()
    config = {"core": {"parallelism": 4, "max_active_tasks_per_dag": burst + 1}}
    with real_airflow(config) as (airflow, _):
        airflow.client.put_connection("remote", "http", host="127.0.0.1", port=remote.port, schema="http")
        airflow.client.put_pool("nobody", slots=0, include_deferred=False)
        source = DAGS.replace("__BASE__", airflow.base_url)
        airflow.write_dag("wake.py", source.replace("__TASKS__", str(tasks)).replace("__BURST__", str(burst)))
        one_by_one = singly(airflow, remote, tasks)
        at_once = together(airflow, burst)
    report("callback_wake", one_by_one, smoke=options.smoke, tasks=tasks)
    report("callback_burst", at_once, smoke=options.smoke, burst=burst)


def singly(airflow: RealAirflow, remote: Remote, tasks: int) -> list[dict[str, Any]]:
    """Answer one task at a time, a job and a person in turns."""
    import requests

    client = airflow.client
    runs = {dag: client.trigger(dag) for dag in ("by_callback", "by_person")}
    states = {"by_callback": ("job", "deferred"), "by_person": ("person", "awaiting_input")}
    for dag, (task, state) in states.items():
        wait_until(
            lambda: count(airflow, dag, task, state) == tasks,  # noqa: B023 - called within the loop's turn
            f"{tasks} tasks of {dag} to be {state}",
            60 + 10 * tasks,
        )
    time.sleep(SETTLED)
    sent: dict[str, list[float]] = {dag: [] for dag in runs}
    for number in range(tasks):
        remote.done.add(number)
        sent["by_callback"].append(time.time())
        assert requests.post(remote.addresses[number], json={}, timeout=30).status_code == 200
        wait_task(airflow, "by_callback", runs["by_callback"], "job", number)
        sent["by_person"].append(time.time())
        respond = f"/dags/by_person/dagRuns/{runs['by_person']}/taskInstances/person/{number}/hitlDetails"
        client.request("PATCH", respond, json={"chosen_options": ["yes"], "params_input": {}})
        wait_task(airflow, "by_person", runs["by_person"], "person", number)
    rows = []
    for dag, (task, _) in states.items():
        times = [float(client.xcom(dag, runs[dag], task, map_index=n)) - sent[dag][n] for n in range(tasks)]
        rows.append(
            {
                "what": "callback (ours)" if dag == "by_callback" else "human-in-the-loop response",
                "tasks": tasks,
                "mean_s": statistics.mean(times),
                "median_s": statistics.median(times),
                "worst_s": max(times),
            }
        )
    return rows


def count(airflow: RealAirflow, dag: str, task: str, state: str) -> int:
    sql = "select count(*) as n from task_instance where dag_id = ? and task_id = ? and state = ?"
    return int(airflow.db(sql, [dag, task, state])[0]["n"])


def wait_task(airflow: RealAirflow, dag: str, run_id: str, task: str, number: int) -> None:
    sql = (
        f"select state from task_instance where dag_id = ? and run_id = ? and task_id = ? and {MAP_INDEX} = ?"
    )
    wait_until(
        lambda: airflow.db(sql, [dag, run_id, task, number])[0]["state"] == "success",
        f"{task} {number} to succeed",
        120,
    )
    # The scheduler looks for work about once a second. After a pause that is always the same, the next answer
    # would always meet it at the same moment of that second, another one for each of the two kinds.
    time.sleep(random.uniform(0.5, 2.5))


def together(airflow: RealAirflow, burst: int) -> list[dict[str, Any]]:
    """Answer all at once."""
    run_id = airflow.client.trigger("burst")
    expanded = f"select count(*) as n from task_instance where dag_id = 'burst' and {MAP_INDEX} >= 0"
    wait_until(lambda: airflow.db(expanded)[0]["n"] == 2 * burst, "the burst's tasks to be there", 300)
    airflow.terminate("scheduler")
    airflow.terminate("triggerer")
    secrets = make_waiting(airflow, run_id)
    callbacks: list[tuple[str, str, dict[str, str], Any]] = [("POST", a, {}, {"json": {}}) for a in secrets]
    rows = []
    for what, task, state, requests_ in (
        ("callback (ours)", "job", "deferred", callbacks),
        ("human-in-the-loop response", "person", "awaiting_input", responses(airflow, run_id, burst)),
    ):
        seconds, statuses = asyncio.run(send_all(requests_))
        woken = count(airflow, "burst", task, "scheduled")
        rows.append(
            {
                "what": what,
                "sent": len(requests_),
                "accepted": sum(200 <= s < 300 for s in statuses),
                "woken": woken,
                "lost": count(airflow, "burst", task, state),
                "per_second": len(requests_) / seconds,
            }
        )
    return rows


def responses(airflow: RealAirflow, run_id: str, burst: int) -> list[tuple[str, str, dict[str, str], Any]]:
    token = airflow.client.request("GET", "/version").request.headers["Authorization"]
    base = f"{airflow.base_url}/api/v2/dags/burst/dagRuns/{run_id}/taskInstances/person"
    body = {"json": {"chosen_options": ["yes"], "params_input": {}}}
    return [("PATCH", f"{base}/{n}/hitlDetails", {"Authorization": token}, body) for n in range(burst)]


async def send_all(requests_: list[tuple[str, str, dict[str, str], Any]]) -> tuple[float, list[int]]:
    import aiohttp

    # With 64 at once Airflow's own endpoint has been seen to come to a halt; ours had not.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def one(method: str, url: str, headers: dict[str, str], body: Any) -> int:
            async with session.request(method, url, headers=headers, **body) as answer:
                await answer.read()
                return answer.status

        begun = time.perf_counter()
        statuses = await asyncio.gather(*(one(*each) for each in requests_))
        return time.perf_counter() - begun, list(statuses)


def make_waiting(airflow: RealAirflow, run_id: str) -> list[str]:
    """Put the burst's tasks into the state in which Airflow leaves waiting ones; returns the addresses."""
    said = within(airflow.env, "make_waiting.py", run_id, airflow.base_url)
    addresses: list[str] = json.loads(said.splitlines()[-1])
    return addresses


if __name__ == "__main__":
    main()
