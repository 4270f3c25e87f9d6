# SPDX-License-Identifier: Apache-2.0
"""
The page "Remote jobs" in Airflow's API server: its files, its data, and the reports of triggerers.

Airflow's authentication does not cover a plugin's app by itself. Data and actions ask Airflow's own
dependencies (anonymous: 401); reports prove themselves by their signature; the files hold nothing.
"""

# Not "from __future__ import annotations": FastAPI could not read annotations of names that are local here.
import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from airflow_async_provider import _settings as settings
from airflow_async_provider._callbacks import trials
from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.registration import MAX_PARTIES
from airflow_async_provider._page import actions, history, listing
from airflow_async_provider._page import airflow_internals as internals
from airflow_async_provider._page.facts import read_report
from airflow_async_provider._page.signing import HEADER, is_signed, report_keys
from airflow_async_provider._page.table import JobsTable
from airflow_async_provider.errors import ConfigurationError

log = logging.getLogger(__name__)

T = TypeVar("T")

STATIC = Path(__file__).parent / "static"

#: A report's body (bytes), the time for its reading (seconds), and so many at once.
MAX_REPORT = 2 * 1024 * 1024
MAX_READ = 10.0
MAX_REPORTS = 4

#: The page contains everything itself, may be shown inside Airflow only, and runs no inline script.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
FILES = {
    "page.css": "text/css",
    **dict.fromkeys(("page.js", "common.js", "deliveries.js"), "text/javascript"),
}


class Asked(BaseModel):
    """What a user wants done."""

    action: str
    value: Any = None


def build_app() -> FastAPI:
    """The FastAPI app below ``/remote-jobs``."""
    app = FastAPI(title="airflow-async-provider remote jobs", docs_url=None, redoc_url=None)
    jobs = JobsTable()
    _add_files(app)
    _add_reports(app, jobs)
    _add_data(app, jobs)
    return app


def _add_files(app: FastAPI) -> None:
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
        "Referrer-Policy": "same-origin",
    }

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "page.html", media_type="text/html", headers=headers)

    @app.get("/static/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, "Not found")
        return FileResponse(STATIC / name, media_type=FILES[name], headers=headers)


def _add_reports(app: FastAPI, jobs: JobsTable) -> None:
    keys = report_keys()
    places = asyncio.Semaphore(MAX_REPORTS)

    def store(body: bytes) -> None:
        rows = read_report(body, time.time())
        _with_table(jobs, lambda session: jobs.write(session, rows))

    @app.post("/reports", include_in_schema=False)
    async def report(request: Request) -> Response:
        """The report of a triggerer on its jobs."""
        if places.locked():
            raise HTTPException(503, "too many reports at once", {"Retry-After": "5"})
        async with places:
            try:
                body = await asyncio.wait_for(_body(request), MAX_READ)
            except TimeoutError:
                raise HTTPException(408, "the report did not come in time") from None
            if not is_signed(keys, body, request.headers.get(HEADER, "")):
                raise HTTPException(401, "not signed by a triggerer of this Airflow")
            try:
                await run_in_threadpool(store, body)
            except ValueError as e:
                raise HTTPException(422, str(e)) from None
            except Exception as e:  # noqa: BLE001 - the page without news is no trouble of the triggerer's
                log.warning("A report of waiting jobs could not be stored: %s", type(e).__name__)
                raise HTTPException(503, "the report could not be stored", {"Retry-After": "60"}) from None
        return Response(status_code=204)


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for block in request.stream():
        found += block
        if len(found) > MAX_REPORT:
            raise HTTPException(413, "the report is too large")
    return bytes(found)


def _with_table(jobs: JobsTable, work: Callable[[Any], T]) -> T:
    """Do something in a transaction, and once more where the table was not what it was taken for."""
    try:
        with internals.transaction() as session:
            return work(session)
    except DBAPIError:
        jobs.look_again()
        with internals.transaction() as session:
            return work(session)


def _add_data(app: FastAPI, jobs: JobsTable) -> None:
    user_dependency, task_dependency = internals.current_user(), Depends(_task)
    listed = listing.Listing(jobs)

    @app.get("/jobs", dependencies=internals.access("GET"))
    def waiting(
        user: Any = user_dependency,
        task: dict[str, Any] = task_dependency,
        system: str = "",
        search: str = Query("", max_length=200),
        only: str = "",
        sort: str = "deadline",
        limit: int = Query(listing.PAGE, ge=1, le=listing.MAX_PAGE),
        offset: int = Query(0, ge=0),
    ) -> dict[str, Any]:
        """The waiting jobs that the user may see."""
        query = listing.Query(
            task=task,
            system=system,
            search=search,
            only=only,
            sort=sort,
            limit=limit,
            offset=offset,
        )
        dag_ids = internals.authorized_dag_ids(user)

        def found(session: Any) -> dict[str, Any]:
            page = listed.page(session, query, dag_ids)
            return {**page, "jobs": history.last_of_each(session, user, page["jobs"])}

        return _with_table(jobs, found)

    @app.get("/job", dependencies=internals.access("GET"))
    def job(
        dag_id: str, run_id: str, task_id: str, map_index: int = -1, user: Any = user_dependency
    ) -> dict[str, Any]:
        """One task's job with its timeline, and whether the user may do something to it."""
        dag_ids = internals.authorized_dag_ids(user) & {dag_id}
        task = _task(dag_id, run_id, task_id, map_index)
        found = _with_table(jobs, lambda session: listed.one(session, task, dag_ids))
        if found is None:
            raise HTTPException(404, "No remote job is known of this task.")
        came = history.of_user(user, limit=history.ROWS, source=None, task=task)
        return {**found, "may_act": internals.may_change(user, dag_id), "deliveries": came}

    @app.post("/act", dependencies=internals.access("PUT"))
    def do(
        request: Request,
        dag_id: str,
        run_id: str,
        task_id: str,
        ti_id: UUID,
        wish: Annotated[Asked, Body()],
        map_index: int = -1,
        user: Any = user_dependency,
    ) -> dict[str, str]:
        """Poll a job now, cancel it, or complete it by hand; takes the right to change the task instance."""
        _refuse_other_sites(request)
        key = TaskKey(dag_id, run_id, task_id, map_index, ti_id.hex)
        try:
            detail = actions.act(key, actions.Wish(wish.action, str(user.get_name()), wish.value))
        except actions.NotNowError as e:
            raise HTTPException(409, str(e)) from None
        return {"detail": detail}

    _add_history(app, user_dependency)


def _add_history(app: FastAPI, user_dependency: Any) -> None:
    task_dependency = Depends(_task)

    @app.get("/deliveries", dependencies=internals.access("GET"))
    def came(
        user: Any = user_dependency,
        task: dict[str, Any] = task_dependency,
        source: str = Query("", max_length=40),
        limit: int = Query(history.ROWS, ge=1, le=history.MAX_ROWS),
    ) -> dict[str, Any]:
        """The last deliveries of tasks, of a push source or of all of them (``*``), that the user may see."""
        chosen = {"": None, "*": ""}.get(source, source)
        found = history.of_user(user, limit=limit, source=chosen, task=task)
        return {"now": time.time(), "deliveries": found}

    @app.post("/deliveries/{number}/replay")
    def again(request: Request, number: int, user: Any = user_dependency) -> dict[str, str]:
        """Replay one of them."""
        _refuse_other_sites(request)
        with _refusals():
            return {"detail": history.replay(number, user)}

    @app.post("/test-address")
    def test_address(
        request: Request,
        user: Any = user_dependency,
        dag_id: str = "",
        run_id: str = "",
        task_id: str = "",
        map_index: int = -1,
        party: int = Query(-1, ge=-1, lt=MAX_PARTIES),
        source: str = Query("", max_length=40),
    ) -> dict[str, Any]:
        """An address for a test delivery, which does nothing but answer what it would have done."""
        _refuse_other_sites(request)
        base = settings.callback_base_url() or settings.api_base_url()
        base = base or str(request.base_url).rstrip("/").removesuffix(request.scope.get("root_path", ""))
        task = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        with _refusals():
            made = history.trial_address(user, base, source=source, task=task, party=party)
        return {"url": made.url, "authorization": made.authorization, "good_for": trials.GOOD_FOR}


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except history.UnknownError as e:
        raise HTTPException(404, str(e)) from None
    except history.NotAllowedError as e:
        raise HTTPException(403, str(e)) from None
    except (actions.NotNowError, ConfigurationError) as e:
        raise HTTPException(409, str(e)) from None


def _refuse_other_sites(request: Request) -> None:
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "Another site has asked for this.")


def _task(
    dag_id: str = "", run_id: str = "", task_id: str = "", map_index: int | None = None
) -> dict[str, Any]:
    given = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
    return {n: v for n, v in given.items() if v} | ({} if map_index is None else {"map_index": map_index})
