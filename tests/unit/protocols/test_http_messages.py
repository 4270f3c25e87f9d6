# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as protocols see them."""

from __future__ import annotations

import pytest

from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols import Headers, HttpRequest, HttpResponse


def test_headers_are_compared_without_regard_to_case() -> None:
    headers = Headers([("Location", "/a"), ("LOCATION", "/b"), ("Empty", "")])
    assert headers["location"] == headers.get("Location") == "/b"
    assert headers.get("nothing", "default") == "default"
    assert headers.first(["empty", "location"]) == "/b"
    assert headers.first(["empty"]) is None
    assert len(headers) == 2


def test_nothing_secret_is_in_a_repr() -> None:
    request = HttpRequest(
        "POST", "https://a/secret", params={"k": "secret"}, json={"k": "secret"}, headers={"X": "secret"}
    )
    response = HttpResponse(200, Headers({"X": "secret"}), b"secret", 0.0, "https://a/secret")
    assert "secret" not in repr(request) + repr(response)


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError, match="JSON object"):
        HttpResponse(200, Headers(), body, 0.0).json_object(job="job 7")
