# SPDX-License-Identifier: Apache-2.0
"""Pre-signed URLs of the simulated real APIs: another origin, no credentials, the query byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from airflow_async_provider.simulators._real_apis.files import AWS, AZURE, GOOGLE, File
from airflow_async_provider.simulators.frame import running
from airflow_async_provider.simulators.real_apis import RealApisSimulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[RealApisSimulator]:
    with running(RealApisSimulator(polls=0)) as simulator:
        yield simulator


def get(url: str, method: str = "GET", **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        # requests would encode some of the query anew
        prepared = requests.Request(method, url, headers=headers).prepare()
        prepared.url = url
        return session.send(prepared, timeout=10)


@pytest.fixture(params=[AWS, AZURE, GOOGLE], ids=["aws", "azure", "google"])
def url(request: pytest.FixtureRequest, simulator: RealApisSimulator) -> str:
    return simulator.url_of("files") + simulator.files.put(
        "/a/b.csv", File(b"0123456789", "text/csv", request.param)
    )


def test_the_file_lies_at_another_origin_and_comes_whole_or_in_part(
    simulator: RealApisSimulator, url: str
) -> None:
    assert urlsplit(url).netloc != urlsplit(simulator.url).netloc
    whole, part = get(url), get(url, Range="bytes=4-")
    assert (whole.status_code, whole.content, whole.headers["Content-Type"]) == (
        200,
        b"0123456789",
        "text/csv",
    )
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"456789", "bytes 4-9/10")
    assert get(url, Range="bytes=10-").status_code == 416


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "X-API-Key", "api-key", "X-Shopify-Access-Token"]
)
def test_who_sends_credentials_is_refused(url: str, name: str) -> None:
    assert get(url, **{name: "secret-token"}).status_code == 400


def test_a_query_that_was_encoded_anew_is_refused(url: str) -> None:
    assert get(url.replace("%2F", "/")).status_code == 403
    assert get(url.partition("?")[0]).status_code == 403


def test_a_header_that_a_link_asks_for_is_asked_for(simulator: RealApisSimulator) -> None:
    file = File(b"x", "text/csv", AWS, (("x-ms-version", "2024-08-04"),))
    url = simulator.url_of("files") + simulator.files.put("/a/needed.csv", file)
    assert [get(url).status_code, get(url, **{"x-ms-version": "2024-08-04"}).status_code] == [403, 200]
    assert get(url, "DELETE", **{"x-ms-version": "2024-08-04"}).status_code == 405
