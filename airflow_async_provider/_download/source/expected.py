# SPDX-License-Identifier: Apache-2.0
"""What a result may be: the beginning of an answer is looked at before the first byte of it is handed out."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols._http.incomplete import announced
from airflow_async_provider.protocols._http.no_result import ANYTHING, LARGEST, no_result
from airflow_async_provider.protocols._http.sniffing import is_html_page, is_login_page
from airflow_async_provider.protocols._http.words import Meaning
from airflow_async_provider.protocols._http_messages import Headers, HttpResponse
from airflow_async_provider.protocols._job import Result
from airflow_async_provider.protocols._redaction import excerpt

#: So much of it is looked at (bytes), one more than the largest document that is none.
BEGINNING: Final = LARGEST + 1

#: Names of files that are pages.
_PAGES: Final = (".html", ".htm", ".xhtml")
#: Types that say nothing, and those of files that some programs write as HTML.
_UNTYPED: Final = ("", "application/octet-stream", "binary/octet-stream", "application/x-download",
                   "application/force-download")  # fmt: skip
_OFFICE: Final = ("application/vnd.", "application/msword", "application/x-msexcel")
_TITLE: Final = re.compile(rb"<title\b[^>]{0,100}>\s*([^<]{1,200})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """
    What a result may be.

    :param media_types: it is of one of these (``text/csv``, ``text/*``); ``*/*`` takes whatever comes; none:
        anything but a page for people and a document that is nothing but an error
    :param page: its name says that it is a page
    :param states: a document that only says how a job is is none
    :param alone: an answer that announces a further page is a part of it, and so none
    :param key: the option that says otherwise, for messages
    """

    media_types: tuple[str, ...] = ()
    page: bool = False
    states: bool = False
    alone: bool = False
    key: str = "media_type"

    @classmethod
    def named(cls, *names: str | None, **others: object) -> Expected:
        """
        What a caller expects who has called it so.

        :param names: file names, destinations or addresses
        """
        paths = [urlsplit(n).path if "://" in n else n.partition("?")[0] for n in names if n]
        return cls(page=any(p.lower().endswith(_PAGES) for p in paths), **others)  # type: ignore[arg-type] # the fields

    @classmethod
    def of(cls, result: Result, destination: str | None = None) -> Expected:
        """
        What a job's result may be.

        :param destination: where it goes
        """
        return cls.named(
            destination,
            result.name,
            result.url,
            media_types=result.media_types,
            states=result.second,
            alone=result.alone,
            key="result.media_type",
        )

    def enough(self, beginning: bytes, length: int | None, encoding: str | None) -> bool:
        """Whether no more bytes are wanted for :meth:`look`."""
        if len(beginning) >= min(BEGINNING, BEGINNING if length is None else length):
            return True
        start = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if encoding or not start or start == b"<":
            return False
        return start not in (b"{", b"[") or (length or 0) > LARGEST

    def look(self, beginning: bytes, *, whole: bool, headers: Mapping[str, str], where: str) -> str | None:
        """
        Look at the beginning of an answer.

        :param whole: it is all of it
        :param where: what answered, for messages
        :return: why the result is not ready yet, None where this is it
        :raises DownloadError: it is no result
        """
        if ANYTHING in self.media_types or not beginning:
            return None
        headers = Headers(headers)
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        body = _unpacked(beginning, headers.get("Content-Encoding", ""))
        response = HttpResponse(200, Headers({"Content-Type": headers.get("Content-Type", "")}), body, 0.0)
        if is_html_page(body) and not self._takes_pages and not kind.startswith(_OFFICE):
            raise self._page(response, where)
        found = no_result(response, states=self.states) if whole else None
        if found is not None and found.meaning is Meaning.RUNNING:
            return f"{where} says {found.text!r}"
        if found is not None:
            raise DownloadError(
                f"{where} answered with an error in place of the result: {found.text!r}. Nothing was stored. "
                f"If that is the result, say {self.key}: {ANYTHING!r}. {_began(body)}"
            )
        if self.alone and (more := announced(HttpResponse(200, headers, body if whole else b"", 0.0))):
            raise DownloadError(
                f"{where} answered with one page of several: {more} says that another follows. Nothing was "
                "stored. Say how to get the others with result.pages; if this is all, say result.whole: true."
            )
        if self.media_types and kind not in _UNTYPED and not self._takes(kind):
            wanted = " or ".join(self.media_types)
            raise DownloadError(
                f"{where} answered with {kind!r}, and {self.key} is {wanted!r}: that is no result. "
                f"Nothing was stored. {_began(body)}"
            )
        return None

    @property
    def _takes_pages(self) -> bool:
        return self.page or self._takes("text/html") or self._takes("application/xhtml+xml")

    def _takes(self, kind: str) -> bool:
        return any(fnmatchcase(kind, wanted) for wanted in self.media_types)

    def _page(self, response: HttpResponse, where: str) -> DownloadError:
        html = HttpResponse(200, Headers({"Content-Type": "text/html"}), response.body, 0.0)
        match = _TITLE.search(response.body)
        title = f" ({excerpt(match[1].strip())!r})" if match else ""
        if is_login_page(html):
            return DownloadError(
                f"{where} answered with a page where a person logs in{title}, in place of the result. "
                "Nothing was stored. Check the credentials of the Airflow connection."
            )
        return DownloadError(
            f"{where} answered with an HTML page{title} in place of the result: a login, a portal, or an "
            f"error. Nothing was stored. Check the address and the credentials; if the page is the result, "
            f"say {self.key}: 'text/html'. {_began(response.body)}"
        )


def _began(body: bytes) -> str:
    return f"The answer began: {excerpt(body)!r}"


def _unpacked(beginning: bytes, encoding: str) -> bytes:
    if encoding.strip().lower() not in ("gzip", "deflate", "x-gzip"):
        return beginning
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(beginning, BEGINNING)
    except zlib.error:
        return beginning
