# SPDX-License-Identifier: Apache-2.0
"""Jobs of a remote that the test itself plays, so that it can call back whenever it likes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task_group

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.open_connectors import OpenConnectorsAsyncRequestOperator

#: The first poll falls anywhere into this time (seconds), so none falls into a test: what ends was woken.
NEVER = 10_000_000

JOB: dict[str, Any] = {
    "http_conn_id": "callback_remote",
    "endpoint": "/jobs",
    "profile": "status_field",
    "profile_options": {"status_path": "jobs/{job_id}"},
    "result_field": "result",
    "callback_field": "callback",
    "cancel": "delete",
    "poll_interval": NEVER,
    "max_poll_interval": NEVER,
    "safety_poll_interval": NEVER,
    "timeout": 900,
    "retries": 0,
}

for name, count in (("callback_many", 16), ("callback_few", 6)):
    with DAG(name, schedule=None, max_active_tasks=64):
        HttpAsyncJobOperator.partial(task_id="job", **JOB).expand(json=[{"n": n} for n in range(count)])

with DAG("callback_pool", schedule=None, max_active_tasks=64):
    HttpAsyncJobOperator.partial(task_id="job", pool="two_jobs", **JOB).expand(
        json=[{"n": f"pool-{n}"} for n in range(4)]
    )

with DAG("result_once", schedule=None):
    HttpAsyncJobOperator(
        task_id="job",
        http_conn_id="callback_remote",
        profile={
            "start": {"path": "/jobs", "id": "id"},
            "poll": "GET jobs/{job_id}",
            "outcome": {"state": "status", "succeeded": ["succeeded"]},
            "result": {"value": "result", "once": True},
        },
        json={"n": "{{ run_id }}"},
        poll_interval=1,
        timeout=300,
        retries=0,
    )

with DAG("callback_one", schedule=None):
    HttpAsyncJobOperator(
        task_id="job", json={"n": "{{ run_id }}", "early": "{{ dag_run.conf.get('early', '') }}"}, **JOB
    )

with DAG("callback_linger", schedule=None):
    HttpAsyncJobOperator(task_id="job", json={"n": "{{ run_id }}"}, linger=300, **{**JOB, "poll_interval": 1})

with DAG("callback_mute", schedule=None):
    OpenConnectorsAsyncRequestOperator(
        task_id="job",
        conn_id="callback_mute",
        endpoint="/things",
        json={"n": "{{ run_id }}"},
        destination="{{ dag_run.conf.destination }}",
        timeout=900,
        retries=30,
        retry_delay=timedelta(seconds=3),
    )


@task_group
def round_() -> None:
    """One round of a loop: each has a job, and a callback, of its own."""
    HttpAsyncJobOperator(task_id="job", json={"n": "loop-{{ ti.id }}"}, **JOB)


if hasattr(round_, "loop"):  # since Airflow 3.4
    with DAG("callback_loop", schedule=None):
        round_.loop(max_iterations=3)  # type: ignore[attr-defined] # Airflow 3.3 has none
