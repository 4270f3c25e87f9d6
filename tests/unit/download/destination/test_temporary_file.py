# SPDX-License-Identifier: Apache-2.0
"""A file that has no name until it is finished."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download.destination import temporary_file as module
from airflow_async_provider._download.destination.temporary_file import UnfinishedFile
from tests.support.unfinished import kind  # noqa: F401 - a fixture


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def write(path: Path, data: bytes = b"data", *, replace: bool = True) -> None:
    with UnfinishedFile(path) as file:
        file.write(data)
        file.publish(replace=replace)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- nothing or all of it


def test_it_takes_the_place_of_what_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with UnfinishedFile(tmp_path / "file") as file:
        file.write(b"new ")
        file.write(b"")
        file.write(b"bytes")
        assert (tmp_path / "file").read_bytes() == b"old"
        file.publish(replace=True)
    assert (tmp_path / "file").read_bytes() == b"new bytes"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [None, RuntimeError("x"), KeyboardInterrupt()])
def test_without_being_published_it_is_gone(tmp_path: Path, error: BaseException | None) -> None:
    def begin() -> None:
        with UnfinishedFile(tmp_path / "file") as file:
            file.write(b"half")
            if error is not None:
                raise error

    if error is None:
        begin()
    else:
        with pytest.raises(type(error)):
            begin()
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["nameless"], indirect=True)
def test_a_nameless_file_has_no_name_while_it_is_written(tmp_path: Path) -> None:
    with UnfinishedFile(tmp_path / "file") as file:
        file.write(b"x")
        assert names(tmp_path) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_stays_with_who_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, links: bool
) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    write(tmp_path / "new", b"ours", replace=False)
    assert (tmp_path / "new").read_bytes() == b"ours"
    (tmp_path / "file").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        write(tmp_path / "file", b"ours", replace=False)
    assert (tmp_path / "file").read_bytes() == b"theirs"
    assert names(tmp_path) == ["file", "new"]


# -- permissions


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
@pytest.mark.usefixtures("umask")
def test_a_new_file_honours_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    os.umask(mask)
    write(tmp_path / "file")
    assert mode_of(tmp_path / "file") == mode


@pytest.mark.usefixtures("umask")
def test_so_it_does_where_proc_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STATUS", Path("/nowhere"))
    write(tmp_path / "file")
    assert mode_of(tmp_path / "file") == 0o640
    assert os.umask(0o027) == 0o027  # it was set back


def test_a_replaced_file_keeps_its_permissions_but_no_special_bits(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o4604)
    write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert mode_of(tmp_path / "file") == 0o604


@pytest.mark.usefixtures("umask")
def test_a_link_s_target_is_not_asked_for_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / "other").chmod(0o666)
    (tmp_path / "file").symlink_to("other")
    write(tmp_path / "file", b"new")
    assert (tmp_path / "other").read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()
    assert mode_of(tmp_path / "file") == 0o640


def test_nobody_can_read_it_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its permissions are right from its first moment; until then it lies where only its owner looks."""
    seen: list[tuple[int, int]] = []
    replace = os.replace

    def looking(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        file = os.stat(source, dir_fd=src_dir_fd)
        seen.append((stat.S_IMODE(os.fstat(src_dir_fd).st_mode), stat.S_IMODE(file.st_mode)))
        assert os.fstat(src_dir_fd).st_ino != os.fstat(dst_dir_fd).st_ino
        replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", looking)
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o644)
    write(tmp_path / "file")
    assert seen == [(0o700, 0o644)]


# -- what is on the disk, and when


def test_file_and_name_are_on_disk_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noting_fsync(fd: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def noting_replace(*arguments: Any, **options: Any) -> None:
        steps.append("name")
        replace(*arguments, **options)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    write(tmp_path / "file", b"x" * 100)
    assert steps == ["file", "name", "folder"]


def test_a_disk_that_takes_a_part_is_given_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    write(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
