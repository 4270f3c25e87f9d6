# SPDX-License-Identifier: Apache-2.0
"""Parts in S3 that a killed worker could not remove: the next try of its task does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_async_provider._download.destination.s3_multipart import MultipartUpload
from airflow_async_provider._jobs.results.upload_memory import UPLOAD_KEY
from airflow_async_provider.errors import DownloadError
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running
from tests.support.one_task import OneTask
from tests.support.s3_servers import S3Server, moto_s3  # noqa: F401 - fixtures

MB = 1_000_000


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[AsoSimulator]:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    with running(AsoSimulator(processing_seconds=0, result_bytes=20 * MB)) as found:
        monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(found.airflow_connection()))
        yield found


@pytest.fixture
def bucket(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection())
    moto_s3.abort_all()
    return moto_s3


def download(bucket: S3Server) -> Callable[[], JaggaerAsoDownloadOperator]:
    return lambda: JaggaerAsoDownloadOperator(
        task_id="t",
        endpoint="event/7/apiItems/async",
        destination=f"s3://{bucket.bucket}/items",
        store_from="worker",
        poll_interval=0.2,
        timeout=60,
    )


def killed_in_the_middle(
    task: OneTask, bucket: S3Server, simulator: AsoSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try that comes to its second part, and then has no time to tidy up."""
    simulator.faults.add("result", "cut", after_bytes=18 * MB)
    simulator.faults.add("result", "http_status", status=400, times=None)
    with monkeypatch.context() as killed:
        killed.setattr(MultipartUpload, "_give_up", lambda *_: None)
        with pytest.raises(DownloadError):
            task.run(download(bucket))
    simulator.faults.clear()


def test_the_next_try_removes_the_parts(
    simulator: AsoSimulator, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = OneTask()
    killed_in_the_middle(task, bucket, simulator, monkeypatch)
    assert bucket.unfinished_uploads() == ["items"]

    result = task.run(download(bucket))

    assert bucket.unfinished_uploads() == []
    assert hashlib.sha256(bucket.content("items")).hexdigest() == result["sha256"] == simulator.sha256_of()
    assert simulator.journal.jobs_started == 1
    assert task.store is not None
    assert UPLOAD_KEY not in task.store


@pytest.mark.parametrize("left", [None, [], "x", {}, {"upload_id": "7"}])
def test_a_memory_that_is_none_does_no_harm(simulator: AsoSimulator, bucket: S3Server, left: Any) -> None:
    task = OneTask()
    task.try_number = 1
    assert task.store is not None
    task.store.set(UPLOAD_KEY, left)
    assert task.run(download(bucket))["bytes"] == 20 * MB


def test_what_is_gone_already_is_no_trouble(
    simulator: AsoSimulator, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = OneTask()
    killed_in_the_middle(task, bucket, simulator, monkeypatch)
    bucket.abort_all()
    assert task.run(download(bucket))["bytes"] == 20 * MB


def test_parts_that_must_not_be_removed_are_told_of(
    simulator: AsoSimulator,
    bucket: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = OneTask()
    killed_in_the_middle(task, bucket, simulator, monkeypatch)
    assert task.store is not None
    task.store.set(UPLOAD_KEY, {**task.store[UPLOAD_KEY], "bucket": "somebody-else-s"})
    assert task.run(download(bucket))["bytes"] == 20 * MB
    assert "could not be removed" in caplog.text


@pytest.mark.parametrize("kept", [True, False])
def test_where_airflow_keeps_no_state_the_result_comes_all_the_same(
    simulator: AsoSimulator, bucket: S3Server, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """An Airflow before 3.3 has no such store; a store may be away just then."""
    task = OneTask(store=kept)
    task.try_number = 1
    if task.store is not None:
        usual = task.store.set

        def away(key: str, value: Any) -> None:
            if key == UPLOAD_KEY:
                raise RuntimeError("not now")
            usual(key, value)

        monkeypatch.setattr(task.store, "set", away)
    assert task.run(download(bucket))["bytes"] == 20 * MB
