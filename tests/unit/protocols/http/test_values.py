# SPDX-License-Identifier: Apache-2.0
"""Values of HTTP and JSON, and what no XCom can hold."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.values import (
    body_text,
    body_value,
    check_for_xcom,
    id_text,
    seconds_of,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), r"\$ it holds a number that JSON does not know"),
        ({"a": [1, float("inf")]}, r"\$\.a\[1\]"),
        ({"a": {"b": "x\ud800"}}, r"\$\.a\.b.*lone surrogate.*destination"),
        ({"\ud800": 1}, "a name with half"),
    ],
)
def test_what_no_xcom_can_hold_is_reported_with_the_way_out(value: Any, words: str) -> None:
    with pytest.raises(DownloadError, match=words):
        check_for_xcom(value)


@pytest.mark.parametrize("value", [None, 1, 1.5, "ü😀", {"a": [True, {"b": None}]}, "x" * 100_000])
def test_what_every_xcom_can_hold_passes(value: Any) -> None:
    check_for_xcom(value)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("Müller".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Müller"),
        ("Müller".encode(), "text/plain", "Müller"),
        ("Müller".encode(), "text/plain; charset=nonsense", "Müller"),
        ("Müller".encode(), "text/plain; charset=rot13", "Müller"),
        ('{"a": "ü"}'.encode("utf-16"), "application/json", '{"a": "ü"}'),
        (b"\xff", "text/plain", "\ufffd"),
    ],
)
def test_text_is_decoded_as_the_answer_declares(body: bytes, kind: str, text: str) -> None:
    response = HttpResponse(200, Headers({"Content-Type": kind}), body, 0.0)
    assert body_text(response) == text
    if "\ufffd" not in text and "json" not in kind:
        assert body_value(response) == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(5, 5.0), ("5.5", 5.5), (-1, -1.0), (True, None), ("x", None), (1e99, None), ("nan", None)],
)
def test_seconds(value: Any, seconds: float | None) -> None:
    assert seconds_of(value) == seconds


@pytest.mark.parametrize(
    "value", ["", " ", "\u00a0", "\n", "7\x00", True, False, None, 7.5, ["7"], {"id": 7}, "7" * 501]
)
def test_what_is_no_id(value: Any) -> None:
    """A server may trim a blank: ``DELETE jobs/`` would be about all jobs."""
    assert id_text(value) is None


@pytest.mark.parametrize(
    ("value", "text"), [("7", "7"), (7, "7"), (0, "0"), ("a/b", "a/b"), ("j\u00f6b 7", "j\u00f6b 7")]
)
def test_what_is_an_id(value: Any, text: str) -> None:
    assert id_text(value) == text
