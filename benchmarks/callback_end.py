# SPDX-License-Identifier: Apache-2.0
"""
From the callback that ends a job to the first line of the next task, with and without a worker in between.

A real Airflow on PostgreSQL with LocalExecutor. Each of ``--runs`` runs of two DAGs waits for a callback that
brings the result; the one ends its task in the API server, the other (``end_from_trigger=False``) resumes it.
They are called back in turns, past the settle time, with random pauses.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import HttpRemote, arguments, report

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.harness import Postgres, RealAirflow, wait_until

#: Past it a callback resumes its task by itself (the settle time of the operators is 10 s).
SETTLED = 12.0

SIDES = {"in_receiver": "ended in the API server", "resumed": "end_from_trigger=False"}

DAGS = """
import json
import time
from urllib.request import Request, urlopen

from airflow.sdk import DAG, get_current_context, task

from airflow_async_provider.operators.remote_job import RemoteJobOperator


def start(submission):
    body = {"run": get_current_context()["run_id"], "callback": submission.callback.url}
    request = Request("http://127.0.0.1:__PORT__/", json.dumps(body).encode(), method="POST")
    urlopen(request, timeout=30).read()


@task
def after():
    return time.time()


def dag(dag_id, **options):
    with DAG(dag_id, schedule=None, catchup=False, max_active_runs=50):
        job = RemoteJobOperator(task_id="job", start=start, callback_base_url="__BASE__", **options)
        job >> after()


dag("in_receiver")
dag("resumed", end_from_trigger=False)
"""


class Remote(HttpRemote):
    """Notes where to call back."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        super().__init__()

    def answer(self, path: str, posted: Any) -> tuple[int, Any, Mapping[str, str]]:
        self.addresses[posted["run"]] = posted["callback"]
        return 200, {}, {}


def main() -> None:
    options = arguments(__doc__ or "", runs=20)
    runs = 2 if options.smoke else options.runs
    remote = Remote()
    with (
        Postgres() as postgres,
        RealAirflow(
            sql_alchemy_conn=postgres.sql_alchemy_conn, config={"core": {"parallelism": 4}}
        ) as airflow,
    ):
        source = DAGS.replace("__PORT__", str(remote.port)).replace("__BASE__", airflow.base_url)
        airflow.write_dag("callback_end.py", source)
        for dag in SIDES:
            airflow.client.wait_dag(dag)
        rows = measured(airflow, remote, runs)
    report("callback_end", rows, smoke=options.smoke, runs=runs)


def measured(airflow: RealAirflow, remote: Remote, runs: int) -> list[dict[str, Any]]:
    """Call back in turns."""
    import requests

    waiting = [(dag, airflow.client.trigger(dag, run_id=f"{dag}_{n}")) for n in range(runs) for dag in SIDES]
    deferred = "select count(*) as n from task_instance where task_id = 'job' and state = 'deferred'"
    wait_until(
        lambda: airflow.db(deferred)[0]["n"] == len(waiting), "all tasks to be deferred", 60 + 10 * runs
    )
    time.sleep(SETTLED)
    took: dict[str, list[float]] = {dag: [] for dag in SIDES}
    for dag, run_id in waiting:
        called = time.time()
        body = {"state": "succeeded", "result": {"rows": 3}}
        assert requests.post(remote.addresses[run_id], json=body, timeout=30).status_code == 200
        assert airflow.client.wait_run(dag, run_id, timeout=120) == "success"
        took[dag].append(float(airflow.client.xcom(dag, run_id, "after")) - called)
        time.sleep(random.uniform(0.5, 2.0))  # the scheduler looks for work about once a second
    return [
        {
            "what": SIDES[dag],
            "runs": runs,
            "mean_s": statistics.mean(times),
            "median_s": statistics.median(times),
            "worst_s": max(times),
            "times_a_resume": statistics.median(times) / statistics.median(took["resumed"]),
        }
        for dag, times in took.items()
    ]


if __name__ == "__main__":
    main()
