# SPDX-License-Identifier: Apache-2.0
"""How large, slow and long a result may be, over real sockets; and what ends a download from outside."""

from __future__ import annotations

import gzip
import hashlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_async_provider._download import HttpSource, download, limits
from airflow_async_provider.errors import DownloadError, ResultLimitError
from tests.support.byte_server import ByteServer, Exchange, Step, change, running, serve, status

CONTENT = random.Random(7).randbytes(1_500_000)


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(content=CONTENT) as server:
        yield server


# -- bounds -------------------------------------------------------------------------------------------------


def endless(block: bytes, *, pause: float = 0.0, times: int = 10_000) -> Step:
    """A chunked answer that goes on and on."""

    def step(exchange: Exchange) -> None:
        exchange.head(200, {"Transfer-Encoding": "chunked"})
        for _ in range(times):
            exchange.connection.sendall(b"%x\r\n%s\r\n" % (len(block), block))
            if pause and exchange.server.ended.wait(pause):
                return
        exchange.connection.sendall(b"0\r\n\r\n")

    return step


def test_a_result_without_end_is_broken_off_at_its_largest_size(server: ByteServer, tmp_path: Path) -> None:
    server.steps = [endless(bytes(1_000_000))]
    with pytest.raises(ResultLimitError, match="more than max_result_bytes=5000000"):
        download(server.url, f"{tmp_path}/file", max_result_bytes=5_000_000)
    assert list(tmp_path.iterdir()) == []


def test_a_length_that_is_too_large_is_refused_before_the_destination_is_touched(
    server: ByteServer, tmp_path: Path
) -> None:
    with pytest.raises(ResultLimitError, match=f"has {len(CONTENT)} bytes .* max_result_bytes=1000"):
        download(server.url, f"{tmp_path}/new/file", max_result_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_trickle_is_broken_off(server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "THROUGHPUT_WINDOW", 0.3)
    server.steps = [endless(b"x", pause=0.02)]
    with pytest.raises(ResultLimitError, match="slower than min_bytes_per_second=1024"):
        download(server.url, f"{tmp_path}/file")
    assert list(tmp_path.iterdir()) == []


def test_a_slow_destination_is_no_slow_source(
    server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "THROUGHPUT_WINDOW", 0.05)
    source = HttpSource(server.url)
    source.bounds = limits.Bounds(limits.DownloadLimits(min_bytes_per_second=1e6))
    while source.read(100_000):
        time.sleep(0.01)
    assert source.offset == len(CONTENT)


def test_the_total_time_ends_a_download_that_makes_progress(server: ByteServer, tmp_path: Path) -> None:
    server.steps = [endless(bytes(100_000), pause=0.02)]
    with pytest.raises(ResultLimitError, match="not complete within max_result_seconds="):
        download(server.url, f"{tmp_path}/file", max_result_seconds=0.3)
    assert list(tmp_path.iterdir()) == []


def test_the_total_time_ends_the_attempts_of_a_source_that_refuses(server: ByteServer) -> None:
    server.steps = [status(503)] * 3
    source = HttpSource(server.url, sleep=lambda _: time.sleep(0.2))
    source.bounds = limits.Bounds(limits.DownloadLimits(max_seconds=0.1))
    with pytest.raises(ResultLimitError, match="max_result_seconds"):
        source.read()
    assert len(server.requests) == 1


def test_what_is_compressed_unasked_is_stored_as_it_comes(server: ByteServer, tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    server.steps = [change(serve(headers={"Content-Encoding": "gzip"}), content=bomb)]
    report = download(server.url, f"{tmp_path}/file", max_result_bytes=len(bomb))
    assert (tmp_path / "file").read_bytes() == bomb
    assert report.content_encoding == "gzip"


# -- stopped by another thread ------------------------------------------------------------------------------


def test_a_source_that_is_aborted_ends_its_wait_for_bytes(server: ByteServer) -> None:
    left_first = threading.Event()

    def falls_silent(exchange: Exchange) -> None:
        serve(cut=1000)(exchange)
        if not exchange.server.ended.wait(30):
            left_first.set()

    server.steps = [falls_silent]
    source = HttpSource(server.url)
    source.open()
    threading.Timer(0.2, source.abort).start()
    with pytest.raises(DownloadError, match="was stopped"):
        b"".join(iter(source.read, b""))
    assert not left_first.is_set(), "the server had to end the wait"
    source.close()


def test_a_source_that_is_aborted_ends_its_pause(server: ByteServer) -> None:
    server.steps = [status(503, headers={"Retry-After": "60"})]
    source = HttpSource(server.url)
    threading.Timer(0.2, source.abort).start()
    with pytest.raises(DownloadError, match="was stopped"):
        source.read()
    assert len(server.requests) == 1


# -- no bytes at all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [status(204, headers={"Content-Type": "text/csv"}), status(200)])
def test_a_result_of_no_bytes_is_a_result(server: ByteServer, tmp_path: Path, answer: Step) -> None:
    server.steps = [answer]
    report = download(server.url, f"{tmp_path}/empty")
    assert (report.bytes, report.sha256) == (0, hashlib.sha256(b"").hexdigest())
    assert (tmp_path / "empty").read_bytes() == b""
