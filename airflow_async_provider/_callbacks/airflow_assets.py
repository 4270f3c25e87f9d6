# SPDX-License-Identifier: Apache-2.0
"""
Every internal name of Airflow that push sources and the record of deliveries use, in one place.

As in :mod:`~airflow_async_provider._callbacks.airflow_internals`: runs in the API server, or in a command
where the database is; each function has a test on each supported Airflow version.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks.airflow_internals import AIRFLOW, MAX_LOCK

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: From Airflow 3.3 events belong to teams, and listeners can be notified after the commit.
HAS_TEAMS = AIRFLOW >= (3, 3)


def lock_assets(session: Session, names: Sequence[str]) -> list[Any]:
    """
    The active assets of these names or URIs, locked against other deliveries of the same.

    A name goes before a URI. As with tasks: PostgreSQL and MySQL lock the rows, of SQLite a write that
    changes nothing takes its one write lock.
    """
    from airflow.models.asset import AssetModel
    from sqlalchemy import or_, select, text, update

    which = (or_(AssetModel.name.in_(names), AssetModel.uri.in_(names)), AssetModel.active.has())
    dialect = session.get_bind().dialect.name
    if dialect == "sqlite":
        session.execute(
            update(AssetModel)
            .where(or_(AssetModel.name.in_(names), AssetModel.uri.in_(names)))
            .values(group=AssetModel.group, updated_at=AssetModel.updated_at)
            .execution_options(synchronize_session=False)
        )
    elif dialect == "postgresql":
        session.execute(text(f"SET LOCAL lock_timeout = {int(MAX_LOCK * 1000)}"))
    # key_share: the rows that Airflow adds for an event refer to the asset's, which must not wait for us.
    rows = session.scalars(
        select(AssetModel)
        .where(*which)
        .order_by(AssetModel.id)
        .with_for_update(of=AssetModel, key_share=dialect == "postgresql")
    ).all()
    found: dict[int, Any] = {}
    for name in names:
        named = [row for row in rows if row.name == name] or [row for row in rows if row.uri == name]
        found |= {row.id: row for row in named}
    return list(found.values())


def add_event(
    session: Session, asset: Any, extra: dict[str, Any], team: str | None, later: list[Callable[[], None]]
) -> int | None:
    """
    Make an event of an asset, and with it the entries from which the scheduler starts runs.

    :param team: whose event it is, where there are teams
    :param later: gets what is to be called after the commit (before Airflow 3.3 it is called here)
    :return: the event's id
    """
    from airflow.assets.manager import asset_manager

    newer: dict[str, Any] = {}
    if HAS_TEAMS:
        newer = {"source_is_api": True, "api_user_teams": {team} if team else set(), "callback_sink": later}
    event = asset_manager.register_asset_change(asset=asset, extra=extra, session=session, **newer)
    return None if event is None else event.id


# -- the record of deliveries: rows of Airflow's audit log


def add_log(session: Session, event: str, owner: str, extra: str, **where: Any) -> None:
    """
    Write a row.

    :param where: ``dag_id``, ``task_id``, ``run_id``, ``map_index`` of the task it is about; ``team_name``
    """
    from airflow.models.log import Log

    if AIRFLOW < (3, 4):  # not needed from Airflow 3.4 on
        where.pop("team_name", None)
    session.add(Log(event=event, owner=owner, owner_display_name=owner, extra=extra, **where))
    session.flush()


def trim_logs(
    session: Session, event: str, owner: str, keep: int, min_age: float = 0.0, **where: Any
) -> None:
    """
    Delete all but the last rows of this kind.

    :param keep: so many stay
    :param min_age: younger ones stay besides (seconds)
    """
    from airflow.models.log import Log
    from sqlalchemy import delete, select

    which = [Log.event == event, Log.owner == owner, *(getattr(Log, n) == v for n, v in where.items())]
    oldest = session.scalar(select(Log.id).where(*which).order_by(Log.id.desc()).offset(keep).limit(1))
    if oldest is None:
        return
    before = datetime.now(UTC) - timedelta(seconds=min_age)
    session.execute(
        delete(Log)
        .where(*which, Log.id <= oldest, Log.dttm < before)
        .execution_options(synchronize_session=False)
    )


def find_log(session: Session, event: str, owner: str, part: str) -> Any:
    """The latest row whose extra holds a text; None when there is none."""
    from airflow.models.log import Log
    from sqlalchemy import select

    return session.scalars(
        select(Log)
        .where(Log.event == event, Log.owner == owner, Log.extra.contains(part, autoescape=True))
        .order_by(Log.id.desc())
        .limit(1)
    ).first()


_SHOWN = ("id", "dttm", "event", "owner", "dag_id", "task_id", "run_id", "map_index", "extra")


def logs(
    session: Session, events: str, limit: int, *, exact: bool = False, **where: Any
) -> list[dict[str, Any]]:
    """
    The last rows, newest first.

    :param events: how the event begins, or its whole name
    :param where: columns and what they hold; of several values one
    """
    from airflow.models.log import Log
    from sqlalchemy import select

    named = Log.event == events if exact else Log.event.startswith(events, autoescape=True)
    columns = {name: getattr(Log, name) for name in where}
    which = [
        columns[name] == value if isinstance(value, str | int) else columns[name].in_(value)
        for name, value in where.items()
    ]
    rows = session.scalars(select(Log).where(named, *which).order_by(Log.id.desc()).limit(limit)).all()
    return [{name: getattr(row, name) for name in _SHOWN} for row in rows]


def last_logs(
    session: Session, event: str, tasks: Collection[tuple[str, str, str, int]]
) -> list[dict[str, Any]]:
    """The last row of each task, named by DAG, run, task and map index."""
    from airflow.models.log import Log
    from sqlalchemy import and_, func, or_, select

    names = ("dag_id", "run_id", "task_id", "map_index")
    each = [and_(*(getattr(Log, n) == v for n, v in zip(names, t, strict=True))) for t in tasks]
    latest = (
        select(func.max(Log.id))
        .where(Log.event == event, or_(*each))
        .group_by(*(getattr(Log, n) for n in names))
    )
    rows = session.scalars(select(Log).where(Log.id.in_(latest))).all()
    return [{name: getattr(row, name) for name in _SHOWN} for row in rows]


def log_row(session: Session, number: int) -> dict[str, Any] | None:
    """A row by its number; None when there is none."""
    from airflow.models.log import Log

    row = session.get(Log, number)
    return None if row is None else {name: getattr(row, name) for name in _SHOWN}


def event_of(session: Session, number: int) -> tuple[Any, dict[str, Any]] | None:
    """The asset of an event and what the event holds; None where either is gone."""
    from airflow.models.asset import AssetEvent, AssetModel

    event = session.get(AssetEvent, number)
    asset = None if event is None else session.get(AssetModel, event.asset_id)
    return None if event is None or asset is None else (asset, dict(event.extra or {}))


# -- the connections of sources


def connections(session: Session, prefix: str) -> list[Any]:
    """The connections in the database whose id begins so."""
    from airflow.models.connection import Connection
    from sqlalchemy import select

    which = Connection.conn_id.startswith(prefix, autoescape=True)
    return list(session.scalars(select(Connection).where(which).order_by(Connection.conn_id)).all())


def put_connection(session: Session, fields: dict[str, Any]) -> None:
    """Make a connection, or give one other fields."""
    from airflow.models.connection import Connection
    from sqlalchemy import select

    found = session.scalar(
        select(Connection).where(Connection.conn_id == fields["conn_id"]).with_for_update()
    )
    if found is None:
        session.add(Connection(**fields))
        return
    found.set_password(fields["password"])
    found.set_extra(fields["extra"])


def delete_connection(session: Session, conn_id: str) -> bool:
    """Delete a connection; False when there is none."""
    from airflow.models.connection import Connection
    from sqlalchemy import select

    found = session.scalar(select(Connection).where(Connection.conn_id == conn_id))
    if found is None:
        return False
    session.delete(found)
    return True


def unstarted_reason(session: Session, names: Sequence[str]) -> str | None:
    """Why an event of these assets would start nothing, in words; None where a DAG waits for one of them."""
    from airflow.models.asset import (
        AssetModel,
        DagScheduleAssetNameReference,
        DagScheduleAssetReference,
        DagScheduleAssetUriReference,
    )
    from airflow.models.dag import DagModel
    from sqlalchemy import or_, select

    assets = select(AssetModel.id).where(
        or_(AssetModel.name.in_(names), AssetModel.uri.in_(names)), AssetModel.active.has()
    )
    ids = list(session.scalars(assets).all())
    if not ids:
        return "no DAG knows an asset of this name or URI"
    dags = set(
        session.scalars(
            select(DagScheduleAssetReference.dag_id).where(DagScheduleAssetReference.asset_id.in_(ids))
        )
    )
    for reference, column in ((DagScheduleAssetNameReference, "name"), (DagScheduleAssetUriReference, "uri")):
        dags |= set(session.scalars(select(reference.dag_id).where(getattr(reference, column).in_(names))))
    if not dags:
        return "no DAG is scheduled on it"
    running = session.scalar(
        select(DagModel.dag_id).where(
            DagModel.dag_id.in_(dags), DagModel.is_paused.is_(False), DagModel.is_stale.is_(False)
        )
    )
    return None if running else "every DAG that is scheduled on it is paused"
