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


@pytest.mark.parametrize("result", [{}, {"value": "$"}])
def test_the_result_is_nothing_of_other_jobs(result: dict[str, Any]) -> None:
    profile = HttpProfile(**{**DESCRIPTION, "result": result})
    ours = {"id": 7, "status": "done", "rows": [7]}
    body = json.dumps({"jobs": [*OTHERS, ours]}).encode()
    status = profile.read_status(HANDLE, HttpResponse(200, Headers(), body, 1.0, "https://api.example/jobs"))
    assert status.result is not None
    assert (status.result.value, status.result.body) == (ours, None)
    assert status.result.is_status is not bool(result)


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


BY_ID: dict[str, Any] = {
    "start": {"path": "jobs"},
    "poll": "GET jobs/{job_id}",
    "outcome": {"state": "status"},
    "result": {"value": "rows"},
}


def of_a_poll(body: Any, handle: JobHandle = HANDLE, **description: Any) -> JobStatus:
    profile = HttpProfile(**{**BY_ID, **description})
    answer = HttpResponse(200, Headers(), json.dumps(body).encode(), 1.0, "https://api.example/jobs/7")
    return profile.read_status(handle, answer)


DONE: dict[str, Any] = {"status": "done", "rows": [1]}


@pytest.mark.parametrize("state", ["done", "running", "failed", "cancelled"])
def test_an_answer_about_another_job_says_nothing_about_ours(state: str) -> None:
    with pytest.raises(DescriptionError, match=r"about another job, '8' \(at 'id'\).*poll.id"):
        of_a_poll({**DONE, "id": 8, "status": state})


@pytest.mark.parametrize(
    ("description", "body"),
    [
        ({"start": {"id": "job.id"}}, {**DONE, "job": {"id": "8"}}),
        ({"start": {"id": "sid"}, "outcome": {"state": "entry[0].content.status"}},
         {"entry": [{"content": {**DONE, "sid": "8"}}], "rows": []}),
        ({"start": {"id": "runId"}, "outcome": {"state": "run.info.status"}},
         {"run": {"runId": "8", "info": DONE}, "rows": []}),
        ({"outcome": {"state": "job.status"}}, {"job": {**DONE, "id": "8"}, "rows": []}),
        ({"start": {"id": "export_uuid"}}, {**DONE, "uuid": "8"}),
        ({"start": {"id": "taskUid"}, "outcome": {"state": "task.status"}}, {"task": {**DONE, "uid": 8}}),
        ({"start": {"id": "job.uuid"}}, {**DONE, "uuid": "8"}),
        ({"start": {"id": "r[0].job.run_id"}, "outcome": {"state": "r[0].job.status"}},
         {"r": [{"job": {**DONE, "run_id": "8"}}], "rows": []}),
        ({"start": {"id": "header:X-Job"}, "poll": {"path": "j/{job_id}", "id": "uid"}}, {**DONE, "uid": 8}),
        ({"poll": {"path": "jobs/{job_id}", "id": "data.id"}}, {**DONE, "id": 7, "data": {"id": 8}}),
        ({"poll": {"path": "jobs/{job_id}", "id": "list[*].id"}}, {**DONE, "list": [{"id": 8}]}),
        ({"poll": {"path": "jobs/{job_id}", "moves_to": "run.url", "id": "id"}}, {**DONE, "id": 8}),
    ],
)  # fmt: skip
def test_the_id_is_looked_for_where_it_may_be(description: dict[str, Any], body: Any) -> None:
    with pytest.raises(DescriptionError, match="about another job"):
        of_a_poll(body, **description)


@pytest.mark.parametrize(
    ("body", "description"),
    [
        ({**DONE, "id": 7}, {}),
        ({**DONE, "id": "7"}, {}),
        ({**DONE, "id": "jobs/7"}, {}),
        ({**DONE, "id": None}, {}),
        (DONE, {}),
        ({**DONE, "id": "0192-ab", "number": 7}, {}),  # a job with two ids
        ({**DONE, "id": 8}, {"poll": {"path": "jobs/{job_id}", "id": False}}),
        ({**DONE, "job": {"id": 8}}, {}),
        # The job that is polled from now on has an id of its own.
        ({**DONE, "id": 8}, {"poll": {"path": "jobs/{job_id}", "moves_to": "run.url"}}),
        ({"data": {**DONE, "id": 8}, "rows": [1]}, {"outcome": {"state": "data.status"}}),
        ({"job": {**DONE, "id": 8}, "id": 7, "rows": [1]}, {"outcome": {"state": "job.status"}}),
    ],
)
def test_an_answer_about_our_job_or_about_none_counts(body: Any, description: dict[str, Any]) -> None:
    assert of_a_poll(body, **description).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("projects/my-project/operations/a", "projects/123/operations/a"),
        ("750R0000000zlh9", "750R0000000zlh9IAE"),
        ("0192-AB", "0192-ab"),
    ],
)
def test_two_spellings_of_an_id_are_one(ours: str, theirs: str) -> None:
    handle = JobHandle("http_api", ours, 0.0, "https://api.example/jobs/7")
    assert of_a_poll({**DONE, "id": theirs}, handle).state is JobState.SUCCEEDED


def test_a_job_without_an_id_has_none_to_compare() -> None:
    handle = JobHandle("http_api", "our-own", 0.0, "https://api.example/jobs/7", named=False)
    status = of_a_poll({**DONE, "id": 8}, handle, poll="GET {status_url}")
    assert status.state is JobState.SUCCEEDED
