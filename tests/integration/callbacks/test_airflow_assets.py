# SPDX-License-Identifier: Apache-2.0
"""Airflow's internals that push sources use, tried on the Airflow at hand; passes on 3.1 to 3.4."""

from __future__ import annotations

import uuid
from typing import Any

from airflow_async_provider._callbacks import airflow_assets as assets
from airflow_async_provider._callbacks import airflow_internals as internals
from tests.support.callback_world import World, world_fixture  # noqa: F401 - fixtures
from tests.support.harness import AIRFLOW
from tests.support.push_world import make_asset, queued


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def test_an_event_queues_the_dags_that_are_scheduled_and_not_paused(world: World) -> None:
    name = unique("a")
    waits = make_asset(world, name)
    later: list[Any] = []
    with internals.transaction() as session:
        (asset,) = assets.lock_assets(session, [name])
        number = assets.add_event(session, asset, {"a": 1}, None, later)
    assert isinstance(number, int)
    assert queued(world, waits) == 1
    assert bool(later) is (AIRFLOW >= (3, 3))
    for notify in later:
        notify()
    paused = unique("p")
    dag_id = make_asset(world, paused, paused=True)
    with internals.transaction() as session:
        assets.add_event(session, assets.lock_assets(session, [paused])[0], {}, None, [])
    assert queued(world, dag_id) == 0


def test_assets_are_found_by_name_or_uri_and_only_active_ones(world: World) -> None:
    one, two, gone = unique("a"), unique("b"), unique("c")
    for name in (one, two):
        make_asset(world, name, dag=False)
    make_asset(world, gone, active=False)
    with internals.transaction() as session:
        found = assets.lock_assets(session, [two, f"x-test://{one}", gone, "no such"])
        assert {asset.name for asset in found} == {one, two}


def test_rows_of_the_audit_log_are_written_found_and_trimmed(world: World) -> None:
    event = unique("e")
    with internals.transaction() as session:
        for number in range(5):
            assets.add_log(session, event, "o", f'{{"key":"{number}_%"}}', team_name=None)
        assets.add_log(session, event, "other", "{}", dag_id="d", task_id="t", run_id="r", map_index=3)
        assert assets.find_log(session, event, "o", '"key":"3_%"').extra == '{"key":"3_%"}'
        assert assets.find_log(session, event, "o", '"key":"3__"') is None
        assets.trim_logs(session, event, "o", 2, min_age=3600)
        assert len(assets.logs(session, event, 10)) == 6
        assets.trim_logs(session, event, "o", 2)
        assets.trim_logs(session, event, "other", 0, map_index=4)
        rows = assets.logs(session, event, 10)
    assert [row["extra"] for row in rows] == ["{}", '{"key":"4_%"}', '{"key":"3_%"}']
    assert (rows[0]["dag_id"], rows[0]["map_index"]) == ("d", 3)


def test_connections_are_kept_as_airflow_keeps_them(world: World) -> None:
    conn_id = unique("async_push_x")
    fields = {"conn_id": conn_id, "conn_type": "generic", "password": "geheim", "extra": '{"a": "verborgen"}'}
    for password in ("geheim", "neu"):
        with internals.transaction() as session:
            assets.put_connection(session, {**fields, "password": password})
        with internals.transaction() as session:
            (found,) = assets.connections(session, conn_id)
            assert (found.password, found.extra_dejson) == (password, {"a": "verborgen"})
    assert internals.connection_of(conn_id).password == "neu"
    with internals.transaction() as session:
        assert assets.connections(session, conn_id[:-1] + "_") == []
        assert assets.delete_connection(session, conn_id)


def test_why_nothing_would_start_is_said(world: World) -> None:
    waits, paused, alone = unique("w"), unique("p"), unique("a")
    make_asset(world, waits)
    make_asset(world, paused, paused=True)
    make_asset(world, alone, dag=False)
    with internals.transaction() as session:
        reasons = [assets.unstarted_reason(session, [n]) for n in (waits, paused, alone, "none")]
    assert reasons[0] is None
    assert [str(reason).split()[0] for reason in reasons[1:]] == ["every", "no", "no"]
