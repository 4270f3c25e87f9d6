# SPDX-License-Identifier: Apache-2.0
"""Refusals of a storage, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_async_provider._download.source import http_errors
from airflow_async_provider._download.source.http import HttpSource
from airflow_async_provider._download.source.http_connection import UrlOpener
from airflow_async_provider.errors import DownloadError
from tests.support.raw_server import RawServer, Script

HEAD = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000\r\n\r\n"


@pytest.fixture
def server() -> Iterator[RawServer]:
    found = RawServer()
    yield found
    found.close()


def test_a_refusal_that_trickles_in_is_left(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen thousand bytes at one a minute would hold a worker for eleven days."""
    monkeypatch.setattr(http_errors, "MAX_ERROR_SECONDS", 0.2)
    script = server.scripts[b"/x"] = Script(HEAD + b"<Code>AccessDenied</Code>", piece=b"<")
    with pytest.raises(DownloadError, match="AccessDenied"):
        HttpSource(f"{server.origin}/x").read()
    assert script.left.result(20)


def test_what_it_repeats_of_the_request_is_masked(server: RawServer) -> None:
    said = b"<Error><Code>Denied</Code><Message>signature-canary-1 and token-canary-1</Message></Error>"
    server.scripts[b"/x?X-Amz-Signature=signature-canary-1"] = Script(HEAD + said)
    url = f"{server.origin}/x?X-Amz-Signature=signature-canary-1"
    source = HttpSource(
        UrlOpener(url, credentials=lambda url, refused: {"Authorization": "Bearer token-canary-1"})
    )
    with pytest.raises(DownloadError, match=r"Denied: \*\*\* and \*\*\*") as caught:
        source.read()
    assert "canary" not in str(caught.value)
