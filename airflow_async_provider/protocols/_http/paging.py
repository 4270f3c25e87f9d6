# SPDX-License-Identifier: Apache-2.0
"""Addresses of the pages of a result: numbered ones, and the one that follows a page."""

from __future__ import annotations

from typing import Any

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.description import Pages
from airflow_async_provider.protocols._http.places import MISSING, Answer, as_text
from airflow_async_provider.protocols._http.urls import absolute, query_value, with_query

#: More pages than this, known beforehand, are a mistake or an attack.
MAX_PAGES = 10_000


def numbered(pages: Pages, url: str, answer: Answer) -> list[str] | None:
    """
    All pages of a result that is divided by a number in the query.

    :param url: of the result, without the number
    :param answer: says how many there are
    :return: None where it does not
    """
    count = _count(pages.count.read(answer)) if pages.count else None
    if count is None:
        return None
    return [with_query(url, {str(pages.into): str(int(pages.first) + i)}) for i in range(count)]


def following(pages: Pages, page: Answer, *, job: str) -> str | None:
    """
    The page after one; None after the last.

    :raises DescriptionError: it is the same page again
    """
    if pages.more is not None and as_text(pages.more.read(page)) in ("false", "null", "MISSING"):
        return None
    url = _next_offset(pages, page) if pages.offset else next_url(pages, page, job=job)
    if url is not None and url == page.response.url:
        raise DescriptionError(
            f"HTTP {page.response.status} for {job}: the next page is the same page.", job=job
        )
    return url


def next_url(pages: Pages, page: Answer, *, job: str) -> str | None:
    """The address of the next page that a page names, or whose token it names; None where it names none."""
    found = pages.next.read(page) if pages.next else None
    if isinstance(found, list):
        found = next((f for f in found if f), None)
    if found is MISSING or found is None or found is False or found == "":
        return None
    value = as_text(found)
    if value in pages.end:
        return None
    if pages.into:
        return with_query(page.response.url, {str(pages.into): value})
    return absolute(value, page.response, job=job, what="URL of the next page")


def _next_offset(pages: Pages, page: Answer) -> str | None:
    rows = json_path.read(page.document, pages.items or "$")
    count = len(rows) if isinstance(rows, list) else 0
    name = str(pages.offset)
    before = query_value(page.response.url, name)
    at = int(before) if before and before.isdecimal() and len(before) < 20 else int(pages.first)
    total = _count(pages.total.read(page)) if pages.total else None
    if not count or (total is not None and at + count >= total + int(pages.first)):
        return None
    if total is None and pages.limit and count < pages.limit:
        return None
    return with_query(page.response.url, {name: str(at + count)})


def _count(value: Any) -> int | None:
    if isinstance(value, list):
        return min(len(value), MAX_PAGES)
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:9])
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return min(value, MAX_PAGES)
    return None
