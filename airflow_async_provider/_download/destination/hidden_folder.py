# SPDX-License-Identifier: Apache-2.0
"""
A folder of one target's own, in which its file lies until it gets its name.

Nobody but its owner can look into it, whatever permissions the file in it has by then. Its name follows from
the target's, so that the next try finds what a process that was killed has left behind: a file that nobody
holds a lock on any more is removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import stat
import time
from types import TracebackType
from typing import Final, Self

#: Where a file system has no locks: older files (seconds) are abandoned.
MAX_AGE: Final = 24 * 3600.0

#: How often a folder or file may vanish under our hands: the other try of the same target has just ended.
_TRIES: Final = 10


class HiddenFolder:
    """
    The folder, made when it is entered and gone when it is left empty.

    :param dir_fd: open directory of the target
    :param target: the target's name in it
    """

    def __init__(self, dir_fd: int, target: str) -> None:
        self._dir_fd = dir_fd
        digest = hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
        self.name = f".{digest}.part"
        self.fd = -1

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            made = False
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.name, 0o700, dir_fd=self._dir_fd)
                made = True
            with contextlib.suppress(FileNotFoundError):
                self.fd = self._open(made=made)
                if self.fd >= 0:
                    return self
                # Somebody else's, or open to others: not for us.
                self.name = f".{secrets.token_hex(12)}.part"
        raise FileNotFoundError(errno.ENOENT, "the folder for the unfinished file vanishes", self.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)
        self.fd = -1
        with contextlib.suppress(OSError):  # not empty: another try of the same target is at work
            os.rmdir(self.name, dir_fd=self._dir_fd)

    def remove_left_over(self) -> None:
        """Remove what a killed process has left in here; what another one is writing stays."""
        with os.scandir(self.fd) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            with contextlib.suppress(OSError):
                fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
                try:
                    if is_left_over(fd):
                        os.unlink(name, dir_fd=self.fd)
                finally:
                    os.close(fd)

    def new_file(self) -> tuple[int, str]:
        """
        A new file of ours in here, locked.

        :return: its descriptor and its name
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        for _ in range(_TRIES):
            name = secrets.token_hex(12)
            fd = os.open(name, flags, 0o600, dir_fd=self.fd)
            # Between the two lines above and the lock, another try may have taken it for left over.
            if lock(fd) and os.fstat(fd).st_nlink:
                return fd, name
            os.close(fd)
        raise FileNotFoundError(errno.ENOENT, "the unfinished file vanishes", self.name)

    def _open(self, *, made: bool) -> int:
        try:
            fd = os.open(
                self.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._dir_fd
            )
        except (NotADirectoryError, PermissionError):
            return -1
        except OSError as error:
            if error.errno == errno.ELOOP:  # a symbolic link
                return -1
            raise
        found = os.fstat(fd)
        if made:  # a file server may give it to another user
            return fd
        if found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077:
            return fd
        os.close(fd)
        return -1


def lock(fd: int) -> bool:
    """Lock a file for as long as it is open; False when another process holds it."""
    return _locked(fd) is not False  # without locks here, its age says whose it is


def is_left_over(fd: int) -> bool:
    """Whether no process is writing this file."""
    locked = _locked(fd)
    return time.time() - os.fstat(fd).st_mtime > MAX_AGE if locked is None else locked


def _locked(fd: int) -> bool | None:
    """Whether the file is ours now; None where there are no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
