# SPDX-License-Identifier: Apache-2.0
"""What a killed process leaves beside its target is removed by the next one, and nothing else is."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download import write_bytes, write_chunks
from airflow_async_provider._download.destination import hidden_folder
from airflow_async_provider._download.destination.hidden_folder import HiddenFolder
from tests.support.unfinished import kind  # noqa: F401 - a fixture


@pytest.fixture
def dir_fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def folder_of(tmp_path: Path, dir_fd: int, name: str) -> Path:
    return tmp_path / HiddenFolder(dir_fd, name).name


def left_over(tmp_path: Path, dir_fd: int, name: str) -> Path:
    """As a killed process leaves it."""
    folder = folder_of(tmp_path, dir_fd, name)
    folder.mkdir(0o700)
    (folder / "0123").write_bytes(b"half")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_next_try_removes_what_is_left_of_its_own_target_only(tmp_path: Path, dir_fd: int) -> None:
    left_over(tmp_path, dir_fd, "file")
    other = left_over(tmp_path, dir_fd, "other")
    write_bytes(b"whole", f"{tmp_path}/file")
    assert names(tmp_path) == sorted([other.name, "file"])
    assert names(other) == ["0123"]


def test_what_another_process_is_writing_stays(tmp_path: Path, dir_fd: int) -> None:
    """A second try begins while the first one still writes: both end, the later one counts."""

    def chunks() -> Iterator[bytes]:
        yield b"first"
        write_bytes(b"second", f"{tmp_path}/file")
        assert (tmp_path / "file").read_bytes() == b"second"
        yield b" try"

    write_chunks(chunks(), f"{tmp_path}/file")
    assert (tmp_path / "file").read_bytes() == b"first try"
    assert names(tmp_path) == ["file"]


def test_a_file_that_a_living_process_holds_stays(tmp_path: Path, dir_fd: int) -> None:
    folder = left_over(tmp_path, dir_fd, "file")
    code = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'r+')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder / "0123")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        write_bytes(b"whole", f"{tmp_path}/file")
        assert names(tmp_path) == sorted([folder.name, "file"])
        process.kill()
        process.wait(20)
    write_bytes(b"whole", f"{tmp_path}/file")
    assert names(tmp_path) == ["file"]


def test_without_locks_age_decides(tmp_path: Path, dir_fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    folder = left_over(tmp_path, dir_fd, "file")
    write_bytes(b"whole", f"{tmp_path}/file")
    assert names(tmp_path) == sorted([folder.name, "file"])
    old = time.time() - hidden_folder.MAX_AGE - 60
    os.utime(folder / "0123", (old, old))
    write_bytes(b"whole", f"{tmp_path}/file")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("trap", ["open to others", "link", "file"])
def test_a_trap_in_its_place_is_left_alone(tmp_path: Path, dir_fd: int, trap: str) -> None:
    """In a folder that many write to, somebody may have made it before us."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "0123").write_bytes(b"precious")
    place = folder_of(tmp_path, dir_fd, "file")
    if trap == "open to others":
        place.mkdir()
        place.chmod(0o777)
    elif trap == "link":
        place.symlink_to(precious)
    else:
        place.write_bytes(b"x")
    write_bytes(b"whole", f"{tmp_path}/file")
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert (precious / "0123").read_bytes() == b"precious"
    assert names(tmp_path) == sorted([place.name, "file", "precious"])


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path, dir_fd: int) -> None:
    """The other try of the same target has ended just then."""
    with HiddenFolder(dir_fd, "file") as folder:
        (tmp_path / folder.name).rmdir()
        with HiddenFolder(dir_fd, "file") as again:
            assert names(tmp_path) == [again.name]
            fd, name = again.new_file()
            os.close(fd)
            os.unlink(name, dir_fd=again.fd)
    assert names(tmp_path) == []


@pytest.mark.parametrize("takes", ["the lock", "the file"])
def test_another_try_that_takes_a_new_file_for_left_over_keeps_it(
    tmp_path: Path, dir_fd: int, monkeypatch: pytest.MonkeyPatch, takes: str
) -> None:
    lock, taken = hidden_folder.lock, []

    def too_late(fd: int) -> bool:
        if taken:
            return lock(fd)
        taken.extend(names(tmp_path / folder.name))
        if takes == "the lock":
            return False
        (tmp_path / folder.name / taken[0]).unlink()
        return lock(fd)

    monkeypatch.setattr(hidden_folder, "lock", too_late)
    with HiddenFolder(dir_fd, "file") as folder:
        fd, name = folder.new_file()
        assert taken
        assert name not in taken
        assert os.fstat(fd).st_nlink == 1
        os.close(fd)
        for left in names(tmp_path / folder.name):
            os.unlink(left, dir_fd=folder.fd)


def test_it_keeps_no_descriptor(tmp_path: Path, dir_fd: int) -> None:
    with HiddenFolder(dir_fd, "file") as folder:
        fd = folder.fd
        os.fstat(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
