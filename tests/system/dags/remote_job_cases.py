# SPDX-License-Identifier: Apache-2.0
"""Tasks whose jobs the tests of remote jobs start, end and break."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from airflow_async_provider.operators.remote_job import Submission


def begun() -> Path:
    """Where the test sees that a function runs."""
    return Path(get_current_context()["params"]["begun"])


def find(submission: Submission) -> str:
    """The job of a try that was killed while it started it."""
    assert submission.correlation_id
    return "found"


with DAG("remote_job_cases", schedule=None, catchup=False, params={"begun": ""}) as dag:

    @task.remote_job(find=find, retries=1, retry_delay=timedelta(seconds=1), timeout=1800)
    def killed(submission: Submission) -> Any:
        """Started, but its worker does not live to say so."""
        with begun().open("a") as file:
            file.write(f"{os.getpid()} {submission.callback.url}\n")
        time.sleep(120)

    killed()
