# SPDX-License-Identifier: Apache-2.0
"""A file on this machine that appears complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from airflow_async_provider._download.destination.base import Destination
from airflow_async_provider._download.destination.temporary_file import UnfinishedFile
from airflow_async_provider._download.options import IfExists
from airflow_async_provider._download.source.base import ByteSource
from airflow_async_provider._download.worker_thread import Background
from airflow_async_provider.errors import ConfigurationError, DownloadError

_NO_RIGHT: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LocalFile(Destination):
    """
    An absolute path.

    :param path: the file's path; missing directories are made, a symbolic link there is replaced
    :param if_exists: see :func:`~.destination.open_destination`
    """

    def __init__(self, path: str, *, if_exists: IfExists = "replace") -> None:
        self.path = Path(path)
        super().__init__(self.path.as_uri(), if_exists)

    def check(self) -> None:
        """Whether the file, and the directories that are missing on the way to it, could be made."""
        self.size()
        there = next(folder for folder in self.path.parents if os.path.lexists(folder))
        if not there.is_dir():
            raise ConfigurationError(f"{self.path} cannot be written: {there} is not a directory.")
        try:
            tempfile.TemporaryFile(dir=there).close()  # where that can be done it never has a name
        except OSError as error:
            if error.errno in _NO_RIGHT:  # no room may be no more than that at this moment
                raise ConfigurationError(
                    f"{self.path} cannot be written: this worker can write nothing in {there} "
                    f"({error.strerror})."
                ) from error

    def size(self) -> int | None:
        """Size of the file there; a link to nowhere counts as something."""
        found = self._looked_up()
        if found is None:
            return None
        if stat.S_ISDIR(found.st_mode):
            raise ConfigurationError(f"{self.path} is a directory; the destination is a file.")
        return found.st_size

    def fingerprint(self) -> str | None:
        """Size and time of the last change, in seconds: some file servers keep no more of it."""
        found = self._looked_up()
        return None if found is None else f"{found.st_size}/{int(found.st_mtime)}"

    def _looked_up(self) -> os.stat_result | None:
        try:
            return self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_whole(self, limit: int) -> bytes | None:
        """Content of the file there."""
        try:
            with self.path.open("rb") as file:
                content = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DownloadError(f"{self.path} cannot be read: {error.strerror}.") from error
        return self._within(limit, content)

    def remove(self) -> None:
        """Remove the file there."""
        try:
            self.path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise DownloadError(f"{self.path} cannot be removed: {error.strerror}.") from error

    def write(self, source: ByteSource) -> None:
        """Write the file, see :meth:`Destination.write`."""
        with contextlib.ExitStack() as stack:
            # Only what touches the disk is inside of "_described": an error of the source comes out as it is.
            disk = _DiskErrors(self.path, source.length)
            with disk.clearly():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                disk.room()
                file = stack.enter_context(UnfinishedFile(self.path))
            writing = Background(file.write, name="file")
            stack.callback(writing.close)  # before the file is closed under the thread's feet
            while data := source.read():
                with disk.clearly():
                    writing.put(data)
                disk.written += len(data)
            with disk.clearly():
                writing.join()
                try:
                    file.publish(replace=self.if_exists == "replace")
                except FileExistsError:
                    raise self.exists_error() from None


class _DiskErrors:
    """Turns what the system says about a file into what a person can act on."""

    def __init__(self, path: Path, length: int | None) -> None:
        self._path = path
        self._length = length
        self.written = 0

    def room(self) -> None:
        """Say before the first byte that the result does not fit; some file systems report 0 of 0 bytes."""
        room = shutil.disk_usage(self._path.parent)
        if self._length is not None and room.total and room.free < self._length:
            raise DownloadError(
                f"{self._path} cannot be written: the result has {self._length} bytes, but only {room.free} "
                "are free there. Make room or choose another destination."
            )

    @contextlib.contextmanager
    def clearly(self) -> Iterator[None]:
        """Errors of the system in the block, as :class:`DownloadError`."""
        try:
            yield
        except OSError as error:
            of = "" if self._length is None else f" of {self._length}"
            if error.errno in _NO_ROOM:
                raise DownloadError(
                    f"{self._path} cannot be written: no room left after {self.written}{of} bytes "
                    f"({error.strerror}). Nothing was left behind. Make room or choose another destination."
                ) from error
            raise DownloadError(
                f"{self._path} cannot be written: {error.strerror or type(error).__name__} "
                f"after {self.written}{of} bytes."
            ) from error
