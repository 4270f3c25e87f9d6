# SPDX-License-Identifier: Apache-2.0
"""A result in pages, as one file or as one file for each page."""

from __future__ import annotations

import logging
import mimetypes
from dataclasses import replace
from typing import Any

from airflow_async_provider._download.destination.base import UploadMemory
from airflow_async_provider._download.fetch import DownloadReport, download
from airflow_async_provider._download.files import FilesReport, FilesWriter
from airflow_async_provider._download.locations import is_folder
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.source.base import ByteSource, ChunkSource
from airflow_async_provider._download.source.pages import NextPage, PageAnswer, PagedSource, Pages, Rows

__all__ = ["NextPage", "PageAnswer", "Rows", "store_pages"]

_log = logging.getLogger(__name__)


def store_pages(
    first: ByteSource,
    next_page: NextPage,
    destination: str,
    options: StoreOptions | None = None,
    *,
    rows: Rows | None = None,
    repeats_header: bool = False,
    needs_body: bool = True,
    log: Any = None,
    uploads: UploadMemory | None = None,
    **settings: Any,
) -> DownloadReport | FilesReport:
    """
    Bring a result in pages to a destination.

    A destination that ends with a slash gets one file for each page and a manifest. Any other one gets one
    file: the pages one behind the other, or with ``rows`` one JSON list of all rows (one row a line where
    its name ends with ``.jsonl`` or ``.ndjson``).

    :param first: the first page
    :param next_page: gives the next one
    :param rows: finds the rows in a page's JSON; None: pages are bytes
    :param repeats_header: each page begins with the same header line, of which one is kept
    :param needs_body: ``next_page`` reads the bodies
    :param log: where progress goes, None for this package's logger
    :param uploads: remembers an unfinished upload for the process after this one
    :param settings: the options one by one
    :raises ResultLimitError: it has too many pages, or a page that must be read whole is too large
    :raises DownloadError: a page is not JSON, has another header line, or was there before
    """
    options = options or StoreOptions(**settings)
    pages = Pages(first, next_page, options, keep_body=needs_body)
    plain = replace(options, unpack=None, charset=None)
    if is_folder(destination):
        return _store_parts(pages, destination, plain, log=log or _log)
    lines = destination.lower().endswith((".jsonl", ".ndjson"))
    source = PagedSource(pages, rows=rows, repeats_header=repeats_header, lines=lines)
    return download(source, destination, plain, uploads=uploads, log=log)


def _store_parts(pages: Pages, prefix: str, options: StoreOptions, *, log: Any) -> FilesReport:
    writer = FilesWriter(prefix, options, log=log)
    try:
        if (skipped := writer.existing()) is not None:
            return skipped
        writer.begin()
        names: list[str] = []
        for page in pages:
            page.source.open()
            media_type = str(page.source.content_type or "").partition(";")[0].strip()
            name = f"part-{page.number:05d}{mimetypes.guess_extension(media_type) or ''}"
            source = ChunkSource(
                page.pieces(), length=page.source.length, content_type=page.source.content_type
            )
            writer.store(name, lambda source=source: source, started=[])  # type: ignore[misc] # a lambda with a default
            names.append(name)
        return writer.finish(names)
    finally:
        pages.close()
