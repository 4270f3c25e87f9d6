# SPDX-License-Identifier: Apache-2.0
"""What the page uses of Airflow's own code, tried on the Airflow at hand: passes on 3.1 to 3.4."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from airflow_async_provider._page import airflow_internals as internals
from tests.support.callback_world import OURS
from tests.support.harness import AIRFLOW
from tests.support.page_world import ONLY, PageWorld, page_world_fixture  # noqa: F401 - fixtures


def test_airflows_tables_have_what_the_page_reads(page: PageWorld) -> None:
    waiting = page.task(map_index=3)
    known = internals.tables()
    with page.session() as session:
        row = session.execute(
            select(known.ti.c.state, known.trigger.c.classpath, known.map_index)
            .join(known.trigger, known.trigger.c.id == known.ti.c.trigger_id)
            .where(known.ti.c.dag_id == waiting.key.dag_id, *known.live)
        ).one()
    assert tuple(row) == ("deferred", OURS, 3)
    assert ("working_set" in known.ti.c) == (AIRFLOW >= (3, 4))
    for name in ("rendered_map_index", "try_number", "run_id", "task_id"):
        assert name in known.ti.c
    for table, name in ((known.trigger, "kwargs"), (known.trigger, "triggerer_id"), (known.job, "hostname")):
        assert name in table.c


def test_the_arguments_of_a_trigger_are_read_as_a_deferral_has_stored_them(page: PageWorld) -> None:
    waiting = page.task()
    number = page.trigger(waiting, deadline=7.0)
    known = internals.tables()
    with page.session() as session:
        stored = session.scalar(select(known.trigger.c.kwargs).where(known.trigger.c.id == number))
    found = internals.trigger_arguments(stored)
    assert (found["deadline"], found["job"]["job_id"]) == (7.0, "7")
    assert internals.trigger_arguments("nothing that anybody has encrypted") == {}


def test_rights_are_airflows_own(page: PageWorld) -> None:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    mine, other = page.task().key.dag_id, page.task().key.dag_id
    admin: Any = SimpleAuthManagerUser(username="admin", role="ADMIN")
    viewer: Any = SimpleAuthManagerUser(username="viewer", role="VIEWER")
    one: Any = SimpleAuthManagerUser(username=ONLY + mine, role="VIEWER")
    assert {mine, other} <= internals.authorized_dag_ids(admin)
    assert internals.authorized_dag_ids(one) == {mine}
    assert internals.may_change(admin, mine)
    assert not internals.may_change(viewer, mine)
    assert internals.may_change(one, mine)
    assert not internals.may_change(one, other)
