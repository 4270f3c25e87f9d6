# SPDX-License-Identifier: Apache-2.0
"""The pages of a result: one after the other, and as one stream of bytes, of lines, or of rows of JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

from airflow_async_provider._download.limits import Bounds
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.source.base import BLOCK, ByteSource
from airflow_async_provider._download.source.http import HttpSource
from airflow_async_provider._download.transforms import transformed
from airflow_async_provider.errors import DownloadError, ResultLimitError
from airflow_async_provider.protocols._redaction import excerpt

#: Largest page that is read whole, as its rows or the address of the next one are in it (bytes).
MAX_PAGE_BYTES: Final = 64 * 1024 * 1024

#: Most pages of one result; a remote that never stops is no result.
MAX_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """
    What a page came with: enough to find the next one.

    :param url: address that answered, after redirects
    :param headers: of the answer
    :param body: of the answer, where it was asked for
    """

    url: str = field(repr=False)
    headers: Mapping[str, str]
    body: bytes | None = field(default=None, repr=False)


#: Longest header line of a page (bytes).
MAX_HEADER_LINE: Final = 1024 * 1024

#: The rows of a page, out of its JSON document.
Rows = Callable[[Any], list[Any]]

#: The source of the page after the one with this answer, None after the last.
NextPage = Callable[[PageAnswer], ByteSource | None]


class Pages:
    """
    The pages of a result, one after the other.

    :param keep_body: the next page is found in the body of the one before
    """

    def __init__(
        self, first: ByteSource, next_page: NextPage, options: StoreOptions, *, keep_body: bool
    ) -> None:
        self._next_page = next_page
        self._options = options
        self._keep_body = keep_body
        self._seen: set[bytes] = set()
        self._following: ByteSource | None = first
        self.number = 0
        self.current: ByteSource | None = None

    def __iter__(self) -> Iterator[Page]:
        while (raw := self._following) is not None:
            self.number += 1
            self._check(raw)
            page = Page(raw, transformed(raw, self._options), number=self.number, keep_body=self._keep_body)
            self.current = page.source
            page.source.bounds = Bounds(replace(self._options.limits, max_bytes=None))
            try:
                yield page
                for _ in page.pieces():  # what the reader has left of it
                    pass
                self._following = self._next_page(page.answer())
            finally:
                page.source.close()

    def _check(self, raw: ByteSource) -> None:
        if self.number > MAX_PAGES:
            raise ResultLimitError(f"The result has more than {MAX_PAGES} pages. Nothing was stored.")
        if isinstance(raw, HttpSource):
            digest = hashlib.sha256(raw.opener.url.encode("utf-8", "surrogatepass")).digest()
            if digest in self._seen:
                raise DownloadError(
                    f"Page {self.number} of the result is one that was read before: its address is the same, "
                    "so the pages would never end. Nothing was stored."
                )
            self._seen.add(digest)

    def close(self) -> None:
        """Close what is open."""
        for source in (self.current, self._following):
            if source is not None:
                source.close()


class Page:
    """
    One page.

    :param raw: where its bytes come from
    :param source: the same, unpacked and decoded
    :param number: from 1
    :param keep_body: :meth:`answer` needs the body
    """

    def __init__(self, raw: ByteSource, source: ByteSource, *, number: int, keep_body: bool) -> None:
        self._raw = raw
        self.source = source
        self.number = number
        self._body: bytearray | None = bytearray() if keep_body else None

    @property
    def at(self) -> str:
        """Where it came from, for messages, without what may be a secret."""
        return f" It came from {self._raw.opener.where}." if isinstance(self._raw, HttpSource) else ""

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, as they come."""
        while data := self.source.read(BLOCK):
            if self._body is not None:
                self._body += data
                self._check_size(len(self._body))
            yield data

    def whole(self) -> bytes:
        """
        All its bytes.

        :raises ResultLimitError: more than fit into memory
        """
        content = bytearray()
        for piece in self.pieces():
            content += piece
            self._check_size(len(content))
        return bytes(content)

    def answer(self) -> PageAnswer:
        """What it came with, once it was read."""
        raw = self._raw
        body = None if self._body is None else bytes(self._body)
        if isinstance(raw, HttpSource):
            return PageAnswer(raw.answer_url, raw.answer_headers, body)
        return PageAnswer("", {}, body)

    def _check_size(self, count: int) -> None:
        if count > MAX_PAGE_BYTES:
            raise ResultLimitError(
                f"Page {self.number} of the result has more than {MAX_PAGE_BYTES} bytes, and has to be read "
                "whole, as its rows or the next page's address are in it. Ask the remote for smaller pages. "
                "Nothing was stored."
            )


class PagedSource(ByteSource):
    """
    All pages as one stream.

    :param rows: finds the rows in a page's JSON; None: pages are bytes
    :param repeats_header: drop the header line of all pages but the first
    :param lines: one row a line, in place of one JSON list
    """

    def __init__(
        self, pages: Pages, *, rows: Rows | None = None, repeats_header: bool = False, lines: bool = False
    ) -> None:
        super().__init__()
        self._pages = pages
        self._rows = rows
        self._repeats_header = repeats_header
        self._lines = lines
        self._stream: Iterator[bytes] | None = None

    def open(self) -> None:
        """Ask for the first page, so that the media type is known."""
        if self._stream is not None:
            return
        pages = iter(self._pages)
        first = next(pages)
        first.source.open()
        pages = chain([first], pages)
        if self._rows is not None:
            self.content_type = "application/x-ndjson" if self._lines else "application/json"
            self._stream = self._as_rows(pages, self._rows)
        else:
            self.content_type = first.source.content_type
            self._stream = self._under_one_header(pages) if self._repeats_header else self._as_bytes(pages)

    def read(self, size: int = BLOCK) -> bytes:
        """Some bytes, see :class:`ByteSource`."""
        self.open()
        return self._hand_out_of(self._stream or iter(()), size)

    def close(self) -> None:
        """Close the page that is open."""
        super().close()
        self._pages.close()

    def abort(self) -> None:
        """End a waiting ``read`` of the page that is open."""
        if self._pages.current is not None:
            self._pages.current.abort()

    def _as_bytes(self, pages: Iterator[Page]) -> Iterator[bytes]:
        for page in pages:
            yield from page.pieces()

    def _under_one_header(self, pages: Iterator[Page]) -> Iterator[bytes]:
        header: bytes | None = None
        ended = b"\n"
        for page in pages:
            pieces = page.pieces()
            line, rest = _first_line(pieces)
            at_beginning = True
            if not line:
                continue
            if header is None:
                header = line
                yield line
                ended = line[-1:]
            elif line.rstrip(b"\r\n") != header.rstrip(b"\r\n"):
                raise DownloadError(
                    f"Page {page.number} of the result begins with another header line than the first one. "
                    "Nothing was stored."
                )
            for piece in chain([rest], pieces):
                if not piece:
                    continue
                if at_beginning and ended != b"\n":
                    yield b"\n"
                at_beginning = False
                yield piece
                ended = piece[-1:]

    def _as_rows(self, pages: Iterator[Page], rows: Rows) -> Iterator[bytes]:
        first = True
        for page in pages:
            for row in _rows_of(page, rows):
                content = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")
                if self._lines:
                    yield content + b"\n"
                else:
                    yield (b"[" if first else b",\n") + content
                first = False
        if not self._lines:
            yield b"[]" if first else b"]"


def _rows_of(page: Page, rows: Rows) -> list[Any]:
    content = page.whole()
    about = f"Nothing was stored.{page.at} The page began: {excerpt(content)!r}"
    try:
        document = json.loads(content)
    except ValueError as error:
        raise DownloadError(
            f"Page {page.number} of the result is not JSON ({type(error).__name__}). {about}"
        ) from None
    except RecursionError:
        raise DownloadError(f"Page {page.number} of the result is nested too deeply.") from None
    try:
        found = rows(document)
    except DownloadError as error:
        error.args = (f"Page {page.number}: {error} {about}",)
        raise
    if not isinstance(found, list):
        raise DownloadError(
            f"Page {page.number} of the result has no list of rows where they should be, but "
            f"{type(found).__name__}. {about}"
        )
    return found


def _first_line(pieces: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The first line with its end, and what came behind it."""
    line = b""
    for piece in pieces:
        line += piece
        head, end, rest = line.partition(b"\n")
        if end:
            return head + end, rest
        if len(line) > MAX_HEADER_LINE:
            raise DownloadError(
                "The first line of a page is longer than a header line is. Nothing was stored."
            )
    return line, b""
