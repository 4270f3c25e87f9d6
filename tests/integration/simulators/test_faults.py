# SPDX-License-Identifier: Apache-2.0
"""Scripted faults as a client meets them on the wire, ordered from Python and over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
import requests
import urllib3

from airflow_async_provider.simulators._faults import KINDS
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running

CALLER = {
    "Authorization": "Bearer aso-token",
    "X-API-Key": "aso-key",
    "Accept": "application/vnd.sciquest.com.ees+json",
}
PATH = "/event/7/apiItems/async"
SIZE = 300_000
TIMEOUT = 10


@pytest.fixture
def simulator() -> Iterator[AsoSimulator]:
    with running(AsoSimulator(processing_seconds=0, result_bytes=SIZE)) as simulator:
        yield simulator


@pytest.fixture
def status_url(simulator: AsoSimulator) -> str:
    return str(start(simulator).json()["statusUrl"])


@pytest.fixture
def result_url(status_url: str) -> str:
    return str(get(status_url).json()["resultUrl"])


def get(url: str, **options: object) -> requests.Response:
    return requests.get(url, **{"headers": CALLER, "timeout": TIMEOUT, **options})


def start(simulator: AsoSimulator) -> requests.Response:
    return get(simulator.url + PATH)


def download(url: str, **options: object) -> requests.Response:
    return requests.get(url, **{"timeout": TIMEOUT, **options})


def received(url: str) -> tuple[bytes, Exception | None]:
    """What a client got before the trouble, and the trouble."""
    data = b""
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT) as answer:
            for piece in answer.raw.stream(10_000):
                data += piece
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return data, error
    return data, None


# -- status codes


def test_a_status_code_strikes_as_often_as_it_was_told(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("status", "http_status", status=503, times=2)
    assert [get(status_url).status_code for _ in range(3)] == [503, 503, 200]
    assert [entry.fault for entry in simulator.journal.entries("status")] == ["http_status"] * 2 + [None]
    assert [entry.status for entry in simulator.journal.entries("status")] == [503, 503, 200]


def test_retry_after_in_seconds_as_date_and_as_nonsense(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("status", "http_status", status=429, retry_after=7)
    simulator.faults.add("status", "http_status", status=503, retry_after=60, as_date=True)
    simulator.faults.add("status", "http_status", status=503, retry_after="soon")
    simulator.faults.add("status", "http_status", status=500, body="oh", content_type="text/plain")
    first, second, third, fourth = (get(status_url) for _ in range(4))
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    moment = parsedate_to_datetime(second.headers["Retry-After"]).timestamp()
    assert abs(moment - simulator.clock.now() - 60) < 30
    assert third.headers["Retry-After"] == "soon"
    assert "Retry-After" not in fourth.headers
    assert (fourth.text, fourth.headers["Content-Type"]) == ("oh", "text/plain")


def test_a_refused_submission_starts_nothing_a_lost_answer_does(simulator: AsoSimulator) -> None:
    simulator.faults.add("submit", "http_status", status=500)
    simulator.faults.add("submit", "http_status", status=502, processed=True)
    assert [start(simulator).status_code for _ in range(3)] == [500, 502, 202]
    assert simulator.journal.jobs_started == 2
    assert simulator.journal.submits == 3


def test_faults_keep_to_their_route_and_their_turn(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("result", "http_status", status=500)
    simulator.faults.add("status", "http_status", status=502, skip=1)
    simulator.faults.add("*", "http_status", status=504, times=None)
    assert [get(status_url).status_code for _ in range(3)] == [200, 502, 504]
    assert start(simulator).status_code == 504
    assert get(simulator.url + "/nowhere").status_code == 504
    assert len(simulator.faults.to_list()) == 2
    simulator.faults.clear()
    assert get(status_url).status_code == 200


# -- bodies


def test_garbage(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("status", "garbage")
    simulator.faults.add("submit", "garbage", body="{", content_type="text/html")
    answer = get(status_url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, CALLER["Accept"])
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    answer = start(simulator)
    assert (answer.status_code, answer.headers["Content-Type"], answer.text) == (202, "text/html", "{")
    assert simulator.journal.jobs_started == 2


def test_json_without_status_and_an_unknown_word(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("status", "alter", remove=["status"])
    simulator.faults.add("status", "alter", update={"status": "napping"}, remove=["resultUrl"])
    simulator.faults.add("result", "alter", remove=["status"])
    url = get(status_url).json()
    assert set(url) == {"resultUrl", "resultUrlExpiresInSeconds"}
    assert get(status_url).json() == {"status": "napping", "resultUrlExpiresInSeconds": 300} | {
        "resultUrlExpiresInSeconds": pytest.approx(299, abs=1.5)
    }
    # What is not a JSON object stays as it is.
    assert len(download(url["resultUrl"]).content) == SIZE


def test_a_redirect(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("status", "redirect", location="http://elsewhere.invalid/", status=307)
    answer = get(status_url, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://elsewhere.invalid/")


# -- the wire


@pytest.mark.parametrize("route", ["submit", "status"])
def test_a_reset_before_the_answer(simulator: AsoSimulator, status_url: str, route: str) -> None:
    simulator.faults.add(route, "reset")
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        get(simulator.url + PATH if route == "submit" else status_url)
    assert simulator.journal.jobs_started == 1
    entry = simulator.journal.entries(route)[-1]
    assert (entry.status, entry.fault) == (None, "reset")


def test_a_lost_answer_leaves_a_job(simulator: AsoSimulator) -> None:
    simulator.faults.add("submit", "reset", processed=True)
    with pytest.raises(requests.ConnectionError):
        start(simulator)
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize("after", [1, 1000, 65_536, 200_001])
def test_a_reset_within_a_body(simulator: AsoSimulator, result_url: str, after: int) -> None:
    simulator.faults.add("result", "reset", after_bytes=after)
    data, error = received(result_url)
    assert error is not None
    assert "reset by peer" in str(error)
    assert data == simulator.job().content.read(0, len(data))
    assert len(data) <= after
    assert simulator.journal.entries("result")[0].sent == after


@pytest.mark.parametrize(("after", "expected"), [(None, SIZE // 2), (0, 0), (100_001, 100_001)])
def test_a_body_that_ends_early(
    simulator: AsoSimulator, result_url: str, after: int | None, expected: int
) -> None:
    simulator.faults.add("result", "cut", after_bytes=after)
    data, error = received(result_url)
    assert data == simulator.job().content.read(0, expected)
    assert "IncompleteRead" in str(error) or "more expected" in str(error)
    assert download(result_url).content == simulator.job().content.read()


def test_a_cut_json_answer(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("status", "cut")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(status_url)


def test_a_chunked_body_that_ends_early() -> None:
    with running(AsoSimulator(processing_seconds=0, result_bytes=SIZE, chunked=True)) as simulator:
        url = get(start(simulator).json()["statusUrl"]).json()["resultUrl"]
        simulator.faults.add("result", "cut", after_bytes=70_000)
        data, error = received(url)
    assert error is not None
    assert data == simulator.job().content.read(0, len(data))
    assert len(data) <= 70_000


async def test_aiohttp_meets_the_same_trouble(simulator: AsoSimulator, result_url: str) -> None:
    simulator.faults.add("result", "cut", after_bytes=100_000)
    simulator.faults.add("result", "reset", times=2)  # aiohttp itself tries a GET a second time
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.get(result_url) as answer:
                await answer.read()
        with pytest.raises(aiohttp.ClientOSError):
            await session.get(result_url)
        async with session.get(result_url) as answer:
            assert len(await answer.read()) == SIZE


def test_silence_before_an_answer_outlasts_an_impatient_client(
    simulator: AsoSimulator, status_url: str
) -> None:
    simulator.faults.add("status", "silence", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        get(status_url, timeout=0.2)
    # The simulator notices that nobody listens any more, and does not sleep on.
    assert simulator.journal.wait(lambda journal: journal.entries("status")[-1].done)


def test_silence_ends(simulator: AsoSimulator, status_url: str, result_url: str) -> None:
    simulator.faults.add("status", "silence", seconds=0.05)
    simulator.faults.add("result", "silence", seconds=0.05, after_bytes=100)
    assert get(status_url).status_code == 200
    assert len(download(result_url).content) == SIZE
    entry = simulator.journal.entries("result")[0]
    assert simulator.journal.wait(lambda _: entry.done)
    assert entry.ended_at - entry.at >= 0.04


def test_silence_within_a_body(simulator: AsoSimulator, result_url: str) -> None:
    simulator.faults.add("result", "silence", seconds=60, after_bytes=1000)
    with requests.get(result_url, stream=True, timeout=(TIMEOUT, 0.3)) as answer:
        assert answer.raw.read(1000) == simulator.job().content.read(0, 1000)
        with pytest.raises(Exception, match="timed out"):
            answer.raw.read(1)


def test_drip(simulator: AsoSimulator, status_url: str) -> None:
    simulator.faults.add("status", "drip", chunk_bytes=20, seconds=0.001)
    answer = get(status_url, stream=True)
    pieces = [piece for piece in answer.raw.stream(1000) if piece]
    assert b"".join(pieces).startswith(b'{"status": "completed"')
    entry = simulator.journal.entries("status")[-1]
    assert simulator.journal.wait(lambda _: entry.done)
    assert entry.ended_at - entry.at >= 0.001 * (entry.sent // 20)


def test_a_simulator_stops_in_the_middle_of_silence() -> None:
    with contextlib.ExitStack() as stack:
        simulator = stack.enter_context(running(AsoSimulator()))
        simulator.faults.add("submit", "silence", seconds=300)

        async def ask_and_stop() -> None:
            async with aiohttp.ClientSession() as session:
                asking = asyncio.create_task(session.get(simulator.url + PATH, headers=CALLER))
                assert await asyncio.to_thread(simulator.journal.wait, lambda journal: journal.submits == 1)
                await asyncio.to_thread(stack.close)
                with pytest.raises(aiohttp.ClientError):
                    await asking

        began = time.monotonic()
        asyncio.run(ask_and_stop())
        assert time.monotonic() - began < 60  # far below the silence


# -- ordered over HTTP


def test_faults_over_http(simulator: AsoSimulator, status_url: str) -> None:
    control = simulator.url + "/_sim/faults"
    order = {"route": "status", "fault": "http_status", "status": 503, "retry_after": 2, "times": 1}
    added = requests.post(control, json=order, timeout=TIMEOUT)
    assert added.status_code == 201
    assert added.json()[0].items() >= order.items()
    requests.post(control, json=[{"fault": "reset"}, {"fault": "garbage"}], timeout=TIMEOUT)
    waiting = requests.get(control, timeout=TIMEOUT).json()
    assert [fault["fault"] for fault in waiting] == ["http_status", "reset", "garbage"]
    assert waiting[1]["route"] == "*"
    assert get(status_url).headers["Retry-After"] == "2"
    assert requests.delete(control, timeout=TIMEOUT).json() == []
    assert get(status_url).status_code == 200


@pytest.mark.parametrize(
    "order",
    [
        "reset",
        {},
        {"fault": "flood"},
        {"fault": "reset", "route": "nowhere"},
        {"fault": "reset", "seconds": 3},
        {"fault": "reset", "times": 0},
        {"fault": "reset", "after_bytes": -1},
        {"fault": "redirect"},
        {"fault": "http_status", "status": 99},
        {"fault": "http_status", "status": "many"},
        {"fault": "silence", "seconds": -1},
        {"fault": "drip", "chunk_bytes": 0},
        {"fault": "alter", "update": []},
        {"fault": "alter", "remove": "status"},
    ],
)
def test_nonsense_orders_are_refused(simulator: AsoSimulator, order: object) -> None:
    answer = requests.post(simulator.url + "/_sim/faults", json=order, timeout=TIMEOUT)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert simulator.faults.to_list() == []


def test_an_order_that_is_no_json(simulator: AsoSimulator) -> None:
    answer = requests.post(simulator.url + "/_sim/faults", data="{", timeout=TIMEOUT)
    assert answer.status_code == 400


def test_every_fault_can_be_ordered_with_its_defaults(simulator: AsoSimulator) -> None:
    for name in KINDS:
        options = {"location": "http://elsewhere.invalid/"} if name == "redirect" else {}
        assert simulator.faults.add("status", name, **options).to_dict()["fault"] == name
