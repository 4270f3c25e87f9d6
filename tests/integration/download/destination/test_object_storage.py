# SPDX-License-Identifier: Apache-2.0
"""Destinations that Airflow's ObjectStoragePath opens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_async_provider._download import write_bytes, write_chunks
from airflow_async_provider._download.destination import object_storage
from airflow_async_provider.errors import (
    ConfigurationError,
    ConnectionNotFoundError,
    DestinationExistsError,
    DownloadError,
)

BLOCKS = [bytes([i]) * 300_000 for i in range(40)]
WHOLE = b"".join(BLOCKS)


@pytest.fixture(autouse=True)
def memory() -> Iterator[MemoryFileSystem]:
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def failing(error: BaseException) -> Iterator[bytes]:
    yield from BLOCKS[:30]
    raise error


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_memory(memory: MemoryFileSystem) -> None:
    report = write_chunks(BLOCKS, "memory://bucket/folder/file.csv", length=len(WHOLE))
    assert memory.cat("/bucket/folder/file.csv") == WHOLE
    assert report.uri == "memory://bucket/folder/file.csv"
    assert (report.bytes, report.sha256) == (len(WHOLE), hashlib.sha256(WHOLE).hexdigest())


def test_what_is_there_already(memory: MemoryFileSystem) -> None:
    memory.pipe("/bucket/file", b"old")
    assert write_bytes(b"new", "memory://bucket/file", if_exists="skip").bytes == 3
    with pytest.raises(DestinationExistsError):
        write_bytes(b"new", "memory://bucket/file", if_exists="fail")
    assert memory.cat("/bucket/file") == b"old"
    write_bytes(b"new", "memory://bucket/file")
    assert memory.cat("/bucket/file") == b"new"
    for if_exists in ("skip", "fail"):
        write_bytes(b"x", f"memory://bucket/{if_exists}", if_exists=if_exists)
        assert memory.cat(f"/bucket/{if_exists}") == b"x"


def test_fail_looks_again_before_it_publishes(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"ours"
        (tmp_path / "file").write_bytes(b"theirs")

    with pytest.raises(DestinationExistsError):
        write_chunks(chunks(), f"local://{tmp_path}/file", if_exists="fail")
    assert (tmp_path / "file").read_bytes() == b"theirs"
    assert files(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [RuntimeError("x"), FileNotFoundError("y"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", [None, b"old"])
def test_failed_source_leaves_nothing_and_its_own_error(
    tmp_path: Path, error: BaseException, old: bytes | None
) -> None:
    """With a storage that publishes at commit."""
    if old is not None:
        (tmp_path / "file").write_bytes(old)
    with pytest.raises(type(error)) as caught:
        write_chunks(failing(error), f"local://{tmp_path}/file")
    assert caught.value is error
    assert files(tmp_path) == ([] if old is None else ["file"])
    assert old is None or (tmp_path / "file").read_bytes() == old


def test_whole_or_nothing_with_a_storage_that_publishes_at_commit(tmp_path: Path) -> None:
    write_chunks(BLOCKS, f"local://{tmp_path}/new/file")
    assert (tmp_path / "new" / "file").read_bytes() == WHOLE
    assert files(tmp_path) == ["new/file"]


def test_fsspec_forgets_our_files(tmp_path: Path, memory: MemoryFileSystem) -> None:
    """Its own transactions must not commit or discard them a second time."""
    write_bytes(b"x", "memory://bucket/file")
    with pytest.raises(RuntimeError):
        write_chunks(failing(RuntimeError()), "memory://bucket/other")
    assert list(memory.transaction.files) == []
    assert not memory.exists("/bucket/other")


class Naive(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A storage that knows neither commit nor discard and shows the file while it is written."""

    protocol = "naive"
    # fsspec's memory file system keeps its files in the class.
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        file = super()._open(path, mode)
        if "w" in mode:
            file.discard = file.commit = self._unknown
            self.store[path] = file
        return file

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise NotImplementedError

    @staticmethod
    def _unknown() -> None:
        raise NotImplementedError


@pytest.fixture
def naive(monkeypatch: pytest.MonkeyPatch) -> Naive:
    fs = Naive()
    fs.store.clear()
    monkeypatch.setattr(object_storage, "_file_system", lambda path, options: fs)
    return fs


def test_storage_without_commit_gets_its_partial_object_removed(naive: Naive) -> None:
    with pytest.raises(RuntimeError):
        write_chunks(failing(RuntimeError()), "memory://bucket/file")
    assert naive.store == {}
    write_bytes(b"data", "memory://bucket/file")
    assert naive.cat("/bucket/file") == b"data"


def test_attached_file_system_counts(tmp_path: Path) -> None:
    """What a deployment attaches to a scheme in Airflow is what is written to."""
    from airflow.sdk.io import store

    class Prefixed(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
        def _open(self, path: str, *args: Any, **kwargs: Any) -> Any:
            return super()._open(str(tmp_path / "prefix"), *args, **kwargs)

    store.attach("local", "archive", fs=Prefixed())
    write_bytes(b"data", "local://archive@/anywhere/file")
    assert (tmp_path / "prefix").read_bytes() == b"data"


def test_storage_options(tmp_path: Path) -> None:
    """The file system's own option makes missing folders or not."""
    write_bytes(b"x", f"local://{tmp_path}/a/b", object_storage_options={"auto_mkdir": True})
    assert (tmp_path / "a" / "b").read_bytes() == b"x"


@pytest.mark.parametrize(
    "destination",
    ["nonsense://bucket/file", "memory://conn@bucket/file", "ftp://user:SECRETPW@host/file"],
)
def test_destinations_that_are_refused(destination: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        write_bytes(b"x", destination)
    assert "SECRETPW" not in str(caught.value)


def test_errors_of_the_storage_say_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"local://.*/file/below cannot be"):
        write_bytes(b"x", f"local://{tmp_path}/file/below")


# -- before the job is started


def test_a_storage_is_checked(memory: MemoryFileSystem) -> None:
    object_storage.StoredObject("memory://bucket/file").check()
    assert not memory.store


class DefaultCredentialsError(Exception):
    """As google.auth and azure.identity call theirs."""


@pytest.mark.parametrize("error", [PermissionError("no look"), OSError("busy"), RuntimeError("strange")])
def test_a_look_that_fails_is_no_refusal(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def info(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "info", info)
    object_storage.StoredObject("memory://bucket/file").check()


def test_absent_credentials_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def info(*_: Any, **__: Any) -> Any:
        raise DefaultCredentialsError("token s3cret")

    monkeypatch.setattr(MemoryFileSystem, "info", info)
    with pytest.raises(ConfigurationError, match="finds no usable credentials") as caught:
        object_storage.StoredObject("memory://bucket/file").check()
    assert "s3cret" not in str(caught.value)


def test_an_absent_connection_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import BaseHook

    monkeypatch.setattr(object_storage, "_file_system", lambda *_: BaseHook.get_connection("absent"))
    with pytest.raises(ConnectionNotFoundError, match="no Airflow connection 'absent'"):
        object_storage.StoredObject("memory://absent@bucket/file").check()
