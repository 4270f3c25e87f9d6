# SPDX-License-Identifier: Apache-2.0
"""The table of what triggerers tell: made when needed, harmless where it cannot be made, cleaned."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from sqlalchemy import inspect, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from airflow_async_provider._page.facts import MAX_TIMELINE
from airflow_async_provider._page.table import KEPT, NAME, JobsTable, jobs_table
from tests.support.callback_world import Waiting
from tests.support.page_world import PageWorld, facts, page_world_fixture  # noqa: F401 - fixtures


def row(page: PageWorld, waiting: Waiting) -> Any:
    table = jobs_table()
    with page.session() as session:
        rows = session.execute(select(table)).mappings().all()
    return next((r for r in rows if str(r["ti_id"]).replace("-", "") == waiting.key.attempt), None)


def test_it_is_made_with_the_first_report_also_by_many_at_once(page: PageWorld) -> None:
    with page.session() as session:
        session.execute(text(f"drop table if exists {NAME}"))
    assert page.jobs() is not None  # without it the page shows what Airflow itself knows

    def make() -> None:
        with page.session() as session:
            JobsTable().make(session)

    threads = [threading.Thread(target=make) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    with page.session() as session:
        assert inspect(session.connection()).has_table(NAME)
        assert JobsTable().exists(session)
    waiting = page.task()
    assert page.report(facts(waiting)).status_code == 204
    assert row(page, waiting)["label"] == "/exports"


def test_a_second_report_takes_the_place_of_the_first(page: PageWorld) -> None:
    waiting = page.task()
    page.report(facts(waiting, polls=1))
    page.report(facts(waiting, polls=2, progress=None))
    found = row(page, waiting)
    assert (found["polls"], found["progress"]) == (2, None)


def test_a_timeline_has_a_longest_form(page: PageWorld) -> None:
    waiting = page.task()
    for _ in range(30):
        page.report(facts(waiting, events=[{"at": 0, "kind": "status", "text": "x" * 290}] * 10))
    assert MAX_TIMELINE - 4000 < len(row(page, waiting)["timeline"]) <= MAX_TIMELINE


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(page: PageWorld) -> None:
    ended, waiting, fresh = page.task(), page.task(), page.task()
    page.report(facts(ended), facts(waiting), facts(fresh))
    ended.set("success")
    fresh.set("success")
    table = jobs_table()
    with page.session() as session:
        session.execute(
            update(table)
            .where(table.c.ti_id.in_([row(page, ended)["ti_id"], row(page, waiting)["ti_id"]]))
            .values(reported_at=time.time() - KEPT - 60)
        )
        session.commit()
        JobsTable().clean(session)
    assert row(page, ended) is None
    assert row(page, waiting) is not None
    assert row(page, fresh) is not None


def test_a_table_that_has_gone_is_made_again(page: PageWorld) -> None:
    waiting = page.task()
    page.report(facts(waiting))
    for ask in (lambda: page.jobs(), lambda: page.report(facts(waiting))):
        with page.session() as session:
            session.execute(text(f"drop table if exists {NAME}"))
            session.commit()
        assert ask() is not None
    assert row(page, waiting) is not None


def test_a_database_user_who_may_not_make_it_has_a_page_all_the_same(page: PageWorld) -> None:
    waiting = page.task()
    page.trigger(waiting)
    with page.session() as session:
        session.execute(text(f"drop table if exists {NAME}"))
        session.commit()
        forbid = {"sqlite": "pragma query_only = 1", "postgresql": "set transaction read only"}[page.dialect]
        session.execute(text(forbid))
        jobs = JobsTable()
        with pytest.raises(SQLAlchemyError):
            jobs.make(session)
        assert not jobs.exists(session)
        if page.dialect == "sqlite":
            session.execute(text("pragma query_only = 0"))
    (found,) = page.jobs(dag_id=waiting.key.dag_id)
    assert found["job_id"] == "7"
