# SPDX-License-Identifier: Apache-2.0
"""Part of ``callback_wake.py``: writes waiting tasks into Airflow's database, as deferring workers would."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

#: The receiver wakes tasks only that wait in a trigger of ours.
TRIGGER = "airflow_async_provider.triggers.async_job.AsyncJobTrigger"


def main(run_id: str, base_url: str) -> None:
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from airflow_async_provider._callbacks.address import TaskKey, hash_of, new_address
    from airflow_async_provider._callbacks.registration import REGISTRATION_KEY, Registration

    addresses = []
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    with create_session() as session:
        which = select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.map_index >= 0)
        for ti in session.scalars(which.order_by(TaskInstance.map_index)).all():
            ti.next_method = "execute_complete"
            ti.next_kwargs = {}
            if ti.task_id == "person":
                ti.state = "awaiting_input"
                session.add(HITLDetail(ti_id=ti.id, options=["yes"], subject="?", params={}, multiple=False))
                continue
            trigger = Trigger(classpath=TRIGGER, kwargs={}, created_date=long_ago)
            session.add(trigger)
            session.flush()
            ti.state, ti.trigger_id = "deferred", trigger.id
            address = new_address(base_url, TaskKey(ti.dag_id, ti.run_id, ti.task_id, ti.map_index))
            addresses.append(address.url_with_secret)
            registration = Registration(
                secret_hash=hash_of(address.secret), deadline=time.time() + 3600, protocol="http_location"
            )
            where: dict[str, Any] = {
                "dag_id": ti.dag_id,
                "run_id": ti.run_id,
                "task_id": ti.task_id,
                "map_index": ti.map_index,
            }
            XComModel.set(
                key=REGISTRATION_KEY, value=registration.to_text(), serialize=False, session=session, **where
            )
    print(json.dumps(addresses))


if __name__ == "__main__":
    main(*sys.argv[1:])
