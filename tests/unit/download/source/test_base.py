# SPDX-License-Identifier: Apache-2.0
"""Sources of bytes that are counted and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from airflow_async_provider._download.source.base import ChunkSource, fill
from airflow_async_provider.errors import DownloadError


def test_chunks_are_cut_counted_and_hashed() -> None:
    source = ChunkSource([b"", b"abcdef", b"", b"gh"], length=8)
    assert [source.read(4) for _ in range(4)] == [b"abcd", b"ef", b"gh", b""]
    assert (source.offset, source.sha256) == (8, hashlib.sha256(b"abcdefgh").hexdigest())
    assert not source.restart()


@pytest.mark.parametrize("length", [7, 9])
def test_another_length_than_announced_is_an_error(length: int) -> None:
    source = ChunkSource([b"abcdefgh"], length=length)
    with pytest.raises(DownloadError, match=f"{length}"):
        list(iter(source.read, b""))


def test_closing_a_source_closes_the_generator() -> None:
    ended = []

    def chunks() -> Iterator[bytes]:
        try:
            yield b"x"
            yield b"y"
        finally:
            ended.append(True)

    source = ChunkSource(chunks())
    source.read()
    source.close()
    ChunkSource([b"no generator"]).close()
    assert ended == [True]


def test_fill_joins_short_reads() -> None:
    buffer = bytearray(10)
    assert fill(ChunkSource([b"abc", b"def"]), buffer) == 6
    assert buffer == b"abcdef\0\0\0\0"
    assert fill(ChunkSource([b"x" * 99]), buffer) == 10
