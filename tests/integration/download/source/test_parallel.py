# SPDX-License-Identifier: Apache-2.0
"""Several connections for one object: chosen by itself, in order, out of the way when it does not work."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download import DownloadRetryPolicy, HttpSource, Parallel, download
from airflow_async_provider._download.source.http_connection import UrlOpener
from airflow_async_provider._download.source.parallel import Chooser
from airflow_async_provider.errors import ResultChangedError, ResultExpiredError
from tests.support.byte_server import (
    EXPIRED,
    ByteServer,
    Exchange,
    Step,
    redirect,
    running,
    serve,
    shorter,
    status,
)

CONTENT = random.Random(7).randbytes(3_000_000)
OTHER = CONTENT[::-1]
KIB = 1024

#: Everything is slow enough and large enough.
EAGER = Parallel(connections=4, block=64 * KIB, worth=1, slow=float("inf"), sample=200 * KIB, busy=9)


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(content=CONTENT) as server:
        yield server


def source_of(server: ByteServer, **settings: Any) -> HttpSource:
    settings.setdefault("parallel", EAGER)
    settings.setdefault("retry_policy", DownloadRetryPolicy(first_wait=0.01))
    return HttpSource(UrlOpener(server.url, timeout=(2.0, 5.0)), **settings)


def read_all(source: HttpSource, size: int = 50_000) -> bytes:
    try:
        return b"".join(iter(lambda: source.read(size), b""))
    finally:
        source.close()


def bounded(server: ByteServer) -> list[str]:
    """The ranges with an end: those of several connections."""
    return [r for r in server.ranges if r is not None and not r.endswith("-")]


def until_several(server: ByteServer, source: HttpSource) -> None:
    """Read on until several connections are being served, and not a byte further."""
    while not bounded(server):
        assert source.read(50_000)
    deadline = time.monotonic() + 10
    while len(bounded(server)) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_slow_source_is_read_over_several_connections(server: ByteServer) -> None:
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert source.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert source.resumes == 0
    first, probe, *ranges = server.requests
    assert first.range is None
    assert len(ranges) >= (len(CONTENT) - 300 * KIB) // (64 * KIB)
    assert {r.headers["if-match"] for r in [probe, *ranges]} == {'"v1"'}
    # in order, without gap or overlap, up to the last byte
    starts = sorted(r.range for r in ranges if r.range is not None)
    assert [end for _, end in starts[:-1]] == [start for start, _ in starts[1:]]
    assert starts[-1][1] == len(CONTENT)


def test_connections_are_kept_and_few(server: ByteServer) -> None:
    assert read_all(source_of(server)) == CONTENT
    # One for the beginning, one for the probe, four that go round, and one more: the place of the first in
    # the pool becomes free while they are at work, and whoever takes it before an open one connects again.
    assert server.connections <= 7
    assert len(server.requests) > 30


def test_connections_are_kept_where_each_range_gets_a_freshly_signed_url(server: ByteServer) -> None:
    fresh = [redirect(f"{server.url}&X-Amz-Date={number}") for number in range(200)]
    with running(steps=fresh) as remote:
        assert read_all(source_of(remote)) == CONTENT
    assert len({r.target for r in server.requests}) > 30
    assert server.connections <= 7  # as above


def test_memory_is_bounded(server: ByteServer) -> None:
    """A reader that is not fetched from asks only for a few blocks ahead."""
    source = source_of(server)
    until_several(server, source)
    time.sleep(0.3)  # if it asked for more without end, it would now
    source.close()
    furthest = max(r.range[1] or 0 for r in server.requests if r.range is not None)
    assert furthest <= source.offset + (EAGER.connections + 2) * EAGER.block


def test_several_connections_at_once(server: ByteServer) -> None:
    """Each range waits until three more are being served: that ends only when they are asked for together."""
    together = threading.Barrier(4)

    def meeting(exchange: Exchange) -> None:
        together.wait(10)
        serve()(exchange)

    server.steps = [serve(), serve(), *[meeting] * 8]
    assert read_all(source_of(server)) == CONTENT


@pytest.mark.parametrize(
    "reason",
    [
        {"parallel": Parallel(sample=200 * KIB, busy=9, worth=1, slow=1)},  # fast enough
        {"parallel": Parallel(sample=200 * KIB, busy=9, worth=4_000_000, slow=float("inf"))},  # too little
        {"parallel": Parallel()},
        {"parallel": Parallel(sample=200 * KIB, worth=1, slow=float("inf"), busy=0)},  # it is us who are slow
        {"expires_at": 0.0},  # each range would be refused
    ],
)
def test_one_connection_where_several_are_of_no_use(server: ByteServer, reason: dict[str, Any]) -> None:
    assert read_all(source_of(server, **reason)) == CONTENT
    assert server.ranges == [None]


@pytest.mark.parametrize(
    "settings",
    [
        {"etag": None},
        {"etag": 'W/"weak"'},
        {"headers": {"Accept-Ranges": "none"}},
        {"steps": [serve(drop=("Accept-Ranges",))]},
        {"steps": [serve(chunked=True)]},
    ],
)
def test_one_connection_where_ranges_are_not_offered(server: ByteServer, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        setattr(server, name, value)
    assert read_all(source_of(server)) == CONTENT
    assert bounded(server) == []


@pytest.mark.parametrize(
    "answer",
    [
        serve(ignore_range=True),
        serve(drop=("ETag",)),
        serve(headers={"ETag": '"v2"'}),
        serve(headers={"Content-Range": "bytes 0-1/2"}),
        status(503),
        redirect("ftp://nowhere/"),
    ],
)
def test_one_connection_when_the_first_range_is_not_as_it_should_be(server: ByteServer, answer: Step) -> None:
    server.steps = [serve(), answer]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert source.resumes == 0, "the single connection was kept"


@pytest.mark.parametrize(
    "answer", [status(503), serve(cut=1000), serve(cut=1000, how="reset"), status(403, b"")]
)
def test_a_range_that_fails_leads_back_to_one_connection(server: ByteServer, answer: Step) -> None:
    once = Parallel(
        connections=4, block=64 * KIB, worth=1, slow=float("inf"), sample=200 * KIB, busy=9, tries=1
    )
    server.steps = [serve(), *[serve()] * 12, answer]
    source = source_of(server, parallel=once)
    assert read_all(source) == CONTENT
    assert source.resumes == 1
    assert server.ranges[-1] is not None
    assert server.ranges[-1].endswith("-")


def test_several_connections_are_tried_again_a_bounded_number_of_times(server: ByteServer) -> None:
    served = 0

    def every_tenth_fails(exchange: Exchange) -> None:
        nonlocal served
        served += 1
        bad = (
            exchange.request.range is not None and exchange.request.range[1] is not None and served % 10 == 0
        )
        (status(503) if bad else serve())(exchange)

    server.steps = [every_tenth_fails] * 500
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert 1 <= source.resumes <= EAGER.tries


def test_url_that_expires_meanwhile(server: ByteServer) -> None:
    server.steps = [serve(), *[serve()] * 5, *[status(403, EXPIRED)] * 30]
    with pytest.raises(ResultExpiredError):
        read_all(source_of(server))


def test_object_that_changes_meanwhile(server: ByteServer) -> None:
    def changing(exchange: Exchange) -> None:
        exchange.server.etag = '"v2"'
        serve()(exchange)

    server.steps = [serve(), *[serve()] * 5, changing]
    with pytest.raises(ResultChangedError):
        read_all(source_of(server))


def test_changed_object_is_fetched_anew_by_several(server: ByteServer, tmp_path: Path) -> None:
    def changing(exchange: Exchange) -> None:
        exchange.server.etag, exchange.server.content = '"v2"', CONTENT[::-1]
        serve()(exchange)

    server.steps = [serve(), *[serve()] * 5, changing]
    report = download(source_of(server), f"{tmp_path}/file")
    assert (tmp_path / "file").read_bytes() == CONTENT[::-1]
    assert report.sha256 == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_closing_does_not_wait_for_silent_connections(server: ByteServer) -> None:
    server.steps = [serve(), serve(), *[serve(cut=10, how="silence")] * 20]
    source = HttpSource(UrlOpener(server.url, timeout=(2.0, 60.0)), parallel=EAGER)
    until_several(server, source)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 15, "the connections were not cut"
    assert not [t.name for t in threading.enumerate() if t.name.startswith("range")]


# -- one answer among many that is not what was asked for ---------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(serve(ignore_range=True), id="the whole in place of a range"),
        pytest.param(
            serve(headers={"Content-Range": f"bytes 0-65535/{len(CONTENT)}"}, content=OTHER),
            id="another range",
        ),
        pytest.param(serve(headers={"ETag": '"v2"'}, content=OTHER), id="another object"),
        pytest.param(serve(drop=("ETag",), content=OTHER), id="of no known object"),
        pytest.param(shorter(1000), id="a shorter range"),
        pytest.param(status(200), id="nothing"),
    ],
)
def test_an_answer_in_the_middle_that_does_not_fit_is_not_joined(server: ByteServer, odd: Step) -> None:
    server.steps = [serve(), *[serve()] * 6, odd]
    source = source_of(server)
    assert read_all(source) == CONTENT
    assert source.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_resumed_range_that_ends_early_is_not_the_end(server: ByteServer) -> None:
    server.steps = [serve(cut=500_000), shorter(1_000_000)]
    source = source_of(server, parallel=Parallel())
    assert read_all(source) == CONTENT
    assert source.resumes == 2


@pytest.mark.parametrize(("etag", "end"), [(None, 1000), ('"a"', None), (None, None)])
def test_what_cannot_be_asked_for_in_ranges_is_not_tried(etag: str | None, end: int | None) -> None:
    opener: Any = None  # nothing is opened
    assert Chooser(EAGER).open(opener, etag=etag, start=0, end=end) is None
