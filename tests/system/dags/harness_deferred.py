# SPDX-License-Identifier: Apache-2.0
"""DAGs that prove the harness itself: tasks that defer, without this project's operators."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, task

with DAG("harness_deferred", schedule=None):

    @task
    def after() -> dict[str, int]:
        """A value for the XCom."""
        return {"answer": 42}

    TimeDeltaSensor(task_id="wait", delta=timedelta(seconds=4), deferrable=True) >> after()
