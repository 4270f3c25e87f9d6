# SPDX-License-Identifier: Apache-2.0
"""
One job of each kind. The run's configuration says who they are: ``n``, a number of its own, and ``folder``.

The remotes count by it who was started how often: ``n`` with one digit behind it is an ASO event, ``n`` alone
is in the names of Automic's and SAP's objects and in the body of the generic jobs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
)
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor

N = "{{ dag_run.conf.n }}"
DISK = "{{ dag_run.conf.folder }}/" + N
S3 = "s3://results/" + N

#: Fast enough for a test, slow enough that callbacks are what wakes the tasks that have one.
ARGUMENTS: dict[str, Any] = {
    "poll_interval": 2,
    "max_poll_interval": 5,
    "retries": 3,
    "retry_delay": timedelta(seconds=1),
    "timeout": 1800,
}
CALLBACK = {"safety_poll_interval": 20}


def polled(**changes: Any) -> None:
    """One task of each kind that only polls, so that it can also wait on its worker."""
    arguments = {**ARGUMENTS, **changes}
    JaggaerAsoDownloadOperator(
        task_id="aso_disk",
        endpoint=f"event/{N}1/apiItems/async",
        destination=f"{DISK}-aso_disk.dat",
        **arguments,
    )
    AutomicExecuteOperator(
        task_id="automic_poll", object_name=f"JOBS.POLLED.{N}", callback=False, **arguments
    )
    HttpAsyncJobOperator(
        task_id="http_poll",
        endpoint="location/jobs",
        json={"n": N},
        profile_options={"client_errors_are_final": True},  # the simulator says so of failed jobs
        cancel="delete",
        idempotency_key=True,
        destination=f"{S3}-http_poll.dat",
        **arguments,
    )


def jobs(**changes: Any) -> None:
    """One task of each kind."""
    arguments = {**ARGUMENTS, **changes}
    polled(**changes)
    JaggaerAsoDownloadOperator(
        task_id="aso_s3",
        conn_id="chaos_aso_oauth",
        endpoint=f"event/{N}2/apiBids/async",
        destination=f"{S3}-aso_s3.dat",
        **arguments,
    )
    AutomicExecuteOperator(
        task_id="automic_callback", object_name=f"JOBS.CALLS.{N}", callback=True, **CALLBACK, **arguments
    )
    OpenConnectorsAsyncRequestOperator(
        task_id="sap_request",
        endpoint=f"things-{N}",
        json={"n": N},
        destination=f"{DISK}-sap_request.json",
        **{k: v for k, v in arguments.items() if "poll" not in k},
    )
    OpenConnectorsBulkDownloadOperator(
        task_id="sap_bulk",
        object_name=f"contacts-{N}",
        format="csv",
        select_fields=["id", f"name{N}"],
        destination=f"{S3}-sap_bulk.csv",
        callback=True,
        **CALLBACK,
        **arguments,
    )
    HttpAsyncJobOperator(
        task_id="http_callback",
        endpoint="status_field/jobs",
        json={"n": N},
        profile="status_field",
        profile_options={"status_path": "status_field/jobs/{job_id}"},
        cancel="status_field/jobs/{job_id}/cancel",
        result_url_field="resultUrl",
        callback=True,
        callback_field="callbackUrl",
        destination=f"{DISK}-http_callback.dat",
        **CALLBACK,
        **arguments,
    )


for name, changes in {"chaos_jobs": {}, "chaos_deadline": {"timeout": 25, "retries": 0}}.items():
    with DAG(name, schedule=None, catchup=False, max_active_runs=200, max_active_tasks=200):
        jobs(**changes)

with DAG("chaos_large", schedule=None, catchup=False, max_active_runs=200, max_active_tasks=200):
    JaggaerAsoDownloadOperator(
        task_id="aso_s3",
        conn_id="chaos_aso_oauth",
        endpoint=f"event/{N}2/apiRates/async",
        destination=f"{S3}-aso_s3.dat",
        **ARGUMENTS,
    )

with DAG("chaos_on_workers", schedule=None, catchup=False, max_active_runs=200, max_active_tasks=200):
    polled(deferrable=False)

#: Jobs at hosts that never answer, on connections of their own; as many at each as the run says.
SILENT_HOSTS = 12


with DAG("chaos_silent", schedule=None, catchup=False, max_active_runs=10, max_active_tasks=400) as silent:

    @task
    def places(**context: Any) -> list[dict[str, str]]:
        """Which job to ask about, and where."""
        each = int(context["dag_run"].conf["each"])
        return [
            {"http_conn_id": f"chaos_silent_{host}", "endpoint": f"jobs/{number}"}
            for host in range(SILENT_HOSTS)
            for number in range(each)
        ]

    HttpAsyncJobSensor.partial(task_id="silent", poke_interval=5, timeout=1800).expand_kwargs(places())
