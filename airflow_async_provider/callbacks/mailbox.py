# SPDX-License-Identifier: Apache-2.0
"""
The mailbox as the task sees it: XCom, read and written through the supervisor.

The base class of XCom is used on purpose, past a configured XCom backend: the receiver reads and writes the
same rows in the database and knows no backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from airflow_async_provider.callbacks.address import TaskKey
from airflow_async_provider.callbacks.registration import MAILBOX_KEY, REGISTRATION_KEY, Letter, Registration


def expect(task: TaskKey, registration: Registration) -> None:
    """Announce a callback, from the worker, before the job is submitted."""
    from airflow.sdk.bases.xcom import BaseXCom

    BaseXCom.set(key=REGISTRATION_KEY, value=registration.to_dict(), **_where(task))


def look(task: TaskKey) -> Letter | None:
    """The accepted callback, None when there is none. Looking costs a line in the log of older Airflows."""
    from airflow.sdk.bases.xcom import BaseXCom

    return Letter.from_dict(BaseXCom.get_one(key=MAILBOX_KEY, **_where(task)))


async def alook(task: TaskKey) -> Letter | None:
    """Async twin of :func:`look`: the call to the supervisor happens in a thread, not on the event loop."""
    return await asyncio.to_thread(look, task)


def key_of(task_instance: Any) -> TaskKey:
    """The key of Airflow's task instance object, in the worker or in the triggerer."""
    return TaskKey(
        task_instance.dag_id, task_instance.run_id, task_instance.task_id, _map_index(task_instance.map_index)
    )


def _map_index(value: int | None) -> int:
    return -1 if value is None else value


def _where(task: TaskKey) -> Mapping[str, Any]:
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
    }
