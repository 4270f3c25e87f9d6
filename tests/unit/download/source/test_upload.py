# SPDX-License-Identifier: Apache-2.0
"""The way in: what a ``source`` argument names, opened to be sent piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_async_provider._download.source import upload as module
from airflow_async_provider._download.source.upload import Outgoing, open_outgoing
from airflow_async_provider.errors import ConfigurationError, SubmitError


@pytest.mark.parametrize("as_url", [False, True])
def test_a_local_file_comes_in_blocks_and_may_be_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_url: bool
) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    path = tmp_path / "a b#ü.csv"
    path.write_bytes(b"0123456789")
    outgoing = open_outgoing(path.as_uri() if as_url else str(path))
    assert (outgoing.size(), outgoing.filename) == (10, "a b#ü.csv")
    for _ in range(2):
        assert list(outgoing.chunks()) == [b"0123", b"4567", b"89"]


def test_an_empty_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    outgoing = open_outgoing(f"{tmp_path}/empty")
    assert (outgoing.size(), list(outgoing.chunks())) == (0, [])


def test_what_is_not_there_is_reported_before_anything_is_sent(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path, tmp_path / "x" / "y"):
        with pytest.raises(ConfigurationError, match=r"is not there, or is no file\. Nothing was sent"):
            open_outgoing(str(path)).size()


def test_from_any_object_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.io import attach, store
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setattr(store, "_STORE_CACHE", {})  # what is attached stays attached: not for other tests
    fs = MemoryFileSystem()
    attach("memory", fs=fs)
    fs.pipe("/bucket/b.csv", b"id\n1\n")
    outgoing = open_outgoing("memory://bucket/b.csv")
    assert (outgoing.size(), outgoing.filename) == (5, "b.csv")
    assert b"".join(outgoing.chunks()) == b"id\n1\n"
    with pytest.raises(ConfigurationError, match="not there"):
        open_outgoing("memory://bucket/c.csv").size()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_outgoing("nosuchscheme://bucket/c.csv").size()


def test_an_object_of_s3_names_its_bucket_and_no_connection() -> None:
    outgoing = open_outgoing("s3://aws_test@bucket/a/b.csv")
    assert (outgoing.uri, outgoing.filename) == ("s3://bucket/a/b.csv", "b.csv")


@pytest.mark.parametrize(
    "source", ["relative.csv", "", "file://elsewhere/a.csv", "s3://user:canary@b/k", "s3://b"]
)
def test_what_names_no_source_is_refused(source: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_outgoing(source)
    assert "canary" not in str(caught.value)


def test_reading_that_breaks_off_breaks_off_the_request() -> None:
    class Broken(Outgoing):
        def size(self) -> int:
            return 10

        def _blocks(self) -> Iterator[bytes]:
            yield b"01"
            raise OSError(5, "Input/output error")

    chunks = Broken("/data/x.csv").chunks()
    assert next(chunks) == b"01"
    with pytest.raises(
        SubmitError, match=r"/data/x.csv could not be read to the end \(OSError: .*output error"
    ):
        next(chunks)


def test_what_has_no_last_name_is_a_file() -> None:
    class Nameless(Outgoing):
        def size(self) -> int:
            return 0

        def _blocks(self) -> Iterator[bytes]:
            yield from ()

    assert Nameless("gs://bucket/").filename == "file"
