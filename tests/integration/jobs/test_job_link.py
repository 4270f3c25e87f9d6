# SPDX-License-Identifier: Apache-2.0
"""The button that leads to the job at the remote system, with jobs of all simulated systems."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from tests.support.one_task import OneTask, TaskDeferred

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

QUICK = {"poll_interval": 0.05, "max_poll_interval": 0.1}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def link_of(operator: Any) -> str:
    button = operator.operator_extra_links[0]
    assert isinstance(button, RemoteJobLink)
    return button.get_link(operator, ti_key=None)


@pytest.mark.parametrize(
    ("template", "link"),
    [
        ("https://awi.example/{client}/{run_id}?a={b}", "https://awi.example/100/1000001?a={b}"),
        (None, None),
    ],
)
def test_it_leads_to_an_automic_run_while_it_is_waited_for_and_after(
    automic_simulator: AutomicSimulator,
    monkeypatch: pytest.MonkeyPatch,
    template: str | None,
    link: str | None,
) -> None:
    extra = {"run_url": template} if template else {}
    link = link or f"{automic_simulator.url}/ae/api/v1/100/executions/1000001"
    monkeypatch.setenv(
        "AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(automic_simulator.airflow_connection(**extra))
    )
    made: list[AutomicExecuteOperator] = []

    def make(**given: Any) -> AutomicExecuteOperator:
        made.append(AutomicExecuteOperator(task_id="t", object_name="JOBS.OK", **{**QUICK, **given}))
        return made[-1]

    assert RemoteJobLink().name == "Remote job"
    assert link_of(make()) == ""
    task = OneTask()
    deferral = task.begin(make)
    assert link_of(made[-1]) == link  # while it waits
    task.follow(make, deferral)
    assert link_of(made[-1]) == link
    make(wait=False).execute(OneTask().context)
    assert link_of(made[-1]) == link.replace("1000001", "1000002")


def connect(simulator: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch, **extra: str) -> None:
    connection = dict(simulator.airflow_connection())
    connection["extra"] = {**connection.get("extra", {}), **extra}
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(connection))


@pytest.mark.parametrize("page", ["", "https://ui.example/jobs?which=/{job_id}"])
def test_it_leads_to_any_job(
    http_async_simulator: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    connect(http_async_simulator, monkeypatch, **({"job_url": page} if page else {}))
    made: list[HttpAsyncJobOperator] = []

    def make() -> HttpAsyncJobOperator:
        made.append(HttpAsyncJobOperator(task_id="t", endpoint="location/jobs", json={}, **QUICK))
        return made[-1]

    task = OneTask()
    task.begin(make)
    assert task.store is not None
    url = task.store["async_job"]["handle"]["status_url"]
    assert "code=" in url
    address = url.split("?")[0]  # what comes behind it may be a secret
    path = address.removeprefix(http_async_simulator.url)
    assert link_of(made[-1]) == (page.replace("/{job_id}", path) if page else address)
    assert task.xcoms["remote_job"] == {
        "job_id": path,  # the remote gives no id, and nobody there knows ours
        "label": "POST location/jobs",
        "url": link_of(made[-1]),
        "system": "http_location",
        "conn_id": "http_default",
    }


def test_each_try_shows_its_own_job(
    http_async_simulator: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(http_async_simulator, monkeypatch)
    task, made = OneTask(), []

    def make() -> HttpAsyncJobOperator:
        made.append(HttpAsyncJobOperator(task_id="t", endpoint="location/jobs", json={}, **QUICK))
        return made[-1]

    task.run(make)
    first = dict(task.xcoms["remote_job"])
    assert link_of(made[-1]) == first["url"]

    task.clear()
    task.begin(make)
    second = task.xcoms["remote_job"]
    assert second["url"] == link_of(made[-1]) != first["url"]


def test_a_mapped_task_is_named_after_its_job(
    http_async_simulator: HttpAsyncSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(http_async_simulator, monkeypatch)

    def make() -> HttpAsyncJobOperator:
        return HttpAsyncJobOperator(task_id="t", endpoint="location/jobs", json={}, **QUICK)

    task = OneTask()
    context = task.context
    context["ti"].map_index = 3
    with pytest.raises(TaskDeferred):
        make().execute(context)
    assert context["ti"].rendered_map_index == "POST location/jobs"
    assert context["map_index_template"] == "{{ ti.rendered_map_index }}"

    context = {**task.context, "map_index_template": "{{ ds }}"}  # what a person has written stays
    context["ti"].map_index = 4
    with pytest.raises(TaskDeferred):
        make().execute(context)
    assert not hasattr(context["ti"], "rendered_map_index")
    assert context["map_index_template"] == "{{ ds }}"
