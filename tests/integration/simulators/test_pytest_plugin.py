# SPDX-License-Identifier: Apache-2.0
"""The fixtures that a project's own tests can use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from airflow.sdk import BaseHook

from airflow_async_provider.simulators.aso import AsoSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.mark.parametrize("name", ["aso", "automic", "http_async", "open_connectors"])
def test_a_connection_leads_to_its_simulator(name: str, request: pytest.FixtureRequest) -> None:
    conn_id = request.getfixturevalue(f"{name}_connection")
    simulator = request.getfixturevalue(f"{name}_simulator")
    assert BaseHook.get_connection(conn_id).host == simulator.url


@pytest.mark.parametrize("aso_simulator", [{"result_bytes": 7}], indirect=True)
def test_a_parameter_is_an_argument_of_the_simulator(aso_simulator: AsoSimulator) -> None:
    assert aso_simulator.plans.next("apiItems").result_bytes == 7


def test_a_simulator_of_one_s_own_ends_with_the_test(run_simulator: Callable[..., Any]) -> None:
    simulator = run_simulator(AsoSimulator())
    assert requests.get(f"{simulator.url}/_sim", timeout=10, proxies={"http": ""}).status_code == 200
