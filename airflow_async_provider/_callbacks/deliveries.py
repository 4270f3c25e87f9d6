# SPDX-License-Identifier: Apache-2.0
"""
The record of what came: the last deliveries of each task and of each push source.

Rows of Airflow's audit log, so that Airflow's own page of a task shows them to those who may see it, and
``airflow db clean`` takes them away. They hold time, outcome, size and the sender's id; never a secret, never
a body. Their number is bounded here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks import airflow_assets as assets
from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.registration import plain

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: Names of the events in the audit log: of a task's callbacks, and of a source's deliveries before its name.
TASK_EVENT = "async_callback"
SOURCE_EVENT = "async_push:"

#: Owners of the rows: of a task's, and of a source's that made events and that did not.
TASK_OWNER = "callback"
MADE, OTHER = "push", "push, no event"

#: A task as rows name it: DAG, run, task and map index.
Task = tuple[str, str, str, int]

#: So many rows of one task stay, and of one source: those that made events are its memory for repeats.
KEEP_TASK = 20
KEEP_MADE = 1000
KEEP_OTHER = 100

#: Rows that made events stay so long in any case (seconds): three times what a signed moment is good for, so
#: that no flood makes a source forget what may be sent again.
MIN_AGE = 900.0


def record_for_task(task: TaskKey, outcome: str, size: int, delivery_id: str) -> None:
    """
    Write down a task's delivery.

    :raises Exception: what the database raises
    """
    facts = _facts(outcome, size, delivery_id, attempt=task.attempt)
    with internals.transaction() as session:
        assets.add_log(session, TASK_EVENT, TASK_OWNER, facts, **task.where)
        assets.trim_logs(session, TASK_EVENT, TASK_OWNER, KEEP_TASK, **task.where)


def record_for_source(name: str, outcome: str, size: int, delivery_id: str, team: str | None) -> None:
    """
    Write down a source's delivery that made no event.

    :raises Exception: what the database raises
    """
    event = f"{SOURCE_EVENT}{name}"
    with internals.transaction() as session:
        facts = _facts(outcome, size, delivery_id)
        assets.add_log(session, event, OTHER, facts, team_name=team)
        assets.trim_logs(session, event, OTHER, KEEP_OTHER)


def record_event(
    session: Session,
    name: str,
    size: int,
    delivery_id: str,
    *,
    team: str | None,
    key: str,
    outcome: str = "event",
    **more: Any,
) -> None:
    """
    Write down a delivery that made events, in their transaction.

    :param key: what a repeated delivery has again; empty: none is recognised
    """
    event = f"{SOURCE_EVENT}{name}"
    facts = _facts(outcome, size, delivery_id, key=key, **more)
    assets.add_log(session, event, MADE, facts, team_name=team)
    assets.trim_logs(session, event, MADE, KEEP_MADE, MIN_AGE)


def is_repeated(session: Session, name: str, key: str) -> bool:
    """Whether a delivery has made its events before; counted in the row of the first one."""
    row = assets.find_log(session, f"{SOURCE_EVENT}{name}", MADE, f'"key":"{key}"') if key else None
    if row is None:
        return False
    facts = json.loads(row.extra)
    row.extra = _packed({**facts, "repeated": int(facts.get("repeated", 0)) + 1})
    return True


def last(
    limit: int,
    *,
    source: str | None = None,
    task: dict[str, Any] | None = None,
    dag_ids: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """
    The last deliveries, newest first.

    :param source: of this push source; an empty text: of all of them
    :param task: of tasks with these ``dag_id``, ``task_id``, ``run_id``, ``map_index``, as far as given
    :param dag_ids: of tasks of these DAGs only
    """
    events = TASK_EVENT if source is None else f"{SOURCE_EVENT}{source}"
    where = {**(task or {}), **({"dag_id": dag_ids} if dag_ids is not None and source is None else {})}
    with internals.transaction() as session:
        rows = assets.logs(session, events, limit, exact=bool(source is None or source), **where)
    return [_shown(row) for row in rows]


def last_of_each(session: Session, tasks: Collection[Task]) -> dict[Task, dict[str, Any]]:
    """The last delivery of each of some tasks, named by DAG, run, task and map index."""
    rows = assets.last_logs(session, TASK_EVENT, tasks) if tasks else []
    return {(row["dag_id"], row["run_id"], row["task_id"], row["map_index"]): _shown(row) for row in rows}


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    One row of the record.

    :param source: of which push source it is; empty for a task's
    :param task: whose callback it was; None for a source's
    :param facts: what the row holds, with what is not shown
    """

    source: str
    task: TaskKey | None
    facts: Mapping[str, Any]


def find(session: Session, number: int) -> Recorded | None:
    """The delivery with a number; None where there is none."""
    row = assets.log_row(session, number)
    if row is None:
        return None
    facts = _facts_of(row)
    if row["event"].startswith(SOURCE_EVENT):
        return Recorded(row["event"].removeprefix(SOURCE_EVENT), None, facts)
    if row["event"] != TASK_EVENT:
        return None
    named = (row["dag_id"], row["run_id"], row["task_id"], row["map_index"])
    return Recorded("", TaskKey(*named, str(facts.get("attempt", ""))), facts)


def _facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(row["extra"] or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


#: Internal columns of a delivery, which are not shown.
_HIDDEN = ("key", "attempt", "events")


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in _facts_of(row).items() if name not in _HIDDEN}
    of_task = row["event"] == TASK_EVENT
    names = ("dag_id", "task_id", "run_id", "map_index") if of_task else ()
    about = {name: row[name] for name in names}
    about |= {} if of_task else {"source": row["event"].removeprefix(SOURCE_EVENT)}
    moment = row["dttm"].isoformat(timespec="seconds")
    return {"number": row["id"], "received_at": moment, **about, **facts}


def _facts(outcome: str, size: int, delivery_id: str, **more: Any) -> str:
    facts = {"outcome": outcome, "bytes": size, "id": plain(delivery_id) if delivery_id else None, **more}
    return _packed({name: value for name, value in facts.items() if value not in (None, "")})


def _packed(facts: dict[str, Any]) -> str:
    return json.dumps(facts, separators=(",", ":"))
