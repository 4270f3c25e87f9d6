# SPDX-License-Identifier: Apache-2.0
"""Unpacking while streaming: right for every piece size, bounded, and never half a file."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_async_provider._download import unpack
from airflow_async_provider._download.unpack import Ratio, gunzip, inflate, unzip
from airflow_async_provider.errors import DownloadError, ResultLimitError

CHANCE = random.Random(7)
CONTENT = b"id;name\n" + b"".join(b"%d;%d\n" % (i, CHANCE.randrange(10**9)) for i in range(20_000))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


def unpacked(how: Callable[..., Iterator[bytes]], data: bytes, size: int = 65536) -> bytes:
    return b"".join(how(pieces(data, size), Ratio(200)))


class Unseekable(io.BytesIO):
    """What a server that streams its zip writes to: sizes follow the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def zipped(
    *files: tuple[str, bytes],
    target: io.BytesIO | None = None,
    method: int = zipfile.ZIP_DEFLATED,
    **options: Any,
) -> bytes:
    target = target or io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files:
            if name.endswith("/"):
                archive.mkdir(name.rstrip("/"))
            else:
                with archive.open(name, "w", **options) as file:
                    file.write(content)
    return target.getvalue()


# -- gzip ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 1000, 10**7])
def test_gzip(size: int) -> None:
    assert unpacked(gunzip, gzip.compress(CONTENT[:30_000]), size) == CONTENT[:30_000]


def test_gzip_in_several_members_and_with_zeros_at_the_end() -> None:
    data = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two") + bytes(513)
    for size in (1, 2, 3, 10**6):
        assert unpacked(gunzip, data, size) == b"one two"


def test_no_bytes_are_no_bytes() -> None:
    assert unpacked(gunzip, b"") == unpacked(inflate, b"") == b""


@pytest.mark.parametrize("cut", [1, 5, 11, 5000, -9, -8, -1])
def test_gzip_that_ends_early(cut: int) -> None:
    with pytest.raises(DownloadError, match=r"ends in the middle|not packed"):
        unpacked(gunzip, gzip.compress(CONTENT)[:cut])


def test_gzip_that_is_damaged_or_followed_by_something_else() -> None:
    data = bytearray(gzip.compress(CONTENT))
    data[-6] ^= 1
    with pytest.raises(DownloadError, match="damaged"):
        unpacked(gunzip, bytes(data))
    with pytest.raises(DownloadError, match="follows something else"):
        unpacked(gunzip, gzip.compress(b"x") + b"<html>")


@pytest.mark.parametrize("window", [15, -15])
def test_deflate_with_and_without_its_frame(window: int) -> None:
    engine = zlib.compressobj(wbits=window)
    assert unpacked(inflate, engine.compress(CONTENT) + engine.flush(), 777) == CONTENT


# -- zip ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 13, 1000, 10**7])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("force_zip64", [False, True])
def test_zip(size: int, streamed: bool, force_zip64: bool) -> None:
    target = Unseekable() if streamed else None
    data = zipped(("dir/größe.csv", CONTENT[:30_000]), target=target, force_zip64=force_zip64)
    assert unpacked(unzip, data, size) == CONTENT[:30_000]


def test_zip_that_stores() -> None:
    assert unpacked(unzip, zipped(("a", CONTENT), method=zipfile.ZIP_STORED), 999) == CONTENT
    assert unpacked(unzip, zipped(("empty", b""))) == b""


def test_folders_and_what_macos_adds_are_no_files() -> None:
    data = zipped(("d/", b""), ("d/a.csv", b"1"), ("__MACOSX/d/._a.csv", b"Mac OS X"))
    assert unpacked(unzip, data) == b"1"


def test_a_comment_at_the_end() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a", b"1")
        archive.comment = b"x" * 60_000
    assert unpacked(unzip, target.getvalue()) == b"1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped(("a.csv", b"1"), ("b.csv", b"2")), r"more than one file \('a.csv', 'b.csv'\)"),
        (zipped(), "holds no file"),
        (zipped(("d/", b"")), "holds no file"),
        (b"", "is not a zip file"),
        (b"<html>", "is not a zip file"),
        (zipped(("a", CONTENT), method=zipfile.ZIP_LZMA), r"method 14"),
        (zipped(("a", b"1"), target=Unseekable(), method=zipfile.ZIP_STORED), "cannot be unpacked while"),
    ],
)
def test_zips_that_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(DownloadError, match=words):
        unpacked(unzip, data)


def test_a_zip_that_is_encrypted() -> None:
    data = bytearray(zipped(("a", b"1")))
    data[6] |= 1
    with pytest.raises(DownloadError, match="'a' in the zip is encrypted"):
        unpacked(unzip, bytes(data))


def test_a_zip_cut_at_any_place_is_never_whole() -> None:
    for streamed in (False, True):
        data = zipped(("a.csv", CONTENT[:300]), target=Unseekable() if streamed else None)
        for cut in range(len(data) - 22):
            with pytest.raises(DownloadError):
                unpacked(unzip, data[:cut])


def test_a_zip_with_something_strange_before_its_directory() -> None:
    """It has its directory and its end, but what lies before them was not read."""
    data = zipped(("a.csv", CONTENT[:300]))
    at = data.index(b"PK\x01\x02")
    with pytest.raises(DownloadError, match="damaged"):
        unpacked(unzip, data[:at] + b"strange!" + data[at:])


def test_a_zip_with_a_wrong_checksum_or_size() -> None:
    for place in (14, 22):  # crc and size in the header of the file
        data = bytearray(zipped(("a", b"content")))
        data[place] ^= 1
        with pytest.raises(DownloadError, match="checksum"):
            unpacked(unzip, bytes(data))
    streamed = bytearray(zipped(("a", b"content"), target=Unseekable()))
    streamed[streamed.index(b"PK\x07\x08") + 4] ^= 1
    with pytest.raises(DownloadError, match="checksum"):
        unpacked(unzip, bytes(streamed))


def test_a_descriptor_without_signature() -> None:
    streamed = zipped(("a", b"content"), target=Unseekable())
    at = streamed.index(b"PK\x07\x08")
    assert unpacked(unzip, streamed[:at] + streamed[at + 4 :]) == b"content"


def test_strange_extra_fields_end_nothing() -> None:
    data = zipped(("a", b"content"))
    extra = struct.pack("<2H", 0x7777, 2) + b"xy" + b"\x01"
    data = data[:28] + struct.pack("<H", len(extra)) + data[30:31] + extra + data[31:]
    assert unpacked(unzip, data) == b"content"


# -- bombs --------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_a_bomb_is_broken_off_with_bounded_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = zlib.compressobj(9, wbits=31)
    million = bytes(1_000_000)
    bomb = b"".join(engine.compress(million) for _ in range(150)) + engine.flush()
    if kind == "zip":
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as file:
            for _ in range(150):
                file.write(million)
        bomb = target.getvalue()
    count = 0

    def unpack_all() -> None:
        nonlocal count
        for piece in (gunzip if kind == "gzip" else unzip)(iter([bomb]), Ratio(200)):
            count += len(piece)

    tracemalloc.start()
    try:
        with pytest.raises(ResultLimitError, match="max_unpack_ratio"):
            unpack_all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count <= 64 * 1024 * 1024 + unpack.PIECE + 200 * len(bomb)
    assert peak < 8 * 1024 * 1024
    assert sum(map(len, gunzip(iter([gzip.compress(million)]), Ratio(None)))) == 1_000_000
