# SPDX-License-Identifier: Apache-2.0
"""The pages of a result, one after the other; their bytes are made in this process."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterator

import pytest

from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.source import pages as module
from airflow_async_provider._download.source.base import ByteSource, ChunkSource
from airflow_async_provider._download.source.pages import PageAnswer, Pages
from airflow_async_provider.errors import ResultLimitError


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
