# SPDX-License-Identifier: Apache-2.0
"""Results of several files and of several pages, to a destination or for a return value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http_messages import Headers, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, Result
from airflow_async_provider.protocols._registry import protocol_of

if TYPE_CHECKING:
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._download.files import FilesReport
    from airflow_async_provider._download.options import StoreOptions
    from airflow_async_provider._download.source.base import ByteSource
    from airflow_async_provider._download.source.pages import NextPage

#: Makes the stream of one URL of a result.
Opener = Callable[[Result], "ByteSource"]


def store_files_of(
    handle: JobHandle, result: Result, prefix: str, options: StoreOptions, *, opener: Opener, log: Any
) -> FilesReport:
    """
    Bring all files of a result below a prefix, and a manifest when all are there.

    :param opener: makes the stream of a file
    :raises ResultError: one could not be fetched or stored
    """
    from airflow_async_provider._download.files import FileToStore, store_files

    def file(one: Result) -> FileToStore:
        return FileToStore(open=lambda: opener(one), name=one.name, url=one.url or "")

    return store_files(
        [file(one) for one in result.files],
        prefix,
        options,
        # A remote system may give an id out again, and another one has the same ids.
        run=f"{handle.protocol}/{handle.job_id}/{handle.conn_id}/{handle.origin}/{handle.submitted_at}",
        log=log,
    )


def store_pages_of(
    handle: JobHandle,
    result: Result,
    destination: str,
    options: StoreOptions,
    *,
    opener: Opener,
    log: Any,
    uploads: Any = None,
) -> DownloadReport | FilesReport:
    """
    Bring all pages of a result to a destination: one file, or one for each page below a prefix.

    :raises ResultError: one could not be fetched or stored
    """
    from airflow_async_provider._download.pages import store_pages

    return store_pages(
        opener(result),
        next_page_of(handle, result, opener),
        destination,
        options,
        rows=rows_of(result),
        repeats_header=result.repeats_header,
        needs_body=protocol_of(handle).page_needs_body,
        log=log,
        uploads=uploads,
    )


def paged_source(handle: JobHandle, result: Result, opener: Opener) -> ByteSource:
    """All pages of a result as one stream, for a return value."""
    from airflow_async_provider._download.options import StoreOptions
    from airflow_async_provider._download.source.pages import PagedSource, Pages

    pages = Pages(
        opener(result),
        next_page_of(handle, result, opener),
        StoreOptions(),
        keep_body=protocol_of(handle).page_needs_body,
    )
    return PagedSource(pages, rows=rows_of(result), repeats_header=result.repeats_header)


def next_page_of(handle: JobHandle, result: Result, opener: Opener) -> NextPage:
    """What leads from a page to the next one."""
    protocol, known = protocol_of(handle), list(result.pages)

    def following(answer: Any) -> ByteSource | None:
        if result.pages:
            return opener(known.pop(0)) if known else None
        response = HttpResponse(200, Headers(answer.headers), answer.body or b"", 0.0, answer.url)
        page = protocol.next_page(handle, response)
        return None if page is None else opener(page)

    return following


def rows_of(result: Result) -> Callable[[Any], list[Any]] | None:
    """What finds the rows in a page's document; None where pages are bytes."""
    items = result.items
    if items is None:
        return None

    def rows(document: Any) -> list[Any]:
        found = json_path.read(document, items)
        if found is json_path.MISSING:
            keys = ", ".join(map(repr, document)) if isinstance(document, dict) else type(document).__name__
            raise DownloadError(
                f"A page of the result has nothing at {items!r}, where its rows should be: {keys[:200]}"
            )
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    return rows


def names_of_files(handle: JobHandle, result: Result, log: Any) -> list[str]:
    """
    The names of a result's files, for a task that has no destination for them.

    A URL may be a secret, so none is returned.
    """
    names = [one.name or f"file-{number:05d}" for number, one in enumerate(result.files, 1)]
    log.info("The %s has %d files; give a destination to download them.", handle.describe(), len(names))
    return names


def check_destination(handle: JobHandle, result: Result | None) -> Result:
    """
    Refuse to store what is no result.

    :raises DownloadError: there is none, or nothing says where it is
    """
    where = (
        "Say where it is with result_field or result_url_field (in a description: result.value, result.url "
        "or result.path), or leave destination out."
    )
    if result is None:
        raise DownloadError(
            f"The {handle.describe()} succeeded, but its last answer holds no result to be stored. {where}",
            job=handle.shown_id,
        )
    if result.is_status:
        raise DownloadError(
            f"The {handle.describe()} succeeded, and its last answer is a status document, which is no "
            f'result to be stored. {where} result_field="$" stores the status document itself.',
            job=handle.shown_id,
        )
    return result


def options_for(result: Result, options: StoreOptions) -> StoreOptions:
    """The task's options, with the packing that the remote tells where the task names none."""
    if options.unpack is None and result.unpack in ("gzip", "zip"):
        return replace(options, unpack=result.unpack)  # type: ignore[arg-type] # one of the two
    return options
