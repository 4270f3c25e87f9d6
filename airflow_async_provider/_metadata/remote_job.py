# SPDX-License-Identifier: Apache-2.0
"""Jobs that code of the DAG's author starts, anywhere."""

from __future__ import annotations

from airflow_async_provider._metadata.system import System

REMOTE_JOB = System(
    name="Remote jobs of your own",
    url="https://airflow.apache.org/docs/apache-airflow/stable/authoring-and-scheduling/deferring.html",
    tags=("protocol",),
    operators={
        "remote_job": {
            "RemoteJobOperator": "Start anything with a function of your own, and wait without a worker for "
            "its callback or by polls"
        }
    },
    protocols={"remote_job": "_remote_job.RemoteJobProtocol"},
    hook="_remote_job.RemoteJobHook",
    decorators={"remote_job": "remote_job.remote_job_task"},
)
