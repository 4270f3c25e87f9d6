# SPDX-License-Identifier: Apache-2.0
"""
What a result consists of: made up on the fly, given, or read from a file.

Generated content costs one block of memory however long it is, any part of it can be made without the parts
before, and no two blocks are alike: a client that mixes up offsets gets a wrong checksum.
"""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

BLOCK = 64 * 1024


class Content(ABC):
    """
    Bytes of a known length that can be read in parts.

    :param size: length in bytes
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError("a content cannot be shorter than nothing")
        self.size = size
        self._sha256: str | None = None

    @abstractmethod
    def blocks(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """The bytes from ``start`` up to and without ``stop``, in pieces of moderate size."""

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """A part in one piece; for small ones."""
        return b"".join(self.blocks(start, self.size if stop is None else stop))

    @property
    def sha256(self) -> str:
        """Checksum of the whole, in hexadecimal, computed without holding the whole."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            for block in self.blocks(0, self.size):
                digest.update(block)
            self._sha256 = digest.hexdigest()
        return self._sha256

    @property
    @abstractmethod
    def etag(self) -> str:
        """Strong entity tag, in quotes."""


class GeneratedContent(Content):
    """
    Bytes that follow from a seed.

    :param seed: equal seeds give equal bytes
    :param size: length in bytes
    """

    def __init__(self, seed: str, size: int) -> None:
        super().__init__(size)
        self._seed = seed
        self._base = random.Random(seed).randbytes(BLOCK)

    def _block(self, number: int) -> bytes:
        mark = hashlib.sha256(f"{self._seed}:{number}".encode()).digest()
        return mark + self._base[len(mark) :]

    def blocks(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Make just the blocks that the part touches."""
        stop = min(stop, self.size)
        while start < stop:
            number, offset = divmod(start, BLOCK)
            piece = memoryview(self._block(number))[offset : offset + stop - start]
            yield piece
            start += len(piece)

    @property
    def etag(self) -> str:
        """In the form of S3's tags for objects uploaded in parts, which are no checksum either."""
        digest = hashlib.sha256(f"{self._seed}/{self.size}".encode()).hexdigest()[:32]
        return f'"{digest}-{self.size // (8 << 20) + 1}"'


class FixedContent(Content):
    """
    Bytes as given.

    :param data: the bytes
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self._data = data

    def blocks(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Slices of the bytes, without copies."""
        stop = min(stop, self.size)
        for begin in range(start, stop, BLOCK):
            yield memoryview(self._data)[begin : min(begin + BLOCK, stop)]

    @property
    def etag(self) -> str:
        """Derived from the bytes."""
        return f'"{self.sha256[:32]}"'


class FileContent(Content):
    """
    A file, read in pieces whenever it is asked for.

    :param path: the file; its size is taken once, at the beginning
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        stat = self._path.stat()
        super().__init__(stat.st_size)
        self._mtime = stat.st_mtime_ns

    def blocks(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Read the part from the disk."""
        left = min(stop, self.size) - start
        with self._path.open("rb") as file:
            file.seek(start)
            while left > 0 and (piece := file.read(min(BLOCK, left))):
                yield piece
                left -= len(piece)

    @property
    def etag(self) -> str:
        """Derived from the file's name, size and time of change."""
        digest = hashlib.sha256(f"{self._path}/{self.size}/{self._mtime}".encode()).hexdigest()
        return f'"{digest[:32]}"'
