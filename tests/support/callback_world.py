# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: TID251 - the rows of Airflow's scheduler and workers are made here
"""
The receiver as Airflow mounts it, on a real socket, over a real metadata database (SQLite and PostgreSQL).

What workers do to the database is done by Airflow's own code where it can be called (the routes of the
execution API); only the rows that a scheduler would make are made here.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from airflow_async_provider._callbacks.address import PREFIX, CallbackAddress, TaskKey, hash_of, new_address
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    DURABLE_KEY,
    MAILBOX_KEY,
    REGISTRATION_KEY,
    Delivery,
    Registration,
)
from tests.support.harness import AIRFLOW, Postgres, PostgresMissingError

#: What a task remembers across tries came with Airflow 3.3.
HAS_TASK_STATE = AIRFLOW >= (3, 3)

#: A row for each try, and loops, came with Airflow 3.4.
HAS_ATTEMPTS = AIRFLOW >= (3, 4)

OURS = "airflow_async_provider.triggers.async_job.AsyncJobTrigger"

#: A remote that can be asked, and one that cannot.
POLLABLE: dict[str, Any] = {"protocol": "automic", "options": {"client": "100"}}
MUTE: dict[str, Any] = {
    "protocol": "open_connectors",
    "options": {},
    "pollable": False,
    "keep_body": True,
}


@dataclass
class Waiting:
    """One task instance and the address that its remote was given."""

    world: World
    key: TaskKey
    address: CallbackAddress = field(repr=False)

    @property
    def path(self) -> str:
        return self.address.url.partition("//")[2].partition("/")[2]

    def post(self, body: Any = b'{"status": 1900}', *, secret: str | None = "", **options: Any) -> Any:
        """Send a callback; the right secret in the header unless another one is given (None for none)."""
        headers = dict(options.pop("headers", {}))
        if secret is not None:
            headers.setdefault("Authorization", f"Bearer {secret or self.address.secret}")
        data = body if isinstance(body, bytes | str) or hasattr(body, "__next__") else json.dumps(body)
        url = options.pop("url", self.address.url)
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                options.pop("method", "POST"), url, data=data, headers=headers, timeout=60, **options
            )

    # What came of it

    @property
    def delivery(self) -> Delivery | None:
        return Delivery.from_dict(self.world.xcom(self.key, MAILBOX_KEY))

    @property
    def kept_delivery(self) -> Delivery | None:
        value = self.world.task_state(self.key, DURABLE_DELIVERY_KEY)
        return Delivery.from_dict(value)

    @property
    def row(self) -> dict[str, Any]:
        return self.world.task_row(self.key)

    @property
    def state(self) -> str | None:
        return self.row["state"]

    @property
    def event(self) -> Any:
        """The event that the task is resumed with."""
        return self.world.next_kwargs(self.key).get("event")

    # What happens to it

    def set(
        self,
        state: str | None,
        *,
        deferred_for: float | None = None,
        trigger: str = OURS,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        """Another state; ``deferred_for`` seconds ago when it is deferred, with these trigger arguments."""
        self.world.set_state(self.key, state, deferred_for=deferred_for, trigger=trigger, arguments=arguments)

    def new_try(self) -> None:
        """A new try has begun: it is another row, or the worker has cleared the task's XComs."""
        self.set("running")
        if HAS_ATTEMPTS:
            self.world.next_attempt(self.key)
        else:
            self.world.clear_xcoms(self.key)

    def expect(self, **facts: Any) -> Registration:
        """Announce (again), as the operator does before it submits."""
        registration = Registration(
            **{
                "secret_hash": hash_of(self.address.secret),
                "deadline": time.time() + 3600,
                "settle": 10.0,
                **POLLABLE,
                **facts,
            }
        )
        self.world.set_xcom(self.key, REGISTRATION_KEY, registration.to_text())
        return registration

    def remember(self, *registrations: Registration, **facts: Any) -> None:
        """What the task keeps across tries (Airflow 3.3)."""
        callbacks = [r.to_dict() for r in registrations]
        self.world.set_task_state(self.key, DURABLE_KEY, {"version": 1, "callbacks": callbacks, **facts})


def row_id(attempt: uuid.UUID) -> Any:
    """An id as the column of task_instance wants it; Airflow 3.1 has a text there."""
    return attempt if AIRFLOW >= (3, 2) else str(attempt)


class World:
    """One metadata database and a server with the receiver; see the module."""

    def __init__(self, url: str, dialect: str) -> None:
        self.url = url
        self.dialect = dialect
        self._number = 0

    @contextlib.contextmanager
    def session(self) -> Iterator[Any]:
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            yield session

    def task(
        self, state: str | None = "deferred", *, deferred_for: float = 60.0, run_id: str = "", **facts: Any
    ) -> Waiting:
        """
        A task that waits for a callback, by default past its settle time.

        With ``names_attempt=False`` its address is one that an earlier version of this package has made.
        """
        self._number += 1
        map_index = facts.pop("map_index", -1)
        trigger = facts.pop("trigger", OURS)
        run_id = run_id or f"manual__2026-11-22T00:00:00+00:00_{uuid.uuid4().hex[:6]}"
        attempt = uuid.uuid4().hex if facts.pop("names_attempt", True) else ""
        key = TaskKey(f"dag_{self._number}_{uuid.uuid4().hex[:6]}", run_id, "wait", map_index, attempt)
        self._insert(key)
        waiting = Waiting(self, key, new_address(self.url, key))
        waiting.expect(**facts)
        waiting.set(state, deferred_for=deferred_for if state == "deferred" else None, trigger=trigger)
        return waiting

    def _insert(self, key: TaskKey) -> None:
        from airflow.models.dag import DagModel
        from airflow.models.dag_version import DagVersion
        from airflow.models.dagbundle import DagBundleModel
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import insert, select

        now = datetime.now(UTC)
        with self.session() as session:
            if session.scalar(select(DagBundleModel.name).where(DagBundleModel.name == "tests")) is None:
                session.execute(insert(DagBundleModel.__table__).values(name="tests", active=True))
            session.execute(
                insert(DagModel.__table__).values(
                    dag_id=key.dag_id,
                    bundle_name="tests",
                    relative_fileloc="tests.py",
                    max_active_tasks=1,
                    max_consecutive_failed_dag_runs=0,
                    has_task_concurrency_limits=False,
                )
            )
            version = DagVersion(dag_id=key.dag_id, version_number=1, bundle_name="tests")
            session.add(version)
            session.flush()
            session.execute(
                insert(DagRun.__table__).values(
                    dag_id=key.dag_id, run_id=key.run_id, run_type="manual", run_after=now, state="running"
                )
            )
            session.execute(
                insert(TaskInstance.__table__).values(
                    id=row_id(uuid.UUID(key.attempt) if key.attempt else uuid.uuid4()),
                    dag_id=key.dag_id,
                    run_id=key.run_id,
                    task_id=key.task_id,
                    **{"region_index" if HAS_ATTEMPTS else "map_index": key.map_index},
                    try_number=1,
                    max_tries=1,
                    pool="default_pool",
                    pool_slots=1,
                    queue="default",
                    dag_version_id=version.id,
                    next_method="execute_complete",
                    next_kwargs={"run": {"job": {"job_id": "7"}}},
                    updated_at=now,
                )
            )

    def next_attempt(self, key: TaskKey) -> None:
        """What the scheduler of Airflow 3.4 does for a new try."""
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        with self.session() as session:
            attempt = session.scalars(select(TaskInstance).where(*self._is(TaskInstance, key))).one()
            attempt.prepare_db_for_next_try(session)

    def iterations(self, count: int, **facts: Any) -> list[Waiting]:
        """Iterations of one task in a loop (Airflow 3.4): rows that only their region tells apart."""
        from airflow.models.dynamic_region import DynamicRegion
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import insert, select

        first = self.task(None)
        with self.session() as session:
            region = DynamicRegion.get_or_create(
                dag_id=first.key.dag_id, run_id=first.key.run_id, node_id="a_loop", session=session
            )
            table = TaskInstance.__table__
            row = dict(
                session.execute(select(table).where(table.c.id == uuid.UUID(first.key.attempt)))
                .one()
                ._mapping
            )
            keys = [replace(first.key, attempt=uuid.uuid4().hex) for _ in range(count)]
            for number, key in enumerate(keys):
                place = {"id": uuid.UUID(key.attempt), "region_id": region.id, "region_index": number}
                session.execute(insert(table).values(**row | place))
            session.execute(table.delete().where(table.c.id == row["id"]))
        made = []
        for key in keys:
            made.append(Waiting(self, key, new_address(self.url, key)))
            made[-1].expect(**facts)
            made[-1].set("deferred", deferred_for=60.0)
        return made

    def set_state(self, key: TaskKey, state: str | None, **facts: Any) -> None:
        with self.session() as session:
            self.change_state(session, key, state, **facts)

    def change_state(
        self,
        session: Any,
        key: TaskKey,
        state: str | None,
        *,
        deferred_for: float | None = None,
        trigger: str = OURS,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import Trigger
        from sqlalchemy import update

        trigger_id = None
        if deferred_for is not None:
            begun = datetime.now(UTC) - timedelta(seconds=deferred_for)
            row = Trigger(classpath=trigger, kwargs=arguments or {}, created_date=begun)
            session.add(row)
            session.flush()
            trigger_id = row.id
        session.execute(
            update(TaskInstance)
            .where(*self._is(TaskInstance, key))
            .values(state=state, trigger_id=trigger_id)
        )

    def trigger_arguments(self, key: TaskKey) -> dict[str, Any]:
        """What the trigger of a deferred task was given."""
        from airflow.models.trigger import Trigger
        from sqlalchemy import select

        with self.session() as session:
            trigger = session.scalar(select(Trigger).where(Trigger.id == self.task_row(key)["trigger_id"]))
            return dict(trigger.kwargs)

    # Airflow's execution API, as the worker's supervisor calls it

    def set_xcom(self, key: TaskKey, name: str, value: Any) -> None:
        from airflow.api_fastapi.execution_api.routes.xcoms import set_xcom

        caller = self._caller(key)
        with self.session() as session:
            # What is not given are query parameters, whose defaults are FastAPI's own objects.
            set_xcom(
                dag_id=key.dag_id,
                run_id=key.run_id,
                task_id=key.task_id,
                key=name,
                session=session,
                value=value,
                map_index=key.map_index,
                mapped_length=None,
                **({"dag_result": False} if "dag_result" in set_xcom.__annotations__ else {}),
                **caller,
            )

    def clear_xcoms(self, key: TaskKey) -> None:
        from airflow.models.xcom import XComModel
        from sqlalchemy import delete

        with self.session() as session:
            session.execute(delete(XComModel).where(*self._is(XComModel, key)))

    def set_task_state(self, key: TaskKey, name: str, value: Any) -> None:
        from airflow.api_fastapi.execution_api.datamodels.task_state_store import TaskStateStorePutBody
        from airflow.api_fastapi.execution_api.routes.task_state_store import set_task_state_store

        with self.session() as session:
            body = TaskStateStorePutBody(value=value, expires_at=None)
            set_task_state_store(self.task_row(key)["id"], name, body, session)

    def task_state(self, key: TaskKey, name: str) -> Any:
        from airflow.api_fastapi.execution_api.routes.task_state_store import get_task_state_store
        from fastapi import HTTPException

        with self.session() as session:
            try:
                return get_task_state_store(self.task_row(key)["id"], name, session).value
            except HTTPException:
                return None

    def xcom(self, key: TaskKey, name: str) -> Any:
        """An XCom as a worker or a trigger gets it from the execution API."""
        from airflow.api_fastapi.execution_api.routes.xcoms import GetXcomFilterParams, get_xcom
        from fastapi import HTTPException

        caller = self._caller(key)
        with self.session() as session:
            try:
                found = get_xcom(
                    dag_id=key.dag_id,
                    run_id=key.run_id,
                    task_id=key.task_id,
                    key=name,
                    session=session,
                    params=GetXcomFilterParams(map_index=key.map_index),
                    **caller,
                )
            except HTTPException:
                return None
            return found.value

    def _caller(self, key: TaskKey) -> dict[str, Any]:
        """The live try, as which the worker calls; since Airflow 3.4 it decides whose XCom is meant."""
        if not HAS_ATTEMPTS:
            return {}
        from airflow.api_fastapi.common.dagbag import create_dag_bag
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        with self.session() as session:
            row_id = session.scalar(select(TaskInstance.id).where(*self._is(TaskInstance, key)))
        return {"token": SimpleNamespace(id=row_id or uuid.uuid4()), "dag_bag": create_dag_bag()}

    # Looking

    def task_row(self, key: TaskKey) -> dict[str, Any]:
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        with self.session() as session:
            row = session.execute(
                select(
                    *(getattr(TaskInstance, n) for n in ("id", "state", "trigger_id", "next_method"))
                ).where(*self._is(TaskInstance, key))
            ).one()
            return dict(row._mapping)

    def stored_length(self, key: TaskKey, name: str) -> int:
        """Characters that a value of the task takes in its table; 0 where there is none."""
        value = self.xcom(key, name) if name == MAILBOX_KEY else None
        if name != MAILBOX_KEY and HAS_TASK_STATE:
            value = self.task_state(key, name)
        return 0 if value is None else len(json.dumps(value))

    def next_kwargs(self, key: TaskKey) -> Any:
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        with self.session() as session:
            return dict(session.scalar(select(TaskInstance.next_kwargs).where(*self._is(TaskInstance, key))))

    @staticmethod
    def _is(table: Any, key: TaskKey) -> tuple[Any, ...]:
        """Conditions for the task's live row."""
        which = (table.dag_id == key.dag_id, table.run_id == key.run_id, table.task_id == key.task_id)
        if not HAS_ATTEMPTS:
            return (*which, table.map_index == key.map_index)
        if not key.attempt:
            return (*which, table.working_set.is_(True), table.region_index == key.map_index)
        from sqlalchemy import select

        named = table.__table__.alias()
        place = (
            select(named.c.region_id)
            .where(
                named.c.id == uuid.UUID(key.attempt),
                named.c.region_id == table.region_id,
                named.c.region_index == table.region_index,
            )
            .exists()
        )
        return (*which, table.working_set.is_(True), place)

    def everything(self) -> str:
        """The whole database as text, for secrets that must not be in it."""
        from airflow.models.base import Base
        from sqlalchemy import inspect, text

        with self.session() as session:
            there = set(inspect(session.get_bind()).get_table_names())
            names = [name for name in Base.metadata.tables if name in there]
            return "\n".join(
                repr(tuple(row)) for name in names for row in session.execute(text(f'select * from "{name}"'))
            )

    def counts(self) -> dict[str, int]:
        """Rows by table, to see that nothing was written."""
        from airflow.models.base import Base
        from sqlalchemy import inspect, text

        with self.session() as session:
            there = set(inspect(session.get_bind()).get_table_names())
            return {
                name: session.scalar(text(f'select count(*) from "{name}"'))
                for name in Base.metadata.tables
                if name in there
            }


_made: set[str] = set()


@contextlib.contextmanager
def airflow_on(sql_alchemy_conn: str) -> Iterator[None]:
    """Let the Airflow inside this process use another metadata database, and make its tables."""
    from airflow import settings
    from airflow.utils import db

    variable = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    names = [n for n in ("SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC") if hasattr(settings, n)]
    before = {name: getattr(settings, name) for name in names}, os.environ[variable]
    asynchronous = sql_alchemy_conn.replace("+psycopg2", "+asyncpg").replace("sqlite:", "sqlite+aiosqlite:")
    settings.SQL_ALCHEMY_CONN = sql_alchemy_conn
    settings.SQL_ALCHEMY_CONN_ASYNC = asynchronous
    os.environ[variable] = sql_alchemy_conn
    settings.dispose_orm(do_log=False)
    settings.configure_orm()
    try:
        if sql_alchemy_conn not in _made:
            db.initdb()
            _made.add(sql_alchemy_conn)
        yield
    finally:
        settings.dispose_orm(do_log=False)
        for name, value in before[0].items():
            setattr(settings, name, value)
        os.environ[variable] = before[1]
        settings.configure_orm()


@contextlib.contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """An ASGI app on a real socket, in a thread."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        config = uvicorn.Config(app, log_config=None, lifespan="off", **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            end = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def mounted(root_path: str = "") -> Any:
    """An app with the plugin's own under its prefix and with Airflow's access log, as in the API server."""
    from fastapi import FastAPI

    from airflow_async_provider.plugin import AsyncProviderPlugin

    entry = next(e for e in AsyncProviderPlugin.fastapi_apps if e["url_prefix"] == PREFIX)
    root = FastAPI(root_path=root_path)
    root.mount(
        entry["url_prefix"], type(entry["app"])(entry["app"].module)
    )  # one that no other test has used
    assert entry["url_prefix"] == PREFIX
    try:
        from airflow.api_fastapi.common.http_access_log import HttpAccessLogMiddleware
    except ImportError:  # Airflow 3.1 leaves the access log to uvicorn
        return root
    root.add_middleware(HttpAccessLogMiddleware)
    return root


@pytest.fixture(scope="session", name="callback_postgres")
def postgres_fixture() -> Iterator[Postgres]:
    """A private PostgreSQL; skipped, with the reason, where there is none."""
    try:
        server = Postgres()
    except PostgresMissingError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"], name="world")
def world_fixture(request: pytest.FixtureRequest, airflow_db: Path) -> Iterator[World]:
    """The receiver over a database; each test of a module runs once on each."""
    if request.param == "sqlite":
        with served(mounted()) as url:
            yield World(url, request.param)
        return
    server = request.getfixturevalue("callback_postgres")
    with airflow_on(server.sql_alchemy_conn), served(mounted()) as url:
        yield World(url, request.param)


#: For what is decided before a row is read or written, or in the same way whatever holds it: one is enough.
on_one_database = pytest.mark.parametrize("world", ["sqlite"], indirect=True)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that the package has logged."""
    return "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("airflow_async_provider"))


@pytest.fixture(name="wakes")
def wakes_fixture(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events of all resumed tasks."""
    from airflow_async_provider._callbacks import airflow_internals as internals

    seen: list[dict[str, Any]] = []
    real = internals.resume

    def resume(session: Any, task_instance: Any, event: dict[str, Any]) -> None:
        seen.append(event)
        real(session, task_instance, event)

    monkeypatch.setattr(internals, "resume", resume)
    return seen
