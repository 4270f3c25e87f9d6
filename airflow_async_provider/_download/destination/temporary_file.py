# SPDX-License-Identifier: Apache-2.0
"""
A file that has no name until it is finished.

On Linux it is one without any name (``O_TMPFILE``), which the kernel removes by itself even when the process
is killed. Where the file system has no such thing it is one with an unpredictable hidden name beside the
target, readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

#: Bytes after which the system is told to begin writing to the disk.
FLUSH_EVERY = 16 * 1024 * 1024

_FD_LINKS = Path("/proc/self/fd")
_STATUS = Path("/proc/self/status")


class UnfinishedFile:
    """
    A new file in a directory; leave the ``with`` block without :meth:`publish` and it is gone.

    :param directory: where the finished file shall lie
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._dir_fd = -1
        self._name: str | None = None
        self._written = self._flushed = 0
        self.fd = -1

    def __enter__(self) -> Self:
        self._dir_fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fd = self._open_nameless()
            if self.fd < 0:
                self._name = f".{secrets.token_hex(12)}.part"
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                self.fd = os.open(self._name, flags, 0o600, dir_fd=self._dir_fd)
        except BaseException:
            os.close(self._dir_fd)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # an error in here would hide the one that matters
            os.close(self.fd)
        if self._name is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._dir_fd)
        os.close(self._dir_fd)

    def write(self, data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            written = os.write(self.fd, view)
            self._written += written
            view = view[written:]
        if self._written - self._flushed >= FLUSH_EVERY:
            self._start_flush()

    def publish(self, name: str, *, replace: bool) -> None:
        """
        Give the file its name, once all of it is on disk.

        :param replace: take the place of what has that name
        :raises FileExistsError: ``replace`` is False and the name is taken
        """
        os.fchmod(self.fd, self._mode(name))
        os.fsync(self.fd)
        if replace:
            if self._name is None:
                hidden = f".{secrets.token_hex(12)}.part"
                self._link(hidden, self.fd)
                self._name = hidden
            os.replace(self._name, name, src_dir_fd=self._dir_fd, dst_dir_fd=self._dir_fd)
            self._name = None
        else:
            self._publish_new(name)
        os.fsync(self._dir_fd)

    def _publish_new(self, name: str) -> None:
        try:
            self._link(name, self.fd)
        except FileExistsError:
            raise
        except OSError:
            # No hard links here (FAT, some network file systems): reserve the name, then put the file on it.
            if self._name is None:  # but there were some a moment ago
                raise
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o600, dir_fd=self._dir_fd))
            os.replace(self._name, name, src_dir_fd=self._dir_fd, dst_dir_fd=self._dir_fd)
            self._name = None

    def _start_flush(self) -> None:
        """
        Have the system write out what it holds in memory, without waiting for it.

        Else all of that is left for the ``fsync`` at the end, which then takes as long as the download. On
        Linux this is what POSIX_FADV_DONTNEED does to pages that are not on disk yet.
        """
        start, self._flushed = self._flushed, self._written
        if hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(self.fd, start, self._flushed - start, os.POSIX_FADV_DONTNEED)

    def _open_nameless(self) -> int:
        if not hasattr(os, "O_TMPFILE") or not _FD_LINKS.is_dir():
            return -1
        flags = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
        try:
            # Whether such a file can get a name here must not turn out after hours of downloading.
            trial = os.open(".", flags, 0o600, dir_fd=self._dir_fd)
            try:
                hidden = f".{secrets.token_hex(12)}.part"
                self._link(hidden, trial)
                os.unlink(hidden, dir_fd=self._dir_fd)
            finally:
                os.close(trial)
            return os.open(".", flags, 0o600, dir_fd=self._dir_fd)
        except OSError:  # not here; if there is another problem, it shows at the next attempt
            return -1

    def _link(self, name: str, nameless: int) -> None:
        source = str(_FD_LINKS / str(nameless)) if self._name is None else self._name
        # With a directory Python calls linkat with AT_SYMLINK_FOLLOW, which /proc's links need.
        os.link(source, name, src_dir_fd=self._dir_fd, dst_dir_fd=self._dir_fd, follow_symlinks=True)

    def _mode(self, name: str) -> int:
        """Permissions of the file that is replaced, else what the umask leaves of rw-rw-rw-."""
        with contextlib.suppress(OSError):
            there = os.stat(name, dir_fd=self._dir_fd, follow_symlinks=False)
            if stat.S_ISREG(there.st_mode):
                return stat.S_IMODE(there.st_mode) & 0o777
        return 0o666 & ~_umask()


def _umask() -> int:
    try:  # reading it is safe among threads, setting it and setting it back is not
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
