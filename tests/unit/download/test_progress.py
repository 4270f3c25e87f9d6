# SPDX-License-Identifier: Apache-2.0
"""Progress lines, and numbers for people."""

from __future__ import annotations

import logging

import pytest

from airflow_async_provider._download.destination.s3_multipart import MIB
from airflow_async_provider._download.progress import Progress, duration, size
from airflow_async_provider._download.source.base import ChunkSource


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_progress_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    progress = Progress(logging.getLogger("t"), every=10, clock=clock)
    source = ChunkSource([], length=800 * MIB)
    for _ in range(200):
        clock.now += 0.125
        source.offset += MIB
        progress(source)
    assert caplog.messages == [
        "Downloaded 80.0 MiB of 800.0 MiB (10 %), 8.0 MiB/s, 1 min 30 s left",
        "Downloaded 160.0 MiB of 800.0 MiB (20 %), 8.0 MiB/s, 1 min 20 s left",
    ]


def test_progress_without_length_and_without_progress(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    progress = Progress(logging.getLogger("t"), every=1, clock=clock)
    source = ChunkSource([])
    source.offset = 512
    clock.now += 2
    progress(source)
    source.length = 1024
    clock.now += 2
    progress(source)
    assert caplog.messages == [
        "Downloaded 512 bytes, 256 bytes/s",
        "Downloaded 512 bytes of 1.0 KiB (50 %), 0 bytes/s",
    ]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**70, "1048576.0 PiB")]
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7384, "2 h 3 min")]
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
