# SPDX-License-Identifier: Apache-2.0
"""Content-Encoding that nobody asked for: undone up to a bound, and never further."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider._transport.decoding import BodyReader
from airflow_async_provider.errors import TransientError, UnreadableAnswerError

PACK = {
    "": lambda body: body,
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": lambda body: zlib.compress(body)[2:-4],  # bare, as some servers send it
}


def reader(coding: str, bound: int = 1000) -> BodyReader:
    return BodyReader(coding, where="https://a.example", bound=bound)


@settings(deadline=None)
@given(st.sampled_from(sorted(PACK)), st.binary(max_size=3000), st.integers(1, 50), st.integers(0, 2000))
def test_what_comes_out_is_what_went_in_up_to_the_bound(
    coding: str, body: bytes, step: int, bound: int
) -> None:
    packed = PACK[coding](body)
    found = reader(coding, bound)
    for i in range(0, len(packed), step):
        if not found.add(packed[i : i + step]):
            break
    assert found.overflown == (len(body) > bound)
    assert found.body() == body[:bound]


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "x"])
def test_a_coding_that_we_do_not_know(coding: str) -> None:
    with pytest.raises(UnreadableAnswerError, match="not asked for"):
        reader(coding)


@pytest.mark.parametrize("data", [b"no gzip at all", gzip.compress(b"x" * 500)[:-9]], ids=["none", "half"])
def test_damaged_and_half_data_is_worth_another_try(data: bytes) -> None:
    found = reader("gzip")
    with pytest.raises(TransientError, match="compressed"):  # noqa: PT012 - either of the two tells
        found.add(data)
        found.body()


def test_gzip_in_several_pieces_is_one_body() -> None:
    found = reader("gzip")
    assert found.add(gzip.compress(b"one ") + gzip.compress(b"and "))
    assert found.add(gzip.compress(b"the other"))
    assert found.body() == b"one and the other"


def test_a_bomb_takes_no_more_memory_than_the_bound() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        found = reader("gzip", 100_000)
        assert not found.add(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    assert len(found.body()) == 100_000


def test_a_thousand_empty_pieces_are_no_answer() -> None:
    found = reader("gzip")
    with pytest.raises(UnreadableAnswerError, match="pieces"):
        found.add(gzip.compress(b"") * 1000)


def test_data_that_only_grows_by_being_compressed_is_left() -> None:
    """Blocks of no bytes: work without an end, and never too large."""
    found = reader("deflate")
    blocks = b"\x00\x00\x00\xff\xff" * 20_000
    with pytest.raises(UnreadableAnswerError, match="only grows"):
        found.add(zlib.compress(b"x")[:2] + blocks)
    assert found.body() == b""
