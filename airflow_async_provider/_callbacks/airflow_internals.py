# SPDX-License-Identifier: Apache-2.0
"""
Every internal name of Airflow that this package uses, in one place.

Runs in the API server (counting runs everywhere), where a plugin's app has the database. Each function here
has a test on each supported Airflow version (3.1 to 3.4); what an older version lacks is answered here and
nowhere else. A branch for older versions names the release from which it is no longer needed, so that it goes
when that release is the oldest one supported.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.registration import (
    BY_HAND_KEY,
    DURABLE_DELIVERY_KEY,
    DURABLE_KEY,
    MAILBOX_KEY,
    REGISTRATION_KEY,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)


def _release() -> tuple[int, int]:
    """Airflow's release line here, such as ``(3, 4)``."""
    try:
        major, minor = version("apache-airflow-core").split(".")[:2]
    except PackageNotFoundError:
        # A worker may have the Task SDK alone, whose 1.x belongs to Airflow 3.x.
        major, minor = version("apache-airflow-task-sdk").split(".")[:2]
        return int(major) + 2, int(minor)
    return int(major), int(minor)


AIRFLOW = _release()


def is_core_installed() -> bool:
    """Whether Airflow's models can be imported here; a worker may have the Task SDK alone."""
    from importlib.util import find_spec

    return find_spec("airflow.models") is not None


#: The release lines that this module was tested on. See also ``pyproject.toml``.
TESTED = ((3, 1), (3, 4))

#: From Airflow 3.4 every try of a task is a row of its own with its own UUID (only one of them is live) and
#: its own XComs, and several live rows may share dag, run, task and map index: the iterations of a loop.
HAS_ATTEMPTS = AIRFLOW >= (3, 4)

#: Below Airflow 3.4 a trigger that another triggerer has taken over is cancelled as if a user had ended it.
#: Not needed from 3.4 on, and wrong there: iterations of a loop cannot be told apart by what is asked.
HANDOVER_KILLS = AIRFLOW < (3, 4)

#: Whether a trigger may end its task: before Airflow 3.3 it has no retries then, and no task to push for.
ENDS_FROM_TRIGGER = AIRFLOW >= (3, 3)

#: Task states in which a callback may still be of use to the task itself.
OPEN_STATES = frozenset({"scheduled", "queued", "running", "deferred", "restarting", "up_for_retry"})

#: Only tasks that wait in a trigger of this package are resumed: another one's next method would not know
#: what to do with our event.
OUR_TRIGGERS = "airflow_async_provider."

#: A callback waits so long for another transaction's lock on its task (seconds); then its sender repeats it.
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

    # IntegrityError: another transaction was faster with the same row.
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
    """The registered callback of a task, as stored; None when there is none."""
    return _xcom(session, task, REGISTRATION_KEY)


def delivery_of(session: Session, task: TaskKey) -> Any:
    """The accepted callback of a task, as stored; None when there is none."""
    return _xcom(session, task, MAILBOX_KEY)


def _xcom(session: Session, task: TaskKey, key: str) -> Any:
    from airflow.models.taskinstance import TaskInstance as TI
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    if HAS_ATTEMPTS:
        # Reads what 3.3 has stored, too: tasks may wait while Airflow is upgraded.
        xcoms: Any = XComModel
        live = select(TI.id).where(*_live_row_of(task))
        found = session.scalars(xcoms.get_many(run_id=task.run_id, key=key, producer_ids=live)).first()
        return None if found is None else found.value
    return session.scalar(  # not needed from Airflow 3.4 on
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
    _put_xcom(session, task_instance, MAILBOX_KEY, stored)


def put_by_hand(session: Session, task_instance: Any, stored: str) -> None:
    """Store that a person has resumed the task, in the same form."""
    _put_xcom(session, task_instance, BY_HAND_KEY, stored)


def _put_xcom(session: Session, task_instance: Any, key: str, stored: str) -> None:
    from airflow.models.xcom import XComModel
    from sqlalchemy import delete

    if HAS_ATTEMPTS:
        XComModel.set_for_attempt(
            task_instance_id=task_instance.id, key=key, value=stored, serialize=False, session=session
        )
        return
    row = {  # not needed from Airflow 3.4 on
        "dag_run_id": task_instance.dag_run.id,
        "task_id": task_instance.task_id,
        "map_index": task_instance.map_index,
        "key": key,
    }
    session.execute(delete(XComModel).filter_by(**row))
    # Not XComModel.set: in Airflow 3.1 it encodes a second time what the task will decode once.
    session.add(XComModel(**row, dag_id=task_instance.dag_id, run_id=task_instance.run_id, value=stored))
    session.flush()


def _live_row_of(task: TaskKey) -> tuple[Any, ...]:
    """
    Conditions on TaskInstance that hold for the live row of a task, and for no other.

    An address names the try that it was made in. A later try is another row at the same place: in the same
    iteration of the same loop.
    """
    from airflow.models.taskinstance import TaskInstance as TI
    from sqlalchemy import select, true

    which = (TI.dag_id == task.dag_id, TI.run_id == task.run_id, TI.task_id == task.task_id)
    if not HAS_ATTEMPTS:  # not needed from Airflow 3.4 on
        return (*which, TI.map_index == task.map_index)
    live = TI.working_set.is_(true())
    if not task.attempt:  # a person has named the task, which is in no loop then
        from airflow.models.dynamic_region import (  # type: ignore[import-not-found] # since Airflow 3.4
            public_region_filter,
        )

        outside_loops = public_region_filter(
            TI, dag_ids=task.dag_id, run_ids=task.run_id, task_ids=task.task_id
        )
        return (*which, live, outside_loops, TI.region_index == task.map_index)
    # The table and not the class: to that Airflow would add "only live rows".
    named = TI.__table__.alias()
    same_place = (
        named.c[c] == getattr(TI, c) for c in ("dag_id", "run_id", "task_id", "region_id", "region_index")
    )
    return (*which, live, select(1).where(named.c.id == UUID(task.attempt), *same_place).exists())


def durable_of(session: Session, task: TaskKey) -> dict[str, Any]:
    """What the task remembers across tries; empty before Airflow 3.3 and where workers keep it elsewhere."""
    found = _state(session, task, DURABLE_KEY)
    return found if isinstance(found, dict) else {}


def kept_delivery_of(session: Session, task: TaskKey) -> Any:
    """What :func:`keep_delivery` has stored; None when there is nothing."""
    return _state(session, task, DURABLE_DELIVERY_KEY)


def _state(session: Session, task: TaskKey, key: str) -> Any:
    try:
        from airflow.state import TaskScope, get_state_backend
    except ImportError:
        return None
    value = get_state_backend().get(TaskScope(**_scope(session, task)), key, session=session)
    try:
        return json.loads(value) if value else None
    except ValueError:
        return None


def keep_delivery(session: Session, task: TaskKey, stored: str) -> None:
    """Store an accepted callback where a new try still finds it; does nothing before Airflow 3.3."""
    try:
        from airflow.state import TaskScope, get_state_backend
    except ImportError:
        return
    from airflow.configuration import conf

    days = conf.getint("state_store", "default_retention_days", fallback=0)
    get_state_backend().set(
        TaskScope(**_scope(session, task)),
        DURABLE_DELIVERY_KEY,
        json.dumps(stored),
        expires_at=datetime.now(UTC) + timedelta(days=days) if days > 0 else None,
        session=session,
    )


def _scope(session: Session, task: TaskKey) -> dict[str, Any]:
    named = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id}
    if not HAS_ATTEMPTS:  # not needed from Airflow 3.4 on
        return {**named, "map_index": task.map_index}
    from airflow.models.taskinstance import TaskInstance as TI
    from sqlalchemy import select

    place = session.execute(select(TI.region_id, TI.region_index).where(*_live_row_of(task))).first()
    return {**named, **(place._asdict() if place else {"region_index": task.map_index})}


def lock_task(session: Session, task: TaskKey) -> Any:
    """
    The task instance, locked against the worker's switch to DEFERRED and against other callbacks.

    PostgreSQL and MySQL lock the row. SQLite has no row locks: a write that changes nothing takes its one
    write lock, without which reading first and writing later would fail as "database is locked".

    :return: Airflow's TaskInstance, None when there is no such task
    """
    from airflow.models.taskinstance import TaskInstance as TI
    from sqlalchemy import select, text, update

    which = _live_row_of(task)
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


def trigger_arguments_of(task_instance: Any) -> dict[str, Any]:
    """What a deferred task's trigger has been given; empty where it cannot be read (another key)."""
    try:
        return dict(task_instance.trigger.kwargs)
    except Exception as e:  # noqa: BLE001 - whatever is wrong with the row, its task is resumed
        log.warning("The arguments of a trigger cannot be read (%s).", type(e).__name__)
        return {}


def end(session: Session, task_instance: Any, value: Any) -> bool:
    """
    End a deferred task with success, as the triggerer does for a trigger that ends it (Airflow >= 3.3).

    Airflow's own event with values would open a second session, which waits for the lock of this one for
    ever (seen on PostgreSQL), so the value is stored with this one.

    :param value: its return value; None: it has none
    :return: False where that cannot be done, and then nothing has changed
    """
    if not ENDS_FROM_TRIGGER:
        return False
    try:
        with session.begin_nested():
            from airflow.models.trigger import handle_event_submit
            from airflow.sdk.serde import serialize
            from airflow.triggers.base import TaskSuccessEvent

            if value is not None:
                _put_xcom(session, task_instance, "return_value", serialize(value))
            handle_event_submit(TaskSuccessEvent(), task_instance=task_instance, session=session)
    except Exception as e:  # noqa: BLE001 - such as a value with NUL, which PostgreSQL refuses
        log.warning("A callback's task could not be ended, so a worker does that: %s", type(e).__name__)
        return False
    return True


def team_of(dag_id: str) -> str | None:
    """The team that owns a DAG, where ``[core] multi_team`` is on and there is one."""
    from airflow.configuration import conf

    if not conf.getboolean("core", "multi_team", fallback=False):
        return None
    from airflow.models.dag import DagModel

    team: str | None = DagModel.get_team_name(dag_id)
    return team


def connection_of(conn_id: str, team: str | None = None) -> Any:
    """
    An Airflow connection, from the secrets backends or the database; None when there is none.

    :param team: whose connection, see :func:`team_of`; without one only connections of no team
    :raises Exception: what a secrets backend raises that cannot be reached
    """
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # re-exported there
    from airflow.models.connection import Connection

    # Airflow 3.1 has teams but gives them no connections of their own; not needed from 3.2 on.
    of_team = {"team_name": team} if team and AIRFLOW >= (3, 2) else {}
    try:
        return Connection.get_connection_from_secrets(conn_id, **of_team)
    except AirflowNotFoundException:
        return None


def has_listeners() -> bool:
    """Whether a plugin listens to the ends of tasks in this worker, as OpenLineage's does."""
    from importlib import import_module

    # Airflow 3.1 has them elsewhere; not needed from 3.2 on.
    path = "airflow.sdk.listener" if AIRFLOW >= (3, 2) else "airflow.listeners.listener"
    return bool(import_module(path).get_listener_manager().has_listeners)


#: From Airflow 3.3 a task can wait for a person's answer without a trigger and without a worker.
CAN_ASK = AIRFLOW >= (3, 3)


def ask_person(
    task_instance_id: Any,
    *,
    subject: str,
    body: str,
    options: list[str],
    method: str,
    kwargs: dict[str, Any],
    timeout: timedelta,
) -> NoReturn:
    """
    Show a question under "Required Actions" and park the task until it is answered; on a worker only.

    :param options: the buttons
    :param method: of the operator, called with ``event`` once there is an answer, or none came in time
    :param kwargs: further arguments of that method
    :param timeout: how long an answer is waited for
    """
    from airflow.sdk.exceptions import TaskAwaitingInput
    from airflow.sdk.execution_time.hitl import upsert_hitl_detail

    upsert_hitl_detail(
        ti_id=task_instance_id, options=options, subject=subject, body=body, multiple=False, params={}
    )
    raise TaskAwaitingInput(method_name=method, kwargs=kwargs, timeout=timeout)


#: Tables that callbacks are written to.
_WRITTEN = ("task_instance", "xcom_v2" if HAS_ATTEMPTS else "xcom")


def unwritable(session: Session) -> list[str]:
    """
    Tables that callbacks would be written to and that this database user may not write, in words.

    :raises Exception: the database cannot be asked now, see :func:`is_store_down`
    """
    from airflow.models.base import Base
    from sqlalchemy import false, update
    from sqlalchemy.exc import ProgrammingError

    found = []
    for name in _WRITTEN:
        table = Base.metadata.tables.get(name)
        if table is None:
            found.append(f"the table {name} does not exist")
            continue
        column = next(c for c in table.columns if c.name in ("task_id", "key"))
        try:
            session.execute(update(table).where(false()).values({column: column}))
        except ProgrammingError as e:
            session.rollback()
            found.append(f"the table {name} cannot be written ({type(e.orig).__name__})")
    return found
