# SPDX-License-Identifier: Apache-2.0
"""A result that came inside of an answer, as bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.hooks._result_source import bytes_of

JSON = "application/json"


@pytest.mark.parametrize(
    ("value", "expected", "media_type"),
    [
        ({"größe": [1, None, True]}, '{"größe": [1, null, true]}'.encode(), JSON),
        ("größe", "größe".encode(), None),
        (b"\xff\x00", b"\xff\x00", None),
        ("", b"", None),
        (b"", b"", None),
        (None, b"null", JSON),
        (0, b"0", JSON),
        ([], b"[]", JSON),
    ],
)
def test_values(value: Any, expected: bytes, media_type: str | None) -> None:
    assert bytes_of(value) == (expected, media_type)


def test_halves_of_surrogate_pairs_become_the_escapes_that_they_were() -> None:
    sent = '{"a": "\\ud83d", "b": ["\\udc80x"], "\\ude00": 1}'
    content, _ = bytes_of(json.loads(sent))
    assert content == sent.encode()
    assert json.loads(content) == json.loads(sent)


def test_halves_of_surrogate_pairs_in_text_are_kept() -> None:
    content, _ = bytes_of("a\ud83d")
    assert content.decode("utf-8", "surrogatepass") == "a\ud83d"


def test_what_the_remote_sent_stays_as_it_was_sent() -> None:
    assert bytes_of({"a": 1}, body=b'{ "a" : 1.0 }') == (b'{ "a" : 1.0 }', JSON)
    assert bytes_of({"a": 1}, body=b"") == (b"", JSON)


def test_the_remotes_media_type_is_kept() -> None:
    assert bytes_of("a,b", media_type="text/csv") == (b"a,b", "text/csv")
    assert bytes_of([1], media_type="application/vnd.x+json")[1] == "application/vnd.x+json"


def test_numbers_that_json_does_not_have_are_written_as_they_came() -> None:
    assert bytes_of(json.loads('{"a": NaN, "b": -Infinity}'))[0] == b'{"a": NaN, "b": -Infinity}'
