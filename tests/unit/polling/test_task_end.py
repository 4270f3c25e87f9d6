# SPDX-License-Identifier: Apache-2.0
"""The value of a task that ends without a worker: what the last answer brings, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider._polling.task_end import NeedsWorkerError, TaskEnd
from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols import HttpRequest, JobHandle, JobState, JobStatus, Result

HANDLE = JobHandle("http_api", "7", 0.0, "https://api.example/s")
ANSWER = TaskEnd(max_bytes=100)


def succeeded(result: Result | None, **facts: Any) -> JobStatus:
    return JobStatus(JobState.SUCCEEDED, result=result, **facts)


def test_the_handle() -> None:
    assert TaskEnd().value(HANDLE, None) == HANDLE.to_dict()
    assert TaskEnd(push=False).value(HANDLE, None) is None


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (Result(value={"a": 1}), {"a": 1}),
        (Result(value=[]), []),
        (Result(value="x", body=b"x", media_type="text/plain"), "x"),
        (Result(value=None, body=b""), None),
        (None, None),
    ],
)
def test_what_the_last_answer_brings(result: Result | None, value: Any) -> None:
    assert ANSWER.value(HANDLE, succeeded(result)) == value


def test_what_the_triggerer_has_stored() -> None:
    end = TaskEnd(stored={"since": 100.0, "facts": {"restarts": 1}, "link": "_link_ResultLink"})
    stored = {
        "uri": "s3://b/k",
        "bytes": 3,
        "seconds": 0.5,
        "fingerprint": "3/x",
        "link": "https://s3.example",
    }
    value = {"uri": "s3://b/k", "bytes": 3, "seconds": 7.25, "restarts": 1}
    assert end.value(HANDLE, None, stored=stored, now=107.25) == value
    assert TaskEnd.from_dict(json.loads(json.dumps(end.to_dict()))) == end
    with pytest.raises(NeedsWorkerError, match="not stored"):
        end.value(HANDLE, succeeded(Result(url="https://x.example/r")))


@pytest.mark.parametrize(
    "status",
    [
        None,
        succeeded(Result()),
        succeeded(Result(url="https://x.example/r")),
        succeeded(Result(files=(Result(url="https://x.example/r"),))),
        succeeded(Result(value=[1], paged=True)),
        succeeded(Result(value=b"\0", body=b"\0")),
        succeeded(None, no_data=True),
        succeeded(None, result_request=HttpRequest("GET", "https://x.example/r")),
    ],
)
def test_what_has_to_be_fetched_or_decided_needs_a_worker(status: JobStatus | None) -> None:
    with pytest.raises(NeedsWorkerError):
        ANSWER.value(HANDLE, status)


@pytest.mark.parametrize(
    "result",
    [
        Result(value="x" * 99),
        Result(value=float("inf")),
        Result(value="<html><body>Log in", body=b"<html><body>Log in", media_type="text/html"),
        Result(value="\u00fc" * 60),  # bytes count, and not letters
    ],
)
def test_what_is_no_result_or_too_large_is_an_error_that_a_worker_raises(result: Result) -> None:
    with pytest.raises(DownloadError):
        ANSWER.value(HANDLE, succeeded(result))


def test_a_callback_without_a_result_is_nothing_only_where_nothing_can_be_fetched() -> None:
    any_function = TaskEnd(max_bytes=100, may_be_nothing=True)
    assert any_function.value(HANDLE, succeeded(Result())) is None


@pytest.mark.parametrize("value", ["text", 7, None])
def test_what_no_task_can_be_expanded_over_needs_a_worker(value: Any) -> None:
    mapped_over = TaskEnd(max_bytes=100, mapped_over=True)
    assert mapped_over.value(HANDLE, succeeded(Result(value=[1]))) == [1]
    with pytest.raises(NeedsWorkerError):
        mapped_over.value(HANDLE, succeeded(Result(value=value, body=b"")))


def test_the_stored_form() -> None:
    end = TaskEnd(push=False, max_bytes=7, by_receiver=True)
    assert TaskEnd.from_dict(end.to_dict()) == end
    assert TaskEnd().to_dict() == {"push": True, "mapped_over": False}
    assert TaskEnd.from_dict(None) is None
    assert TaskEnd.from_dict({**end.to_dict(), "of_a_later_version": 1}) is None
