# SPDX-License-Identifier: Apache-2.0
"""An Airflow that callbacks do not fit is recognised once, and tasks hear of it before they submit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import support
from airflow_async_provider._callbacks.address import HEALTH, PREFIX
from tests.support.byte_server import redirect, running, status
from tests.support.callback_world import (  # noqa: F401 - fixtures
    World,
    logged,
    mounted,
    served,
    world_fixture,
)

#: What 3.4 did to versions of this package that knew 3.3 only.
MOVED = {"airflow.models.xcom.XComModel.put_somewhere": ("key",)}


@pytest.fixture
def fresh(world: World) -> Iterator[World]:
    """A receiver that has not compared yet."""
    with served(mounted()) as url:
        yield World(url, world.dialect)


def health(url: str) -> tuple[int, Any]:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url + PREFIX + HEALTH, timeout=30)
        return answer.status_code, answer.json()


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch, fresh: World) -> Any:
    """A task on a worker, which knows where the API server is."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"{fresh.url}/execution/")
    return support.unsupported_reason


def test_this_airflow_has_all_that_is_needed(
    fresh: World, asks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert support.missing() == []
    assert support.receiver_reason() is None
    assert health(fresh.url) == (200, {"callbacks": "supported"})
    assert asks() is None
    assert logged(caplog) == ""


def test_what_is_missing_is_named() -> None:
    def lacks(path: str, *names: str) -> str:
        return support._lacks(path, names)

    assert lacks("airflow.models.xcom.XComModel", "key", "value") == ""
    assert lacks("airflow.models.xcom.XComModel", "key", "colour", "smell").endswith(
        "XComModel lacks colour, smell"
    )
    assert lacks("airflow.models.xcom.NoModel").endswith("NoModel does not exist")
    assert lacks("airflow.models.no_module.Thing").endswith("Thing does not exist")
    assert lacks("airflow.models.trigger.handle_event_submit", "event") == ""
    assert lacks("airflow.models.trigger.handle_event_submit", "happening").endswith("lacks happening")


def test_an_airflow_that_does_not_fit_is_reported_once_and_callbacks_come_again_later(
    fresh: World, asks: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(support, "_NEEDED", MOVED)
    task = fresh.task()

    answers = [task.post() for _ in range(3)]

    assert [(a.status_code, a.headers["Retry-After"]) for a in answers] == [(503, "600")] * 3
    assert (task.state, task.delivery) == ("deferred", None)
    code, answer = health(fresh.url)
    assert (code, answer["callbacks"]) == (503, "unsupported")
    assert "XComModel.put_somewhere does not exist" in answer["reason"]
    assert asks() == answer["reason"]
    (line,) = [
        r
        for r in caplog.records
        if r.name.startswith("airflow_async_provider") and r.levelno >= logging.WARNING
    ]
    assert answer["reason"] in line.getMessage()
    assert "Operators poll instead" in line.getMessage()


def test_a_table_that_may_not_be_written_is_a_difference(world: World) -> None:
    from sqlalchemy import text

    if world.dialect != "postgresql":
        pytest.skip("SQLite knows no rights")
    with internals.transaction() as session:
        assert internals.unwritable(session) == []
        session.execute(text("create role reader"))
        session.execute(text("grant select on all tables in schema public to reader"))
        session.execute(text("set local role reader"))
        found = internals.unwritable(session)
    assert found
    assert all("cannot be written (InsufficientPrivilege)" in one for one in found)


def test_a_table_that_is_not_there_is_a_difference(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "_WRITTEN", ("task_instance", "xcom_of_tomorrow"))
    assert "the table xcom_of_tomorrow does not exist" in str(support.receiver_reason())


def test_a_database_that_is_away_decides_nothing(
    fresh: World, asks: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sqlalchemy.exc import OperationalError

    def away(session: Any) -> list[str]:
        raise OperationalError("s", {}, Exception())

    task = fresh.task()
    with monkeypatch.context() as patched:
        patched.setattr(internals, "unwritable", away)
        assert health(fresh.url) == (503, {"callbacks": "unknown"})
        assert asks() is None
        assert task.post().status_code == 503
    assert health(fresh.url) == (200, {"callbacks": "supported"})
    assert task.post().status_code == 200
    assert task.state == "scheduled"


def test_only_a_release_that_was_not_tested_is_looked_at_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__API__BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(support, "_NEEDED", MOVED)
    assert support.unsupported_reason() is None  # nobody to ask, and a release that was tested
    major, minor = internals.TESTED[1]
    monkeypatch.setattr(support, "AIRFLOW", (major, minor + 1))
    assert f"Airflow {major}.{minor + 1}" in str(support.unsupported_reason())
    monkeypatch.setattr(internals, "is_core_installed", lambda: False)  # the Task SDK alone
    assert support.unsupported_reason() is None


ANSWERS = {
    "supported": status(200, b'{"callbacks": "supported"}'),
    "an older version of this package": status(404, b'{"detail": "Not Found"}'),
    "a login page": status(200, b"<html>log in</html>"),
    "another shape": status(200, b'["unsupported"]'),
    "a redirect": redirect("http://127.0.0.1:9/elsewhere"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_other_answer_speaks_against_callbacks(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(steps=[ANSWERS[answer]]) as server:
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"{server.origin}/airflow/execution/")
        assert support.unsupported_reason() is None
        assert [r.target for r in server.requests] == ["/airflow" + PREFIX + HEALTH]


def test_an_api_server_that_does_not_answer_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:9/execution/")
    assert support.unsupported_reason() is None


def test_the_api_servers_own_address_is_the_fallback(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", raising=False)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", fresh.url)
    monkeypatch.setattr(support, "_NEEDED", MOVED)
    assert "put_somewhere" in str(support.unsupported_reason())
