# SPDX-License-Identifier: Apache-2.0
"""One job out of a list of many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError, DescriptionError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._http.profile import HttpProfile

DESCRIPTION: dict[str, Any] = {
    "start": {"path": "jobs", "id": "id"},
    "poll": {"path": "jobs", "pick": "jobs[*]", "by": "id"},
    "outcome": {"state": "status"},
    "result": {"value": "rows"},
}
HANDLE = JobHandle("http_api", "7", 0.0, "https://api.example/jobs")


def read(body: Any, **outcome: Any) -> JobStatus:
    profile = HttpProfile(**{**DESCRIPTION, "outcome": {"state": "status", **outcome}})
    answer = HttpResponse(200, Headers(), json.dumps(body).encode(), 1.0, "https://api.example/jobs")
    return profile.read_status(HANDLE, answer)


OTHERS = [{"id": 6, "status": "failed"}, {"id": 8, "status": "done", "rows": [8]}]


@pytest.mark.parametrize("number", [7, "7"])
def test_only_our_own_job_counts(number: Any) -> None:
    assert read({"jobs": [*OTHERS, {"id": number, "status": "running"}]}).state is JobState.RUNNING
    status = read({"jobs": [*OTHERS, {"id": number, "status": "done", "rows": [7]}]})
    assert status.state is JobState.SUCCEEDED
    assert status.result is not None
    assert status.result.value == [7]
    assert read({"jobs": [*OTHERS, {"id": number, "status": "done", "error": "x"}]}).state is JobState.FAILED


def test_a_job_that_is_not_listed_has_not_succeeded() -> None:
    with pytest.raises(DescriptionError, match=r"no element whose 'id' is the job's id.*outcome.missing"):
        read({"jobs": OTHERS})
    assert read({"jobs": OTHERS}, missing="running").state is JobState.RUNNING
    assert read({"jobs": []}, missing="running").state is JobState.RUNNING


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"items": OTHERS}, r"no list of jobs at 'jobs\[\*\]' \(poll.pick\)"),
        ({"jobs": [{"jobId": 7, "status": "done"}]}, r"no element of the list has a field 'id' \(poll.by\)"),
        ({"jobs": [{"id": 7, "status": "done"}] * 2}, r"2 elements of the list have 'id'"),
    ],
)
def test_a_list_that_is_not_as_described_is_an_error(body: Any, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        read(body, missing="running")


@pytest.mark.parametrize("poll", [{"pick": "jobs[*]"}, {"by": "id"}])
def test_one_is_nothing_without_the_other(poll: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="pick and by go together"):
        HttpProfile(**{**DESCRIPTION, "poll": {"path": "jobs", **poll}})


def test_the_id_must_be_known() -> None:
    answer = HttpResponse(200, Headers(), b'{"jobId": 7}', 1.0, "https://api.example/jobs")
    with pytest.raises(DescriptionError, match="nothing usable at 'id' for the id"):
        HttpProfile(**DESCRIPTION).read_submit(answer)
