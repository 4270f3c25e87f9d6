# SPDX-License-Identifier: Apache-2.0
"""
Content-Encoding that was not asked for, undone without trusting its sender.

Every request says ``Accept-Encoding: identity``; some servers compress all the same. The clients' own
decoders are not used: how much they unpack at once depends on the installed version, and a few kilobytes can
stand for gigabytes.
"""

from __future__ import annotations

import zlib

from airflow_async_provider.errors import TransientError, UnreadableAnswerError
from airflow_async_provider.protocols._redaction import one_line

#: So much is unpacked at a time (bytes).
STEP = 64 * 1024

#: gzip may be several pieces; no server makes more of one response, and each costs time, even an empty one.
MAX_PIECES = 100

#: Compressed bytes beyond those that they stand for: more is padding that keeps us at work for nothing.
MAX_OVERHEAD = 64 * 1024


class Decoder:
    """
    Undoes one content coding, bounded.

    :param coding: value of ``Content-Encoding``
    :param where: origin of the remote, for the error
    :raises UnreadableAnswerError: a coding that we do not know, or several
    """

    def __init__(self, coding: str, *, where: str) -> None:
        self._where = where
        self._begun = b""
        self._object = None
        self._pieces = 1
        coding = coding.strip().lower()
        if coding in ("gzip", "x-gzip"):
            self._object = zlib.decompressobj(31)
        elif coding != "deflate":
            raise UnreadableAnswerError(
                f"{where} answered with the Content-Encoding {one_line(coding, 40)!r}, "
                "which was not asked for."
            )

    def decode(self, data: bytes, room: int) -> bytes:
        """
        What the next bytes stand for.

        :param room: no more than so many bytes, and one more that shows that there are more
        :raises TransientError: the bytes are no such coding
        :raises UnreadableAnswerError: too many pieces
        """
        if self._object is None:
            # "deflate" is zlib's format by the standard, and often the bare one.
            self._begun += data
            if len(self._begun) < 2:
                return b""
            data, first = self._begun, int.from_bytes(self._begun[:2], "big")
            self._object = zlib.decompressobj(15 if first % 31 == 0 and data[0] & 15 == 8 else -15)
        decoded: list[bytes] = []
        try:
            while data and room >= 0:
                piece = self._object.decompress(data, min(STEP, room + 1))
                decoded.append(piece)
                room -= len(piece)
                data = self._object.unconsumed_tail
                if self._object.eof and self._object.unused_data.startswith(b"\x1f\x8b"):
                    # gzip may be several pieces, one after the other (RFC 1952 §2.2)
                    self._pieces += 1
                    if self._pieces > MAX_PIECES:
                        raise UnreadableAnswerError(
                            f"The answer of {self._where} is compressed in more than {MAX_PIECES} pieces."
                        )
                    data, self._object = self._object.unused_data, zlib.decompressobj(31)
        except zlib.error:
            raise TransientError(f"The answer of {self._where} is compressed, and damaged.") from None
        return b"".join(decoded)

    @property
    def whole(self) -> bool:
        """Whether the compressed data has come to its own end."""
        return self._object is not None and self._object.eof


class BodyReader:
    """
    Collects a body up to a bound.

    :param coding: value of ``Content-Encoding``, empty for none
    :param where: origin of the remote, for errors
    :param bound: bytes
    :raises UnreadableAnswerError: a coding that we do not know
    """

    __slots__ = ("_bound", "_chunks", "_decoder", "_taken", "_where", "overflown", "size")

    def __init__(self, coding: str, *, where: str, bound: int) -> None:
        plain = not coding or coding.strip().lower() == "identity"
        self._decoder = None if plain else Decoder(coding, where=where)
        self._where = where
        self._bound = bound
        self._chunks: list[bytes] = []
        self._taken = 0
        self.size = 0
        #: there is more than the bound
        self.overflown = False

    def add(self, data: bytes) -> bool:
        """
        Take the next bytes off the wire.

        :return: whether there is room for more
        :raises UnreadableAnswerError: compressed data that stands for less than itself
        """
        if self._decoder is not None:
            self._taken += len(data)
            data = self._decoder.decode(data, self._bound - self.size)
            if self._taken > self.size + len(data) + MAX_OVERHEAD:
                raise UnreadableAnswerError(
                    f"The answer of {self._where} is compressed, and only grows by it."
                )
        self.size += len(data)
        self._chunks.append(data)
        self.overflown = self.size > self._bound
        return not self.overflown

    def body(self) -> bytes:
        """
        What has come, no more than the bound.

        :raises TransientError: compressed data that ends in its middle
        """
        if self._decoder is not None and self.size and not self.overflown and not self._decoder.whole:
            raise TransientError(f"The answer of {self._where} is compressed, and ends in its middle.")
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return body[: self._bound] if self.overflown else body
