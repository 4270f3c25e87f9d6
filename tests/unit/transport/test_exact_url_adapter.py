# SPDX-License-Identifier: Apache-2.0
"""Targets of requests, as they are spelled."""

from __future__ import annotations

import pytest

from airflow_async_provider._transport.exact_url_adapter import request_target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h/a?b", "/a?b"),
        ("https://h?b/c", "/?b/c"),
        ("https://h", "/"),
        ("https://h/a#f", "/a"),
        ("https://h/a?u=http://x/y", "/a?u=http://x/y"),
    ],
)
def test_request_target(url: str, target: str) -> None:
    assert request_target(url) == target
