# SPDX-License-Identifier: Apache-2.0
"""A real Celery Flower, with a worker and a broker made of files, by its description."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_async_provider.errors import JobCancelledError, JobFailedError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols import JobHandle
from tests.support.harness import free_port
from tests.support.one_task import OneTask
from tests.support.real_servers import missing, program, serving

CELERY = program("celery")
pytestmark = pytest.mark.skipif(CELERY is None, reason=missing("flower"))

USER, PASSWORD = "user", "secret"

APP = textwrap.dedent(
    """
    import pathlib, time
    from celery import Celery

    home = pathlib.Path(__file__).parent
    folders = {name: home / name for name in ("queue", "control", "results")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    app = Celery("app", broker="filesystem://", backend=folders["results"].as_uri())
    app.conf.broker_transport_options = {
        "data_folder_in": str(folders["queue"]), "data_folder_out": str(folders["queue"]),
        "control_folder": str(folders["control"]),
    }
    app.conf.task_track_started = True

    @app.task(name="jobs.add")
    def add(one, other, seconds=0.0):
        time.sleep(seconds)
        if one is None:
            raise ValueError("no such number")
        return {"sum": one + other}
    """
)


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its base URL."""
    port, home = free_port(), tmp_path_factory.mktemp("flower")
    (home / "app.py").write_text(APP)
    worker = [str(CELERY), "-A", "app", "worker", "--concurrency", "2", "--loglevel", "warning"]
    web = [str(CELERY), "-A", "app", "flower", "--address=127.0.0.1", f"--port={port}"]
    with (
        serving(worker, None, cwd=home),
        serving([*web, f"--basic-auth={USER}:{PASSWORD}"], port, cwd=home),
    ):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def _connection(flower: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "http", "host": flower, "login": USER, "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_FLOWER", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def call(*args: Any, **more: Any) -> Callable[[], HttpAsyncJobOperator]:
    """The task."""
    seconds = more.pop("seconds", 0.5)
    return lambda: HttpAsyncJobOperator(
        task_id="t",
        http_conn_id="flower",
        profile="celery_flower",
        profile_options={"task": "jobs.add"},
        json={"args": list(args), "kwargs": {"seconds": seconds}},
        **{"poll_interval": 0.2, "timeout": 90, **more},
    )


def test_a_celery_task_is_called_and_its_value_returned() -> None:
    assert OneTask().run(call(1, 2)) == {"sum": 3}


def test_a_celery_task_that_raises_fails_the_task_in_its_words() -> None:
    with pytest.raises(JobFailedError, match="no such number"):
        OneTask().run(call(None, 2))


def test_one_that_was_revoked_is_a_cancelled_job() -> None:
    """As a person does it in Flower, while the task waits."""
    task, make = OneTask(), call(1, 2, seconds=60)
    deferral = task.begin(make)
    assert make().hook.cancel(JobHandle.from_dict(deferral.kwargs["run"]["handle"]))
    with pytest.raises(JobCancelledError):
        task.follow(make, deferral)
