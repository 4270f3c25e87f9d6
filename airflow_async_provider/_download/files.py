# SPDX-License-Identifier: Apache-2.0
"""Several files below one prefix, in parallel, with a manifest that is written last."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from airflow_async_provider._download.destination.base import Destination
from airflow_async_provider._download.destination.opening import open_destination
from airflow_async_provider._download.fetch import DownloadReport, already_there, download
from airflow_async_provider._download.file_names import check_name, names_of
from airflow_async_provider._download.files_journal import MAX_BYTES, FilesJournal
from airflow_async_provider._download.limits import Bounds
from airflow_async_provider._download.locations import Location
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.progress import duration, size
from airflow_async_provider._download.source.base import ByteSource, ChunkSource
from airflow_async_provider.errors import AsyncJobError, DestinationExistsError

#: Names that begin with an underscore are no data to Spark, Hive and Athena.
MANIFEST: Final = "_manifest.json"

#: Files under way at once. Each holds at most two parts of 8 MiB on the way to S3.
AT_ONCE: Final = 8

#: How long files under way are waited for after one has failed (seconds); Airflow kills a task that takes
#: longer than a minute to end.
MAX_GIVING_UP: Final = 30.0

_log = logging.getLogger(__name__)

#: For the lines about each single file, which would be thousands.
_quiet = logging.getLogger(f"{__name__}.each")
_quiet.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class FileToStore:
    """
    One of several files.

    :param open: makes its source, when its turn has come
    :param name: below the prefix, ``/`` between its parts; None: the last part of the URL's path
    :param url: where it comes from, for its name alone
    """

    open: Callable[[], ByteSource]
    name: str | None = None
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesReport:
    """
    What was written below a prefix; JSON-able with :meth:`to_dict`, without secrets.

    :param uri: the prefix
    :param manifest: the manifest's URI, which lists the files
    :param files: how many
    :param bytes: of all files together
    :param sha256: of the manifest, None when nothing was written (``skipped``)
    :param seconds: how long it took
    :param kept: how many of the files an earlier try had stored
    :param skipped: ``if_exists="skip"`` and a manifest was there
    :param link: where a person looks at it; not in :meth:`to_dict`
    """

    uri: str
    manifest: str
    files: int
    bytes: int
    sha256: str | None = None
    seconds: float = 0.0
    kept: int = 0
    skipped: bool = False
    link: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for XCom."""
        return {name: value for name, value in asdict(self).items() if name != "link"}


class FilesWriter:
    """
    Writes files below a prefix and, when all are there, the manifest.

    :param prefix: destination; a slash at its end is added
    :param options: how to store; the bounds count for all files together
    :param run: names the job whose files these are: what an earlier try with the same name has stored is
        kept. None: nothing is
    """

    def __init__(
        self, prefix: str, options: StoreOptions, *, run: str | None = None, log: Any = None
    ) -> None:
        self._folder: Location = options.read(prefix, folder=True)
        self._options = options
        self._log = log or _log
        self._began = time.monotonic()
        self._bounds = Bounds(options.limits)
        self._manifest = open_destination(self._folder.child(MANIFEST), options)
        self._journal = FilesJournal(
            self._place(f"{MANIFEST}.unfinished", replace(options, if_exists="replace")), run
        )
        self._file_options = options
        self._lock = threading.Lock()
        self.kept = 0

    @property
    def journal(self) -> FilesJournal:
        """What is stored so far."""
        return self._journal

    def existing(self) -> FilesReport | None:
        """
        The report for ``skip`` when a manifest is there, None when there is work to do.

        :raises DestinationExistsError: ``fail`` and a manifest is there
        """
        if already_there(self._manifest) is None:
            return None
        self._log.info("%s exists already, nothing is downloaded", self._manifest.uri)
        content = self._manifest.read_whole(MAX_BYTES) or b"{}"
        try:
            found = json.loads(content)
            files, count = int(found["files_count"]), int(found["bytes"])
        except (ValueError, KeyError, TypeError):
            files, count = 0, len(content)
        return self._report(files, count, skipped=True)

    def check(self) -> None:
        """Whether files can be written below the prefix, see :meth:`Destination.check`."""
        self._manifest.check()

    def begin(self, names: Sequence[str] | None = None) -> None:
        """
        Look at what an earlier try has left, and take the manifest of an earlier run away.

        :param names: of all files, where they are known
        :raises DestinationExistsError: ``fail`` and one of them is there
        """
        self._manifest.prepare()
        self._manifest.expect_many()
        resumed = self._journal.read()
        ours = self._journal.claimed
        if resumed:
            self._log.info("An earlier try has stored %s files; they are kept", len(self._journal.files))
        if self._options.if_exists == "replace":
            self._manifest.remove()  # it would list files that are about to be replaced
        elif self._options.if_exists == "fail" and not ours:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                places = [self._place(name, self._options) for name in names or ()]
                for place, there in zip(places, pool.map(lambda each: each.size(), places), strict=True):
                    if there is not None:
                        raise place.exists_error()
            self._journal.claimed = names is not None
            self._journal.write(now=True)
        if ours or self._options.if_exists == "skip":
            self._file_options = replace(self._options, if_exists="replace")

    def store(self, name: str, source: Callable[[], ByteSource], *, started: list[ByteSource]) -> None:
        """
        Store one file, unless an earlier try has; called from several threads.

        :param started: gets the source, for a caller that must end its wait for bytes
        """
        place = self._place(name, self._file_options)
        there = self._journal.files.get(name)
        if there is not None and place.size() == there["bytes"]:
            with self._lock:
                self.kept += 1
            self._bounds.add(there["bytes"])
            return
        opened = source()
        opened.use_one_connection()
        started.append(opened)
        try:
            report = download(
                opened,
                place,
                self._file_options,
                bounds=self._bounds,
                uploads=self._journal.memory_of(name),
                log=_quiet,
            )
        finally:
            started.remove(opened)
        self._journal.add(name, _facts(report))

    def finish(self, names: Sequence[str]) -> FilesReport:
        """
        Write the manifest: from now on the files count.

        :param names: of the files, in their order
        """
        files = [{"name": name, **self._journal.files[name]} for name in names]
        count = sum(file["bytes"] for file in files)
        content = json.dumps(
            {"version": 1, "files_count": len(files), "bytes": count, "files": files}, indent=1
        ).encode()
        source = ChunkSource([content], length=len(content), content_type="application/json")
        plain = replace(self._options, unpack=None, charset=None)
        written = download(source, self._manifest, plain, log=_quiet)
        self._journal.remove()
        report = self._report(len(files), count, sha256=written.sha256)
        self._log.info(
            "Wrote %s files, %s, to %s in %s", len(files), size(count), report.uri, duration(report.seconds)
        )
        return report

    def _report(self, files: int, count: int, **facts: Any) -> FilesReport:
        return FilesReport(
            uri=self._folder.uri,
            manifest=self._manifest.uri,
            files=files,
            bytes=count,
            seconds=round(time.monotonic() - self._began, 3),
            kept=self.kept,
            link=self._manifest.link(),
            **facts,
        )

    def _place(self, name: str, options: StoreOptions) -> Destination:
        place = open_destination(self._folder.child(name), options)
        place.share(self._manifest)
        return place


def store_files(
    files: Iterable[FileToStore],
    prefix: str,
    options: StoreOptions | None = None,
    *,
    run: str | None = None,
    at_once: int = AT_ONCE,
    log: Any = None,
    progress_every: float = 10.0,
    **settings: Any,
) -> FilesReport:
    """
    Bring several files to a prefix, each whole or not at all, and a manifest when all are there.

    After a failure there is no manifest; the files that are there stay, and a later call with the same
    ``run`` fetches the others only.

    :param files: the files, in the order of the manifest
    :param prefix: destination; a slash at its end is added
    :param options: how to store; the bounds count for all files together
    :param run: names the job whose files these are
    :param at_once: files under way at once
    :param log: where progress goes, None for this package's logger
    :param progress_every: seconds between two progress lines
    :param settings: the options one by one
    :raises ConfigurationError: the destination cannot be used; nothing was sent
    :raises DestinationExistsError: ``if_exists="fail"`` and the manifest or a file is there
    :raises ResultError: a file could not be fetched or stored
    """
    log = log or _log
    writer = FilesWriter(prefix, options or StoreOptions(**settings), run=run, log=log)
    if (skipped := writer.existing()) is not None:
        return skipped
    wanted = list(files)
    names = names_of(
        ((file.name, file.url) for file in wanted), reserved=(MANIFEST, f"{MANIFEST}.unfinished")
    )
    writer.begin(names)
    try:
        _store_all(writer, wanted, names, at_once=at_once, log=log, progress_every=progress_every)
        return writer.finish(names)
    except BaseException as error:
        if isinstance(error, DestinationExistsError):
            writer.journal.claimed = False  # one of the files belongs to another task
        writer.journal.write_in_the_end()
        raise


def _store_all(
    writer: FilesWriter,
    files: Sequence[FileToStore],
    names: Sequence[str],
    *,
    at_once: int,
    log: Any,
    progress_every: float,
) -> None:
    started: list[ByteSource] = []
    pool = ThreadPoolExecutor(max(1, at_once), thread_name_prefix="file")
    under_way: dict[Future[None], str] = {}
    logged_at = began = time.monotonic()
    done = 0
    try:
        queue = iter(zip(names, files, strict=True))
        while True:
            # No more are handed over than are under way: with a hundred thousand files that is memory.
            while len(under_way) < 2 * at_once and (following := next(queue, None)) is not None:
                name, file = following
                under_way[pool.submit(writer.store, name, file.open, started=started)] = name
            if not under_way:
                break
            finished, _ = wait(under_way, timeout=max(progress_every, 0.5), return_when=FIRST_COMPLETED)
            for future in finished:
                name = under_way.pop(future)
                if (error := future.exception()) is not None:
                    _log_failure(error, name, len(names), len(writer.journal.files), log)
                    raise error
                done += 1
            writer.journal.write()
            if time.monotonic() - logged_at >= progress_every:
                logged_at = time.monotonic()
                count = sum(facts["bytes"] for facts in list(writer.journal.files.values()))
                log.info(
                    "Stored %s of %s files, %s, in %s",
                    done,
                    len(names),
                    size(count),
                    duration(logged_at - began),
                )
    except BaseException:
        _give_up(pool, under_way, started)
        raise
    pool.shutdown()


def _give_up(pool: ThreadPoolExecutor, under_way: Iterable[Future[None]], started: list[ByteSource]) -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    until = time.monotonic() + MAX_GIVING_UP
    running = [future for future in under_way if not future.cancelled()]
    while running and time.monotonic() < until:
        for source in list(started):  # again and again: one may just have begun
            source.abort()
        running = list(wait(running, timeout=0.1, return_when=FIRST_EXCEPTION).not_done)


def _log_failure(error: BaseException, name: str, all_files: int, stored: int, log: Any) -> None:
    if isinstance(error, AsyncJobError):
        log.error(
            "The file %r could not be stored. %s of %s files are there, without a manifest; the next try of "
            "this task fetches the others.",
            name,
            stored,
            all_files,
        )


def _facts(report: DownloadReport) -> dict[str, Any]:
    facts = asdict(report)
    return {
        name: facts[name] for name in ("uri", "bytes", "sha256", "content_type", "content_encoding", "etag")
    }


__all__ = ["MANIFEST", "FileToStore", "FilesReport", "FilesWriter", "check_name", "store_files"]
