# SPDX-License-Identifier: Apache-2.0
"""What a result may be, by its first bytes."""

from __future__ import annotations

import gzip

import pytest

from airflow_async_provider._download.source.expected import BEGINNING, Expected
from airflow_async_provider.errors import DownloadError

PAGE = b"<!doctype html><title>Portal</title>"


def look(expected: Expected, body: bytes, kind: str = "", **headers: str) -> str | None:
    named = {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return expected.look(body, whole=True, headers=named, where="https://a.example/f")


def test_binary_and_csv_want_no_second_look() -> None:
    expected = Expected()
    assert expected.enough(b"a,b\n", None, None)
    assert expected.enough(b"{", BEGINNING, None)
    assert not expected.enough(b"{", None, None)
    assert not expected.enough(b"<", 10_000_000, None)
    assert not expected.enough(b"\x1f\x8b", None, "gzip")


def test_a_packed_page_is_a_page() -> None:
    with pytest.raises(DownloadError, match="'Portal'"):
        look(Expected(), gzip.compress(PAGE), Content_Encoding="gzip")


@pytest.mark.parametrize(
    "expected",
    [
        Expected.named("s3://b/report.HTML"),
        Expected.named(None, "https://a.example/r.htm?x=1"),
        Expected(media_types=("text/*",)),
        Expected(media_types=("*/*",)),
    ],
)
def test_a_page_may_be_meant(expected: Expected) -> None:
    assert look(expected, PAGE, "text/html") is None


def test_a_table_that_a_program_writes_as_html_is_one() -> None:
    assert look(Expected(), b"<html><table>", "application/vnd.ms-excel") is None


@pytest.mark.parametrize("kind", ["", "application/octet-stream", "text/csv; charset=utf-8"])
def test_a_type_that_says_nothing_is_not_another_one(kind: str) -> None:
    assert look(Expected(media_types=("text/csv",)), b"a,b\n", kind) is None
