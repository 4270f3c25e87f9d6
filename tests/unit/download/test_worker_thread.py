# SPDX-License-Identifier: Apache-2.0
"""Work on blocks beside a download."""

from __future__ import annotations

import threading

import pytest

from airflow_async_provider._download.worker_thread import WAITING_BLOCKS, WORTH_A_THREAD, Background
from tests.support.struck import output_of


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


def test_a_signal_at_any_line_leaves_nothing_to_wait_for() -> None:
    """Airflow ends a task by an exception out of the handler of SIGTERM, wherever its thread is."""
    code = """
        from airflow_async_provider._download.worker_thread import WORTH_A_THREAD, Background

        first, block = bytes(WORTH_A_THREAD), b"x" * 100
        for number in range(1500):
            work = Background(lambda data: sum(data), name="worker")
            work.put(first[:1])
            work._count = WORTH_A_THREAD
            try:
                strike_within(0.001 + number % 100 / 1e5)
                while True:
                    work.put(block)
            except STRUCK:
                pass
            work.close()
        print("all closed")
    """
    out, errors = output_of(code)
    assert out == "all closed\n", errors
