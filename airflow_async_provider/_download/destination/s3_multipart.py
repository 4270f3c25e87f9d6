# SPDX-License-Identifier: Apache-2.0
"""
A multipart upload from a stream, with a fixed amount of memory.

boto3's own ``upload_fileobj`` reads a stream in a thread of its own, with parts of one size, whose number
ends at 10,000. Here the task's own thread reads, so that a signal ends it at once and an error of the source
comes out as it is; the parts grow when the length is not known; and the buffers are made once and used again.

That signal may strike at any line, also in the middle of a lock of ``concurrent.futures``, which is then
never released. So parts go through queues whose methods happen at once or not at all.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow_async_provider._download.destination.base import UploadMemory
from airflow_async_provider._download.source.base import ByteSource, fill
from airflow_async_provider.errors import DownloadError

MIB: Final = 1024 * 1024

#: S3's limits: parts of one upload, and bytes of a part that is not the last.
MAX_PARTS: Final = 10_000
SMALLEST_PART: Final = 5 * MIB

#: Our own sizes: (CONCURRENCY + 1) x PART bytes are held in memory. Importing the amazon provider alone takes
#: 130 to 145 MiB, and a task shall stay below 200, also with 16 connections to the source. Of the sizes that
#: fit, these were the fastest (5 MiB with 3, 4 and 6 at once, 8 MiB with 2 and 4: up to 7 % slower).
PART: Final = 8 * MIB
CONCURRENCY: Final = 3

#: With unknown length the part size doubles after so many parts: 8 MiB parts up to 6 GiB, 16 MiB parts up to
#: 19 GiB, and with the last of the 10,000 parts beyond 5 TiB.
PARTS_OF_ONE_SIZE: Final = 800

#: What is waited for parts under way before an upload is given up (seconds); Airflow kills a task that takes
#: longer than a minute to end.
MAX_GIVING_UP: Final = 20.0

log = logging.getLogger(__name__)


def part_size(number: int, *, length: int | None, smallest: int) -> int:
    """
    Bytes of a part.

    :param number: the part's number, from 1
    :param length: bytes of the whole, None when not known
    :param smallest: size to start from
    """
    smallest = max(smallest, SMALLEST_PART)
    if length is None:
        return int(smallest << ((number - 1) // PARTS_OF_ONE_SIZE))
    needed = -(-length // MAX_PARTS)
    return max(smallest, -(-needed // MIB) * MIB)


class MultipartUpload:
    """
    One upload: begin, send all parts, complete; or abort.

    :param client: boto3 client for S3
    :param arguments: gives the arguments that a call (by its API name) needs for this object
    :param length: bytes of the whole, None when not known
    :param smallest: part size to start from, in bytes
    :param concurrency: parts under way at once
    :param memory: notes the upload, for the next try after a process that was killed
    """

    def __init__(
        self,
        client: Any,
        arguments: Callable[[str], Mapping[str, Any]],
        *,
        length: int | None,
        smallest: int = PART,
        concurrency: int = CONCURRENCY,
        memory: UploadMemory | None = None,
    ) -> None:
        self._client = client
        self._arguments = arguments
        self._length = length
        self._smallest = smallest
        self._concurrency = max(1, concurrency)
        self._memory = memory
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []
        self._free: list[bytearray] = []
        self._threads: list[threading.Thread] = []
        self._to_send: queue.SimpleQueue[tuple[int, bytearray] | None] = queue.SimpleQueue()
        self._sent: queue.SimpleQueue[tuple[bytearray, dict[str, Any] | BaseException]] = queue.SimpleQueue()
        self._given_up = False
        #: Numbers of the parts that are being sent.
        self._being_sent: set[int] = set()

    def run(self, first: bytearray, source: ByteSource, create: Callable[[Callable[..., Any]], None]) -> None:
        """
        Upload ``first`` and what is left of the source; abort the upload when anything goes wrong.

        :param create: makes the call that creates the object, adding conditions
        """
        try:
            begun = self._client.create_multipart_upload(**self._arguments("CreateMultipartUpload"))
            self._upload_id = begun["UploadId"]
            if self._memory is not None:
                place = self._arguments("AbortMultipartUpload")
                self._memory.began(
                    {"bucket": place["Bucket"], "key": place["Key"], "upload_id": self._upload_id}
                )
            self._send_all(first, source)
            parts = sorted(self._parts, key=lambda part: int(part["PartNumber"]))
            create(
                lambda **conditions: self._client.complete_multipart_upload(
                    **self._arguments("CompleteMultipartUpload"),
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": parts},
                    **conditions,
                )
            )
        except BaseException:
            # Not forgotten here: a signal may have struck between a request to Airflow and its response.
            self._give_up()
            raise
        self._end_threads()
        if self._memory is not None:
            self._memory.ended()

    def _send_all(self, first: bytearray, source: ByteSource) -> None:
        buffer, number, under_way = first, 1, 0
        while buffer:
            if number > MAX_PARTS:
                raise DownloadError(f"The result has more than {MAX_PARTS} parts, S3's limit for one object.")
            if len(self._threads) < self._concurrency:
                self._start_thread()
            self._to_send.put((number, buffer))
            number, under_way = number + 1, under_way + 1
            size = part_size(number, length=self._length, smallest=self._smallest)
            # Parts that have grown take more memory, so fewer of them are under way.
            at_once = max(1, min(self._concurrency, self._concurrency * self._smallest // size))
            while under_way >= at_once:
                self._collect()
                under_way -= 1
            buffer = self._free.pop() if self._free else bytearray()
            if len(buffer) != size:
                buffer = bytearray(size)
            filled = fill(source, buffer)
            if filled < size:
                buffer = buffer[:filled]  # a copy: boto3 may still hold a view, which forbids to cut it
        for _ in range(under_way):
            self._collect()

    def _start_thread(self) -> None:
        name = f"s3-part_{len(self._threads)}"
        self._threads.append(threading.Thread(target=self._send_parts, name=name, daemon=True))
        self._threads[-1].start()

    def _send_parts(self) -> None:
        """What each thread does."""
        while (part := self._to_send.get()) is not None:
            number, buffer = part
            self._being_sent.add(number)
            try:
                self._sent.put((buffer, {} if self._given_up else self._send(number, buffer)))
            except BaseException as error:  # noqa: BLE001 - comes out in the task's own thread
                self._sent.put((buffer, error))
            self._being_sent.discard(number)

    def _end_threads(self, within: float | None = None) -> None:
        """Let them end after what they are at, and wait so many seconds for it."""
        for _ in self._threads:
            self._to_send.put(None)
        until = None if within is None else time.monotonic() + within
        for thread in self._threads:
            with contextlib.suppress(RuntimeError):  # a signal struck while it was being started
                thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _send(self, number: int, buffer: bytearray) -> dict[str, Any]:
        answer = self._client.upload_part(
            **self._arguments("UploadPart"), UploadId=self._upload_id, PartNumber=number, Body=buffer
        )
        checksums = {k: v for k, v in answer.items() if k.startswith("Checksum") and k != "ChecksumType"}
        return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def _collect(self) -> None:
        """Wait until a part has arrived, and take its buffer back."""
        buffer, part = self._sent.get()
        if isinstance(part, BaseException):
            raise part
        self._parts.append(part)
        self._free.append(buffer)

    def _give_up(self) -> None:
        """Abort, and again when parts under way have ended: S3 keeps a part that comes after the abort."""
        self._given_up = True
        under_way = bool(self._being_sent)
        if self._upload_id:
            self._abort()
        self._end_threads(MAX_GIVING_UP if under_way else 0.0)
        if under_way and self._upload_id:
            self._abort()

    def _abort(self) -> None:
        try:
            self._client.abort_multipart_upload(
                **self._arguments("AbortMultipartUpload"), UploadId=self._upload_id
            )
        except Exception as error:  # noqa: BLE001 - the error that led here must come out, not this one
            if "NoSuchUpload" not in str(error):
                log.warning(
                    "The unfinished multipart upload could not be aborted (%s); a lifecycle rule "
                    "AbortIncompleteMultipartUpload on the bucket removes what is left.",
                    type(error).__name__,
                )
