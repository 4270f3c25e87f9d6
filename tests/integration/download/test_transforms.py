# SPDX-License-Identifier: Apache-2.0
"""Unpacking and decoding on the way from a socket to a file."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download import HttpSource, download, worker_thread, write_bytes
from airflow_async_provider._download.fetch import DownloadReport
from airflow_async_provider.errors import DownloadError, ResultLimitError
from tests.support.byte_server import ByteServer, change, running, serve

CHANCE = random.Random(7)
TEXT = "".join(f"{i};größe {CHANCE.random()};€\n" for i in range(60_000))
CONTENT = TEXT.encode()
PACKED = gzip.compress(CONTENT)


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(content=PACKED, content_type="application/gzip") as server:
        yield server


def stored(server: ByteServer, folder: Path, **options: Any) -> tuple[DownloadReport, bytes]:
    report = download(server.url, f"{folder}/file", **options)
    content = (folder / "file").read_bytes()
    assert (report.bytes, report.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert [p.name for p in folder.iterdir()] == ["file"]
    return report, content


def zipped(*names: str, content: bytes = CONTENT) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return target.getvalue()


def test_gzip_over_a_broken_connection(server: ByteServer, tmp_path: Path) -> None:
    server.steps = [serve(cut=len(PACKED) // 2)]
    report, content = stored(server, tmp_path, unpack="gzip")
    assert content == CONTENT
    assert (report.content_type, report.content_encoding, report.resumes) == (None, None, 1)
    assert report.etag == '"v1"'
    assert "sha256" not in [
        thread.name for thread in threading.enumerate()
    ]  # of the packed, or of what is stored


def test_no_thread_is_left(server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the packed and the unpacked bytes are hashed, beside the download where they are many."""
    monkeypatch.setattr(worker_thread, "WORTH_A_THREAD", 1000)
    stored(server, tmp_path, unpack="gzip")
    assert "sha256" not in [thread.name for thread in threading.enumerate()]


def test_without_unpack_it_stays_packed(server: ByteServer, tmp_path: Path) -> None:
    report, content = stored(server, tmp_path)
    assert content == PACKED
    assert report.content_type == "application/gzip"


@pytest.mark.parametrize("content", [CONTENT, b"", b"x"])
def test_what_is_not_packed_is_stored_as_it_is(server: ByteServer, tmp_path: Path, content: bytes) -> None:
    server.content, server.content_type = content, "text/csv"
    report, found = stored(server, tmp_path, unpack="gzip")
    assert found == content
    assert report.content_type == "text/csv"


def test_zip(server: ByteServer, tmp_path: Path) -> None:
    server.content, server.content_type = zipped("a.csv"), "application/zip"
    report, content = stored(server, tmp_path, unpack="zip")
    assert content == CONTENT
    assert report.content_type is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped("a.csv", "b.csv"), "more than one file"),
        (b"<html>no</html>", "not a zip file"),
        (b"", "not a zip file"),
    ],
)
def test_what_cannot_be_unpacked_leaves_nothing(
    server: ByteServer, tmp_path: Path, content: bytes, words: str
) -> None:
    server.content = content
    with pytest.raises(DownloadError, match=words):
        download(server.url, f"{tmp_path}/new/file", unpack="zip")
    assert not list(tmp_path.rglob("file"))


def test_the_largest_size_counts_what_is_stored(server: ByteServer, tmp_path: Path) -> None:
    with pytest.raises(ResultLimitError, match="max_result_bytes=1000000"):
        download(server.url, f"{tmp_path}/file", unpack="gzip", max_result_bytes=1_000_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unpack", ["gzip", "zip"])
def test_a_bomb_leaves_nothing(server: ByteServer, tmp_path: Path, unpack: Any) -> None:
    zeros = bytes(100_000_000)
    server.content = gzip.compress(zeros) if unpack == "gzip" else zipped("a", content=zeros)
    with pytest.raises(ResultLimitError, match="max_unpack_ratio"):
        download(server.url, f"{tmp_path}/file", unpack=unpack)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_object_is_unpacked_anew(server: ByteServer, tmp_path: Path) -> None:
    other = gzip.compress(CONTENT[::-1])
    server.steps = [serve(cut=len(PACKED) // 2), change(serve(), etag='"v2"', content=other)]
    report, content = stored(server, tmp_path, unpack="gzip", max_result_bytes=len(CONTENT))
    assert content == CONTENT[::-1]
    assert report.etag == '"v2"'


# -- content codings ----------------------------------------------------------------------------------------


def test_a_coding_that_nobody_asked_for_is_undone_before(server: ByteServer, tmp_path: Path) -> None:
    server.content = gzip.compress(PACKED)
    server.headers = {"Content-Encoding": "gzip"}
    _, content = stored(server, tmp_path, unpack="gzip")
    assert content == CONTENT
    server.content = PACKED
    _, content = stored(server, tmp_path, charset="utf-8")
    assert content == CONTENT


def test_a_coding_that_cannot_be_undone(server: ByteServer, tmp_path: Path) -> None:
    server.headers = {"Content-Encoding": "br"}
    with pytest.raises(DownloadError, match="Content-Encoding 'br'"):
        download(server.url, f"{tmp_path}/file", unpack="gzip")
    report, content = stored(server, tmp_path)
    assert (content, report.content_encoding) == (PACKED, "br")


# -- charsets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charset", "sent", "content_type"),
    [
        ("declared", "cp1252", "text/csv; charset=windows-1252"),
        ("declared", "utf-16", 'text/csv; charset="UTF-16"; header=present'),
        ("declared", "utf-8", "text/csv"),
        ("cp1252", "cp1252", "text/csv; charset=utf-8"),
        ("utf-8-sig", "utf-8-sig", None),
    ],
)
def test_text_is_stored_in_utf8(
    server: ByteServer, tmp_path: Path, charset: str, sent: str, content_type: str | None
) -> None:
    server.content, server.content_type = TEXT.encode(sent), content_type
    server.steps = [serve(cut=100_001)]
    report, content = stored(server, tmp_path, charset=charset)
    assert content == CONTENT
    if content_type is None:
        assert report.content_type is None
    else:
        assert str(report.content_type).endswith("; charset=utf-8")
        assert str(report.content_type).count("charset") == 1


def test_packed_text(server: ByteServer, tmp_path: Path) -> None:
    server.content = gzip.compress(TEXT.encode("utf-16-le"))
    _, content = stored(server, tmp_path, unpack="gzip", charset="utf-16-le")
    assert content == CONTENT


@pytest.mark.parametrize(
    ("content", "charset", "content_type", "words"),
    [
        (b"a\xff", "utf-8", "text/plain", "is no text in utf-8"),
        (b"a\xe2\x82", "declared", "text/plain", "is no text in utf-8"),
        (b"a", "declared", "text/plain; charset=x-none", "'x-none', which Python does not know"),
    ],
)
def test_text_that_is_none_leaves_nothing(
    server: ByteServer, tmp_path: Path, content: bytes, charset: str, content_type: str, words: str
) -> None:
    server.content, server.content_type = content, content_type
    with pytest.raises(DownloadError, match=words):
        download(server.url, f"{tmp_path}/file", charset=charset)
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_came_inside_an_answer_is_unpacked_too(tmp_path: Path) -> None:
    write_bytes(PACKED, f"{tmp_path}/file", unpack="gzip")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_the_source_is_closed_and_its_wait_ended(server: ByteServer) -> None:
    from airflow_async_provider._download import StoreOptions
    from airflow_async_provider._download.transforms import transformed

    source = transformed(HttpSource(server.url), StoreOptions(unpack="gzip"))
    source.open()
    source.abort()
    source.close()
    assert "SECRETSIGNATURE" not in repr(source)


def test_the_largest_size_is_that_of_the_unpacked_bytes_alone(tmp_path: Path) -> None:
    """What cannot be packed is larger packed."""
    content = random.Random(7).randbytes(1000)
    with running(content=gzip.compress(content), content_type="application/gzip") as server:
        assert len(server.content) > 1000
        assert stored(server, tmp_path, unpack="gzip", max_result_bytes=1000)[1] == content
