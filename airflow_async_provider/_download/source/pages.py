# SPDX-License-Identifier: Apache-2.0
"""The pages of a result, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from airflow_async_provider._download.limits import Bounds
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.source.base import BLOCK, ByteSource
from airflow_async_provider._download.source.http import HttpSource
from airflow_async_provider._download.transforms import transformed
from airflow_async_provider.errors import DownloadError, ResultLimitError

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
