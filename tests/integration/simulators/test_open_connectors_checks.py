# SPDX-License-Identifier: Apache-2.0
"""What the simulated SAP Open Connectors refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_async_provider.simulators._open_connectors_checks import check_url, refused
from airflow_async_provider.simulators.open_connectors import BASE, OpenConnectorsSimulator
from airflow_async_provider.simulators.reply import Refused

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

GOOD = "User user+secret/sim=, Element element+token/sim="


@pytest.mark.parametrize("url", ["https://a/b", "http://127.0.0.1:1", "/formulas/7"])
def test_addresses_that_a_webhook_can_go_to(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("url", ["", "a/b", "ftp://a", "https://", None, 7])
def test_addresses_that_are_none(url: Any) -> None:
    with pytest.raises(Refused):
        check_url(url)


def test_a_refusal_has_the_platform_s_form() -> None:
    body = json.loads(refused(404, "no", "really").reply.body)
    assert (body["message"], body["providerMessage"]) == ("no", "really")
    assert len(body["requestId"]) == 24


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (GOOD, 200),
        ("Element element+token/sim=, User user+secret/sim=", 200),
        (GOOD.replace("user+secret", "other"), 401),
        ("User user+secret/sim=", 401),
        (f"{GOOD}, Organization x", 401),
        ("", 401),
    ],
)
def test_exactly_the_expected_secrets_in_either_order(
    run_simulator: Callable[..., Any], header: str, status: int
) -> None:
    simulator = run_simulator(OpenConnectorsSimulator())
    with requests.Session() as session:
        session.trust_env = False
        url = f"{simulator.url}{BASE}/ping"
        assert session.get(url, headers={"Authorization": header}, timeout=10).status_code == status
