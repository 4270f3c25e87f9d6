# SPDX-License-Identifier: Apache-2.0
"""Addresses on the way to a result: targets, redirects, and what went wrong."""

from __future__ import annotations

import pytest

from airflow_async_provider._download.source.http_connection import broken_off, follow
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


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("b?x=%2f", "http://h/b?x=%2f"),
        ("//other/p", "http://other/p"),
        ("?u=http://x", "http://h/a?u=http://x"),
    ],
)
def test_relative_redirects(location: str, target: str) -> None:
    assert follow("http://h/a", location) == target


def test_reasons_never_quote_an_error_that_may_hold_the_url() -> None:
    assert broken_off(ValueError("http://h/?SECRET")).reason == "ValueError"
