# SPDX-License-Identifier: Apache-2.0
"""Sizes of the parts of an upload to S3, and its end by a signal."""

from __future__ import annotations

import pytest

from airflow_async_provider._download.destination.s3_multipart import MAX_PARTS, MIB, PART, part_size
from tests.support.struck import output_of

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


def test_a_signal_at_any_line_ends_the_upload_and_its_threads() -> None:
    """Airflow ends a task by an exception out of the handler of SIGTERM, wherever its thread is."""
    code = """
        import threading, time
        from airflow_async_provider._download.destination import s3_multipart

        s3_multipart.part_size = lambda *_, **__: 1000
        s3_multipart.MAX_PARTS = 10**9

        class Client:
            aborted = 0
            def create_multipart_upload(self, **_): return {"UploadId": "7"}
            def upload_part(self, **_): time.sleep(0.0002); return {"ETag": "x"}
            def abort_multipart_upload(self, **_): self.aborted += 1

        class Endless:
            def read(self, size=1): return b"x" * size

        threads = threading.enumerate()
        for number in range(800):
            client = Client()
            upload = s3_multipart.MultipartUpload(
                client, lambda operation: {"Bucket": "b", "Key": "k"}, length=None
            )
            try:
                strike_within(0.002 + number % 100 / 5e4)
                upload.run(bytearray(1000), Endless(), lambda call: call())
            except STRUCK:
                pass
            assert client.aborted in (1, 2) or not upload._upload_id
        until = time.monotonic() + 30
        while len(threading.enumerate()) > len(threads) + 5 and time.monotonic() < until:
            time.sleep(0.01)
        print(f"{len(threading.enumerate()) - len(threads) <= 5}")
    """
    out, errors = output_of(code)
    assert out == "True\n", errors
