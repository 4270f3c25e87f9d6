# SPDX-License-Identifier: Apache-2.0
"""Azure REST API Guidelines and the Resource Manager's asynchronous operations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    DescriptionError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._http.azure import AzureProtocol

RESOURCE = "https://management.example/things/t?api-version=1"
MONITOR = "https://management.example/operations/7?api-version=1"
PROFILE = AzureProtocol()
HANDLE = JobHandle("http_azure", "7", 0.0, MONITOR)


def answer(status: int, body: Any = b"", url: str = RESOURCE, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return HttpResponse(status, Headers(named), content, 1000.0, url)


@pytest.mark.parametrize("header", ["Operation-Location", "Azure-AsyncOperation", "operation-location"])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_monitor_is_in_either_header_whatever_the_2xx(header: str, status: int) -> None:
    submitted = PROFILE.read_submit(answer(status, {"id": "op-7"}, **{header: MONITOR}))
    assert submitted.status is None
    assert submitted.handle.status_url == MONITOR
    # Only a 202's body is the monitor's; the body of 200 and 201 is the resource.
    assert (submitted.handle.job_id == "op-7") is (status == 202)


def test_operation_location_goes_before_the_others() -> None:
    headers = {"Operation_Location": MONITOR, "Azure_AsyncOperation": "/b", "Location": "/final"}
    handle = PROFILE.read_submit(answer(202, **headers)).handle
    assert handle.status_url == MONITOR
    assert handle.data == {"final_url": "https://management.example/final"}


def test_202_without_any_header_is_unreadable() -> None:
    with pytest.raises(DescriptionError, match=r"Operation-Location.*status: 'Running'"):
        PROFILE.read_submit(answer(202, {"status": "Running"}))


def test_200_without_a_monitor_is_the_result() -> None:
    status = PROFILE.read_submit(answer(200, {"name": "t"})).status
    assert status is not None
    assert status.state is JobState.SUCCEEDED
    assert status.result is not None
    assert status.result.value == {"name": "t"}


@pytest.mark.parametrize("word", ["NotStarted", "Running", "Accepted", "Provisioning", "Brand new word"])
def test_any_word_that_is_not_final_means_running(word: str) -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"status": word}, Retry_After="7"))
    assert (status.state, status.remote_status, status.retry_after, status.recognised) == (
        JobState.RUNNING,
        word,
        7.0,
        True,
    )


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Failed", JobState.FAILED),
        ("failed", JobState.FAILED),
        ("Canceled", JobState.CANCELLED),
        ("cancelled", JobState.CANCELLED),
    ],
)
def test_failed_and_canceled_come_with_the_error(word: str, state: JobState) -> None:
    body = {"status": word, "error": {"code": "Quota", "message": "no more\nroom"}}
    status = PROFILE.read_status(HANDLE, answer(200, body))
    assert (status.state, status.remote_status, status.message) == (state, word, "Quota: no more room")


def test_a_result_inside_the_monitor() -> None:
    status = PROFILE.read_status(HANDLE, answer(200, {"status": "Succeeded", "result": {"rows": 3}}))
    assert status.state is JobState.SUCCEEDED
    assert status.result is not None
    assert status.result.value == {"rows": 3}


@pytest.mark.parametrize(
    ("via", "headers", "document", "url"),
    [
        (None, {"Location": "/final"}, {}, "https://management.example/final"),
        (
            None,
            {"Location": "/final"},
            {"resourceLocation": "https://management.example/r"},
            "https://management.example/r",
        ),
        ("location", {"Location": "/final"}, {"result": {"x": 1}}, "https://management.example/final"),
        ("original-uri", {"Location": "/final"}, {"result": {"x": 1}}, RESOURCE),
    ],
)
def test_the_final_get(via: str | None, headers: dict[str, str], document: dict[str, Any], url: str) -> None:
    profile = AzureProtocol(final_state_via=via)
    handle = profile.read_submit(answer(202, Operation_Location=MONITOR, **headers)).handle
    result = profile.read_status(handle, answer(200, {"status": "Succeeded", **document})).result
    assert result is not None
    assert (result.url, result.authorized) == (url, True)


def test_a_resource_that_was_put_is_the_result() -> None:
    first = answer(201, {"properties": {"provisioningState": "Creating"}}, Azure_AsyncOperation=MONITOR)
    handle = PROFILE.read_submit(first).handle
    result = PROFILE.read_status(handle, answer(200, {"status": "Succeeded"})).result
    assert result is not None
    assert (result.url, result.authorized) == (RESOURCE, True)


def test_without_a_final_url_the_monitor_is_the_result() -> None:
    body = {"status": "Succeeded", "properties": {"output": 1}}
    assert PROFILE.read_status(HANDLE, answer(200, body)).result.value == {"output": 1}  # type: ignore[union-attr] # a failure shows
    plain = {"status": "Succeeded"}
    assert PROFILE.read_status(HANDLE, answer(200, plain)).result.value == plain  # type: ignore[union-attr] # a failure shows
    profile = AzureProtocol(final_state_via="monitor")
    handle = profile.read_submit(answer(202, Operation_Location=MONITOR, Location="/final")).handle
    assert profile.read_status(handle, answer(200, body)).result.value == body  # type: ignore[union-attr] # a failure shows


def test_the_authors_own_field_goes_before_all_rules() -> None:
    profile = AzureProtocol(result_url_field="properties.url")
    handle = profile.read_submit(answer(202, Operation_Location=MONITOR, Location="/final")).handle
    body = {"status": "Succeeded", "result": 1, "properties": {"url": "https://blob.example/f"}}
    result = profile.read_status(handle, answer(200, body)).result
    assert result is not None
    assert (result.url, result.authorized) == ("https://blob.example/f", False)


def test_a_monitor_without_status_is_unreadable_unless_it_says_202() -> None:
    assert PROFILE.read_status(HANDLE, answer(202)).state is JobState.RUNNING
    with pytest.raises(UnreadableAnswerError, match="no status"):
        PROFILE.read_status(HANDLE, answer(200, b"<html>"))
    for body in (b"[]", {"status": {}}, {"state": "x"}):
        with pytest.raises(DescriptionError, match="no status"):
            PROFILE.read_status(HANDLE, answer(200, body))


@pytest.mark.parametrize(
    ("status", "error"), [(404, RequestRefusedError), (400, RequestRefusedError), (503, TransientError)]
)
def test_an_error_of_the_monitor_is_a_failure_to_read_it(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        PROFILE.read_status(HANDLE, answer(status, {"error": {"code": "X"}}))


def test_the_monitor_may_move() -> None:
    status = PROFILE.read_status(
        HANDLE, answer(200, {"status": "Running"}, Azure_AsyncOperation="/operations/8")
    )
    assert status.status_url == "https://management.example/operations/8"


class TestLocationAlone:
    """202 while running, then exactly the final answer."""

    handle = PROFILE.read_submit(answer(202, Location="/results/7")).handle

    def test_its_address(self) -> None:
        assert self.handle.status_url == "https://management.example/results/7"
        assert JobHandle.from_dict(self.handle.to_dict()) == self.handle

    def test_202_goes_on_and_may_move(self) -> None:
        status = PROFILE.read_status(self.handle, answer(202, Location="/results/8", Retry_After="10"))
        assert (status.state, status.retry_after) == (JobState.RUNNING, 10.0)
        assert status.status_url == "https://management.example/results/8"

    def test_200_and_204_are_the_result(self) -> None:
        assert PROFILE.read_status(self.handle, answer(200, {"a": 1})).result.value == {"a": 1}  # type: ignore[union-attr] # a failure shows
        status = PROFILE.read_status(self.handle, answer(204))
        assert (status.state, status.result, status.no_data) == (JobState.SUCCEEDED, None, True)

    @pytest.mark.parametrize(
        ("body", "headers", "state"),
        [
            ({"status": "InProgress"}, {}, JobState.RUNNING),
            ({"status": "Failed", "error": {"code": "X"}}, {}, JobState.FAILED),
            ({"properties": {"provisioningState": "Updating"}}, {}, JobState.RUNNING),
            ({"status": "a word nobody knows"}, {"Retry_After": "5"}, JobState.RUNNING),
        ],
    )
    def test_a_200_that_says_otherwise_is_no_success(
        self, body: Any, headers: dict[str, str], state: JobState
    ) -> None:
        assert PROFILE.read_status(self.handle, answer(200, body, **headers)).state is state


@pytest.mark.parametrize("status", [200, 201])
def test_a_resource_that_is_still_made_is_polled_at_its_own_url(status: int) -> None:
    creating = {"properties": {"provisioningState": "Creating"}}
    submitted = PROFILE.read_submit(answer(status, creating))
    assert (submitted.status, submitted.handle.status_url) == (None, RESOURCE)
    handle = JobHandle.from_dict(submitted.handle.to_dict())
    assert PROFILE.read_status(handle, answer(200, creating)).state is JobState.RUNNING
    ready = {"properties": {"provisioningState": "Succeeded", "x": 1}}
    done = PROFILE.read_status(handle, answer(200, ready))
    assert done.state is JobState.SUCCEEDED
    assert done.result is not None
    assert (done.result.value, done.result.is_status) == (ready, False)
    bad = {"properties": {"provisioningState": "Failed"}, "error": {"code": "Q"}}
    assert PROFILE.read_status(handle, answer(200, bad)).state is JobState.FAILED

    @pytest.mark.parametrize("code", [400, 404, 409, 410, 422])
    def test_a_4xx_is_the_jobs_own_failure(self, code: int) -> None:
        status = PROFILE.read_status(
            self.handle, answer(code, {"error": {"code": "Conflict", "message": "taken"}})
        )
        assert (status.state, status.remote_status, status.message) == (
            JobState.FAILED,
            str(code),
            "Conflict: taken",
        )

    def test_a_4xx_without_json_says_what_it_said(self) -> None:
        assert PROFILE.read_status(self.handle, answer(400, b"just no")).message == "just no"

    @pytest.mark.parametrize(
        ("code", "error"), [(401, AuthenticationError), (429, TransientError), (500, TransientError)]
    )
    def test_credentials_and_throttling_are_not(self, code: int, error: type[Exception]) -> None:
        with pytest.raises(error):
            PROFILE.read_status(self.handle, answer(code))

    def test_404_while_running_where_allowed(self) -> None:
        profile = AzureProtocol(not_found_means_running=True)
        assert profile.read_status(self.handle, answer(404)).state is JobState.RUNNING


def test_final_state_via_is_one_of_three() -> None:
    with pytest.raises(ConfigurationError, match="original-uri"):
        AzureProtocol(final_state_via="elsewhere")


@pytest.mark.parametrize(
    ("body", "state", "message"),
    [
        ({"status": "Succeeded"}, JobState.SUCCEEDED, None),
        ({"status": "Running"}, JobState.RUNNING, None),
        ({"status": "Failed", "error": {"code": "X", "message": "y"}}, JobState.FAILED, "X: y"),
        ({"status": "Failed"}, JobState.FAILED, None),
    ],
)
def test_a_status_document_may_come_as_a_callback(
    body: dict[str, Any], state: JobState, message: str | None
) -> None:
    status = PROFILE.read_callback(Headers(), json.dumps(body).encode())
    assert (status.state, status.message) == (state, message)
