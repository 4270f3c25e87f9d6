# SPDX-License-Identifier: Apache-2.0
"""Ids, texts and errors of SAP Open Connectors."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.protocols._open_connectors.responses import (
    PlatformError,
    identifier,
    parsed,
)


@pytest.mark.parametrize("value", [1028, "1028", 1028.0, " 1028 "])
def test_the_same_id_in_any_dress(value: Any) -> None:
    assert identifier(value) == "1028"


@pytest.mark.parametrize("value", [None, True, 1.5, "", "a\nb", "x" * 201, 10**30, []])
def test_what_is_no_id(value: Any) -> None:
    assert identifier(value) is None


@pytest.mark.parametrize("body", [b"NaN", b"[" * 100_000, b"", b"{"])
def test_what_is_no_json(body: bytes) -> None:
    assert parsed(body) is None


def test_an_error_of_any_shape() -> None:
    assert str(PlatformError.of({"message": "no", "requestId": "r1"})) == "message: 'no', requestId: r1"
    assert str(PlatformError.of([1])) == ""
