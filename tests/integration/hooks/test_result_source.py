# SPDX-License-Identifier: Apache-2.0
"""A result as a stream: behind a URL with or without credentials, inside an answer, or gone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_async_provider.errors import DownloadError, OriginError, ResultExpiredError
from airflow_async_provider.hooks._result_source import source_of
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Result
from tests.support.byte_server import ByteServer, running

HANDLE = JobHandle("jaggaer_aso", "7", 0.0, "https://aso.example/jobs/7")
DONE = JobStatus(JobState.SUCCEEDED, remote_status="completed")


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[ByteServer]:
    with running(content=b"a,b\n") as server:
        connection = {"conn_type": "jaggaer_aso", "host": server.origin, "password": "token"}
        monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(connection))
        yield server


def read(result: Result | None) -> bytes:
    source = source_of(JaggaerAsoHook(), HANDLE, DONE, result, "/tmp/items.csv")
    try:
        return b"".join(iter(source.read, b""))
    finally:
        source.close()


@pytest.mark.parametrize("authorized", [True, False])
def test_credentials_go_along_where_the_result_lies_on_the_remote(
    remote: ByteServer, authorized: bool
) -> None:
    assert read(Result(url=remote.url, authorized=authorized)) == b"a,b\n"
    assert ("authorization" in remote.requests[0].headers) is authorized


def test_a_result_inside_an_answer(remote: ByteServer) -> None:
    assert json.loads(read(Result(value={"rows": 3}))) == {"rows": 3}
    assert read(Result(value="x", body=b"a,b\n1,2\n", media_type="text/csv")) == b"a,b\n1,2\n"
    assert remote.requests == []


def test_a_page_for_people_is_no_result(remote: ByteServer) -> None:
    with pytest.raises(DownloadError):
        read(Result(value="x", body=b"<html><body>Sign in</body></html>", media_type="text/html"))


@pytest.mark.parametrize("result", [None, Result(expires_at=0.0)])
def test_a_result_that_is_no_longer_offered(remote: ByteServer, result: Result | None) -> None:
    with pytest.raises(ResultExpiredError):
        read(result)


def test_plain_http_is_refused_where_the_connection_is_https(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "jaggaer_aso", "host": "https://aso.example", "password": "token"}
    monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(connection))
    with pytest.raises(OriginError, match="plain http"):
        read(Result(url="http://aso.example/result"))
