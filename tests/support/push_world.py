# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: TID251 - the rows of Airflow's DAG processor are made here
"""Assets, DAGs that wait for them, and push sources, in the database of a callback world."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_async_provider._callbacks import airflow_assets, deliveries
from airflow_async_provider._callbacks.address import CallbackAddress, hash_of, new_source_address
from airflow_async_provider._callbacks.sources import Source
from airflow_async_provider.simulators._sending import Sender
from tests.support.callback_world import World

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def make_asset(
    world: World, name: str, *, dag: bool = True, paused: bool = False, active: bool = True
) -> str:
    """An asset, and a DAG that is scheduled on it."""
    from airflow.models.asset import AssetActive, AssetModel, DagScheduleAssetReference
    from airflow.models.dag import DagModel
    from sqlalchemy import insert, select, update

    world.task(None)  # makes the bundle that DAGs lie in
    dag_id = f"waits_{uuid.uuid4().hex[:8]}"
    with world.session() as session:
        asset = AssetModel(name=name, uri=f"x-test://{name}", group="")
        session.add(asset)
        session.flush()
        if active:
            session.add(AssetActive(name=asset.name, uri=asset.uri))
        if dag:
            session.execute(
                insert(DagModel.__table__).values(
                    dag_id=dag_id,
                    bundle_name="tests",
                    max_active_tasks=1,
                    max_consecutive_failed_dag_runs=0,
                    has_task_concurrency_limits=False,
                )
            )
            session.flush()
            session.add(DagScheduleAssetReference(asset_id=asset.id, dag_id=dag_id))
            session.execute(
                update(DagModel.__table__)
                .where(DagModel.__table__.c.dag_id == dag_id)
                .values(is_paused=paused, is_stale=False)
            )
        session.flush()
        assert session.scalar(select(AssetModel.id).where(AssetModel.name == name)) == asset.id
    return dag_id


@dataclass
class Pushed:
    """One source, its address, and what came of its deliveries."""

    world: World
    source: Source
    address: CallbackAddress = field(repr=False)
    key: str = field(default=KEY, repr=False)

    def sender(self, body: bytes = b'{"id": 7}', form: str | None = None, **options: Any) -> Sender:
        """Somebody who sends to it, in its form."""
        known = form if form is not None else self.source.form or "none"
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        url = options.pop("url", self.address.url_with_secret)
        return Sender(url, known, options.pop("key", self.key), body, headers, **options)

    def events(self) -> list[Any]:
        """The extras of all events of its assets, oldest first."""
        from airflow.models.asset import AssetEvent, AssetModel
        from sqlalchemy import select

        names = [name for name in self.source.assets if "{" not in name]
        with self.world.session() as session:
            ids = session.scalars(select(AssetModel.id).where(AssetModel.name.in_(names))).all()
            rows = session.scalars(
                select(AssetEvent).where(AssetEvent.asset_id.in_(ids)).order_by(AssetEvent.id)
            )
            return [row.extra for row in rows.all()]

    def record(self, limit: int = 50) -> list[dict[str, Any]]:
        """What is written down of its deliveries, newest first."""
        return deliveries.last(limit, source=self.source.name)

    def change(self, **facts: Any) -> Source:
        """Store it with other facts."""
        self.source = replace(self.source, **facts)
        self.store()
        return self.source

    def store(self) -> None:
        with self.world.session() as session:
            airflow_assets.put_connection(session, self.source.to_connection())


def make_source(world: World, asset: str | list[str], form: str = "", **facts: Any) -> Pushed:
    """A source as the command makes it."""
    name = f"s-{uuid.uuid4().hex[:10]}"
    address = new_source_address(world.url, name)
    facts = {"signature": form, "keys": (KEY,), **facts} if form else facts
    assets = (asset,) if isinstance(asset, str) else tuple(asset)
    source = Source(name=name, assets=assets, **facts)
    made = Pushed(world, source.with_address(hash_of(address.secret), time.time(), 0), address)
    made.store()
    return made


def queued(world: World, dag_id: str) -> int:
    """How many entries the scheduler would start this DAG's next run from."""
    from airflow.models.asset import AssetDagRunQueue
    from sqlalchemy import func, select

    with world.session() as session:
        which = AssetDagRunQueue.target_dag_id == dag_id
        return int(session.scalar(select(func.count()).select_from(AssetDagRunQueue).where(which)) or 0)
