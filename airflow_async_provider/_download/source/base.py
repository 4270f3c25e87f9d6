# SPDX-License-Identifier: Apache-2.0
"""What a destination reads from: a forward-only stream of bytes that knows what it is."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

from airflow_async_provider._download.limits import Bounds, DownloadLimits
from airflow_async_provider._download.worker_thread import Background
from airflow_async_provider.errors import DownloadError

#: How much is asked for in one go (bytes): large enough that Python's share of the work is small.
BLOCK = 1024 * 1024

#: The same where a larger buffer collects the bytes anyway: what waits to be hashed takes less memory.
FILL_BLOCK = 256 * 1024

#: Of a source without bounds of its own.
UNBOUNDED = DownloadLimits(max_bytes=None, min_bytes_per_second=None, max_seconds=None, max_unpack_ratio=None)


class ByteSource(ABC):
    """
    Bytes that can be read once, in order; counted and hashed while they are.

    ``length`` is the number of bytes, None when it is not known; ``content_type``, ``content_encoding`` and
    ``etag`` are what the origin says about them. They are true after the first ``open`` or ``read``.
    """

    def __init__(self) -> None:
        self.length: int | None = None
        self.content_type: str | None = None
        self.content_encoding: str | None = None
        self.etag: str | None = None
        #: how many bytes have been handed out
        self.offset = 0
        #: called after every block, for progress lines
        self.watch: Callable[[ByteSource], None] | None = None
        #: how often it was taken up again in the middle
        self.resumes = 0
        #: how large, slow and long it may be
        self.bounds = Bounds(UNBOUNDED)
        self._piece = memoryview(b"")
        self._begin_hash()

    def _begin_hash(self) -> None:
        self._hash = hashlib.sha256()
        self._hashing = Background(self._hash.update, name="sha256")

    @property
    def sha256(self) -> str:
        """Hash of the bytes handed out so far, hexadecimal."""
        self._hashing.join()
        return self._hash.hexdigest()

    def open(self) -> None:
        """Get ready, so that the attributes are true; ``read`` does it by itself."""
        return

    def restart(self) -> bool:
        """Begin again at the first byte; False when that cannot be done, or was done before."""
        return False

    @abstractmethod
    def read(self, size: int = BLOCK) -> bytes:
        """Wait for some bytes: at most ``size``, and none only at the verified end."""

    def close(self) -> None:
        """Let go of connections and threads; nothing can be read afterwards."""
        self._hashing.close()

    def use_one_connection(self) -> None:
        """Others are at work beside it: that is enough of them."""
        return

    def abort(self) -> None:
        """From another thread: let a waiting ``read`` end soon, with an error."""
        return

    def _begin_again(self) -> None:
        """Forget what was handed out: it comes once more."""
        self.bounds.take_back(self.offset)
        self.offset = 0
        self._piece = memoryview(b"")
        self._hashing.close()
        self._begin_hash()

    def _hand_out_of(self, pieces: Iterator[bytes], size: int) -> bytes:
        """Hand out some bytes of pieces of any size; none at their end."""
        while not self._piece:
            piece = next(pieces, None)
            if piece is None:
                return b""
            self._piece = memoryview(piece)
        data, self._piece = self._piece[:size], self._piece[size:]
        return self._hand_out(bytes(data))

    def _hand_out(self, data: bytes) -> bytes:
        self.offset += len(data)
        if self.length is not None and self.offset > self.length:
            raise DownloadError(f"The result has more bytes than the {self.length} that were announced.")
        self.bounds.add(len(data))
        self._hashing.put(data)
        if self.watch is not None:
            self.watch(self)
        return data


class ChunkSource(ByteSource):
    """
    A source over chunks that this process makes itself.

    :param chunks: the bytes, in order; empty chunks are skipped
    :param length: number of bytes when it is known beforehand; another number is an error
    :param content_type: media type
    """

    def __init__(
        self, chunks: Iterable[bytes], *, length: int | None = None, content_type: str | None = None
    ) -> None:
        super().__init__()
        self._chunks: Iterator[bytes] = iter(chunks)
        self.length = length
        self.content_type = content_type

    def open(self) -> None:
        """Look at the length."""
        self.bounds.expect(self.length)

    def read(self, size: int = BLOCK) -> bytes:
        """Some bytes, see :class:`ByteSource`."""
        data = self._hand_out_of(self._chunks, size)
        if not data and self.length not in (None, self.offset):
            raise DownloadError(f"The result has {self.offset} bytes, {self.length} were announced.")
        return data

    def close(self) -> None:
        """Let a generator run its ``finally``."""
        super().close()
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


def fill(source: ByteSource, buffer: bytearray) -> int:
    """Read until the buffer is full or the source at its end; returns how many bytes were put in."""
    view = memoryview(buffer)
    done = 0
    while done < len(view):
        data = source.read(min(FILL_BLOCK, len(view) - done))
        if not data:
            break
        view[done : done + len(data)] = data
        done += len(data)
    return done
