# SPDX-License-Identifier: Apache-2.0
"""Schedulers by their descriptions: Control-M, Airbyte, Celery Flower, Prefect, Slurm, Airflow."""

from __future__ import annotations

from tests.support.stand_ins import DOCUMENT, FAILED, Row

SCRIPT = {"script": "#!/bin/sh\ntrue\n", "job": {"current_working_directory": "/tmp", "environment": ["A=1"]}}

ROWS = [
    Row(
        profile="controlm_run",
        api="controlm",
        json={"ctm": "ctm", "folder": "F"},
        result=DOCUMENT,
        ends={"fail": (FAILED, "Ended Not OK"), "partial": (FAILED, "Ended Not OK")},
        cancelled=FAILED,
    ),
    Row(
        profile="airbyte_job",
        api="airbyte",
        json={"connectionId": "c", "jobType": "sync"},
        result=DOCUMENT,
        ends={"fail": (FAILED, "failed"), "incomplete": (FAILED, "failed")},
    ),
    Row(
        profile="celery_flower",
        api="flower",
        options={"task": "tasks.add"},
        json={"args": [1, 2]},
        result=3,
        ends={"fail": (FAILED, "ValueError")},
    ),
    Row(
        profile="prefect_flow_run",
        api="prefect",
        options={"deployment_id": "d"},
        json={"parameters": {}},
        result=DOCUMENT,
        ends={"fail": (FAILED, "encountered an exception"), "crash": (FAILED, "CRASHED")},
    ),
    Row(
        profile="slurm_job",
        api="slurm",
        json=SCRIPT,
        result=DOCUMENT,
        ends={
            "fail": (FAILED, "NonZeroExitCode"),
            "timeout": (FAILED, "TIMEOUT"),
            "memory": (FAILED, "OUT_OF_MEMORY"),
        },
    ),
    Row(
        profile="slurm_job",
        label="slurm_job-one_word",
        api="slurm",
        options={"version": "v0.0.38"},
        json=SCRIPT,
        result=DOCUMENT,
        ends={"fail": (FAILED, "NonZeroExitCode")},
    ),
    Row(
        profile="airflow_dag_run",
        api="airflow",
        options={"dag_id": "d"},
        result=DOCUMENT,
        ends={"fail": (FAILED, "failed")},
        cancelled=FAILED,
    ),
    Row(
        profile="airflow_dag_run",
        label="airflow_dag_run-xcom",
        api="airflow",
        options={
            "dag_id": "d",
            "result": {
                "from": "GET api/v2/dags/{dag_id}/dagRuns/{job_id}/taskInstances/t/xcomEntries/return_value",
                "value": "value",
            },
        },
        json={"logical_date": None, "conf": {"a": 1}},
        result={"rows": 3},
        ends={"fail": (FAILED, "failed")},
        cancelled=FAILED,
    ),
]
