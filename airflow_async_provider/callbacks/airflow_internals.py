# SPDX-License-Identifier: Apache-2.0
"""
Every internal name of Airflow that this package uses, in one place.

Runs in the API server only, where a plugin's app has the database. Each function here has a test on each
supported Airflow version (3.1, 3.2, 3.3); what an older version lacks is answered here and nowhere else.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_async_provider.callbacks.address import TaskKey
from airflow_async_provider.callbacks.registration import DURABLE_KEY, MAILBOX_KEY, REGISTRATION_KEY

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Task states in which a callback may still be of use to the task itself.
OPEN_STATES = frozenset({"scheduled", "queued", "running", "deferred", "restarting", "up_for_retry"})


@contextmanager
def transaction() -> Iterator[Session]:
    """One database transaction: committed at the end, rolled back on any error."""
    from airflow.utils.session import create_session

    with create_session() as session:
        yield session


def is_store_down(error: BaseException) -> bool:
    """Whether an error means that the database cannot be reached or is busy, so that a later try may do."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError

    return isinstance(error, PoolTimeoutError | DBAPIError) or (
        isinstance(error, SQLAlchemyError) and "connection" in str(error).lower()
    )


def registration_of(session: Session, task: TaskKey) -> Any:
    """The announced callback of a task, as stored; None when there is none."""
    return _xcom(session, task, REGISTRATION_KEY)


def letter_of(session: Session, task: TaskKey) -> Any:
    """The accepted callback of a task, as stored; None when there is none."""
    return _xcom(session, task, MAILBOX_KEY)


def _xcom(session: Session, task: TaskKey, key: str) -> Any:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    value = session.scalar(
        select(XComModel.value).where(
            XComModel.dag_id == task.dag_id,
            XComModel.run_id == task.run_id,
            XComModel.task_id == task.task_id,
            XComModel.map_index == task.map_index,
            XComModel.key == key,
        )
    )
    # Airflow 3.1 stores the serialized text inside the JSON column.
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value


def durable_of(session: Session, task: TaskKey) -> dict[str, Any]:
    """What the task remembers across tries; empty before Airflow 3.3."""
    try:
        from airflow.models.task_state_store import TaskStateStoreModel
    except ImportError:
        return {}
    from sqlalchemy import select

    value = session.scalar(
        select(TaskStateStoreModel.value).where(
            TaskStateStoreModel.dag_id == task.dag_id,
            TaskStateStoreModel.run_id == task.run_id,
            TaskStateStoreModel.task_id == task.task_id,
            TaskStateStoreModel.map_index == task.map_index,
            TaskStateStoreModel.key == DURABLE_KEY,
        )
    )
    try:
        found = json.loads(value) if value else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def lock_task(session: Session, task: TaskKey) -> Any:
    """
    The task instance, locked against the worker's switch to DEFERRED and against other callbacks.

    PostgreSQL and MySQL lock the row. SQLite has no row locks: a write that changes nothing takes its one
    write lock, without which reading first and writing later would fail as "database is locked".

    :return: Airflow's TaskInstance, None when there is no such task
    """
    from airflow.models.taskinstance import TaskInstance as TI
    from sqlalchemy import select, update

    which = (
        TI.dag_id == task.dag_id,
        TI.run_id == task.run_id,
        TI.task_id == task.task_id,
        TI.map_index == task.map_index,
    )
    if session.get_bind().dialect.name == "sqlite":
        session.execute(
            update(TI)
            .where(*which)
            .values(task_id=TI.task_id, updated_at=TI.updated_at)
            .execution_options(synchronize_session=False)
        )
    return session.scalar(select(TI).where(*which).with_for_update(of=TI))


def state_of(task_instance: Any) -> str:
    """The task's state as a plain word; empty when it has none (cleared)."""
    state = task_instance.state
    return "" if state is None else str(getattr(state, "value", state))


def may_be_woken_at(task_instance: Any, settle: float) -> datetime | None:
    """The first moment at which a deferred task may be resumed; None when it is not deferred."""
    trigger = task_instance.trigger
    if state_of(task_instance) != "deferred" or trigger is None:
        return None
    created: datetime = trigger.created_date
    return created + timedelta(seconds=settle)


def put_letter(session: Session, task: TaskKey, letter: dict[str, Any]) -> None:
    """Store an accepted callback, in the form in which the execution API stores XComs."""
    from airflow.models.xcom import XComModel

    arguments: dict[str, Any] = {
        "key": MAILBOX_KEY,
        "value": letter,
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
        "session": session,
    }
    if "serialize" in inspect.signature(XComModel.set).parameters:
        arguments["serialize"] = False
    XComModel.set(**arguments)


def keep_letter(session: Session, task: TaskKey, letter: dict[str, Any]) -> None:
    """Store an accepted callback where a new try still finds it; does nothing before Airflow 3.3."""
    try:
        from airflow.models.task_state_store import TaskStateStoreModel
    except ImportError:
        return
    from sqlalchemy import select

    row = session.scalar(
        select(TaskStateStoreModel).where(
            TaskStateStoreModel.dag_id == task.dag_id,
            TaskStateStoreModel.run_id == task.run_id,
            TaskStateStoreModel.task_id == task.task_id,
            TaskStateStoreModel.map_index == task.map_index,
            TaskStateStoreModel.key == DURABLE_KEY,
        )
    )
    if row is not None:
        # The row is the worker's; a letter goes along with what it remembers.
        row.value = json.dumps({**json.loads(row.value), "letter": letter})


def resume(session: Session, task_instance: Any, event: dict[str, Any]) -> None:
    """Hand an event to a deferred task, as the triggerer and the human-in-the-loop endpoint do."""
    from airflow.models.trigger import handle_event_submit
    from airflow.triggers.base import TriggerEvent

    handle_event_submit(TriggerEvent(event), task_instance=task_instance, session=session)


def count(name: str, **tags: str) -> None:
    """Count something in Airflow's metrics."""
    _stats().incr(f"async_provider.{name}", tags=tags)


def timing(name: str, seconds: float, **tags: str) -> None:
    """Record a duration in Airflow's metrics."""
    _stats().timing(f"async_provider.{name}", timedelta(seconds=seconds), tags=tags)


def _stats() -> Any:
    try:
        from airflow.sdk.observability import stats
    except ImportError:
        pass
    else:
        if hasattr(stats, "incr"):
            return stats
    from airflow.stats import Stats  # before 3.3

    return Stats


def connection_of(conn_id: str) -> Any:
    """
    An Airflow connection, from the secrets backends or the database.

    :raises AirflowNotFoundException: there is none
    """
    from airflow.models.connection import Connection

    return Connection.get_connection_from_secrets(conn_id)
