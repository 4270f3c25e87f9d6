# SPDX-License-Identifier: Apache-2.0
"""On the way to a result: targets, redirects, what went wrong, and what the headers of answers say."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider._download.source.http_connection import (
    StreamResponse,
    body_encoding,
    body_length,
    broken_off,
    content_range,
    follow,
    is_range_of,
    is_strong,
)
from airflow_async_provider._transport.exact_url_adapter import request_target
from airflow_async_provider.protocols._http_messages import Headers


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


# -- what the headers of an answer say


@pytest.mark.parametrize(("etag", "strong"), [('"x"', True), ('W/"x"', False), ("", False), (None, False)])
def test_strong_etags(etag: str | None, strong: bool) -> None:
    assert is_strong(etag) is strong


def answer(status: int, **headers: str) -> StreamResponse:
    body: Any = None
    return StreamResponse(status, Headers({k.replace("_", "-"): v for k, v in headers.items()}), body)


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({"Content-Length": "12"}, 12),
        ({"Content-Length": "0"}, 0),
        ({}, None),
        ({"Content-Length": "-1"}, None),
        ({"Content-Length": "1٢"}, None),
        ({"Content-Length": "12", "Transfer-Encoding": "gzip, chunked"}, None),
    ],
)
def test_lengths(headers: dict[str, str], length: int | None) -> None:
    assert body_length(headers) == length


@pytest.mark.parametrize(
    ("sent", "coding"),
    [
        ("gzip", "gzip"),
        (" GZIP ", "gzip"),
        ("identity", None),
        ("", None),
        ("aws-chunked", None),
        ("br", "br"),
    ],
)
def test_content_codings(sent: str, coding: str | None) -> None:
    assert body_encoding({"Content-Encoding": sent}) == coding


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("bytes 5-9/10", (5, 10)),
        ("bytes 5-9/*", (5, None)),
        ("bytes */10", (None, None)),
        ("items 5-9/10", (None, None)),
        ("", (None, None)),
    ],
)
def test_content_ranges(sent: str, found: tuple[int | None, int | None]) -> None:
    assert content_range(answer(206, Content_Range=sent)) == found


def test_only_the_range_that_was_asked_for_is_one() -> None:
    right = answer(206, ETag='"v"', Content_Range="bytes 5-9/10")
    assert is_range_of(right, '"v"', 5)
    assert not is_range_of(right, '"x"', 5)
    assert not is_range_of(right, '"v"', 4)
    assert not is_range_of(answer(200, ETag='"v"', Content_Range="bytes 5-9/10"), '"v"', 5)
    assert not is_range_of(answer(206, ETag='W/"v"', Content_Range="bytes 5-9/10"), 'W/"v"', 5)
    assert not is_range_of(answer(206, Content_Range="bytes 5-9/10"), '"v"', 5)
