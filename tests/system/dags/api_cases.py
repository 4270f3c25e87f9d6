# SPDX-License-Identifier: Apache-2.0
"""DAGs that another Airflow starts through this one's REST API."""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import DAG, task

with DAG("api_conf", schedule=None):

    @task(retries=0)
    def answer(dag_run: Any = None) -> Any:
        """Take so long, and fail, as the run's conf says."""
        time.sleep(dag_run.conf.get("seconds", 0))
        if dag_run.conf.get("fail"):
            raise ValueError("told to fail")
        return dag_run.conf.get("name")

    answer()
