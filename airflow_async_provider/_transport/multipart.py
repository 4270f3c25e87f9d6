# SPDX-License-Identifier: Apache-2.0
"""``multipart/form-data`` (RFC 7578) with one file that is too large for memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping

from airflow_async_provider.errors import SubmitError


class MultipartFile:
    """
    A form with some small fields and one file, made piece by piece.

    It can be gone through again, so that a request that never left may be sent once more. It has a length,
    which clients announce.

    :param fields: name -> media type and content of the small fields
    :param name: field name of the file
    :param filename: what the receiver is told
    :param content_type: media type of the file
    :param chunks: opens the file and gives its bytes
    :param size: bytes of the file
    """

    def __init__(
        self,
        fields: Mapping[str, tuple[str, bytes]],
        *,
        name: str,
        filename: str,
        content_type: str,
        chunks: Callable[[], Iterable[bytes]],
        size: int,
    ) -> None:
        boundary = secrets.token_hex(16)  # long enough never to stand in the file by chance
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(field)}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n".encode()
            + content
            + b"\r\n"
            for field, (media_type, content) in fields.items()
        ) + (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"; '
            f'filename="{_quoted(filename)}"\r\nContent-Type: {content_type}\r\n\r\n'.encode()
        )
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._chunks = chunks
        self._filename = filename
        self.size = size
        #: bytes of the file that have been handed out
        self.sent = 0

    def __len__(self) -> int:
        return len(self._head) + self.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """
        The whole form.

        :raises SubmitError: the file has another size than it had at the beginning
        """
        self.sent = 0
        yield self._head
        for chunk in self._chunks():
            self.sent += len(chunk)
            if self.sent > self.size:
                break
            yield chunk
        if self.sent != self.size:
            raise SubmitError(
                f"{self._filename} changed while it was being sent: {self.size} bytes were announced, and it "
                f"has {'more' if self.sent > self.size else f'only {self.sent}'}. The request was broken off."
            )
        yield self._tail


def _quoted(text: str) -> str:
    """A name inside a header, as RFC 7578 and the browsers write it."""
    escapes = {'"': "%22", "\r": "%0D", "\n": "%0A"}
    return "".join(escapes.get(c, c) for c in text)
