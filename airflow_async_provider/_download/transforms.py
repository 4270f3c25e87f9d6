# SPDX-License-Identifier: Apache-2.0
"""Storing what is packed in a result, or its text in UTF-8: a source around a source, streaming."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from airflow_async_provider._download.limits import Bounds
from airflow_async_provider._download.options import DECLARED, StoreOptions
from airflow_async_provider._download.source.base import BLOCK, ByteSource
from airflow_async_provider._download.unpack import Ratio, gunzip, inflate, is_gzip, unzip
from airflow_async_provider.errors import DownloadError

#: Media types that say no more than that something is packed.
PACKED_TYPES = frozenset(
    {
        "application/gzip",
        "application/octet-stream",
        "application/x-gzip",
        "application/x-zip-compressed",
        "application/zip",
        "binary/octet-stream",
    }
)

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]+)"?', re.IGNORECASE)

log = logging.getLogger(__name__)


def transformed(source: ByteSource, options: StoreOptions) -> ByteSource:
    """The source with the bytes that shall be stored."""
    if not options.transforms:
        return source
    return TransformedSource(source, options)


class TransformedSource(ByteSource):
    """
    The bytes of another source, unpacked or decoded.

    ``offset``, ``sha256`` and the largest size are those of the bytes as they are stored. A content coding
    (``Content-Encoding: gzip``), which the server was not asked for, is undone, too.

    :param source: where the bytes come from
    :param options: ``unpack`` and ``charset``
    """

    def __init__(self, source: ByteSource, options: StoreOptions) -> None:
        super().__init__()
        self._source = source
        self._options = options
        self._pieces: Iterator[bytes] | None = None

    def __repr__(self) -> str:
        return f"TransformedSource({self._source!r})"

    def open(self) -> None:
        """
        Look at the first bytes, so that the media type is known.

        :raises DownloadError: they are not what they should be
        """
        if self._pieces is not None:
            return
        source = self._source
        # What is stored counts here; how fast and how long the packed bytes come counts there.
        source.bounds = Bounds(replace(self.bounds.limits, max_bytes=None))
        source.watch = None
        source.open()
        self.etag = source.etag
        self.content_type = source.content_type
        pieces: Iterator[bytes] = iter(lambda: source.read(BLOCK), b"")
        pieces = self._plain(pieces)
        if self._options.unpack is not None:
            pieces = self._unpacked(pieces)
        if self._options.charset is not None:
            pieces = self._in_utf8(pieces)
        self._pieces = pieces

    def read(self, size: int = BLOCK) -> bytes:
        """Some bytes, see :class:`ByteSource`."""
        self.open()
        data = self._hand_out_of(self._pieces or iter(()), size)
        if not data:
            self.resumes = self._source.resumes
        return data

    def restart(self) -> bool:
        """Begin again at the first byte, where the source can."""
        if not self._source.restart():
            return False
        self._pieces = None
        self._begin_again()
        return True

    def close(self) -> None:
        """Close the source."""
        super().close()
        self._source.close()

    def use_one_connection(self) -> None:
        """Pass it on."""
        self._source.use_one_connection()

    def abort(self) -> None:
        """End a waiting ``read`` of the source."""
        self._source.abort()

    def _plain(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Without the content coding."""
        coding = self._source.content_encoding
        if coding is None:
            return pieces
        ratio = Ratio(self.bounds.limits.max_unpack_ratio)
        if coding in ("gzip", "x-gzip"):
            return gunzip(pieces, ratio)
        if coding == "deflate":
            return inflate(pieces, ratio)
        raise DownloadError(
            f"The server sent the result with Content-Encoding {coding!r}, which was not asked for and which "
            "cannot be undone here, so it can neither be unpacked nor decoded. Without unpack and charset it "
            "is stored as it comes."
        )

    def _unpacked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        ratio = Ratio(self.bounds.limits.max_unpack_ratio)
        beginning = b""
        for piece in pieces:
            beginning += piece
            if len(beginning) >= 4:
                break
        pieces = chain([beginning], pieces)
        if self._options.unpack == "gzip" and not is_gzip(beginning):
            log.info("The result is not packed with gzip; it is stored as it is")
            return pieces
        if str(self.content_type).partition(";")[0].strip().lower() in PACKED_TYPES:
            self.content_type = None
        return gunzip(pieces, ratio) if self._options.unpack == "gzip" else unzip(pieces, ratio)

    def _in_utf8(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        charset = str(self._options.charset)
        media_type = self.content_type or ""
        if charset == DECLARED:
            found = _CHARSET.search(media_type)
            charset = found.group(1) if found else "utf-8"
        try:
            decoder = codecs.getincrementaldecoder(charset)("strict")
        except LookupError:
            raise DownloadError(
                f"The answer names the charset {charset[:40]!r}, which Python does not know. Set charset to "
                "the right one."
            ) from None
        if media_type:
            self.content_type = f"{_CHARSET.sub('', media_type).rstrip('; ')}; charset=utf-8"
        return _recoded(pieces, decoder, charset)


def _recoded(pieces: Iterator[bytes], decoder: codecs.IncrementalDecoder, charset: str) -> Iterator[bytes]:
    done = 0
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode("utf-8")
            done += len(piece)
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError as error:
        reason = (
            error.reason if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else "not readable"
        )
        raise DownloadError(
            f"The result is no text in {charset}: {reason}, near byte {done}. Nothing was stored. Set "
            "charset to the right one, or leave it out to store the bytes as they come."
        ) from None
