# SPDX-License-Identifier: Apache-2.0
"""Texts of remotes that end in messages."""

from __future__ import annotations

import pytest

from airflow_async_provider.protocols import excerpt
from airflow_async_provider.protocols._redaction import printable


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary-1234567890",
        "Basic Y2FuYXJ5OmNhbmFyeQ==",
        '{"access_token": "canary-1"}',
        "https://a/b?X-Amz-Signature=canary",
        "password=canary",
    ],
)
def test_what_looks_secret_is_masked(text: str) -> None:
    assert "canary" not in excerpt(text.encode())
    assert "Y2FuYXJ5" not in excerpt(text.encode())


def test_it_is_one_bounded_line() -> None:
    assert excerpt(b"a\n\tb") == "a b"
    assert len(excerpt(b"x" * 10_000)) == 201
    assert printable("a\x00b\u202e") == "a?b?"
