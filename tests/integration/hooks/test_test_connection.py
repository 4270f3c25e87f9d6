# SPDX-License-Identifier: Apache-2.0
"""The button "Test" of a connection: for each type, every way to be wrong is told apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.frame import Simulator, running
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator
from tests.support.byte_server import make_certificate


@dataclass(frozen=True)
class Kind:
    """A connection type, its simulator, and what is wrong in its own way."""

    simulator: Callable[[], Simulator]
    hook: type[AsyncApiHook]
    wrong_credentials: dict[str, Any]
    #: name of the simulator's route that the test asks
    route: str


KINDS = {
    "jaggaer_aso": Kind(AsoSimulator, JaggaerAsoHook, {"password": "wr0ng"}, "status"),
    "automic": Kind(AutomicSimulator, AutomicHook, {"password": "wr0ng"}, "list"),
    "sap_open_connectors": Kind(
        OpenConnectorsSimulator, OpenConnectorsHook, {"extra": {"organization_secret": "wr0ng"}}, "ping"
    ),
}

pytestmark = pytest.mark.parametrize("name", KINDS)


@pytest.fixture
def check(name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[bool, str]]:
    """Tests a connection of the kind: that of the simulator with some fields changed."""

    def test(simulator: Simulator, **changes: Any) -> tuple[bool, str]:
        connection = simulator.airflow_connection()
        extra = {**connection.get("extra", {}), **changes.pop("extra", {})}
        connection = {**connection, **changes, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_TESTED", json.dumps(connection))
        ok, message = KINDS[name].hook("tested").test_connection()
        for secret in (
            "wr0ng",
            *(v for k, v in extra.items() if "secret" in k or "token" in k or "key" in k),
        ):
            assert str(secret) not in message
        return ok, message

    return test


@contextmanager
def simulated(name: str, **options: Any) -> Iterator[Simulator]:
    with running(KINDS[name].simulator(), **options) as simulator:
        yield simulator


def test_what_is_right_and_what_is_wrong(name: str, check: Callable[..., tuple[bool, str]]) -> None:
    with simulated(name) as simulator:
        host = simulator.url.removeprefix("http://")
        ok, message = check(simulator)
        assert ok, message
        assert message.startswith("Connected to ")
        assert host in message

        ok, message = check(simulator, host="")
        assert (ok, message.split()[0]) == (False, "Setting:")
        ok, message = check(simulator, host="https://no-such-host.invalid")
        assert (ok, message.split()[0]) == (False, "Address:")
        assert "no-such-host.invalid" in message
        ok, message = check(simulator, host="http://127.0.0.1:9")
        assert (ok, message.split()[0]) == (False, "Address:")
        assert "refused" in message
        ok, message = check(simulator, host=f"https://{host}")
        assert (ok, message.split()[0]) == (False, "TLS:")
        assert "speak TLS" in message
        ok, message = check(simulator, **KINDS[name].wrong_credentials)
        assert (ok, message.split()[0]) == (False, "Credentials:")
        assert "401" in message
        simulator.faults.add(KINDS[name].route, "http_status", status=403)
        ok, message = check(simulator)
        assert (ok, message.split()[0]) == (False, "Rights:")
        assert "403" in message
        simulator.faults.add(KINDS[name].route, "http_status", status=502)
        ok, message = check(simulator)
        assert (ok, message.split()[0]) == (False, "Answer:")
        assert "502" in message


def test_certificates(name: str, check: Callable[..., tuple[bool, str]], tmp_path: Path) -> None:
    certificate = str(make_certificate(tmp_path / "own.pem"))
    with simulated(name, certfile=certificate, keyfile=certificate) as simulator:
        ok, message = check(simulator)
        assert (ok, message.split()[0]) == (False, "TLS:")
        assert "CA file" in message
        ok, message = check(simulator, extra={"verify": certificate})
        assert ok, message
        ok, message = check(simulator, extra={"verify": str(tmp_path / "none.pem")})
        assert (ok, message.split()[0]) == (False, "Setting:")
        assert "none.pem" in message
        ok, message = check(simulator, host=simulator.url.replace("https:", "http:"))
        assert (ok, message.split()[0]) == (False, "Address:")
        assert "Check scheme" in message
