# SPDX-License-Identifier: Apache-2.0
"""Pages of a result: numbered ones, and those that name the next one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol

MONITOR = "https://api.example/jobs/7"
HANDLE = JobHandle("http_status_field", "7", 0.0, MONITOR)


def answer(body: Any, url: str = MONITOR, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(200, Headers(headers), content, 1000.0, url)


PAGE = "https://api.example/jobs/7/results"
LOCATOR = {"next": "header:L", "into": "locator", "end": ["null"]}
LINK = {"next": "paging.next", "items": "data"}
TOKEN = {"next": "token", "into": "t", "items": "rows"}
MORE = {"next": "last", "into": "after", "more": "has_more"}
LIMIT = {"offset": "start", "limit": 2, "items": "d"}
TOTAL = {"offset": "start", "total": "n", "items": "d"}


@pytest.mark.parametrize(
    ("pages", "url", "body", "headers", "following"),
    [
        (
            {"next": "header:L", "into": "locator", "end": ["null"]},
            PAGE,
            b"a",
            {"L": "x/1"},
            f"{PAGE}?locator=x%2F1",
        ),
        (
            {"next": "header:L", "into": "locator", "end": ["null"]},
            f"{PAGE}?locator=1",
            b"a",
            {"L": "null"},
            None,
        ),
        (
            {"next": "paging.next", "items": "data"},
            PAGE,
            {"paging": {"next": f"{PAGE}?after=1"}},
            {},
            f"{PAGE}?after=1",
        ),
        (LINK, PAGE, {"data": []}, {}, None),
        (
            {"next": "token", "into": "t", "items": "rows"},
            f"{PAGE}?t=a&x=1",
            {"token": "b"},
            {},
            f"{PAGE}?x=1&t=b",
        ),
        (
            {"next": "last", "into": "after", "more": "has_more"},
            PAGE,
            {"last": "b", "has_more": False},
            {},
            None,
        ),
        (LIMIT, PAGE, {"d": [1, 2]}, {}, f"{PAGE}?start=2"),
        (LIMIT, f"{PAGE}?start=2", {"d": [1]}, {}, None),
        (
            {"offset": "start", "total": "n", "items": "d"},
            f"{PAGE}?start=2",
            {"d": [1, 2], "n": 5},
            {},
            f"{PAGE}?start=4",
        ),
        (TOTAL, f"{PAGE}?start=4", {"d": [1], "n": 5}, {}, None),
    ],
)
def test_the_next_page(
    pages: dict[str, Any], url: str, body: Any, headers: dict[str, str], following: str | None
) -> None:
    profile = StatusFieldProtocol(result={"path": "jobs/{job_id}/results", "pages": pages})
    first = profile.read_status(HANDLE, answer({"status": "done"})).result
    assert first is not None
    assert (first.url, first.paged, first.items) == ("jobs/7/results", True, pages.get("items"))
    page = profile.next_page(HANDLE, answer(body, url, **headers))
    assert (page.url if page else None) == following
    assert page is None or page.authorized
    assert profile.page_needs_body is (not pages.get("next", "").startswith("header:"))


def test_numbered_pages_are_known_beforehand() -> None:
    profile = StatusFieldProtocol(
        result={"pages": {"into": "partition", "count": "meta.parts", "items": "data", "csv_header": True}}
    )
    result = profile.read_status(HANDLE, answer({"status": "done", "meta": {"parts": [{}, {}, {}]}})).result
    assert result is not None
    assert (result.url, result.paged, result.repeats_header) == (MONITOR, True, True)
    assert [p.url for p in result.pages] == [f"{MONITOR}?partition=1", f"{MONITOR}?partition=2"]
    assert profile.next_page(HANDLE, answer({})) is None


def test_a_page_that_leads_to_itself_is_an_error() -> None:
    profile = StatusFieldProtocol(result={"path": "r", "pages": {"next": "next"}})
    with pytest.raises(DescriptionError, match="same page"):
        profile.next_page(HANDLE, answer({"next": PAGE}, PAGE))
