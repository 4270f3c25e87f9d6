# SPDX-License-Identifier: Apache-2.0
"""The simulators' S3 side: signatures, expiry, ranges, conditions, and a result that is not there yet."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import requests

from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running

CALLER = {
    "Authorization": "Bearer aso-token",
    "X-API-Key": "aso-key",
    "Accept": "application/vnd.sciquest.com.ees+json",
}
SIZE = 200_000
TIMEOUT = 10


def result_url(simulator: AsoSimulator) -> str:
    started = requests.get(simulator.url + "/event/7/apiItems/async", headers=CALLER, timeout=TIMEOUT)
    status = requests.get(started.json()["statusUrl"], headers=CALLER, timeout=TIMEOUT)
    return str(status.json()["resultUrl"])


@pytest.fixture
def simulator() -> Iterator[AsoSimulator]:
    with running(AsoSimulator(processing_seconds=0, result_bytes=SIZE)) as simulator:
        yield simulator


@pytest.fixture
def url(simulator: AsoSimulator) -> str:
    return result_url(simulator)


def get(url: str, **headers: str) -> requests.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=names, timeout=TIMEOUT)


def error(answer: requests.Response) -> dict[str, str]:
    assert answer.headers["Content-Type"] == "application/xml"
    root = ET.fromstring(answer.content)
    assert root.tag == "Error"
    return {child.tag: child.text or "" for child in root}


def test_a_whole_object(simulator: AsoSimulator, url: str) -> None:
    answer = get(url)
    assert answer.status_code == 200
    assert answer.content == simulator.job().content.read()
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == simulator.job().content.etag
    assert answer.headers["Last-Modified"].endswith(" GMT")
    assert get(url).content == answer.content  # a pre-signed URL may be used many times


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("X-Amz-Expires=300", "X-Amz-Expires=9999"),
        lambda url: url.replace("_apiItems_", "_apiBids_"),
        lambda url: url.replace("127.0.0.1", "localhost"),
        lambda url: url + "&versionId=1",
    ],
)
def test_a_changed_url_has_a_wrong_signature(url: str, spoil) -> None:
    answer = get(spoil(url))
    assert answer.status_code == 403
    assert error(answer)["Code"] == "SignatureDoesNotMatch"


def test_the_signature_covers_the_method(url: str) -> None:
    assert requests.head(url, timeout=TIMEOUT).status_code == 403


def test_the_order_of_the_query_does_not_matter(url: str) -> None:
    base, _, query = url.partition("?")
    assert get(base + "?" + "&".join(reversed(query.split("&")))).status_code == 200


def test_without_a_signature_there_is_nothing(url: str) -> None:
    base, _, query = url.partition("?")
    assert error(get(base))["Code"] == "AccessDenied"
    incomplete = get(base + "?" + query.rsplit("&", 1)[0])
    assert incomplete.status_code == 400
    assert error(incomplete)["Code"] == "AuthorizationQueryParametersError"


@pytest.mark.parametrize(
    ("name", "value"), [("X-Amz-Date", "yesterday"), ("X-Amz-Expires", "soon"), ("X-Amz-Algorithm", "AWS5")]
)
def test_unreadable_parameters_are_refused(url: str, name: str, value: str) -> None:
    base, _, query = url.partition("?")
    parts = [f"{name}={value}" if part.startswith(name + "=") else part for part in query.split("&")]
    assert get(base + "?" + "&".join(parts)).status_code in (400, 403)


def test_a_second_auth_mechanism_is_refused_without_repeating_it(url: str) -> None:
    answer = get(url, Authorization="Bearer aso-token")
    assert answer.status_code == 400
    assert error(answer)["Code"] == "InvalidArgument"
    assert error(answer)["Message"].startswith("Only one auth mechanism allowed")
    assert "aso-token" not in answer.text


def test_an_expired_url(simulator: AsoSimulator, url: str) -> None:
    simulator.clock.advance(298)
    assert get(url).status_code == 200
    simulator.clock.advance(2)
    answer = get(url)
    assert answer.status_code == 403
    facts = error(answer)
    assert (facts["Code"], facts["Message"]) == ("AccessDenied", "Request has expired")
    assert facts["X-Amz-Expires"] == "300"
    assert list(facts) == [
        "Code",
        "Message",
        "X-Amz-Expires",
        "Expires",
        "ServerTime",
        "RequestId",
        "HostId",
    ]
    assert facts["Expires"] <= facts["ServerTime"]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=65530-65545", 65530, 65546),
        (f"bytes=100-{SIZE * 2}", 100, SIZE),
        ("bytes=150000-", 150_000, SIZE),
        ("bytes=-10", SIZE - 10, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
    ],
)
def test_a_range(simulator: AsoSimulator, url: str, asked: str, start: int, stop: int) -> None:
    answer = get(url, Range=asked)
    assert answer.status_code == 206
    assert answer.content == simulator.job().content.read(start, stop)
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=5-4", "bytes=-", "items=0-5", "bytes=0-1,5-6", "bytes=x-"])
def test_a_range_that_is_none_is_ignored(url: str, asked: str) -> None:
    answer = get(url, Range=asked)
    assert answer.status_code == 200
    assert len(answer.content) == SIZE


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_a_range_outside_is_416(url: str, asked: str) -> None:
    answer = get(url, Range=asked)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    facts = error(answer)
    assert (facts["Code"], facts["ActualObjectSize"]) == ("InvalidRange", str(SIZE))


def test_if_match(simulator: AsoSimulator, url: str) -> None:
    etag = get(url).headers["ETag"]
    for tag in (etag, "*", f'"other", {etag}'):
        assert get(url, If_Match=tag, Range="bytes=5-").status_code == 206
    simulator.change_result()
    answer = get(url, If_Match=etag, Range="bytes=5-")
    assert answer.status_code == 412
    assert error(answer)["Code"] == "PreconditionFailed"


def test_if_none_match(url: str) -> None:
    etag = get(url).headers["ETag"]
    answer = get(url, If_None_Match=etag)
    assert (answer.status_code, answer.content) == (304, b"")
    assert get(url, If_None_Match='"other"').status_code == 200


def test_if_range_sends_the_whole_after_a_change(simulator: AsoSimulator, url: str) -> None:
    first = get(url)
    for validator in (first.headers["ETag"], first.headers["Last-Modified"]):
        assert get(url, Range="bytes=9-", If_Range=validator).status_code == 206
    simulator.clock.advance(5)
    simulator.change_result(0)
    for validator in (first.headers["ETag"], first.headers["Last-Modified"]):
        answer = get(url, Range="bytes=9-", If_Range=validator)
        assert answer.status_code == 200
        assert answer.content == simulator.job().content.read()
        assert answer.content != first.content


def test_not_there_yet() -> None:
    with running(AsoSimulator(processing_seconds=0, result_bytes=10, not_found_first=2)) as simulator:
        url = result_url(simulator)
        answers = [get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 200]
    assert error(answers[0])["Code"] == "NoSuchKey"


def test_results_are_gone_after_a_reset(simulator: AsoSimulator, url: str) -> None:
    simulator.reset()
    assert error(get(url))["Code"] == "NoSuchKey"


def test_without_content_length(simulator: AsoSimulator) -> None:
    with running(AsoSimulator(processing_seconds=0, result_bytes=SIZE, chunked=True)) as simulator:
        answer = get(result_url(simulator))
        assert "Content-Length" not in answer.headers
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.content == simulator.job().content.read()


def test_without_ranges() -> None:
    with running(AsoSimulator(processing_seconds=0, result_bytes=SIZE, ranges=False)) as simulator:
        answer = get(result_url(simulator), Range="bytes=5-9")
        assert answer.status_code == 200
        assert "Accept-Ranges" not in answer.headers
        assert len(answer.content) == SIZE


def test_an_empty_result() -> None:
    with running(AsoSimulator(processing_seconds=0, result_bytes=0)) as simulator:
        url = result_url(simulator)
        answer = get(url)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Length"] == "0"
        assert get(url, Range="bytes=0-").status_code == 416


def test_a_limited_rate_takes_its_time() -> None:
    with running(AsoSimulator(processing_seconds=0, result_bytes=20_000, result_rate=100_000)) as simulator:
        url = result_url(simulator)
        answer = get(url)
        # Sent at 100 kB/s, 20 kB cannot take less than 0.2 s, however fast or slow the machine is.
        assert len(answer.content) == 20_000
        entry = simulator.journal.entries("result")[0]
        assert simulator.journal.wait(lambda _: entry.done)
        assert entry.ended_at - entry.at >= 0.19


def test_a_large_result_does_not_need_its_size_in_memory() -> None:
    size = 3_000_000_000_000  # three terabytes, of which the last bytes are asked for
    with running(AsoSimulator(processing_seconds=0, result_bytes=size)) as simulator:
        url = result_url(simulator)
        answer = get(url, Range="bytes=-100000")
        assert answer.headers["Content-Range"].endswith(f"/{size}")
        assert answer.content == simulator.job().content.read(size - 100_000, size)
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
        connection.request("GET", f"{parts.path}?{parts.query}")
        whole = connection.getresponse()
        assert whole.getheader("Content-Length") == str(size)
        assert whole.read(1000) == simulator.job().content.read(0, 1000)
        connection.close()
        assert simulator.journal.wait(lambda journal: journal.entries("result")[-1].done)
