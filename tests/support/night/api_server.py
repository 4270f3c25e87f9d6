# SPDX-License-Identifier: Apache-2.0
"""An Airflow whose API server alone is up, behind a path prefix, with the waiting tasks of a night."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.harness.airflow_with_users import AirflowWithUsers

DAGS = Path(__file__).parent / "dags"

#: DAG -> how many tasks of it wait.
WAITING = {"supplier_exports": 26, "night_batch": 16, "crm_export": 6, "month_end": 2}


class AirflowAtNight(AirflowWithUsers):
    """As described above; :attr:`runs` has the id of each DAG's run."""

    def __init__(self, **options: Any) -> None:
        super().__init__(components=("api-server",), dag_folders=[DAGS], **options)
        self.runs: dict[str, str] = {}

    def start_all(self) -> None:
        """Start, make the runs, and put their tasks to waiting."""
        super().start_all()
        self._run_once("reserialize", "dags", "reserialize")
        for dag_id in WAITING:
            self.client.unpause(dag_id)
            self.runs[dag_id] = self.client.trigger(dag_id, run_id="manual__2026-11-26T01:30:00+00:00")
        command = [sys.executable, "-m", "tests.support.night.jobs", self.root]
        done = subprocess.run(
            command, env=self.env, cwd=self.home, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(
                f"the tasks were not put to waiting:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
