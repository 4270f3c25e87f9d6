# SPDX-License-Identifier: Apache-2.0
"""The pages of a result, one after the other and as one stream; their bytes are made in this process."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.source import pages as module
from airflow_async_provider._download.source.base import ByteSource, ChunkSource
from airflow_async_provider._download.source.pages import PageAnswer, PagedSource, Pages
from airflow_async_provider.errors import DownloadError, ResultLimitError


class Noting(ChunkSource):
    """One piece; notes when it is closed."""

    def __init__(self, content: bytes, closed: list[bytes]) -> None:
        super().__init__([content])
        self._content, self._closed = content, closed

    def close(self) -> None:
        super().close()
        self._closed.append(self._content)


class Series:
    """Pages with these contents; notes what each one answered, and which are closed."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = iter(contents)
        self.answers: list[PageAnswer] = []
        self.closed: list[bytes] = []
        self.made = 0

    def source(self) -> ByteSource | None:
        for content in self.contents:
            self.made += 1
            return Noting(content, self.closed)
        return None

    def following(self, answer: PageAnswer) -> ByteSource | None:
        self.answers.append(answer)
        return self.source()

    def pages(self, *, keep_body: bool = False, **options: object) -> Pages:
        first = self.source()
        assert first is not None
        return Pages(first, self.following, StoreOptions(**options), keep_body=keep_body)  # type: ignore[arg-type] # any


def test_each_page_is_asked_for_when_the_one_before_is_done() -> None:
    series = Series(b"a", b"", b"c")
    seen = [(page.number, page.whole(), series.made) for page in series.pages()]
    assert seen == [(1, b"a", 1), (2, b"", 2), (3, b"c", 3)]
    assert series.closed == [b"a", b"", b"c"]
    assert [answer.body for answer in series.answers] == [None] * 3


def test_the_next_page_s_address_is_looked_for_in_the_whole_body() -> None:
    series = Series(b"abc", b"def")
    for page in series.pages(keep_body=True):
        next(page.pieces())  # the reader may leave the rest
    assert [answer.body for answer in series.answers] == [b"abc", b"def"]


def test_the_body_is_as_it_is_stored_where_that_is_unpacked() -> None:
    series = Series(gzip.compress(b"abc"))
    for page in series.pages(keep_body=True, unpack="gzip"):
        assert page.whole() == b"abc"
    assert series.answers[0].body == b"abc"


def test_a_reader_that_stops_leaves_nothing_open() -> None:
    series = Series(b"a", b"b", b"c")
    pages = series.pages()
    reading = iter(pages)
    next(reading)
    next(reading)
    pages.close()
    assert b"b" in series.closed
    assert series.made == 2


def endless() -> Iterator[bytes]:
    return itertools.repeat(b"x" * 1000)


def test_a_remote_that_never_stops_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 3)
    reading = iter(Pages(ChunkSource([]), lambda _: ChunkSource([]), StoreOptions(), keep_body=False))
    assert [next(reading).number for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ResultLimitError, match="more than 3 pages"):
        next(reading)


@pytest.mark.parametrize(
    ("keep_body", "read"), [(False, lambda page: page.whole()), (True, lambda page: list(page.pieces()))]
)
def test_a_page_that_must_be_held_is_bounded(
    monkeypatch: pytest.MonkeyPatch, keep_body: bool, read: Callable[..., object]
) -> None:
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 999)
    for content, fits in (([b"x" * 999], True), (endless(), False)):
        page = next(iter(Pages(ChunkSource(content), lambda _: None, StoreOptions(), keep_body=keep_body)))
        if fits:
            read(page)
            continue
        with pytest.raises(ResultLimitError, match=r"Page 1 .* more than 999 bytes.*smaller pages"):
            read(page)


def test_a_page_that_goes_on_as_it_comes_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 999)
    pages = Pages(ChunkSource([b"x" * 5000]), lambda _: None, StoreOptions(), keep_body=False)
    (page,) = list(pages)
    assert page.source.offset == 5000


def test_an_answer_shows_no_address_and_no_content() -> None:
    assert "canary" not in repr(PageAnswer("https://h/?sig=canary", {}, b"canary"))


# -- as one stream


def paged(*contents: bytes, piece: int = 0, media_type: str | None = "text/csv", **how: Any) -> PagedSource:
    """
    A source of pages with these contents.

    :param piece: the contents come in pieces of so many bytes
    """

    def source(content: bytes) -> ChunkSource:
        step = piece or len(content) or 1
        return ChunkSource(
            [content[at : at + step] for at in range(0, len(content), step)], content_type=media_type
        )

    sources = iter([source(content) for content in contents])
    first = next(sources)
    return PagedSource(Pages(first, lambda _: next(sources, None), StoreOptions(), keep_body=False), **how)


def content_of(source: PagedSource, size: int = 1000) -> bytes:
    return b"".join(iter(lambda: source.read(size), b""))


def rows(document: Any) -> Any:
    return document["rows"]


def documents(*each: list[Any]) -> list[bytes]:
    return [json.dumps({"rows": found}).encode() for found in each]


# -- bytes


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_bytes_one_behind_the_other(size: int) -> None:
    source = paged(b"abcd", b"", b"e", media_type="text/plain; charset=utf-8")
    source.open()
    assert source.content_type == "text/plain; charset=utf-8"
    assert content_of(source, size) == b"abcde"
    assert source.offset == 5
    assert source.read() == b""  # the end stays the end


# -- one header line


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last_line_ends", [True, False])
def test_one_header_line_stays(end: bytes, last_line_ends: bool, piece: int) -> None:
    header = b"id;name" + end
    bodies = [b"1;a" + end + b"2;b", b"3;c", b"", b"4;d" + end + b"5;e"]
    each = [header + body + (end if body and last_line_ends else b"") for body in bodies]
    source = paged(*each, piece=piece, repeats_header=True)
    assert content_of(source).splitlines() == [b"id;name", b"1;a", b"2;b", b"3;c", b"4;d", b"5;e"]
    assert source.content_type == "text/csv"


def test_pages_of_a_header_alone_or_of_nothing() -> None:
    assert content_of(paged(b"id", b"", b"id\n1\n", repeats_header=True)) == b"id\n1\n"
    assert content_of(paged(b"", b"id\n1", b"id", b"id\n2", repeats_header=True)) == b"id\n1\n2"
    assert content_of(paged(b"", repeats_header=True)) == b""


def test_another_header_line_is_an_error() -> None:
    with pytest.raises(DownloadError, match=r"Page 2 .* another header line"):
        content_of(paged(b"id;name\n1;a\n", b"name;id\na;1\n", repeats_header=True))


def test_a_header_line_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HEADER_LINE", 500)
    with pytest.raises(DownloadError, match="longer than a header line"):
        content_of(paged(b"x" * 1000, piece=100, repeats_header=True))


# -- rows


@pytest.mark.parametrize(
    ("lines", "expected", "media_type"),
    [
        (False, b'[{"a": "\xc3\xb6"},\n2,\nnull]', "application/json"),
        (True, b'{"a": "\xc3\xb6"}\n2\nnull\n', "application/x-ndjson"),
    ],
)
def test_rows_of_all_pages(lines: bool, expected: bytes, media_type: str) -> None:
    source = paged(*documents([{"a": "ö"}], [], [2, None]), rows=rows, lines=lines)
    assert content_of(source) == expected
    assert source.content_type == media_type


@pytest.mark.parametrize(("lines", "expected"), [(False, b"[]"), (True, b"")])
def test_no_rows_are_a_result(lines: bool, expected: bytes) -> None:
    assert content_of(paged(*documents([], []), rows=rows, lines=lines)) == expected


def test_text_that_utf_8_cannot_hold_is_kept_as_json_writes_it() -> None:
    content = content_of(paged(b'{"rows": ["\\ud800"]}', rows=rows))
    assert json.loads(content) == ["\ud800"]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (b"<html>", "Page 2 .* is not JSON"),
        (b"", "Page 2 .* is not JSON"),
        (b"\xff", "Page 2 .* is not JSON"),
        (b'{"rows": {"a": 1}}', "Page 2 .* no list of rows .* dict"),
        (b"[" * 200_000, "Page 2 .* nested too deeply"),
    ],
)
def test_a_page_that_is_no_page_is_an_error(second: bytes, words: str) -> None:
    with pytest.raises(DownloadError, match=words):
        content_of(paged(b'{"rows": [1]}', second, rows=rows))


# -- the page that is open


def test_what_is_waited_for_is_the_page_that_is_open() -> None:
    told: list[str] = []

    class Noting(ChunkSource):
        def abort(self) -> None:
            told.append("abort")

        def close(self) -> None:
            told.append("close")
            super().close()

    source = PagedSource(Pages(Noting([b"ab"]), lambda _: None, StoreOptions(), keep_body=False))
    source.abort()  # nothing is open yet
    assert told == []
    assert source.read(1) == b"a"
    source.abort()
    source.close()
    assert told[:2] == ["abort", "close"]
