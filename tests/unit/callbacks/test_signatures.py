# SPDX-License-Identifier: Apache-2.0
"""Whose signature key it is, with Airflow's teams and connections played."""

from __future__ import annotations

import base64
import hmac
import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import signatures
from airflow_async_provider._callbacks.address import hash_of
from airflow_async_provider._callbacks.registration import Registration
from airflow_async_provider.hooks._registry import GENERIC
from airflow_async_provider.protocols import Headers
from airflow_async_provider.protocols._signatures import HmacScheme

SCHEME = HmacScheme(header="X-Signature")


def test_a_team_s_dag_is_called_back_with_the_team_s_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two teams may have a connection of the same name."""

    def connection_of(conn_id: str, team: str | None = None) -> Any:
        return SimpleNamespace(conn_id=conn_id, extra_dejson={"callback_secret": f"key of {team}"})

    monkeypatch.setattr(internals, "team_of", {"d-blue": "blue", "d-red": "red"}.get)
    monkeypatch.setattr(internals, "connection_of", connection_of)
    registration = Registration(
        secret_hash=hash_of("secret"),
        deadline=time.time() + 60,
        protocol="http_location",
        conn_id="shared",
        hook=GENERIC,
        signature=SCHEME.to_dict(),
    )

    def fits(dag_id: str, key: str) -> bool:
        headers = Headers(
            {"X-Signature": base64.b64encode(hmac.digest(key.encode(), b"{}", "sha256")).decode()}
        )
        return signatures.fits(registration, dag_id, headers, b"{}")

    assert fits("d-blue", "key of blue")
    assert fits("d-red", "key of red")
    assert fits("d-none", "key of None")
    assert not fits("d-red", "key of blue")
