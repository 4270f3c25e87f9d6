# SPDX-License-Identifier: Apache-2.0
"""A DAG that proves the harness itself: a task that defers, without this project's operators."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG, task


def in_a_moment(conf: dict[str, float]) -> str:
    """
    When the wait is over: ``seconds`` of the run's configuration from now, default 25.

    Airflow's own triggers know no settle time: its scheduler fails now and then a task that one of them
    resumes within the first seconds after its deferral, on a busy machine more of them.
    """
    return (datetime.now(UTC) + timedelta(seconds=conf.get("seconds", 25))).isoformat()


with DAG("harness_deferred", schedule=None, user_defined_macros={"in_a_moment": in_a_moment}):

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def after(dag_run: Any = None) -> dict[str, int]:
        """A value for the XCom, after ``busy`` seconds of the run's configuration."""
        time.sleep(dag_run.conf.get("busy", 0))
        return {"answer": 42}

    DateTimeSensorAsync(task_id="wait", target_time="{{ in_a_moment(dag_run.conf) }}") >> after()
