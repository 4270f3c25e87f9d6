# SPDX-License-Identifier: Apache-2.0
"""Forms with a file that is not held in memory."""

from __future__ import annotations

from email import message_from_bytes

import pytest

from airflow_async_provider._transport.multipart import MultipartFile
from airflow_async_provider.errors import SubmitError


def form(*chunks: bytes, size: int, filename: str = "a.csv") -> MultipartFile:
    return MultipartFile(
        {"metaData": ("application/json", b"{}")},
        name="file",
        filename=filename,
        content_type="text/csv",
        chunks=lambda: iter(chunks),
        size=size,
    )


def test_what_is_sent_is_a_form_of_the_announced_length() -> None:
    sent = form(b"a;b\n", b"1;2\n", size=8)
    for _ in range(2):  # it can be gone through again
        body = b"".join(sent)
        assert len(body) == len(sent)
    message = message_from_bytes(f"Content-Type: {sent.content_type}\r\n\r\n".encode() + body)
    fields, file = message.get_payload()  # type: ignore[misc]
    assert fields.get_payload(decode=True) == b"{}"  # type: ignore[union-attr]
    assert file.get_payload(decode=True) == b"a;b\n1;2\n"  # type: ignore[union-attr]
    assert file.get_filename() == "a.csv"  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [3, 5])
def test_a_file_of_another_size_breaks_the_request_off(size: int) -> None:
    with pytest.raises(SubmitError, match="changed while it was being sent"):
        b"".join(form(b"abcd", size=size))


def test_a_name_cannot_end_its_header() -> None:
    body = b"".join(form(b"x", size=1, filename='a"\r\nX-Evil: 1'))
    assert b"X-Evil: 1" in body
    assert b"\r\nX-Evil" not in body
