# SPDX-License-Identifier: Apache-2.0
"""Results that are made, given or read: the same bytes whatever part is asked for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from airflow_async_provider.simulators._content import (
    BLOCK,
    Content,
    FileContent,
    FixedContent,
    GeneratedContent,
)


@pytest.fixture(params=["generated", "fixed", "file"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Content:
    generated = GeneratedContent("seed", 3 * BLOCK + 17)
    if request.param == "generated":
        return generated
    if request.param == "fixed":
        return FixedContent(generated.read())
    path = tmp_path / "result"
    path.write_bytes(generated.read())
    return FileContent(path)


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 0), (0, 1), (BLOCK - 1, BLOCK + 1), (5, 2 * BLOCK), (3 * BLOCK, 3 * BLOCK + 17), (7, 10**9)],
)
def test_any_part_is_the_same_as_cut_from_the_whole(content: Content, start: int, stop: int) -> None:
    assert content.read(start, stop) == content.read()[start:stop]


def test_checksum_length_and_tag(content: Content) -> None:
    assert len(content.read()) == content.size == 3 * BLOCK + 17
    assert content.sha256 == hashlib.sha256(content.read()).hexdigest()
    assert content.sha256 is content.sha256  # computed once
    assert content.etag[0] == content.etag[-1] == '"'


def test_equal_seeds_give_equal_bytes_and_blocks_differ() -> None:
    one, same, other = (GeneratedContent(seed, 3 * BLOCK) for seed in ("a", "a", "b"))
    assert one.read() == same.read()
    assert one.etag == same.etag
    assert one.read() != other.read()
    assert one.etag != other.etag
    assert len({one.read(n * BLOCK, (n + 1) * BLOCK) for n in range(3)}) == 3


def test_a_file_that_shrank_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(b"0123456789")
    content = FileContent(path)
    path.write_bytes(b"0123")
    assert content.read() == b"0123"


def test_no_negative_length() -> None:
    with pytest.raises(ValueError, match="shorter than nothing"):
        GeneratedContent("seed", -1)
