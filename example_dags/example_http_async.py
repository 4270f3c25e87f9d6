# SPDX-License-Identifier: Apache-2.0
"""
Any API that answers 202: one task for each convention, and a sensor for a job that somebody else started.

Needs the connection ``http_default`` (type ``http``). The endpoints are those of this package's simulator
(``python -m airflow_async_provider.simulators http``). The destination folder comes from the run's
configuration or from the parameter's default; ``s3://bucket/prefix`` works as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import DAG, Param

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator

FOLDER = "{{ params.folder }}/{{ run_id }}"
REPORT = {"year": 2026}


def status_url(response: Any) -> str:
    """What the HTTP provider's operator leaves for the sensor."""
    return str(response.json()["statusUrl"])


with DAG(
    "example_http_async",
    schedule=None,
    catchup=False,
    params={"folder": Param("/tmp/http", type="string")},  # noqa: S108 - an example's default folder
    tags=["example", "http"],
    default_args={"poll_interval": 1, "timeout": timedelta(minutes=30)},
    doc_md=__doc__,
) as dag:
    # 202 and Location. The last answer leads to a file elsewhere, which is fetched without credentials.
    HttpAsyncJobOperator(
        task_id="location",
        endpoint="location/jobs",
        json=REPORT,
        cancel="delete",
        idempotency_key=True,
        destination=f"{FOLDER}/location.dat",
    )

    # Operation-Location; the result is a JSON value and goes to XCom.
    HttpAsyncJobOperator(task_id="azure", endpoint="azure/jobs", json=REPORT, profile="azure")

    # Azure-AsyncOperation, and the final GET of the first answer's Location.
    HttpAsyncJobOperator(task_id="azure_arm", endpoint="azure_arm/jobs", json=REPORT, profile="azure")

    # An operation; the path in front of its name is an option.
    HttpAsyncJobOperator(
        task_id="google",
        endpoint="google/v1/reports:export",
        json=REPORT,
        profile="google",
        profile_options={"operation_path": "google/v1/{job_id}"},
    )

    # "Prefer: respond-async" goes along by itself; DELETE cancels.
    HttpAsyncJobOperator(task_id="odata", endpoint="odata/Reports", json=REPORT, profile="odata")

    # A status word in a JSON document. The remote calls back; polls are only the safety net.
    HttpAsyncJobOperator(
        task_id="status_field",
        endpoint="status_field/jobs",
        json=REPORT,
        profile="status_field",
        profile_options={"status_path": "status_field/jobs/{job_id}"},
        cancel="status_field/jobs/{job_id}/cancel",
        result_url_field="resultUrl",
        callback=True,
        callback_field="callbackUrl",
        destination=f"{FOLDER}/status_field.dat",
    )

    # Somebody else starts the job; here it is the HTTP provider's own operator.
    start = HttpOperator(
        task_id="start",
        endpoint="status_field/jobs",
        data='{"year": 2025}',
        headers={"Content-Type": "application/json"},
        response_filter=status_url,
    )
    wait = HttpAsyncJobSensor(
        task_id="wait",
        status_url=start.output,
        profile_options={"result_url_field": "resultUrl"},
    )
    fetch = AsyncResultDownloadOperator(
        task_id="fetch", job=wait.output, conn_id="http_default", destination=f"{FOLDER}/fetched.dat"
    )
    start >> wait >> fetch
