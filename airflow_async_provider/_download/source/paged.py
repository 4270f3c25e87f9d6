# SPDX-License-Identifier: Apache-2.0
"""All pages of a result as one stream: bytes, lines under one header, or rows of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from airflow_async_provider._download.source.base import BLOCK, ByteSource
from airflow_async_provider._download.source.pages import Page, Pages
from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols._redaction import excerpt

#: Longest header line of a page (bytes).
MAX_HEADER_LINE: Final = 1024 * 1024

#: The rows of a page, out of its JSON document.
Rows = Callable[[Any], list[Any]]


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
        self._rest = memoryview(b"")

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
        while not self._rest:
            piece = next(self._stream or iter(()), None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        data, self._rest = self._rest[:size], self._rest[size:]
        return self._hand_out(bytes(data))

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
