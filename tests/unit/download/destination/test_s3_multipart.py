# SPDX-License-Identifier: Apache-2.0
"""Sizes of the parts of an upload to S3."""

from __future__ import annotations

import pytest

from airflow_async_provider._download.destination.s3_multipart import MAX_PARTS, MIB, PART, part_size

GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1, 8 * MIB),
        (10 * GIB, 8 * MIB),
        (80_000 * MIB, 8 * MIB),
        (80_001 * MIB, 9 * MIB),
        (5120 * GIB, 525 * MIB),
    ],
)
def test_parts_of_a_known_length(length: int, expected: int) -> None:
    assert part_size(1, length=length, smallest=PART) == expected
    assert -(-length // expected) <= MAX_PARTS


def test_parts_of_an_unknown_length_grow_and_reach_the_largest_object() -> None:
    sizes = [part_size(n, length=None, smallest=PART) for n in range(1, MAX_PARTS + 1)]
    assert sizes == sorted(sizes)
    assert sizes[799] == 8 * MIB
    assert sizes[800] == 16 * MIB
    assert sum(sizes[:1600]) == 19_200 * MIB
    assert sum(sizes) > 5120 * GIB


def test_no_part_is_smaller_than_s3_takes() -> None:
    assert part_size(1, length=None, smallest=1) == part_size(1, length=100, smallest=1) == 5 * MIB
