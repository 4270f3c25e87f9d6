# SPDX-License-Identifier: Apache-2.0
"""The small parts of downloading: sizes, progress lines, chunks, background work, what a DAG file imports."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_async_provider._download import DownloadReport, open_destination
from airflow_async_provider._download.destination.local_file import LocalFile
from airflow_async_provider._download.destination.object_storage import StoredObject
from airflow_async_provider._download.destination.s3 import S3Object
from airflow_async_provider._download.destination.s3_multipart import MAX_PARTS, MIB, PART, part_size
from airflow_async_provider._download.progress import Progress, duration, size
from airflow_async_provider._download.source.base import ChunkSource, fill
from airflow_async_provider._download.source.http import is_strong
from airflow_async_provider._download.source.http_connection import broken_off, follow
from airflow_async_provider._download.worker_thread import WAITING_BLOCKS, WORTH_A_THREAD, Background
from airflow_async_provider._transport.exact_url_adapter import request_target
from airflow_async_provider.errors import ConfigurationError, DownloadError

GIB = 1024 * MIB


# -- part sizes ---------------------------------------------------------------------------------------------


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


# -- progress -----------------------------------------------------------------------------------------------


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


# -- sources ------------------------------------------------------------------------------------------------


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


def test_condition_that_an_old_boto3_does_not_know() -> None:
    from botocore.exceptions import ParamValidationError

    calls: list[dict[str, Any]] = []

    def call(**conditions: Any) -> None:
        calls.append(conditions)
        if conditions:
            raise ParamValidationError(report="Unknown parameter in input: IfNoneMatch")

    S3Object("bucket", "key", if_exists="fail")._create_new(call)
    assert calls == [{"IfNoneMatch": "*"}, {}]


# -- background ---------------------------------------------------------------------------------------------


def test_large_results_are_worked_on_in_order_by_another_thread() -> None:
    seen: list[tuple[int, str]] = []
    work = Background(lambda data: seen.append((data[0], threading.current_thread().name)), name="worker")
    blocks = [bytes([i]) * (WORTH_A_THREAD // 8) for i in range(30)]
    for block in blocks:
        work.put(block)
    work.join()
    assert [number for number, _ in seen] == list(range(30))
    assert {name for _, name in seen[:8]} == {"MainThread"}
    assert {name for _, name in seen[8:]} == {"worker"}
    work.close()
    assert "worker" not in {thread.name for thread in threading.enumerate()}
    work.close()


def test_closing_finishes_what_waits() -> None:
    """A hash that is asked for after the end must be the hash of everything."""
    release = threading.Event()
    seen: list[bytes] = []

    def slow(data: bytes) -> None:
        release.wait(10)
        seen.append(data)

    release.set()
    work = Background(slow, name="worker")
    work.put(bytes(WORTH_A_THREAD))
    release.clear()
    for _ in range(WAITING_BLOCKS):
        work.put(b"x")
    threading.Timer(0.05, release.set).start()
    work.close()
    assert len(seen) == 1 + WAITING_BLOCKS


def test_error_of_the_work_comes_out_and_nothing_hangs() -> None:
    def fails(data: bytes) -> None:
        if data == b"bad":
            raise OSError("no room")
        assert data != b"after", "nothing is worked on after an error"

    work = Background(fails, name="worker")
    work.put(bytes(WORTH_A_THREAD))
    work.put(b"bad")

    def put_many() -> None:
        for _ in range(10 * WAITING_BLOCKS):
            work.put(b"after")

    with pytest.raises(OSError, match="no room"):
        put_many()
    with pytest.raises(OSError, match="no room"):
        work.join()
    work.close()


# -- addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("destination", "kind", "uri"),
    [
        ("/data/x y.csv", LocalFile, "file:///data/x%20y.csv"),
        ("file:///data/x%20y.csv", LocalFile, "file:///data/x%20y.csv"),
        ("/data/odd://name", LocalFile, "file:///data/odd%3A/name"),
        ("s3://bucket/a b/c", S3Object, "s3://bucket/a b/c"),
        ("S3A://conn@bucket/key", S3Object, "s3://bucket/key"),
        ("gs://conn@bucket/key", StoredObject, "gs://conn@bucket/key"),
    ],
)
def test_destinations(destination: str, kind: type, uri: str) -> None:
    place = open_destination(destination)
    assert type(place) is kind
    assert place.uri == uri
    assert uri in repr(place)


def test_unknown_if_exists() -> None:
    with pytest.raises(ConfigurationError, match="'replace', 'skip' or 'fail'"):
        open_destination("/x", if_exists="append")  # type: ignore[arg-type]  # what a DAG author may write


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h/a?b", "/a?b"),
        ("https://h?b/c", "/?b/c"),
        ("https://h", "/"),
        ("https://h/a#f", "/a"),
        ("https://h/a?u=http://x/y", "/a?u=http://x/y"),
    ],
)
def test_request_target(url: str, target: str) -> None:
    assert request_target(url) == target


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("b?x=%2f", "http://h/b?x=%2f"),
        ("//other/p", "http://other/p"),
        ("?u=http://x", "http://h/a?u=http://x"),
    ],
)
def test_relative_redirects(location: str, target: str) -> None:
    assert follow("http://h/a", location) == target


@pytest.mark.parametrize(("etag", "strong"), [('"x"', True), ('W/"x"', False), ("", False), (None, False)])
def test_strong_etags(etag: str | None, strong: bool) -> None:
    assert is_strong(etag) is strong


def test_reasons_never_quote_an_error_that_may_hold_the_url() -> None:
    assert broken_off(ValueError("http://h/?SECRET")).reason == "ValueError"


# -- the rest -----------------------------------------------------------------------------------------------


def test_report_is_plain_data() -> None:
    report = DownloadReport(uri="file:///x", bytes=1, skipped=True)
    plain: dict[str, Any] = report.to_dict()
    assert plain["skipped"] is True
    assert DownloadReport(**plain) == report


def test_importing_the_room_costs_nothing_heavy() -> None:
    code = (
        "import sys, pkgutil, importlib, airflow_async_provider._download as room\n"
        "for module in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "heavy = {'airflow', 'boto3', 'botocore', 'requests', 'urllib3', 'aiohttp', 'fsspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
