# SPDX-License-Identifier: Apache-2.0
"""The whole way of a result: from a source to a destination, with a report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from airflow_async_provider._download.destination.base import Destination, UploadMemory
from airflow_async_provider._download.destination.opening import open_destination
from airflow_async_provider._download.limits import Bounds
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.progress import Progress, duration, size
from airflow_async_provider._download.source.base import ByteSource, ChunkSource
from airflow_async_provider._download.source.http import HttpSource
from airflow_async_provider._download.transforms import transformed
from airflow_async_provider.errors import ResultChangedError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadReport:
    """
    What was written where; JSON-able with :meth:`to_dict`, without secrets.

    :param uri: the destination as a URL
    :param bytes: how many bytes lie there
    :param sha256: their hash, None when nothing was read (``skipped``)
    :param content_type: media type that the source named
    :param content_encoding: set when the bytes are stored as they came, compressed (``gzip``)
    :param etag: the source's ETag
    :param seconds: how long it took
    :param resumes: how often a broken connection was taken up again
    :param skipped: ``if_exists="skip"`` and something was there
    :param link: where a person looks at it; not in :meth:`to_dict`
    """

    uri: str
    bytes: int
    sha256: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    etag: str | None = None
    seconds: float = 0.0
    resumes: int = 0
    skipped: bool = False
    link: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for XCom."""
        return {name: value for name, value in asdict(self).items() if name != "link"}


def download(
    source: ByteSource | str,
    destination: str | Destination,
    options: StoreOptions | None = None,
    *,
    uploads: UploadMemory | None = None,
    bounds: Bounds | None = None,
    log: Any = None,
    progress_every: float = 10.0,
    **settings: Any,
) -> DownloadReport:
    """
    Bring a result to its destination, whole or not at all.

    :param source: a source, or a URL that needs no credentials
    :param destination: see :func:`~.destination.base.open_destination`
    :param options: how to store it
    :param uploads: remembers an unfinished upload for the process after this one
    :param bounds: what it counts to, where several downloads count together; None for the options' limits
    :param log: where progress goes, None for this package's logger
    :param progress_every: seconds between two progress lines
    :param settings: the options one by one, as :class:`~.options.StoreOptions` takes them
    :raises ConfigurationError: the destination or the URL cannot be used; nothing was sent
    :raises DestinationExistsError: ``if_exists="fail"`` and something is there
    :raises ResultExpiredError: the URL is no longer valid
    :raises ResultMissingError: nothing is behind the URL
    :raises ResultChangedError: the object kept changing while it was read
    :raises ResultLimitError: it is too large, too slow, or takes too long
    :raises DownloadError: anything else
    """
    began = time.monotonic()
    log = log or _log
    options = options or StoreOptions(**settings)
    place = destination if isinstance(destination, Destination) else open_destination(destination, options)
    if isinstance(source, str):
        source = HttpSource(source)
    source = transformed(source, options)
    try:
        if (skipped := already_there(place)) is not None:
            log.info("%s exists already (%s), nothing is downloaded", place.uri, size(skipped.bytes))
            return skipped
        place.uploads = uploads
        place.prepare()
        source.watch = Progress(log, every=progress_every)
        source.bounds = bounds or Bounds(options.limits)
        while True:
            try:
                source.open()
                place.write(source)
                break
            except ResultChangedError as error:
                # Whole or nothing makes starting over safe; a second change in a row is a moving target.
                if not source.restart():
                    raise
                log.warning("%s Starting over.", error)
    finally:
        source.close()
    seconds = time.monotonic() - began
    report = DownloadReport(
        uri=place.uri,
        bytes=source.offset,
        sha256=source.sha256,
        content_type=source.content_type,
        content_encoding=source.content_encoding,
        etag=source.etag,
        seconds=round(seconds, 3),
        resumes=source.resumes,
        link=place.link(),
    )
    log.info("Wrote %s to %s in %s", size(report.bytes), report.uri, duration(seconds))
    return report


def write_chunks(
    chunks: Iterable[bytes],
    destination: str | Destination,
    options: StoreOptions | None = None,
    *,
    length: int | None = None,
    content_type: str | None = None,
    **settings: Any,
) -> DownloadReport:
    """
    Write bytes that are at hand to a destination, with the same promises as :func:`download`.

    :param chunks: the bytes, in order
    :param options: how to store them
    :param length: how many, when known; another number is an error
    :param content_type: media type, noted where the storage keeps one
    :param settings: further arguments of :func:`download`
    """
    source = ChunkSource(chunks, length=length, content_type=content_type)
    return download(source, destination, options, **settings)


def write_bytes(
    data: bytes, destination: str | Destination, options: StoreOptions | None = None, **settings: Any
) -> DownloadReport:
    """Write one piece of bytes; arguments as for :func:`write_chunks`."""
    return write_chunks([data], destination, options, length=len(data), **settings)


def already_there(place: Destination) -> DownloadReport | None:
    """
    Look at a destination before any work is done for it.

    :return: the report for ``skip`` when something is there, None when there is work to do
    :raises DestinationExistsError: ``fail`` and something is there
    """
    if place.if_exists == "replace":
        return None
    there = place.size()
    if there is None:
        return None
    if place.if_exists == "fail":
        raise place.exists_error()
    return DownloadReport(uri=place.uri, bytes=there, skipped=True, link=place.link())
