# SPDX-License-Identifier: Apache-2.0
"""The request that starts a job."""

from __future__ import annotations

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.odata import ODataProtocol


def test_a_preference_is_sent_once() -> None:
    headers = {"Prefer": "respond-async, return=minimal"}
    request = ODataProtocol().submit("POST", "x", headers=headers, prefer_wait=5)
    assert request.headers["Prefer"] == "return=minimal, respond-async, wait=5"


@pytest.mark.parametrize("where", ["cookie:x", "header", "json:a..b", "query:"])
def test_an_idempotency_key_must_go_somewhere(where: str) -> None:
    profile = LocationProtocol(start={"idempotency_key": where})
    with pytest.raises(ConfigurationError, match="idempotency_key"):
        profile.submit("POST", "x", idempotency_key="k")


@pytest.mark.parametrize(
    ("described", "given", "repeatable"),
    [(None, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_whether_a_start_may_be_repeated(
    described: bool | None, given: bool | None, repeatable: bool
) -> None:
    profile = LocationProtocol(start={"repeatable": described} if described is not None else {})
    assert profile.submit("POST", "x", repeatable=given).repeatable is repeatable
