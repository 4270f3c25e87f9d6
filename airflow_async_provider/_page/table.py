# SPDX-License-Identifier: Apache-2.0
"""
The table ``async_provider_job``: what triggerers have reported of their jobs, a row for each try of a task.

No migration of Airflow's knows it. The API server makes it when the first report comes; it refers to nothing
and nothing refers to it, so Airflow's own tables can be dropped and made again without it. Where the database
user may not make tables the page shows what Airflow itself knows, see docs/remote_jobs_page.md.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    case,
    delete,
    func,
    inspect,
    literal,
    select,
)

from airflow_async_provider._page.airflow_internals import tables
from airflow_async_provider._page.facts import COUNTS, MAX_TIMELINE, MOMENTS, TEXTS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

NAME = "async_provider_job"

#: A job that has ended is remembered so long (seconds): the timeline on its task's page.
KEPT = 7 * 24 * 3600.0

#: Between two looks for rows that are not needed any more (seconds).
CLEANING = 600.0

#: Between two looks for a table that was not there (seconds).
LOOK_AGAIN = 60.0


@cache
def jobs_table() -> Table:
    """The table, with the type that the id of a task instance has in this Airflow."""
    return Table(
        NAME,
        MetaData(),
        Column("ti_id", tables().ti.c.id.type, primary_key=True),
        *(Column(name, Integer, nullable=False) for name in COUNTS),
        *(Column(name, String(length), nullable=False) for name, length in TEXTS.items()),
        *(Column(name, Float(53)) for name in MOMENTS),
        Column("progress", Float(53)),
        Column("callback", Boolean, nullable=False),
        Column("timeline", Text, nullable=False),
        Column("reported_at", Float(53), nullable=False),
    )


class JobsTable:
    """The table in this process's database: made when needed, looked for when read, cleaned now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exists = False
        self._looked_at = -LOOK_AGAIN
        self._cleaned_at = time.monotonic()

    def exists(self, session: Session) -> bool:
        """Whether there is something to be read."""
        with self._lock:
            if not self._exists and time.monotonic() - self._looked_at >= LOOK_AGAIN:
                self._looked_at = time.monotonic()
                self._exists = inspect(session.connection()).has_table(NAME)
            return self._exists

    def look_again(self) -> None:
        """Something went wrong: perhaps the table has gone, with a database that was made anew."""
        with self._lock:
            self._exists = False
            self._looked_at = time.monotonic() - LOOK_AGAIN

    def make(self, session: Session) -> None:
        """
        Make the table if it is not there.

        :raises SQLAlchemyError: it is not there and cannot be made
        """
        from sqlalchemy.exc import SQLAlchemyError

        with self._lock:
            if self._exists:
                return
            try:
                jobs_table().create(session.connection(), checkfirst=True)
                session.commit()
            except SQLAlchemyError:
                session.rollback()
                if not inspect(session.connection()).has_table(NAME):  # else another process was faster
                    raise
            self._exists = True

    def write(self, session: Session, rows: Sequence[dict[str, Any]]) -> None:
        """Store rows, one for each task instance; what is new in a timeline follows what is there."""
        self.make(session)
        table = jobs_table()
        dialect = session.get_bind().dialect.name
        typed = [{**row, "ti_id": _typed(table, row["ti_id"])} for row in rows]
        if typed:
            # One statement with many sets of values: SQLAlchemy keeps it, and the drivers send it in one go.
            session.execute(_upsert(table, dialect), typed)
        if time.monotonic() - self._cleaned_at > CLEANING:
            self._cleaned_at = time.monotonic()
            self.clean(session)

    def clean(self, session: Session) -> None:
        """Forget jobs whose task does not wait any more and of which nothing was heard for a week."""
        table, known = jobs_table(), tables()
        waiting = select(known.ti.c.id).where(known.ti.c.state == "deferred")
        session.execute(
            delete(table).where(table.c.reported_at < time.time() - KEPT, table.c.ti_id.not_in(waiting))
        )


def _typed(table: Table, ti_id: str) -> Any:
    from uuid import UUID

    found = UUID(ti_id)
    return found if getattr(table.c.ti_id.type, "as_uuid", False) else str(found)


def _upsert(table: Table, dialect: str) -> Any:
    if dialect == "mysql":
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        statement: Any = mysql_insert(table)
        new = statement.inserted
        return statement.on_duplicate_key_update(_changed(table, new))
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment] # the same methods
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=[table.c.ti_id], set_=_changed(table, statement.excluded)
    )


def _changed(table: Table, new: Any) -> dict[str, Any]:
    longer = func.length(table.c.timeline) + func.length(new["timeline"]) <= literal(MAX_TIMELINE)
    return {
        **{c.name: new[c.name] for c in table.c if c.name not in ("ti_id", "timeline")},
        "timeline": case((longer, table.c.timeline + new["timeline"]), else_=table.c.timeline),
    }
