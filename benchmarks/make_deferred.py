# SPDX-License-Identifier: Apache-2.0
"""Part of ``triggerer.py``: writes deferred tasks with their triggers into the database, as workers would."""

from __future__ import annotations

import sys
import time
from typing import Any


def main(kind: str, run_id: str, interval: str) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import select

    make = {"ours": ours, "peer": peer}[kind]
    with create_session() as session:
        which = select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.map_index >= 0)
        for ti in session.scalars(which.order_by(TaskInstance.map_index)).all():
            made = make(ti.map_index, float(interval))
            trigger = Trigger.from_object(made)
            session.add(trigger)
            session.flush()
            ti.state, ti.trigger_id = "deferred", trigger.id
            ti.next_method, ti.next_kwargs = "execute_complete", {}


def ours(number: int, interval: float) -> Any:
    """What ``HttpAsyncJobSensor`` defers with."""
    from airflow_async_provider._polling.policy import PollPolicy
    from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
    from airflow_async_provider.triggers.async_job import AsyncJobTrigger

    now = time.time()
    sensor = HttpAsyncJobSensor(task_id="t", http_conn_id="remote", endpoint=f"status/{number}")
    return AsyncJobTrigger(
        job={**sensor.handle().to_dict(), "submitted_at": now},
        conn_id="remote",
        policy=PollPolicy(poll_interval=interval, max_poll_interval=interval).to_dict(),
        deadline=now + 3600,
        deferred_at=now,
    )


def peer(number: int, interval: float) -> Any:
    """What ``HttpSensor(deferrable=True)`` defers with."""
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    return HttpSensorTrigger(endpoint=f"missing/{number}", http_conn_id="remote", poke_interval=interval)


if __name__ == "__main__":
    main(*sys.argv[1:])
