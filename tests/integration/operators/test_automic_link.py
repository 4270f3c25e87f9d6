# SPDX-License-Identifier: Apache-2.0
"""The button that leads to a run in Automic's web interface, with runs of the simulated Automic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.operators._automic_link import AutomicRunLink
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.simulators.automic import AutomicSimulator
from tests.support.one_task import OneTask

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


def link_of(operator: AutomicExecuteOperator) -> str:
    (button,) = operator.operator_extra_links
    assert isinstance(button, AutomicRunLink)
    return button.get_link(operator, ti_key=None)


@pytest.mark.parametrize(
    ("template", "link"),
    [
        ("https://awi.example/{client}/{run_id}?a={b}", "https://awi.example/100/1000001?a={b}"),
        (None, ""),
    ],
)
def test_it_leads_to_the_run_while_it_is_waited_for_and_after(
    automic_simulator: AutomicSimulator, monkeypatch: pytest.MonkeyPatch, template: str | None, link: str
) -> None:
    extra = {"run_url": template} if template else {}
    monkeypatch.setenv(
        "AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(automic_simulator.airflow_connection(**extra))
    )
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    made: list[AutomicExecuteOperator] = []

    def make(**given: Any) -> AutomicExecuteOperator:
        quick = {"poll_interval": 0.05, "max_poll_interval": 0.1}
        made.append(AutomicExecuteOperator(task_id="t", object_name="JOBS.OK", **{**quick, **given}))
        return made[-1]

    assert AutomicRunLink().name == "Automic run"
    assert link_of(make()) == ""
    task = OneTask()
    deferral = task.begin(make)
    assert link_of(made[-1]) == link  # while it waits
    task.follow(make, deferral)
    assert link_of(made[-1]) == link
    make(wait=False).execute(OneTask().context)
    assert link_of(made[-1]) == link.replace("1000001", "1000002")
