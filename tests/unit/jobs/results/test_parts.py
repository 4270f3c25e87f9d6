# SPDX-License-Identifier: Apache-2.0
"""Files and pages of a result on their way."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._jobs.results.parts import (
    check_destination,
    names_of_files,
    next_page_of,
    rows_of,
)
from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols import JobHandle, Result

PAGES = {"result": {"path": "r", "pages": {"next": "next", "items": "data"}}, "outcome": {"state": "s"}}
HANDLE = JobHandle("http_api", "7", 0.0, "m", options=PAGES)


def opener(result: Result) -> Any:
    return result.url


def test_a_page_leads_to_the_next() -> None:
    following = next_page_of(HANDLE, Result(url="r", paged=True), opener)
    answer = SimpleNamespace(url="https://a/r", headers={}, body=b'{"next": "/r?page=2"}')
    assert following(answer) == "https://a/r?page=2"  # type: ignore[comparison-overlap] # what the opener makes
    assert following(SimpleNamespace(url="https://a/r?page=2", headers={}, body=b"{}")) is None


def test_pages_that_are_known_are_taken_in_order() -> None:
    known = Result(url="r", paged=True, pages=(Result(url="r?p=1"), Result(url="r?p=2")))
    following = next_page_of(HANDLE, known, opener)
    answer: Any = SimpleNamespace(url="x", headers={}, body=None)
    assert [following(answer) for _ in range(3)] == ["r?p=1", "r?p=2", None]


@pytest.mark.parametrize(
    ("document", "rows"),
    [({"data": [1]}, [1]), ({"data": None}, []), ({"data": {"a": 1}}, [{"a": 1}])],
)
def test_rows_of_a_page(document: Any, rows: list[Any]) -> None:
    found = rows_of(Result(items="data"))
    assert found is not None
    assert found(document) == rows
    assert rows_of(Result()) is None


def test_a_page_without_its_rows_is_no_empty_page() -> None:
    found = rows_of(Result(items="data"))
    assert found is not None
    with pytest.raises(DownloadError, match=r"nothing at 'data'.*'rows'"):
        found({"rows": [1]})


def test_names_and_no_urls_of_files_are_returned() -> None:
    files = (Result(url="https://a/secret?sig=x", name="a.csv"), Result(url="https://a/secret2"))
    assert names_of_files(HANDLE, Result(files=files), logging.getLogger()) == ["a.csv", "file-00002"]


def test_what_is_no_result_is_not_stored() -> None:
    with pytest.raises(DownloadError, match="holds no result"):
        check_destination(HANDLE, None)
    with pytest.raises(DownloadError, match="is a status document"):
        check_destination(HANDLE, Result(value={"state": "DONE"}, is_status=True))
    assert check_destination(HANDLE, Result(body=b"")).body == b""
