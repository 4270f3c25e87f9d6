# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_async_provider.errors import (
    AuthenticationError,
    CallbackError,
    ConfigurationError,
    RequestRefusedError,
    SubmitError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._open_connectors.bulk import OpenConnectorsBulkProtocol

CALLBACK = "https://airflow.example.com/async/cb/dag/task/c2VjcmV0"
PROTOCOL = OpenConnectorsBulkProtocol(object_name="contacts", format="csv")
UPLOAD = OpenConnectorsBulkProtocol(object_name="accounts", direction="upload")
HANDLE = JobHandle("open_connectors_bulk", "42114492", 1000.0, options=PROTOCOL.options())


def answer(status: int = 200, body: object = None, at: float = 5000.0, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, Headers({k.replace("_", "-"): v for k, v in headers.items()}), raw, at)


# -- starting ---------------------------------------------------------------------------------------------


def test_a_download_is_one_post_with_the_documented_fields():
    request = PROTOCOL.download(
        where="lastName='Ö'",
        select_fields=["id", "name"],
        callback_url=CALLBACK,
        criteria={"limit": 10, "objectName": "not this one"},
    )
    assert (request.method, request.url, request.repeatable) == ("POST", "bulk/download", True)
    assert request.json == {
        "objectName": "contacts",
        "format": "text/csv",
        "where": "lastName='Ö'",
        "selectFields": "id,name",
        "notificationUrl": CALLBACK,
        "limit": 10,
    }


def test_what_is_not_given_is_not_sent():
    assert OpenConnectorsBulkProtocol(object_name="x").download().json == {
        "objectName": "x",
        "format": "application/json",
    }
    assert (
        OpenConnectorsBulkProtocol(object_name="x").download(select_fields="a,b").json["selectFields"]
        == "a,b"
    )


@pytest.mark.parametrize(
    ("given_format", "sent", "accepted"),
    [
        ("json", "application/json", "application/json"),
        ("JSONL", "application/jsonl", "application/jsonl"),
        ("csv", "text/csv", "text/csv"),
        ("txt/csv", "txt/csv", "text/csv"),
        ("application/xml", "application/xml", "application/xml"),
    ],
)
def test_formats(given_format, sent, accepted):
    protocol = OpenConnectorsBulkProtocol(object_name="x", format=given_format)
    assert protocol.download().json["format"] == sent
    assert protocol.file(HANDLE).headers == {"Accept": accepted}
    assert (
        OpenConnectorsBulkProtocol(**json.loads(json.dumps(protocol.options()))).options()
        == protocol.options()
    )


def test_an_upload_is_a_request_without_body_and_its_metadata():
    request, metadata = UPLOAD.upload(
        metadata={"identifierFieldName": "id", "action": "upsert"},
        callback_url=CALLBACK,
        correlation_id="AF-1",
    )
    assert (request.method, request.url, request.repeatable) == ("POST", "bulk/accounts", False)
    assert request.headers == {"Elements-Async-Callback-URL": CALLBACK}
    assert metadata == {
        "format": "json",
        "identifierFieldName": "id",
        "action": "upsert",
        "callback-payload": {"correlationId": "AF-1"},
    }
    csv = OpenConnectorsBulkProtocol(object_name="a b/c", format="csv", direction="upload")
    request, metadata = csv.upload()
    assert (request.url, dict(request.headers), metadata) == ("bulk/a%20b%2Fc", {}, {})


@pytest.mark.parametrize(
    "arguments",
    [{"object_name": ""}, {"object_name": ".."}, {"object_name": "x", "direction": "sideways"}],
)
def test_jobs_that_cannot_be(arguments):
    with pytest.raises(ConfigurationError):
        OpenConnectorsBulkProtocol(**arguments)


def test_an_unusable_callback_address_is_refused_before_anything_is_sent():
    with pytest.raises(ConfigurationError):
        PROTOCOL.download(callback_url="airflow")
    with pytest.raises(ConfigurationError):
        UPLOAD.upload(callback_url="/relative")


@pytest.mark.parametrize(
    "body",
    [
        {"id": "42114492", "instanceId": 425904, "status": "CREATED"},
        {"id": 42114492, "instance_id": 425904, "status": "CREATED"},
        {"id": 42114492.0},
    ],
)
def test_the_id_is_text_in_every_form(body):
    handle = PROTOCOL.read_submit(answer(200, body, at=1000.0)).handle
    assert handle == HANDLE
    assert JobHandle.from_dict(json.loads(json.dumps(handle.to_dict()))) == handle


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(200, {}), UnreadableAnswerError),
        (answer(200, b"x"), UnreadableAnswerError),
        (answer(400, {"message": "bad where", "requestId": "r"}), SubmitError),
        (answer(401, {"message": "x"}), AuthenticationError),
        (answer(502, {"providerMessage": "down"}), TransientError),
    ],
)
def test_starts_that_bring_no_job(response, error):
    with pytest.raises(error):
        PROTOCOL.read_submit(response)


# -- watching ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("CREATED", "running"),
        ("STARTED", "running"),
        ("RUNNING", "running"),
        ("CANCELLATION_PENDING", "running"),
        ("COMPLETED", "succeeded"),
        ("COMPLETE", "succeeded"),
        ("completed", "succeeded"),
        ("ABORTED", "failed"),
        ("CANCELED", "cancelled"),
        ("CANCELLED", "cancelled"),
    ],
)
@pytest.mark.parametrize("field", ["jobStatus", "status"])
def test_every_spelling_of_a_state(word, state, field):
    status = PROTOCOL.read_status(HANDLE, answer(200, {field: word}))
    assert (status.state, status.remote_status, status.recognised) == (state, word, True)


@pytest.mark.parametrize("named", ["42", 42, 42.0, "another"])
def test_an_answer_about_another_job_says_nothing_about_ours(named):
    with pytest.raises(UnreadableAnswerError, match="about another job"):
        PROTOCOL.read_status(HANDLE, answer(200, {"id": named, "jobStatus": "COMPLETED"}))


@pytest.mark.parametrize("named", ["42114492", 42114492, 42114492.0, "42114492.0", None, {}])
def test_our_own_id_may_be_dressed_otherwise(named):
    status = PROTOCOL.read_status(HANDLE, answer(200, {"id": named, "jobStatus": "COMPLETED"}))
    assert status.state is JobState.SUCCEEDED


def test_an_unknown_word_is_running_and_not_understood():
    status = PROTOCOL.read_status(HANDLE, answer(200, {"jobStatus": "PAUSED"}))
    assert (status.state, status.recognised) == (JobState.RUNNING, False)


@pytest.mark.parametrize(
    "counts",
    [
        {"recordCount": 41.0, "errorCount": 2.0},
        {"recordsCount": 41, "recordsFailedCount": 2},
        {"record_count": "41", "error_count": "2"},
        {"recordsCount": 41, "numOfRowsFailed": 2},
        {"recordCount": 0, "recordsCount": 41, "errorCount": 0, "recordsFailedCount": 2},
    ],
)
def test_every_spelling_of_the_counts(counts):
    said = {"jobStatus": "COMPLETED", "statusMessage": "Successfully downloaded 41 records", **counts}
    status = PROTOCOL.read_status(HANDLE, answer(200, said, Elements_Request_Id="r9"))
    assert status.detail == {"record_count": 41, "error_count": 2}
    assert status.message == "Successfully downloaded 41 records"
    assert status.request_id == "r9"


def test_counts_that_are_none_are_left_out():
    said = {"status": "RUNNING", "recordCount": None, "errorCount": "many", "message": {"x": 1}}
    status = PROTOCOL.read_status(HANDLE, answer(200, said, Retry_After="9"))
    assert (status.detail, status.message, status.retry_after) == ({}, None, 9.0)


@pytest.mark.parametrize("error", ["broken", {"message": "broken"}, ["broken"]])
def test_an_error_beside_completed_is_a_failure(error):
    said = {"jobStatus": "COMPLETED", "statusMessage": "fine", "error": error}
    status = PROTOCOL.read_status(HANDLE, answer(200, said))
    assert (status.state, status.result) == (JobState.FAILED, None)
    assert "broken" in (status.message or "")


@pytest.mark.parametrize("error", [None, "", {}, [], 0, False])
def test_no_error_beside_completed_is_none(error):
    status = PROTOCOL.read_status(HANDLE, answer(200, {"jobStatus": "COMPLETED", "error": error}))
    assert status.state is JobState.SUCCEEDED
    running = PROTOCOL.read_status(HANDLE, answer(200, {"jobStatus": "RUNNING", "error": "one record"}))
    assert running.state is JobState.RUNNING


def test_a_finished_download_says_where_its_file_is():
    result = PROTOCOL.read_status(HANDLE, answer(200, {"jobStatus": "COMPLETED"})).result
    assert result is not None
    assert (result.url, result.authorized) == ("bulk/42114492/contacts", True)
    assert result.headers == {"Accept": "text/csv"}
    assert UPLOAD.read_status(HANDLE, answer(200, {"status": "COMPLETED"})).result is None


def test_ids_and_names_cannot_leave_their_place_in_the_path():
    odd = JobHandle("open_connectors_bulk", "../../accounts", 0.0)
    assert PROTOCOL.status(odd).url == "bulk/..%2F..%2Faccounts/status"
    assert (
        OpenConnectorsBulkProtocol(object_name="a/b?c").file(odd).url == "bulk/..%2F..%2Faccounts/a%2Fb%3Fc"
    )


def test_a_young_job_that_is_not_found_yet_is_asked_for_again():
    with pytest.raises(TransientError):
        PROTOCOL.read_status(HANDLE, answer(404, {"message": "no job"}, at=1059.0))
    status = PROTOCOL.read_status(HANDLE, answer(404, {"message": "no job", "requestId": "r"}, at=1060.0))
    assert (status.state, status.request_id) == (JobState.EXPIRED, "r")
    assert "no job" in (status.message or "")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(200, {}), UnreadableAnswerError),
        (answer(200, []), UnreadableAnswerError),
        (answer(200, {"jobStatus": 5}), UnreadableAnswerError),
        (answer(429, {"message": "Too many requests"}), TransientError),
        (answer(429, {"message": "payload size"}), RequestRefusedError),
        (answer(400, {"message": "x"}), RequestRefusedError),
    ],
)
def test_answers_that_say_nothing_about_the_job(response, error):
    with pytest.raises(error):
        PROTOCOL.read_status(HANDLE, response)


def test_requests():
    assert PROTOCOL.status(HANDLE).url == "bulk/42114492/status"
    cancel = PROTOCOL.cancel(HANDLE)
    assert (cancel.method, cancel.url) == ("PUT", "bulk/42114492/cancel")
    errors = PROTOCOL.errors(HANDLE, page_size=30, next_page="t0k/en=")
    assert (errors.url, errors.params) == ("bulk/42114492/errors", {"pageSize": 30, "nextPage": "t0k/en="})


@pytest.mark.parametrize(
    ("status", "accepted"), [(200, True), (204, True), (400, False), (404, False), (409, False)]
)
def test_what_a_cancellation_led_to(status, accepted):
    assert PROTOCOL.read_cancel(HANDLE, answer(status, {"message": "x"})) is accepted


def test_a_cancellation_that_could_not_be_asked_for():
    with pytest.raises(TransientError):
        PROTOCOL.read_cancel(HANDLE, answer(503, b""))


def test_pages_of_errors():
    page = PROTOCOL.read_errors(
        HANDLE, answer(200, ["row 3: bad", {"row": 4, "message": "worse"}], Elements_Next_Page_Token="n2")
    )
    assert page.entries == ("row 3: bad", '{"row": 4, "message": "worse"}')
    assert page.next_page == "n2"
    assert PROTOCOL.read_errors(HANDLE, answer(200, b"")).entries == ()
    last = PROTOCOL.read_errors(HANDLE, answer(200, ["x" * 10_000]))
    assert last.next_page is None
    assert len(last.entries[0]) < 400


@pytest.mark.parametrize("response", [answer(200, {}), answer(200, b"row 3: bad")])
def test_what_is_no_page_of_errors(response):
    with pytest.raises(UnreadableAnswerError):
        PROTOCOL.read_errors(HANDLE, response)


# -- callbacks --------------------------------------------------------------------------------------------


def callback(body: object):
    return PROTOCOL.read_callback(Headers({"Elements-Webhook-Id": "w"}), json.dumps(body).encode())


def test_the_notification_as_the_vendor_s_samples_read_it():
    status = callback(
        {
            "id": 42114492,
            "status": "COMPLETED",
            "recordsCount": 7,
            "recordsFailedCount": 0,
            "fileFormat": "json",
            "resource": "contacts",
            "payload": {"correlationId": "AF-1"},
        }
    )
    assert status.state is JobState.SUCCEEDED
    assert status.result is None
    assert status.detail == {
        "record_count": 7,
        "error_count": 0,
        "job_id": "42114492",
        "correlation_id": "AF-1",
    }


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"id": 1, "status": "ABORTED"}, "failed"),
        ({"id": 1, "status": "COMPLETED", "error": "no"}, "failed"),
        ({"id": 1, "error": {"a": 1}}, "failed"),
        ({"id": 1, "status": "COMPLETED", "error": None}, "succeeded"),
        ({"id": 1, "jobStatus": "CANCELED"}, "cancelled"),
        ({"id": 1, "status": "CREATED"}, "running"),
        ({}, "running"),
    ],
)
def test_what_a_notification_says(body, state):
    assert callback(body).state == state


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"payload": '{"correlationId": "AF-1"}'}, "AF-1"),
        ({"callback-payload": {"correlationId": "AF-1"}}, "AF-1"),
        ({"metaData": {"callback-payload": {"correlationId": "AF-1"}}}, "AF-1"),
        ({"payload": "plain"}, None),
        ({"payload": [1], "metaData": "x"}, None),
    ],
)
def test_the_correlation_comes_back_in_several_forms(body, found):
    assert callback({"id": 1, **body}).detail.get("correlation_id") == found


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_no_json_object(body):
    with pytest.raises(CallbackError):
        PROTOCOL.read_callback(Headers(), body)


def test_repetitions_share_a_key():
    def key(body: bytes, webhook_id: str = "") -> str | None:
        return PROTOCOL.delivery_id(Headers({"Elements-Webhook-Id": webhook_id}), body)

    done = b'{"id": 1, "status": "COMPLETED"}'
    assert key(done, "w") == key(done, "w")
    assert key(done, "w") != key(b'{"id": 1, "status": "STARTED"}', "w")
    assert key(done) != key(b'{"id": 2, "status": "COMPLETED"}')
    assert key(b"x") is None
    assert key(b"x", "w") is not None
