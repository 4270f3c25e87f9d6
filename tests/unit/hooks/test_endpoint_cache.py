# SPDX-License-Identifier: Apache-2.0
"""A thousand waiting jobs look a connection up once a minute."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_async_provider.errors import TransientError
from airflow_async_provider.hooks import _endpoint_cache
from airflow_async_provider.hooks._endpoint_cache import Endpoints
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook


class Counting(JaggaerAsoHook):
    """Its connection is looked up here, and may be missing."""

    looked_up = 0
    password = "one"
    missing = False

    @classmethod
    async def aget_connection(cls, conn_id: str) -> Any:
        cls.looked_up += 1
        if cls.missing:
            raise LookupError(conn_id)
        return Connection(conn_id=conn_id, conn_type="jaggaer_aso", host="a.example", password=cls.password)


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"looked_up": 0, "password": "one", "missing": False}.items():
        monkeypatch.setattr(Counting, name, value)


async def test_one_look_for_all() -> None:
    endpoints = Endpoints()
    assert endpoints.known(Counting, "c") is None
    first = await endpoints.get(Counting, "c")
    assert await endpoints.get(Counting, "c") is first is endpoints.known(Counting, "c")
    assert Counting.looked_up == 1


async def test_an_unchanged_connection_keeps_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_endpoint_cache, "CONNECTION_LIFE", 0.0)
    endpoints = Endpoints()
    first = await endpoints.get(Counting, "c")
    assert await endpoints.get(Counting, "c") is first
    assert Counting.looked_up == 2
    Counting.password = "two"
    assert await endpoints.get(Counting, "c") is not first


async def test_a_secrets_backend_that_does_not_answer_ends_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_endpoint_cache, "CONNECTION_LIFE", 0.0)
    endpoints = Endpoints()
    first = await endpoints.get(Counting, "c")
    Counting.missing = True
    assert await endpoints.get(Counting, "c") is first
    with pytest.raises(TransientError, match="could not be looked up"):
        await endpoints.get(Counting, "another")
