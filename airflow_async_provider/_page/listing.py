# SPDX-License-Identifier: Apache-2.0
"""The waiting jobs that a user may see: filtered, sorted and cut into pages by the database."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, and_, case, cast, func, or_, select
from sqlalchemy import null as sql_null

from airflow_async_provider._page.actions import possible
from airflow_async_provider._page.airflow_internals import OUR_TRIGGERS, Tables, tables, trigger_arguments
from airflow_async_provider._page.facts import TEXTS, address_of, is_link, system_of, timeline_of
from airflow_async_provider._page.table import JobsTable, jobs_table
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._redaction import one_line

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Rows of one page, by default and at most.
PAGE, MAX_PAGE = 50, 200

#: What is near its deadline (seconds).
NEAR = 3600.0

#: In place of what no triggerer has reported.
NOTHING: Any = sql_null()

#: What a page may be sorted by.
SORTS = (
    *("task", "system", "label", "job_id", "state", "progress", "age", "last_poll", "next_poll"),
    *("deadline", "polls", "failures", "triggerer"),
)

#: Characters that mean something in a LIKE pattern.
_SPECIAL = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """
    What is asked for; nothing given asks for all that the user may see.

    :param task: DAG, run, task and map index, each where given
    :param search: words that must all be somewhere: task, run, label, remote id, status, connection
    :param only: ``late``, ``near``, ``failing`` or ``callback``
    :param sort: one of :data:`SORTS`, with ``-`` before it for the other way round
    """

    task: Mapping[str, Any] = field(default_factory=dict)
    system: str = ""
    search: str = ""
    only: str = ""
    sort: str = "deadline"
    limit: int = PAGE
    offset: int = 0


class Listing:
    """
    The read side of the page.

    :param jobs: what triggerers have reported
    """

    def __init__(self, jobs: JobsTable) -> None:
        self._jobs = jobs

    def page(self, session: Session, query: Query, dag_ids: Collection[str]) -> dict[str, Any]:
        """
        One page of waiting jobs with their number, and how many of these are late, near, failing.

        :param dag_ids: the DAGs that the user may read
        """
        reported = self._jobs.exists(session)
        columns = _columns(reported)
        where = [*_waiting(), columns["dag_id"].in_(dag_ids), *_conditions(query, columns)]
        source, kinds = _source(reported), _kinds(columns)
        counted = (func.count(case((condition, 1))).label(name) for name, condition in kinds.items())
        tally = dict(
            session.execute(select(func.count().label("all"), *counted).select_from(source).where(*where))
            .mappings()
            .one()
        )
        if query.only in kinds:
            where.append(kinds[query.only])
        named = [column.label(name) for name, column in columns.items()]
        rows = session.execute(
            select(*named)
            .select_from(source)
            .where(*where)
            .order_by(*_order(query.sort, columns))
            .limit(max(1, min(query.limit, MAX_PAGE)))
            .offset(max(0, query.offset))
        ).mappings()
        return {
            "now": time.time(),
            "total": tally[query.only if query.only in kinds else "all"],
            "tally": tally,
            "reported": reported,
            "systems": self._systems(session, dag_ids) if reported else [],
            "jobs": [_shown({**row}) for row in rows],
        }

    def one(
        self, session: Session, task: Mapping[str, Any], dag_ids: Collection[str]
    ) -> dict[str, Any] | None:
        """A task's job with its timeline, also when the task waits no more; None where nothing is known."""
        reported = self._jobs.exists(session)
        columns = _columns(reported)
        if reported:
            columns["timeline"] = jobs_table().c.timeline
        which = [columns[name] == value for name, value in task.items()]
        found = (
            session.execute(
                select(*(column.label(name) for name, column in columns.items()))
                .select_from(_source(reported))
                .where(*tables().live, columns["dag_id"].in_(dag_ids), *which)
                .limit(1)
            )
            .mappings()
            .first()
        )
        if found is None:
            return None
        waits = found["deferred"] == "deferred" and (found["classpath"] or "").startswith(OUR_TRIGGERS)
        if not waits and not found["reported_at"]:
            return None
        arguments = trigger_arguments(found["arguments"]) if found["arguments"] else {}
        return {
            **_shown({**found}),
            "waits": waits,
            "now": time.time(),
            "timeline": timeline_of(found.get("timeline")),
            "actions": possible(arguments) if waits else [],
        }

    def _systems(self, session: Session, dag_ids: Collection[str]) -> list[str]:
        table, known = jobs_table(), tables()
        names = session.scalars(
            select(table.c.system)
            .select_from(_source(reported=True))
            .where(*_waiting(), known.ti.c.dag_id.in_(dag_ids), table.c.system.is_not(None))
            .distinct()
        )
        return sorted(names)


def _source(reported: bool) -> Any:
    known = tables()
    found = known.ti.outerjoin(known.trigger, known.ti.c.trigger_id == known.trigger.c.id).outerjoin(
        known.job, known.job.c.id == known.trigger.c.triggerer_id
    )
    if reported:
        found = found.outerjoin(jobs_table(), jobs_table().c.ti_id == known.ti.c.id)
    return found


def _waiting() -> list[Any]:
    known: Tables = tables()
    ours = known.trigger.c.classpath.like(OUR_TRIGGERS.translate(_SPECIAL) + "%", escape="\\")
    return [*known.live, known.ti.c.state == "deferred", ours]


def _columns(reported: bool) -> dict[str, Any]:
    """Each column that a row has, and that may be filtered and sorted by."""
    known = tables()
    airflow = {
        "ti_id": known.ti.c.id,
        "dag_id": known.ti.c.dag_id,
        "run_id": known.ti.c.run_id,
        "task_id": known.ti.c.task_id,
        "map_index": known.map_index,
        "map_label": known.ti.c.rendered_map_index,
        "try_number": known.ti.c.try_number,
        "deferred": known.ti.c.state,
        "classpath": known.trigger.c.classpath,
        "arguments": known.trigger.c.kwargs,
        "created": known.trigger.c.created_date,
        "triggerer": known.job.c.hostname,
        "triggerer_id": known.trigger.c.triggerer_id,
    }
    names = (*TEXTS, *_REPORTED)
    table = jobs_table() if reported else None
    return airflow | {name: NOTHING if table is None else table.c[name] for name in names}


#: What a report contains besides its texts.
_REPORTED = (
    *("submitted_at", "waiting_since", "deadline", "last_poll_at", "next_poll_at", "progress", "callback"),
    *("polls", "failures", "failures_in_row", "reported_at"),
)


def _conditions(query: Query, columns: Mapping[str, Any]) -> list[Any]:
    found = [columns[name] == value for name, value in query.task.items()]
    if query.system:
        found.append(columns["system"] == query.system)
    searched = ("dag_id", "run_id", "task_id", "map_label", "label", "job_id", "remote_status", "conn_id")
    for word in query.search.split()[:5]:
        pattern = f"%{word.lower().translate(_SPECIAL)}%"
        texts = (func.lower(cast(columns[name], String(1000))) for name in searched)
        found.append(or_(*(t.like(pattern, escape="\\") for t in texts)))
    return found


def _kinds(columns: Mapping[str, Any]) -> dict[str, Any]:
    """What a person may want to see alone, and how many there are of each."""
    now = time.time()
    return {
        "late": columns["deadline"] < now,
        "near": and_(columns["deadline"] >= now, columns["deadline"] < now + NEAR),
        "failing": columns["failures_in_row"] > 0,
        "callback": columns["callback"].is_(True),
    }


def _order(sort: str, columns: Mapping[str, Any]) -> list[Any]:
    name = sort.removeprefix("-")
    down = sort.startswith("-")
    by: Mapping[str, Sequence[str]] = {
        "task": ("dag_id", "run_id", "task_id", "map_index"),
        "age": ("created",),
        "last_poll": ("last_poll_at",),
        "next_poll": ("next_poll_at",),
    }
    chosen = [columns[n] for n in by.get(name, (name if name in SORTS else "deadline",))]
    order: list[Any] = []
    for column in (c for c in chosen if c is not NOTHING):
        # What is not known comes last, whichever way; not every database can say NULLS LAST.
        order += [column.is_(None), column.desc() if down else column.asc()]
    # The same order on each page, whatever is equal.
    return [*order, columns["ti_id"]]


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for the page; without a report of a triggerer, what the arguments of its trigger say."""
    found = {
        n: v for n, v in row.items() if n not in ("arguments", "classpath", "created", "deferred", "timeline")
    }
    found["ti_id"] = str(row["ti_id"])
    created = row["created"]
    if isinstance(created, datetime):
        found["waiting_since"] = (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()
    if not row["reported_at"] and row["arguments"]:
        found |= _from_arguments(trigger_arguments(row["arguments"]))
    found["remote_link"] = is_link(found.get("remote_url") or "")
    return found


def _from_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        handle = JobHandle.from_dict(arguments.get("job"))
    except ValueError:
        return {}
    texts = {
        "system": system_of(handle.protocol),
        "conn_id": arguments.get("conn_id") or handle.conn_id,
        "label": handle.data.get("label"),
        "job_id": handle.shown_id,
        "remote_url": address_of(handle),
    }
    return {
        **{name: one_line(value or "", TEXTS[name]) for name, value in texts.items()},
        "submitted_at": handle.submitted_at or None,
        "deadline": arguments.get("deadline"),
        "callback": bool(arguments.get("callback")),
    }
