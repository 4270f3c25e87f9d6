# SPDX-License-Identifier: Apache-2.0
"""When the tasks of a run were deferred."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.support.harness.real_airflow import MAP_INDEX, RealAirflow


def waiting(airflow: RealAirflow, dag_id: str, run_id: str) -> dict[int, float]:
    """Map index and moment of deferral of the tasks that are deferred now."""
    rows = airflow.db(
        f"select ti.{MAP_INDEX} as map_index, t.created_date "
        "from task_instance ti join trigger t on ti.trigger_id = t.id "
        "where ti.dag_id = ? and ti.run_id = ? and ti.state = 'deferred'",
        [dag_id, run_id],
    )
    return {row["map_index"]: moment(row["created_date"]) for row in rows}


def moment(value: Any) -> float:
    """Seconds since the epoch, from what a database gives."""
    when = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
