# SPDX-License-Identifier: Apache-2.0
"""
A file that has no name until it is finished.

On Linux it is one without any name (``O_TMPFILE``), which the kernel removes by itself even when the process
is killed. Where the file system has no such thing it lies in a hidden folder beside the target, which its
owner alone can look into, see ``hidden_folder``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_async_provider._download.destination.hidden_folder import HiddenFolder, lock

#: Bytes after which the system is asked to begin writing to the disk.
FLUSH_EVERY = 16 * 1024 * 1024

_FD_LINKS = Path("/proc/self/fd")
_STATUS = Path("/proc/self/status")


class UnfinishedFile:
    """
    A new file in a directory; leave the ``with`` block without :meth:`publish` and it is gone.

    :param path: where the finished file shall lie
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._dir_fd = -1
        self._hidden: str | None = None
        self._stack = contextlib.ExitStack()
        self._written = self._flushed = 0
        self.fd = -1

    def __enter__(self) -> Self:
        with self._stack as stack:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            self._dir_fd = os.open(self._path.parent, flags)
            stack.callback(os.close, self._dir_fd)
            with HiddenFolder(self._dir_fd, self._path.name) as folder:
                folder.remove_left_over()
                self.fd = self._open_nameless(folder)
            if self.fd < 0:
                self._folder = stack.enter_context(HiddenFolder(self._dir_fd, self._path.name))
                self.fd, self._hidden = self._folder.new_file()
                stack.callback(self._remove_hidden)
            stack.callback(self._close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # an error in here would hide the one that matters
            os.close(self.fd)

    def _remove_hidden(self) -> None:
        if self._hidden is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._hidden, dir_fd=self._folder.fd)

    def write(self, data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            written = os.write(self.fd, view)
            self._written += written
            view = view[written:]
        if self._written - self._flushed >= FLUSH_EVERY:
            self._start_flush()

    def publish(self, *, replace: bool) -> None:
        """
        Give the file its name, once all of it is on disk.

        :param replace: take the place of what has that name
        :raises FileExistsError: ``replace`` is False and the name is taken
        """
        name = self._path.name
        # Nobody can look at the file yet: it has no name, or lies in a folder of its owner's.
        os.fchmod(self.fd, self._mode(name))
        os.fsync(self.fd)
        if not replace:
            self._publish_new(name)
        elif self._hidden is not None:
            self._take_place(self._folder, self._hidden, name)
        else:
            with HiddenFolder(self._dir_fd, name) as folder:
                hidden = secrets.token_hex(12)
                try:
                    _link_nameless(self.fd, hidden, folder.fd)
                    self._take_place(folder, hidden, name)
                except BaseException:
                    with contextlib.suppress(OSError):
                        os.unlink(hidden, dir_fd=folder.fd)
                    raise
        os.fsync(self._dir_fd)

    def _take_place(self, folder: HiddenFolder, hidden: str, name: str) -> None:
        os.replace(hidden, name, src_dir_fd=folder.fd, dst_dir_fd=self._dir_fd)
        self._hidden = None

    def _publish_new(self, name: str) -> None:
        if self._hidden is None:
            _link_nameless(self.fd, name, self._dir_fd)
            return
        try:
            os.link(self._hidden, name, src_dir_fd=self._folder.fd, dst_dir_fd=self._dir_fd)
        except FileExistsError:
            raise
        except OSError:
            # No hard links here (FAT, some network file systems): reserve the name, then put the file on it.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o600, dir_fd=self._dir_fd))
            self._take_place(self._folder, self._hidden, name)

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

    def _open_nameless(self, folder: HiddenFolder) -> int:
        if not hasattr(os, "O_TMPFILE") or not _FD_LINKS.is_dir():
            return -1
        flags = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
        try:
            # Whether such a file can get a name here must not turn out after hours of downloading.
            trial = os.open(".", flags, 0o600, dir_fd=self._dir_fd)
            try:
                hidden = secrets.token_hex(12)
                _link_nameless(trial, hidden, folder.fd)
                os.unlink(hidden, dir_fd=folder.fd)
            finally:
                os.close(trial)
            fd = os.open(".", flags, 0o600, dir_fd=self._dir_fd)
        except OSError:  # not here; if there is another problem, it shows at the next attempt
            return -1
        lock(fd)  # for the moment in which it lies in the hidden folder
        return fd

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


def _link_nameless(fd: int, name: str, dir_fd: int) -> None:
    # With a directory Python calls linkat with AT_SYMLINK_FOLLOW, which /proc's links need.
    os.link(_FD_LINKS / str(fd), name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=True)
