# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: TID251 - the rows of Airflow's scheduler and workers are made here
"""The page "Remote jobs" as Airflow mounts it: real socket, real database, Airflow's own rights."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from airflow_async_provider._page.facts import REPORT_VERSION
from airflow_async_provider._page.signing import HEADER, report_keys, signature_of
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.callback_world import OURS, Waiting, World, airflow_on, served

__all__ = ["PageWorld", "page_world_fixture"]

#: A user whose name begins like this sees, and may change, the one DAG in the rest of the name.
ONLY = "only:"

KEY = "a-key-of-tests"
PASSWORD = "word-of-the-page-9d2f"


class PerDagAuthManager(SimpleAuthManager):
    """Airflow's simple auth manager, with users who have rights on one DAG only."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **asked: Any) -> bool:
        if user.username.startswith(ONLY):
            return details is None or details.id in (None, user.username.removeprefix(ONLY))
        return super().is_authorized_dag(user=user, details=details, **asked)


class PageWorld(World):
    """A server with the page, and requests of its users."""

    def trigger(self, waiting: Waiting, **arguments: Any) -> int:
        """Give the task's trigger the arguments that a deferral gives it; its id."""
        from airflow.models.trigger import Trigger

        given = {
            "job": {"protocol": "http_api", "job_id": "7", "submitted_at": time.time(), "conn_id": "api"},
            "conn_id": "api",
            "policy": {},
            "deadline": time.time() + 7200,
            "deferred_at": time.time(),
            "settle": 0.0,
            **arguments,
        }
        path, kwargs = AsyncJobTrigger(**given).serialize()
        assert path == OURS
        number = int(self.task_row(waiting.key)["trigger_id"])
        with self.session() as session:
            session.get(Trigger, number).kwargs = kwargs
        return number

    def end_all(self) -> None:
        """Nothing waits any more."""
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import update

        with self.session() as session:
            waiting = update(TaskInstance).where(TaskInstance.state == "deferred")
            session.execute(waiting.values(state="success", trigger_id=None))

    def token(self, user: str = "admin", role: str = "ADMIN") -> str:
        from airflow.api_fastapi.app import create_auth_manager

        return str(create_auth_manager().generate_jwt(SimpleAuthManagerUser(username=user, role=role)))

    def request(
        self, method: str, path: str, *, user: str | None = "admin", role: str = "ADMIN", **options: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token(user, role)}"} if user else {}
        headers |= options.pop("headers", {})
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, f"{self.url}/remote-jobs/{path}", headers=headers, timeout=60, **options
            )

    def jobs(self, *, user: str = "admin", **query: Any) -> list[dict[str, Any]]:
        answer = self.request("GET", "jobs", user=user, params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["jobs"]
        return found

    def job(self, waiting: Waiting, *, user: str | None = "admin", role: str = "ADMIN") -> requests.Response:
        key = waiting.key
        named = {
            "dag_id": key.dag_id,
            "run_id": key.run_id,
            "task_id": key.task_id,
            "map_index": key.map_index,
        }
        return self.request("GET", "job", user=user, role=role, params=named)

    def report(self, *jobs: dict[str, Any], key: bytes | None = None) -> requests.Response:
        """A triggerer's report."""
        body = json.dumps({"version": REPORT_VERSION, "jobs": jobs}).encode()
        signature = signature_of(key or report_keys()[0], body)
        return self.request("POST", "reports", user=None, data=body, headers={HEADER: signature})


def facts(waiting: Waiting, **given: Any) -> dict[str, Any]:
    """What a triggerer says of a job."""
    return {
        "ti_id": str(uuid.UUID(waiting.key.attempt)),
        "trigger_id": 1,
        "system": "HTTP API",
        "conn_id": "api",
        "label": "/exports",
        "job_id": "job-7",
        "remote_url": "https://api.example.com/exports/7",
        "state": "running",
        "remote_status": "IN_PROGRESS",
        "last_error": "",
        "submitted_at": -120,
        "waiting_since": -100,
        "deadline": 7200,
        "last_poll_at": -5,
        "next_poll_at": 10,
        "polls": 4,
        "failures": 0,
        "failures_in_row": 0,
        "progress": 0.25,
        "callback": False,
        "events": [],
        **given,
    }


def airflow_rows(session: Any, dag_id: str, run_ids: list[str]) -> None:
    """A DAG and its runs, for tasks that are made by the thousand."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from sqlalchemy import insert

    now = datetime.now(UTC)
    session.execute(insert(DagBundleModel.__table__).values(name="tests", active=True))
    session.execute(
        insert(DagModel.__table__).values(
            dag_id=dag_id,
            bundle_name="tests",
            max_active_tasks=1,
            max_consecutive_failed_dag_runs=0,
            has_task_concurrency_limits=False,
        )
    )
    for run_id in run_ids:
        session.execute(
            insert(DagRun.__table__).values(
                dag_id=dag_id, run_id=run_id, run_type="manual", run_after=now, state="running"
            )
        )


def page_root() -> Any:
    """An app with the page below its prefix, and Airflow's auth manager."""
    from airflow.api_fastapi.app import init_auth_manager
    from fastapi import FastAPI

    from airflow_async_provider.plugin import PAGE_PREFIX, AsyncProviderPlugin

    root = FastAPI()
    init_auth_manager(root)
    for entry in AsyncProviderPlugin.fastapi_apps:
        app = entry["app"]
        root.mount(entry["url_prefix"], type(app)(app.module))
    assert PAGE_PREFIX == "/remote-jobs"
    return root


@contextmanager
def rights(home: Path) -> Iterator[None]:
    """Airflow asks :class:`PerDagAuthManager`, and reports are signed with a key of the tests."""
    from airflow.api_fastapi import app

    passwords = home / "passwords-of-the-page.json"
    passwords.write_text(json.dumps({"admin": PASSWORD}))
    options = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__AUTH_MANAGER": f"{__name__}.{PerDagAuthManager.__name__}",
        "AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY": KEY,
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-tests-" * 4,
    }
    before = {name: os.environ.get(name) for name in options}
    os.environ.update(options)
    app.purge_cached_app()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        app.purge_cached_app()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"], name="page")
def page_world_fixture(request: pytest.FixtureRequest, airflow_db: Path) -> Iterator[PageWorld]:
    """The page over a database; each test of a module runs once on each."""
    with ExitStack() as stack:
        stack.enter_context(rights(airflow_db.parent))
        if request.param == "postgresql":
            server = request.getfixturevalue("callback_postgres")
            stack.enter_context(airflow_on(server.sql_alchemy_conn))
        page = PageWorld(stack.enter_context(served(page_root())), request.param)
        page.end_all()  # the page shows whatever waits in the database, also what other tests have left there
        yield page
