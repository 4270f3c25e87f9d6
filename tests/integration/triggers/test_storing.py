# SPDX-License-Identifier: Apache-2.0
"""Results that the triggerer stores, over real sockets to a simulated ASO and an S3 server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER
from airflow_async_provider._callbacks.mailbox import STORING_KEY
from airflow_async_provider._callbacks.registration import DURABLE_KEY, from_stored
from airflow_async_provider._download.destination.s3_multipart import MultipartUpload
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.source import http
from airflow_async_provider._download.source.parallel import Parallel
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._polling import policy
from airflow_async_provider.errors import JobExpiredError, ResultLimitError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Result
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running as simulating
from airflow_async_provider.triggers import _claim, _storing
from tests.support.byte_server import ByteServer, running, status
from tests.support.played_airflow import PlayedAirflow, airflow  # noqa: F401 - a fixture
from tests.support.s3_servers import S3Server, _moto, moto_s3  # noqa: F401 - fixtures
from tests.support.sent_metrics import SentMetrics, sent  # noqa: F401 - a fixture
from tests.support.storing import GET, POST, Steps, connect, download

MB = 1_000_000
KEY = "items"

Aso = Callable[..., AsoSimulator]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.02)
    monkeypatch.setattr(_claim, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(_claim, "LEASE", 0.3)
    monkeypatch.setattr(_storing, "STOPPED_WITHIN", 30.0)
    monkeypatch.setattr(_storing, "NOTED_WITHIN", 30.0)
    _storing._known.clear()  # of another test's server


@pytest.fixture
def aso(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aso]:
    with ExitStack() as stack:

        def start(**options: Any) -> AsoSimulator:
            found = stack.enter_context(simulating(AsoSimulator(**{"processing_seconds": 0, **options})))
            connect(monkeypatch, found)
            return found

        yield start


@pytest.fixture
def bucket(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection())
    moto_s3.abort_all()
    return moto_s3


def uri(bucket: S3Server) -> str:
    return f"s3://{bucket.bucket}/{KEY}"


def sha256(bucket: S3Server) -> str:
    return hashlib.sha256(bucket.content(KEY)).hexdigest()


def noted(played: PlayedAirflow) -> dict[str, Any]:
    return dict(from_stored(played.xcoms[STORING_KEY]))


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
@pytest.mark.parametrize("size", [5_000, 20 * MB], ids=["small", "multipart"])
def test_a_short_lived_result_waits_for_no_worker(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, request_: dict[str, Any], size: int
) -> None:
    simulator = aso(result_bytes=size, result_expires=300)
    steps = Steps(airflow, download(uri(bucket), **request_))
    event = steps.wait()
    assert event["state"] == "succeeded"

    simulator.clock.advance(100_000)  # all workers were busy
    result = steps.resume()

    assert result["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert (result["uri"], result["bytes"], result["restarts"]) == (uri(bucket), size, 0)
    assert simulator.journal.jobs_started == 1
    assert simulator.journal.downloads == 1
    assert bucket.unfinished_uploads() == []
    assert noted(airflow)["over"]


@pytest.mark.parametrize(
    ("store_from", "expires", "below"), [("worker", 300, 900), (None, 1000, 900), (None, 300, 0)]
)
def test_a_worker_stores_everything_else(
    airflow: PlayedAirflow,
    aso: Aso,
    bucket: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    store_from: Any,
    expires: int,
    below: int,
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_STORE_BELOW", str(below))
    simulator = aso(result_bytes=5_000, result_expires=expires)
    steps = Steps(airflow, download(uri(bucket), store_from=store_from, **POST))
    assert "stored" not in steps.wait()
    assert bucket.stored_keys() == []
    assert steps.resume()["sha256"] == simulator.sha256_of()


def test_without_it_the_result_is_lost(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    simulator = aso(result_bytes=5_000, result_expires=300)
    steps = Steps(airflow, download(uri(bucket), store_from="worker", **POST))
    steps.wait()
    simulator.clock.advance(1_000)
    with pytest.raises(JobExpiredError):
        steps.resume()


def test_always_where_the_task_says_so(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    simulator = aso(result_bytes=5_000, result_expires=100_000)
    steps = Steps(airflow, download(uri(bucket), store_from="triggerer"))
    assert steps.wait()["stored"]["sha256"] == simulator.sha256_of()


def test_nothing_secret_leaves_the_triggerer(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    simulator = aso(result_bytes=20 * MB)
    steps = Steps(airflow, download(uri(bucket), store_from="triggerer"))
    steps.wait()
    url = simulator.job().result_url
    assert url
    for text in (json.dumps(steps.event), json.dumps(airflow.xcoms), json.dumps(steps.arguments)):
        for secret in (url, url.partition("?")[2], "X-Amz", bucket.secret_key, "aso-token", "aso-key"):
            assert secret not in text


# -- ends in the middle


async def halfway(steps: Steps, begun: Callable[[], bool]) -> asyncio.Task[Any]:
    task = asyncio.ensure_future(steps.fired())
    end = time.monotonic() + 20
    while not begun():
        assert not task.done(), task.result()
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    return task


def test_a_trigger_that_ends_leaves_nothing_behind(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server
) -> None:
    simulator = aso(result_bytes=60 * MB, result_rate=15 * MB)
    steps = Steps(airflow, download(uri(bucket)))

    async def cancelled() -> None:
        task = await halfway(steps, lambda: bool(bucket.unfinished_uploads()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(cancelled())
    assert bucket.unfinished_uploads() == bucket.stored_keys() == []
    assert noted(airflow)["over"]

    simulator.clock.advance(10)
    assert steps.wait()["stored"]["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert bucket.unfinished_uploads() == []


def test_a_silent_source_holds_up_no_end(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    simulator = aso(result_bytes=5_000)
    simulator.faults.add("result", "silence", seconds=25.0, after_bytes=1_000)
    steps = Steps(airflow, download(uri(bucket)))

    async def cancelled() -> float:
        task = await halfway(steps, lambda: simulator.journal.downloads > 0)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return time.monotonic() - began

    assert asyncio.run(cancelled()) < 20


def test_the_next_triggerer_removes_what_a_killed_one_has_left(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(result_bytes=20 * MB)
    simulator.faults.add("result", "cut", after_bytes=18 * MB)
    simulator.faults.add("result", "http_status", status=400, times=None)
    steps = Steps(airflow, download(uri(bucket)))

    async def silent(*_: Any) -> None:
        """A process that is no more says nothing."""

    with monkeypatch.context() as killed:
        killed.setattr(MultipartUpload, "_give_up", lambda *_: None)
        killed.setattr(_claim.Claim, "release", silent)
        assert "stored" not in steps.wait()
    assert bucket.unfinished_uploads() == [KEY]
    assert noted(airflow)["upload"]["key"] == KEY
    simulator.faults.clear()

    assert steps.wait()["stored"]["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert bucket.unfinished_uploads() == []


def test_an_upload_that_was_begun_and_not_noted_is_removed_too(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(result_bytes=20 * MB)
    place = {"Bucket": bucket.bucket, "Key": KEY}
    before = bucket.client.create_multipart_upload(**place)["UploadId"]
    bucket.client.upload_part(**place, UploadId=before, PartNumber=1, Body=b"somebody else's")
    steps = Steps(airflow, download(uri(bucket)))

    async def silent(*_: Any) -> None:
        """A process that is no more says nothing."""

    def died(*_: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as killed:
        killed.setattr(MultipartUpload, "_give_up", lambda *_: None)
        killed.setattr(_claim.Claim, "release", silent)
        killed.setattr(_claim.Claim, "began", died)
        assert "stored" not in steps.wait()
    assert len(bucket.unfinished_uploads()) == 2

    assert steps.wait()["stored"]["sha256"] == sha256(bucket) == simulator.sha256_of()
    there = bucket.client.list_multipart_uploads(Bucket=bucket.bucket)["Uploads"]
    assert [upload["UploadId"] for upload in there] == [before]  # the one that is not ours
    bucket.abort_all()


def test_a_worker_removes_what_a_killed_triggerer_has_left(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(result_bytes=20 * MB)
    simulator.faults.add("result", "cut", after_bytes=18 * MB)
    simulator.faults.add("result", "http_status", status=400, times=None)
    steps = Steps(airflow, download(uri(bucket)))
    with monkeypatch.context() as killed:
        killed.setattr(MultipartUpload, "_give_up", lambda *_: None)
        steps.wait()
    assert bucket.unfinished_uploads() == [KEY]
    simulator.faults.clear()

    assert steps.resume()["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert bucket.unfinished_uploads() == []
    assert noted(airflow) == {}


def test_two_triggerers_are_never_at_the_same_object(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one has stood still, and another one has taken its trigger over."""
    simulator = aso(result_bytes=60 * MB, result_rate=15 * MB)
    steps = Steps(airflow, download(uri(bucket)))

    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        first = await halfway(steps, lambda: bool(bucket.unfinished_uploads()))

        async def first_has_noticed() -> None:
            await asyncio.wait({first})
            assert bucket.unfinished_uploads() == bucket.stored_keys() == []

        monkeypatch.setattr(_claim, "lease_over", first_has_noticed)
        second = asyncio.ensure_future(steps.fired())
        return await first, await second

    one, other = asyncio.run(asyncio.wait_for(both(), 60))
    assert "stored" not in one
    assert other["stored"]["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert bucket.unfinished_uploads() == []


def test_what_is_stored_is_not_stored_again(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    """A triggerer that is killed before Airflow has its event."""
    simulator = aso(result_bytes=5_000)
    steps = Steps(airflow, download(uri(bucket)))
    before = steps.wait()
    assert steps.wait()["stored"] == before["stored"]
    assert simulator.journal.downloads == 1


def test_the_threads_take_turns(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_STORE_THREADS", "2")
    simulator = aso(result_bytes=200_000, result_rate=400_000)
    at_once, most = 0, 0
    real = _storing._Storing._store

    def counted(self: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return real(self)
        finally:
            at_once -= 1

    monkeypatch.setattr(_storing._Storing, "_store", counted)
    steps = Steps(airflow, download(uri(bucket)))

    async def fired(number: int) -> dict[str, Any]:
        trigger = steps.trigger()
        trigger.task_instance = None  # six tasks, and none of them this one
        trigger.store = {**steps.arguments["store"], "destination": f"{uri(bucket)}-{number}"}
        (event,) = [event.payload async for event in trigger.run()]
        return dict(event)

    async def all_of_them() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(fired(number) for number in range(6))))

    events = asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert most == 2
    assert {event["stored"]["sha256"] for event in events} == {simulator.sha256_of()}
    assert len(bucket.stored_keys()) == 6


# -- ends without a worker

ends = pytest.mark.skipif(not ENDS_FROM_TRIGGER, reason="a trigger ends its task from Airflow 3.3 on")


def finished(steps: Steps) -> None:
    """The trigger ends the task."""

    async def events() -> list[Any]:
        return [event async for event in steps.trigger().run()]

    (event,) = asyncio.run(asyncio.wait_for(events(), 30))
    assert event.payload == "success"


@ends
@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
def test_a_task_whose_result_is_stored_needs_no_worker(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, request_: dict[str, Any], sent: SentMetrics
) -> None:
    """Its value and its button are those that a worker would have left."""
    aso(result_bytes=5_000, result_expires=300)
    worker = Steps(airflow, download(uri(bucket), **request_))
    made = worker.make()
    expected = made.execute_complete(airflow.context, event=worker.wait(), **worker.deferral.kwargs)
    airflow.clear()
    steps = Steps(airflow, download(uri(bucket), end_from_trigger=None, **request_))
    sent.clear()
    finished(steps)

    tags = {"system": "jaggaer_aso", "connection": made.conn_id}
    assert sent.sum_of("bytes_stored", **tags) == 5_000
    value = airflow.xcoms["return_value"]
    assert value["sha256"] == sha256(bucket)
    same = expected.keys() - {"sha256", "etag", "seconds"}
    assert {name: value[name] for name in same} == {name: expected[name] for name in same}
    assert value.keys() == expected.keys()
    assert 0 <= value["seconds"] < 60
    assert airflow.xcoms["_link_ResultLink"] == ResultLink().get_link(made, ti_key=None)
    assert airflow.store[DURABLE_KEY]["ends_elsewhere"] is True


@ends
def test_a_worker_ends_the_task_whose_result_it_stores(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long-lived, or out of the triggerer's reach: then the task is resumed, and knows that."""
    simulator = aso(result_bytes=5_000, result_expires=10_000)
    steps = Steps(airflow, download(uri(bucket), end_from_trigger=None))
    assert "end" in steps.arguments
    assert "stored" not in steps.wait()
    assert "return_value" not in airflow.xcoms
    assert steps.resume()["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert airflow.store[DURABLE_KEY]["done"] is True
    assert not airflow.store[DURABLE_KEY].get("ends_elsewhere")


@ends
def test_a_task_that_has_more_to_do_is_resumed(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    aso(result_bytes=5_000, result_expires=300)
    steps = Steps(airflow, download(uri(bucket), end_from_trigger=None, outlets=[Asset("items")]))
    assert "end" not in steps.arguments
    assert steps.wait()["stored"]["bytes"] == 5_000


# -- what a worker makes of it


def test_another_object_there_is_not_taken_for_the_result(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server
) -> None:
    simulator = aso(result_bytes=5_000)
    steps = Steps(airflow, download(uri(bucket)))
    steps.wait()
    bucket.client.put_object(Bucket=bucket.bucket, Key=KEY, Body=b"x" * 5_000)
    assert steps.resume()["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert simulator.journal.downloads == 2


def test_an_object_that_is_gone_is_stored_again(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    simulator = aso(result_bytes=5_000)
    steps = Steps(airflow, download(uri(bucket)))
    steps.wait()
    bucket.client.delete_object(Bucket=bucket.bucket, Key=KEY)
    assert steps.resume()["sha256"] == sha256(bucket) == simulator.sha256_of()


def test_a_storage_that_does_not_answer_takes_nothing_back(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(result_bytes=5_000)
    steps = Steps(airflow, download(uri(bucket), **POST))
    steps.wait()
    simulator.clock.advance(1_000)
    away = json.loads(bucket.connection())
    away["extra"]["endpoint_url"] = "http://127.0.0.1:9"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(away))
    assert steps.resume()["sha256"] == simulator.sha256_of()


def test_a_worker_tries_what_the_triggerer_could_not(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(result_bytes=5_000)
    steps = Steps(airflow, download(uri(bucket)))
    with monkeypatch.context() as without:
        useless = {"conn_type": "aws", "extra": {"region_name": 7}}
        without.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(useless))
        event = steps.wait()
    assert (event["state"], event.get("stored")) == ("succeeded", None)
    assert steps.resume()["sha256"] == sha256(bucket) == simulator.sha256_of()


def test_without_credentials_in_the_triggerer_a_worker_stores_it(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is asked of the source for it, which may give its bytes once only."""
    simulator = aso(result_bytes=5_000, result_expires=300)
    steps = Steps(airflow, download(uri(bucket), **POST))
    nobodys = {**json.loads(bucket.connection()), "login": None, "password": None}
    with monkeypatch.context() as without:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            without.delenv(name, raising=False)
        without.setenv("AWS_EC2_METADATA_DISABLED", "true")
        without.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        without.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(nobodys))
        event = steps.wait()
    assert (event["state"], event.get("stored")) == ("succeeded", None)
    assert simulator.journal.downloads == 0
    assert steps.resume()["sha256"] == sha256(bucket) == simulator.sha256_of()


def test_a_storage_that_is_silent_to_the_triggerer_leaves_the_url_time_for_a_worker(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(result_bytes=5_000, result_expires=300)
    steps = Steps(airflow, download(uri(bucket), **POST))
    with monkeypatch.context() as silent, socket.create_server(("127.0.0.1", 0)) as nobody:
        silent.setattr(_storing, "PART_OF_LIFE", 0.002)
        silent.setattr(_storing, "STOPPED_WITHIN", 0.1)
        away = json.loads(bucket.connection())
        away["extra"]["endpoint_url"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        away["extra"]["config_kwargs"] = {"read_timeout": 5, "retries": {"total_max_attempts": 1}}
        silent.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(away))
        event = steps.wait()
    assert (event["state"], event.get("stored")) == ("succeeded", None)
    assert simulator.journal.downloads == 0
    assert steps.resume()["sha256"] == sha256(bucket) == simulator.sha256_of()


def test_what_has_begun_in_time_may_take_its_time(
    airflow: PlayedAirflow, aso: Aso, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    begin = _storing._Storing._begin

    def watched(self: Any) -> None:
        limits.append(self._limit.when())
        begin(self)
        limits.append(self._limit.when())

    monkeypatch.setattr(_storing._Storing, "_begin", watched)
    simulator = aso(result_bytes=5_000, result_expires=300)
    steps = Steps(airflow, download(uri(bucket)))
    assert steps.wait()["stored"]["sha256"] == sha256(bucket) == simulator.sha256_of()
    assert limits[0] is not None
    assert limits[1] is None


def test_the_limits_are_the_same(airflow: PlayedAirflow, aso: Aso, bucket: S3Server) -> None:
    aso(result_bytes=20 * MB)
    steps = Steps(airflow, download(uri(bucket), max_result_bytes=10 * MB))
    assert "stored" not in steps.wait()
    with pytest.raises(ResultLimitError):
        steps.resume()
    assert bucket.stored_keys() == bucket.unfinished_uploads() == []


# -- directories that triggerers and workers share


def test_a_shared_directory(
    airflow: PlayedAirflow, aso: Aso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_PATHS", str(tmp_path / "shared"))
    simulator = aso(result_bytes=5_000)
    target = tmp_path / "shared" / "items"
    steps = Steps(airflow, download(str(target), **POST))
    assert "stored" in steps.wait()
    simulator.clock.advance(1_000)
    result = steps.resume()
    assert result["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest() == simulator.sha256_of()
    assert list(target.parent.iterdir()) == [target]


def test_a_triggerer_that_does_not_share_it_writes_nothing(
    airflow: PlayedAirflow, aso: Aso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aso(result_bytes=5_000)
    with monkeypatch.context() as worker:
        worker.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_PATHS", str(tmp_path))
        steps = Steps(airflow, download(str(tmp_path / "items")))
    assert "store" in steps.arguments
    assert "stored" not in steps.wait()
    assert list(tmp_path.iterdir()) == []


# -- other systems


@pytest.mark.parametrize(
    ("document", "stored"),
    [
        ({"state": "done", "url": "/file", "left": 300}, True),
        ({"state": "done", "url": "/file", "left": 10_000}, False),
        ({"state": "done", "url": "/file"}, False),
    ],
)
def test_a_described_api_whose_urls_expire(
    airflow: PlayedAirflow,
    bucket: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    document: dict[str, Any],
    stored: bool,
) -> None:
    steps_of_server = [
        status(202, b"", {"Location": "/status/7"}),
        status(200, json.dumps(document).encode(), {"Content-Type": "application/json"}),
        status(200, b"a,b\n1,2\n", {"Content-Type": "text/csv"}),
    ]
    with running(steps=steps_of_server) as server:
        connection = {"conn_type": "http", "host": server.origin}
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(connection))
        description = {
            "start": {"path": "jobs", "status_url": "header:Location"},
            "outcome": {"state": "state", "succeeded": ["done"]},
            "result": {"url": "url", "expires": "left"},
        }

        def make() -> HttpAsyncJobOperator:
            return HttpAsyncJobOperator(
                task_id="t",
                profile=description,
                destination=uri(bucket),
                poll_interval=0.05,
                timeout=30,
                end_from_trigger=False,
            )

        steps = Steps(airflow, make)
        assert ("stored" in steps.wait()) is stored
        if stored:
            result = steps.resume()
            assert bucket.content(KEY) == b"a,b\n1,2\n"
            assert (result["bytes"], result["via"]) == (8, "poll")


async def store_in(folder: Path, server: ByteServer) -> Any:
    """Store what the server has, as the triggerer does, for no task."""
    return await _storing.stored_result(
        _storing.StoreRequest(destination=f"{folder}/x", options={}),
        JobHandle("http_location", "7", 0.0, f"{server.origin}/s/7", conn_id="http_default"),
        JobStatus(JobState.SUCCEEDED, result=Result(url=f"{server.origin}/x")),
        conn_id="http_default",
        task=None,
        log=logging.getLogger(__name__),
    )


def test_a_result_is_read_over_one_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker would try several, as this source is slower than any could be."""
    ranges = {"worth": 100_000, "slow": 1e15, "busy": 1e9, "sample": 65_536, "block": 65_536}
    monkeypatch.setattr(http, "Parallel", partial(Parallel, **ranges))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_PATHS", str(tmp_path))
    with running(content=b"0123456789" * 500_000) as server:
        connection = json.dumps({"conn_type": "http", "host": server.origin})
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", connection)
        facts = asyncio.run(store_in(tmp_path, server))
        assert (facts["bytes"], server.ranges) == (5_000_000, [None])


def test_a_trigger_that_has_ended_begins_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage was slow to answer meanwhile; and some results can be read once only."""
    looked, stopped = threading.Event(), threading.Event()
    place, stop = _storing._place, _storing._Storing.stop

    def slow(uri: str, options: StoreOptions) -> Any:
        made = place(uri, options)

        def check() -> None:
            looked.set()
            stopped.wait(20)

        monkeypatch.setattr(made, "check", check)
        return made

    def stop_and_go_on(work: _storing._Storing) -> None:
        stop(work)
        stopped.set()

    monkeypatch.setattr(_storing, "_place", slow)
    monkeypatch.setattr(_storing._Storing, "stop", stop_and_go_on)
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_PATHS", str(tmp_path))

    async def ended() -> None:
        storing = asyncio.create_task(store_in(tmp_path, server))
        await asyncio.to_thread(looked.wait, 20)
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing

    with running(content=b"once") as server:
        connection = json.dumps({"conn_type": "http", "host": server.origin})
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", connection)
        asyncio.run(ended())
        assert server.requests == []
    assert list(tmp_path.iterdir()) == []
