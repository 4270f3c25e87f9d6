# SPDX-License-Identifier: Apache-2.0
"""
Every internal name of Airflow that this package uses, in one place.

Runs in the API server (counting runs everywhere), where a plugin's app has the database. Each function here
has a test on each supported Airflow version (3.1, 3.2, 3.3); what an older version lacks is answered here and
nowhere else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    DURABLE_KEY,
    MAILBOX_KEY,
    REGISTRATION_KEY,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: Task states in which a callback may still be of use to the task itself.
OPEN_STATES = frozenset({"scheduled", "queued", "running", "deferred", "restarting", "up_for_retry"})

#: Only tasks that wait in a trigger of this package are resumed: another one's next method would not know
#: what to do with our event.
OUR_TRIGGERS = "airflow_async_provider."

#: A callback waits so long for somebody else's lock on its task (seconds); then its sender repeats it.
MAX_LOCK = 15.0


@contextmanager
def transaction() -> Iterator[Session]:
    """One database transaction: committed at the end, rolled back on any error."""
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        yield session


def is_store_down(error: BaseException) -> bool:
    """Whether an error means that the database cannot be reached or is busy, so that a later try may do."""
    from sqlalchemy.exc import (
        DisconnectionError,
        IntegrityError,
        InterfaceError,
        InternalError,
        OperationalError,
    )
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError

    # IntegrityError: somebody else was faster with the same row.
    return isinstance(
        error,
        OperationalError
        | InterfaceError
        | InternalError
        | DisconnectionError
        | IntegrityError
        | PoolTimeoutError,
    )


def registration_of(session: Session, task: TaskKey) -> Any:
    """The announced callback of a task, as stored; None when there is none."""
    return _xcom(session, task, REGISTRATION_KEY)


def delivery_of(session: Session, task: TaskKey) -> Any:
    """The accepted callback of a task, as stored; None when there is none."""
    return _xcom(session, task, MAILBOX_KEY)


def _xcom(session: Session, task: TaskKey, key: str) -> Any:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    return session.scalar(
        select(XComModel.value).where(
            XComModel.dag_id == task.dag_id,
            XComModel.run_id == task.run_id,
            XComModel.task_id == task.task_id,
            XComModel.map_index == task.map_index,
            XComModel.key == key,
        )
    )


def put_delivery(session: Session, task_instance: Any, stored: str) -> None:
    """Store an accepted callback, in the form in which the execution API stores XComs of tasks."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import delete

    row = {
        "dag_run_id": task_instance.dag_run.id,
        "task_id": task_instance.task_id,
        "map_index": task_instance.map_index,
        "key": MAILBOX_KEY,
    }
    session.execute(delete(XComModel).filter_by(**row))
    # Not XComModel.set: in Airflow 3.1 it encodes a second time what the task will decode once.
    session.add(XComModel(**row, dag_id=task_instance.dag_id, run_id=task_instance.run_id, value=stored))
    session.flush()


def durable_of(session: Session, task: TaskKey) -> dict[str, Any]:
    """What the task remembers across tries; empty before Airflow 3.3 and where workers keep it elsewhere."""
    try:
        from airflow.state import TaskScope, get_state_backend
    except ImportError:
        return {}
    value = get_state_backend().get(TaskScope(**_scope(task)), DURABLE_KEY, session=session)
    try:
        found = json.loads(value) if value else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def keep_delivery(session: Session, task: TaskKey, stored: str) -> None:
    """Store an accepted callback where a new try still finds it; does nothing before Airflow 3.3."""
    try:
        from airflow.state import TaskScope, get_state_backend
    except ImportError:
        return
    from airflow.configuration import conf

    days = conf.getint("state_store", "default_retention_days", fallback=0)
    get_state_backend().set(
        TaskScope(**_scope(task)),
        DURABLE_DELIVERY_KEY,
        json.dumps(stored),
        expires_at=datetime.now(UTC) + timedelta(days=days) if days > 0 else None,
        session=session,
    )


def _scope(task: TaskKey) -> dict[str, Any]:
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
    }


def lock_task(session: Session, task: TaskKey) -> Any:
    """
    The task instance, locked against the worker's switch to DEFERRED and against other callbacks.

    PostgreSQL and MySQL lock the row. SQLite has no row locks: a write that changes nothing takes its one
    write lock, without which reading first and writing later would fail as "database is locked".

    :return: Airflow's TaskInstance, None when there is no such task
    """
    from airflow.models.taskinstance import TaskInstance as TI
    from sqlalchemy import select, text, update

    which = (
        TI.dag_id == task.dag_id,
        TI.run_id == task.run_id,
        TI.task_id == task.task_id,
        TI.map_index == task.map_index,
    )
    dialect = session.get_bind().dialect.name
    if dialect == "sqlite":
        session.execute(
            update(TI)
            .where(*which)
            .values(task_id=TI.task_id, updated_at=TI.updated_at)
            .execution_options(synchronize_session=False)
        )
    elif dialect == "postgresql":
        # Its default is to wait for ever, with a thread and a connection of the API server.
        session.execute(text(f"SET LOCAL lock_timeout = {int(MAX_LOCK * 1000)}"))
    return session.scalar(select(TI).where(*which).with_for_update(of=TI))


def state_of(task_instance: Any) -> str:
    """The task's state as a plain word; empty when it has none (cleared)."""
    state = task_instance.state
    return "" if state is None else str(getattr(state, "value", state))


def deferred_at(task_instance: Any) -> datetime | None:
    """When the task began to wait in a trigger of ours; None when it does not wait in one."""
    trigger = task_instance.trigger
    if state_of(task_instance) != "deferred" or trigger is None:
        return None
    if not trigger.classpath.startswith(OUR_TRIGGERS):
        return None
    created: datetime = trigger.created_date
    return created


def resume(session: Session, task_instance: Any, event: dict[str, Any]) -> None:
    """Hand an event to a deferred task, as the triggerer and the human-in-the-loop endpoint do."""
    from airflow.models.trigger import handle_event_submit
    from airflow.triggers.base import TriggerEvent

    handle_event_submit(TriggerEvent(event), task_instance=task_instance, session=session)


def connection_of(conn_id: str) -> Any:
    """
    An Airflow connection, from the secrets backends or the database; None when there is none.

    :raises Exception: what a secrets backend raises that cannot be reached
    """
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # re-exported there
    from airflow.models.connection import Connection

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return None


def count(name: str, **tags: str) -> None:
    """Count something in Airflow's metrics; never raises."""
    try:
        _stats().incr(f"async_provider.{name}", tags=tags)
    except Exception as e:  # noqa: BLE001 - a metrics server's trouble must not undo or hide the work counted
        log.debug("Not counted: %s", type(e).__name__)


def timing(name: str, seconds: float, **tags: str) -> None:
    """Record a duration in Airflow's metrics; never raises."""
    try:
        _stats().timing(f"async_provider.{name}", timedelta(seconds=seconds), tags=tags)
    except Exception as e:  # noqa: BLE001 - as above
        log.debug("Not timed: %s", type(e).__name__)


def _stats() -> Any:
    try:
        from airflow.sdk.observability import stats
    except ImportError:
        from airflow.stats import Stats  # Airflow 3.1

        return Stats
    # The API server of 3.2 and 3.3 sets these statistics up with the first import of this module.
    import airflow.sdk.serde  # noqa: F401 - imported for that

    return stats if hasattr(stats, "incr") else stats.Stats
