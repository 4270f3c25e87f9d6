# SPDX-License-Identifier: Apache-2.0
"""Unpacking gzip and zip while they stream, with a fixed amount of memory and a bound for bombs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from airflow_async_provider._download.limits import FREE_OF_RATIO
from airflow_async_provider.errors import DownloadError, ResultLimitError

#: Bytes of one unpacked piece.
PIECE: Final = 1024 * 1024

_GZIP: Final = b"\x1f\x8b"

# Signatures of a zip file's records, APPNOTE.TXT 6.3.10 section 4.3
_LOCAL: Final = b"PK\x03\x04"
_DESCRIPTOR: Final = b"PK\x07\x08"
_END: Final = b"PK\x05\x06"
_AFTER_FILES: Final = frozenset({b"PK\x01\x02", b"PK\x06\x08", b"PK\x06\x06", _END})

_ENCRYPTED: Final = 0x1
_HAS_DESCRIPTOR: Final = 0x8
_UTF8: Final = 0x800
_STORED, _DEFLATED = 0, 8
_UNKNOWN: Final = 0xFFFFFFFF


def is_gzip(beginning: bytes) -> bool:
    """Whether bytes begin as gzip does."""
    return beginning.startswith(_GZIP)


class Ratio:
    """
    Unpacked bytes of one packed byte.

    :param most: the largest ratio, None for any
    """

    def __init__(self, most: float | None) -> None:
        self._most = most
        self.packed = 0
        self.unpacked = 0

    def check(self) -> None:
        """
        After each piece.

        :raises ResultLimitError: more came out than any file of use has in it
        """
        if self._most is None or self.unpacked <= FREE_OF_RATIO:
            return
        if self.unpacked > self._most * self.packed:
            raise ResultLimitError(
                f"Unpacked, the result has {self.unpacked} bytes out of {self.packed}, more than "
                f"{self._most:g} for each of them (max_unpack_ratio). It was broken off, and nothing was "
                "stored. Store it packed, without unpack."
            )


class _Reader:
    """Bytes out of pieces, with a way to put some back."""

    def __init__(self, pieces: Iterator[bytes], ratio: Ratio) -> None:
        self._pieces = pieces
        self._ratio = ratio
        self._here = b""

    def some(self) -> bytes:
        """The next bytes, as many as are at hand; none only at the end."""
        here, self._here = self._here, b""
        while not here:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._ratio.packed += len(piece)
            here = piece
        return here

    def put_back(self, data: bytes) -> None:
        self._here = data + self._here

    def take(self, count: int) -> bytes:
        """Exactly so many bytes, fewer only at the end."""
        got = b""
        while len(got) < count and (data := self.some()):
            got += data
        self.put_back(got[count:])
        return got[:count]


def gunzip(pieces: Iterator[bytes], ratio: Ratio) -> Iterator[bytes]:
    """
    What is packed with gzip, all members of it.

    :raises DownloadError: it is damaged, ends early, or something else follows
    """
    reader = _Reader(pieces, ratio)
    first = True
    while True:
        beginning = reader.take(2)
        if not first and not beginning.strip(b"\0"):
            if not beginning:
                return
            continue  # zeros that fill up a block, as tapes have them
        if first and not beginning:
            return  # no bytes at all are an empty result
        if beginning != _GZIP:
            raise DownloadError(
                "The result is not packed with gzip."
                if first
                else "Behind the gzip data follows something else."
            )
        reader.put_back(beginning)
        yield from _inflated(reader, ratio, 31, "gzip")
        first = False


def inflate(pieces: Iterator[bytes], ratio: Ratio) -> Iterator[bytes]:
    """
    What is sent with ``Content-Encoding: deflate``: zlib's format, or as some servers do without its frame.

    :raises DownloadError: it is damaged or ends early
    """
    reader = _Reader(pieces, ratio)
    head = reader.take(2)
    if not head:
        return
    reader.put_back(head)
    framed = len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0
    yield from _inflated(reader, ratio, 15 if framed else -15, "deflate")


def _inflated(reader: _Reader, ratio: Ratio, window: int, what: str) -> Iterator[bytes]:
    engine = zlib.decompressobj(window)
    data = b""
    while not engine.eof:
        data = data or reader.some()
        if not data:
            raise DownloadError(f"The result ends in the middle of its {what} data. Nothing was stored.")
        try:
            piece = engine.decompress(data, PIECE)
        except zlib.error as error:
            raise DownloadError(
                f"The {what} data of the result is damaged ({error}). Nothing was stored."
            ) from None
        data = engine.unconsumed_tail
        ratio.unpacked += len(piece)
        ratio.check()
        if piece:
            yield piece
    reader.put_back(engine.unused_data)


@dataclass(frozen=True, slots=True)
class _Member:
    """What the header in front of a file in a zip says."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    long: bool

    @property
    def is_data(self) -> bool:
        """Neither a folder nor what macOS puts beside a file."""
        return not self.name.endswith("/") and not self.name.startswith("__MACOSX/")


def unzip(pieces: Iterator[bytes], ratio: Ratio) -> Iterator[bytes]:
    """
    The one file that a zip holds.

    :raises DownloadError: it holds none or several, is encrypted, damaged, or ends early
    """
    reader = _Reader(pieces, ratio)
    found: str | None = None
    signature = reader.take(4)
    if signature not in (_LOCAL, _END):
        raise DownloadError(
            f"The result is not a zip file: it begins with {signature!r}. Nothing was stored."
        )
    while signature == _LOCAL:
        member = _read_member(reader)
        if member.is_data and found is not None:
            raise DownloadError(
                f"The zip holds more than one file ({found!r}, {member.name!r}), and one is stored. Store "
                "the zip itself, without unpack."
            )
        if member.is_data:
            found = member.name
        for piece in _content(reader, member, ratio):
            if member.is_data:
                yield piece
        signature = reader.take(4)
    if signature not in _AFTER_FILES:
        raise DownloadError("The zip is damaged, or ends in the middle. Nothing was stored.")
    tail = signature
    while data := reader.some():
        tail = (tail + data)[-(22 + 65536) :]
    if _END not in tail:
        raise DownloadError("The zip ends before its directory does. Nothing was stored.")
    if found is None:
        raise DownloadError("The zip holds no file. Nothing was stored.")


def _read_member(reader: _Reader) -> _Member:
    head = reader.take(26)
    if len(head) < 26:
        raise DownloadError("The zip ends in the middle. Nothing was stored.")
    _, flags, method, _, _, crc, packed, size, name_length, extra_length = struct.unpack("<5H3L2H", head)
    name = reader.take(name_length).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    extra = reader.take(extra_length)
    long = False
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1 and length >= 16:  # zip64: sizes of eight bytes
            long = True
            if size == _UNKNOWN or packed == _UNKNOWN:
                size, packed = struct.unpack_from("<2Q", extra, 4)
        extra = extra[4 + length :]
    if flags & _ENCRYPTED:
        raise DownloadError(f"{name!r} in the zip is encrypted. Nothing was stored.")
    return _Member(name, flags, method, crc, packed, size, long)


def _content(reader: _Reader, member: _Member, ratio: Ratio) -> Iterator[bytes]:
    crc = size = 0
    for piece in _unpacked_pieces(reader, member, ratio):
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        yield piece
    expected: tuple[Any, ...] = (member.crc, member.size)
    if member.flags & _HAS_DESCRIPTOR:
        form = "<L2Q" if member.long else "<3L"
        start = reader.take(4)
        rest = struct.calcsize(form) - (0 if start == _DESCRIPTOR else 4)
        record = (b"" if start == _DESCRIPTOR else start) + reader.take(rest)
        if len(record) < struct.calcsize(form):
            raise DownloadError("The zip ends in the middle. Nothing was stored.")
        found = struct.unpack(form, record)
        expected = (found[0], found[2])
    if (crc, size) != expected:
        raise DownloadError(
            f"{member.name!r} in the zip is damaged: its checksum differs. Nothing was stored."
        )


def _unpacked_pieces(reader: _Reader, member: _Member, ratio: Ratio) -> Iterator[bytes]:
    if member.method == _DEFLATED:
        yield from _inflated(reader, ratio, -15, "zip")
        return
    if member.method != _STORED or (member.flags & _HAS_DESCRIPTOR and member.is_data):
        raise DownloadError(
            f"{member.name!r} in the zip is packed in a way (method {member.method}) that cannot be unpacked "
            "while it streams. Store the zip itself, without unpack."
        )
    left = member.packed
    while left:
        data = reader.take(min(left, PIECE))
        if not data:
            raise DownloadError("The zip ends in the middle. Nothing was stored.")
        left -= len(data)
        ratio.unpacked += len(data)
        yield data
