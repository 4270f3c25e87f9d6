# SPDX-License-Identifier: Apache-2.0
"""What has been stored of several files, kept beside them until all are there, for the try after this one."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from airflow_async_provider._download.destination.base import Destination
from airflow_async_provider._download.source.base import ChunkSource
from airflow_async_provider.errors import AsyncJobError

VERSION: Final = 1

#: Seconds between two writes: what a killed process has stored since the last one is fetched again.
EVERY: Final = 5.0

#: Largest journal or manifest that is read (bytes): some 300,000 files.
MAX_BYTES: Final = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class FilesJournal:
    """
    One journal, written to a file at the destination.

    :param place: where it lies
    :param run: names the job whose files these are; None: nothing is taken up again
    """

    def __init__(self, place: Destination, run: str | None) -> None:
        self._place = place
        self._run = run
        self._lock = threading.Lock()
        self._written_at = time.monotonic()
        self._written = False
        #: what is stored: facts by name
        self.files: dict[str, dict[str, Any]] = {}
        #: unfinished multipart uploads by name
        self.uploads: dict[str, dict[str, str]] = {}
        #: everything below the prefix is this run's own
        self.claimed = False

    def read(self) -> bool:
        """Take up what an earlier try of the same run has left; False when there is nothing."""
        if self._run is None:
            return False
        content = self._place.read_whole(MAX_BYTES)
        try:
            found = json.loads(content or b"{}")
        except ValueError:  # not a file of ours
            found = {}
        if not isinstance(found, Mapping) or found.get("version") != VERSION or found.get("run") != self._run:
            return False
        files, uploads = found.get("files"), found.get("uploads")
        if not isinstance(files, Mapping) or not isinstance(uploads, Mapping):  # no whole journal
            return False
        self.files = dict(files)
        self.uploads = dict(uploads)
        self.claimed = bool(found.get("claimed"))
        self._written = True
        return True

    def add(self, name: str, facts: Mapping[str, Any]) -> None:
        """A file is stored."""
        with self._lock:
            self.files[name] = dict(facts)

    def write(self, *, now: bool = False) -> None:
        """Write it out, unless it was just before."""
        if self._run is None or (not now and time.monotonic() - self._written_at < EVERY):
            return
        with self._lock:
            content = json.dumps(
                {
                    "version": VERSION,
                    "run": self._run,
                    "claimed": self.claimed,
                    "files": self.files,
                    "uploads": self.uploads,
                }
            ).encode()
        self._place.write(ChunkSource([content], length=len(content), content_type="application/json"))
        self._written_at, self._written = time.monotonic(), True

    def write_in_the_end(self) -> None:
        """After a failure, which must come out and not one of this."""
        try:
            self.write(now=True)
        except AsyncJobError as error:
            log.warning("What is stored could not be noted for the next try: %s", error)

    def remove(self) -> None:
        """All is there: it is not needed any more."""
        if self._written:
            self._place.remove()

    def memory_of(self, name: str) -> FileUpload:
        """Where an unfinished upload of this file is remembered."""
        return FileUpload(self, name)

    def note_upload(self, name: str, upload: Mapping[str, str] | None) -> None:
        """Remember an upload, or forget it."""
        with self._lock:
            if upload is None:
                self.uploads.pop(name, None)
                return
            self.uploads[name] = dict(upload)
        self.write(now=True)


class FileUpload:
    """Remembers the unfinished upload of one of several files, see ``destination.base.UploadMemory``."""

    def __init__(self, journal: FilesJournal, name: str) -> None:
        self._journal = journal
        self._name = name

    def left(self) -> Mapping[str, str] | None:
        """What an earlier process has begun and not ended."""
        return self._journal.uploads.get(self._name)

    def began(self, upload: Mapping[str, str]) -> None:
        """Remember an upload."""
        self._journal.note_upload(self._name, upload)

    def ended(self) -> None:
        """Forget it."""
        self._journal.note_upload(self._name, None)
