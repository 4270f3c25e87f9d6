# SPDX-License-Identifier: Apache-2.0
"""What beside a final word denies it, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.protocols._http.denials import (
    denial,
    failed_envelope,
    is_not_met,
    refused,
    runs_for_sure,
    says_how_inside,
)
from airflow_async_provider.protocols._http.denying_names import Kind


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ({"success": False}, Kind.BOOLEAN),
        ({"Ok": False}, Kind.BOOLEAN),
        ({"is_successful": False}, Kind.BOOLEAN),
        ({"hasErrors": True}, Kind.BOOLEAN),
        ({"error": True}, Kind.BOOLEAN),
        ({"exitCode": 137}, Kind.BOOLEAN),
        ({"error": "disk full"}, Kind.ERROR),
        ({"error": {"code": "X"}}, Kind.ERROR),
        ({"errors": [{"row": 1}]}, Kind.ERROR),
        ({"errors": {"row1": "bad"}}, Kind.ERROR),
        ({"error_message": "disk full"}, Kind.ERROR),
        ({"failureReason": "disk full"}, Kind.ERROR),
        ({"errorCode": "E12"}, Kind.ERROR),
        ({"exception": "Traceback"}, Kind.ERROR),
        ({"fault": {"code": 1}}, Kind.ERROR),
        ({"failed_count": 3}, Kind.COUNT),
        ({"numberRecordsFailed": "3"}, Kind.COUNT),
        ({"errors": 3}, Kind.COUNT),
        ({"failed": 1}, Kind.COUNT),
        ({"failedItems": [7]}, Kind.COUNT),
        ({"rejected_rows": 3}, Kind.COUNT),
        ({"request_counts": {"completed": 3, "failed": 1}}, Kind.COUNT),
        ({"summary": {"errors": 2}}, Kind.COUNT),
        # things of any name
        ({"failedAccessibleIssues": {"10001": ["no permission"]}}, Kind.COUNT),
        ({"failedTickets": 3}, Kind.COUNT),
        ({"envelopesFailed": "2"}, Kind.COUNT),
        ({"invalidOrInaccessibleIssueCount": 3}, Kind.COUNT),
        ({"validation_errors": 2}, Kind.COUNT),
        ({"bulkErrors": [{"errorMessages": ["x"]}]}, Kind.ERROR),
        ({"partialFailureError": {"code": 3, "message": "x"}}, Kind.ERROR),
        # ends that are none of a success
        ({"cancelled": True}, Kind.BOOLEAN),
        ({"expired": True}, Kind.BOOLEAN),
        ({"timed_out": True}, Kind.BOOLEAN),
        # what came of the parts
        ({"results": [{"success": True}, {"success": False}]}, Kind.COUNT),
        ({"results": [{"id": 1}, {"index": 1, "error": "TicketNotFound"}]}, Kind.COUNT),
        ({"results": {"success": False, "message": "no"}}, Kind.COUNT),
        ({"results": {"errors": ["row 1"]}}, Kind.COUNT),
        ({"result": {"partialFailureError": {"code": 3}}}, Kind.COUNT),
        ({"entries": [{".tag": "success"}, {".tag": "failure", "failure": {}}]}, Kind.COUNT),
        ({"items": [{"ok": False}]}, Kind.COUNT),
        ({"metadata": {"@type": "x", "state": "FAILED"}}, Kind.COUNT),
        ({"batches": [{"status": "completed"}, {"status": "aborted"}]}, Kind.COUNT),
        # what a statement has put out, and what its result is
        ({"output": {"status": "error", "ename": "NameError"}}, Kind.COUNT),
        ({"output": {"status": "aborted"}}, Kind.COUNT),
        ({"results": {"resultType": "error", "cause": "NameError"}}, Kind.COUNT),
        # what the job has to tell
        ({"messages": [{"type": "INFO"}, {"type": "FATAL", "text": "a peer is down"}]}, Kind.ERROR),
        ({"diagnostics": [{"severity": "error", "detail": "x"}]}, Kind.ERROR),
        ({"inboundErrorDocumentCount": 2}, Kind.COUNT),
        ({"import_error": "no such file"}, Kind.ERROR),
        ({"completionStats": {"successfulCount": "3", "failedCount": "2"}}, Kind.COUNT),
        ({"metadata": {"counters": {"TOTAL_ROWS": 3, "TOTAL_ERRORS": 2}}}, Kind.COUNT),
        ({"properties": {"succeededCount": 1, "failedCount": 2}}, Kind.COUNT),
        ({"chunks_cancelled": [2]}, Kind.COUNT),
        ({"is_partial": True}, Kind.COUNT),
        ({"hasFailedRows": True}, Kind.BOOLEAN),
        ({"items": [{"transaction_status": "SUCCESS"}, {"transaction_status": "FAILED"}]}, Kind.COUNT),
        ({"entities": {"sub_jobs": [{"status": "SUCCESS"}, {"status": "FAIL"}]}}, Kind.COUNT),
        ({"result": {"nestedResults": [{"successful": True}, {"successful": False}]}}, Kind.COUNT),
        ({"result": {"failureDumpAvailable": True}}, Kind.COUNT),
    ],
)
def test_a_field_that_denies_a_success(field: dict[str, Any], kind: Kind) -> None:
    (found,) = denial({"id": 7, "status": "completed", **field})
    assert found.kind is kind
    assert found.text.startswith(next(iter(field)))


@pytest.mark.parametrize(
    "field",
    [
        {"success": True, "failed": False, "hasErrors": False},
        {"error": None, "errors": [], "failures": [], "fault": {}},
        {
            "error": {"code": 0, "text": ""},
            "errorMessage": "",
            "errorCode": 0,
            "error_code": "0",
            "exitCode": 0,
        },
        {"error": "None", "error_msg": "No error", "errorCode": 200},
        {"failed": 0, "failed_count": "0", "numFailed": 0, "summary": {"failed": 0}},
        # of other things
        {
            "max_errors": 5,
            "errorThreshold": 3,
            "failed_attempts": 2,
            "allowedFailures": 10,
            "retry_failed": True,
        },
        {"error_file_url": "https://x/", "failed_webhook_url": "https://x/", "warnings": ["w"]},
        {"is_terror": True, "default": 3, "rows": {"failed": 3}},
        {
            "onFailureActions": ["mail"],
            "failureConditions": ["x"],
            "retriedErrors": [1],
            "errorPatterns": ["x"],
        },
        {"maxFailedTasks": 3, "failed_login_count": 2, "lastErrors": ["x"], "ignoredFailures": [1]},
        {"failureRate": 0.5, "failedTickets": 0, "failedAccessibleIssues": {}, "bulkErrors": []},
        {"cancelled": False, "expired": False, "timed_out": False, "cancelledBy": None},
        # rows of a result have columns of any name
        {
            "results": [{"status": "failed", "name": "x"}],
            "data": [{"success": False}],
            "rows": [{"error": "x"}],
        },
        {
            "messages": [{"type": "INFO"}, {"type": "WARN"}, "fatal"],
            "output": {"status": "ok", "data": "error"},
        },
        {"results": {"resultType": "table", "data": []}, "tasks": [{"status": "stopped"}]},
        {"errorRetryCount": 2, "inboundErrorDocumentCount": 0},
        {
            "import_error": None,
            "chunks_cancelled": [],
            "is_partial": False,
            "noErrors": True,
            "hasErrors": False,
        },
        {"items": [{"order_status": "cancelled"}], "result": {"items": [{"status": "failed"}]}},
        {"entities": {"rows": [{"status": "failed"}]}, "cancelledAt": 1700000000, "cancelled_orders": 3},
        {"completionStats": {"failedCount": "0"}, "metadata": {"counters": {"TOTAL_ERRORS": 0}, "errors": 3}},
        {"partial": True, "last_stats": {"failed": 3}},
        {"items": [{"error": "x"}], "metadata": {"state": "FAILED"}, "results": [{"error": None}, "failed"]},
    ],
)
def test_a_field_that_denies_nothing(field: dict[str, Any]) -> None:
    assert denial({"id": 7, "status": "completed", **field}) == []


def test_what_the_description_speaks_of_itself_is_left_to_it() -> None:
    assert denial({"failed": 3, "summary": {"errors": 1}}, ignored={"failed", "errors"}) == []
    assert denial({"failed": 3, "summary": {"errors": 1}}, counts=False) == []
    (found,) = denial({"result": {"result": "x", "isCanceled": True}}, ignored={"result"})
    assert found.text == "result.isCanceled: true", "what is read is one field of the object"


def test_only_an_object_has_fields() -> None:
    assert denial([{"error": "x"}]) == []
    assert refused([{"ok": False}]) is None


def test_a_refusal_is_a_success_or_ok_that_is_false() -> None:
    assert refused({"ok": False}) == "ok: false"
    assert refused({"success": False, "ok": True}) == "success: false"
    assert refused({"isSuccess": False}) is None, "a job that has just begun has not succeeded"


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        ({"code": 40100, "message": "Too many requests", "data": {"status": "SUCCESS"}}, "code: 40100"),
        ({"code": -1, "msg": "token expired"}, "code: -1"),
        ({"code": 0, "message": "OK"}, None),
        ({"code": 20000, "message": "success"}, None),
        ({"code": 10000, "msg": "Successfully done"}, None),
        ({"code": 201, "message": "created"}, None),
        ({"code": "EXPORT-7", "message": "ready"}, None),
        ({"code": 51010}, None),
        ([{"code": 51010, "message": "x"}], None),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "base_resp.status_code: 1004"),
        ({"status": {"code": 500, "message": "Internal"}}, "status.code: 500"),
        ({"meta": {"httpStatus": "400 - Bad Request"}}, "meta.httpStatus: 400 - Bad Request"),
        ({"base_resp": {"status_code": 0, "status_msg": "success"}}, None),
        ({"status": {"code": 200, "message": "Success"}}, None),
        ({"meta": {"httpStatus": "200 - OK", "requestId": "4711"}}, None),
        ({"meta": {"statusCode": 40000}, "row": {"code": 500, "message": "x"}}, None),
    ],
)
def test_the_envelope_of_an_answer_may_refuse_it(envelope: Any, code: str | None) -> None:
    assert failed_envelope(envelope) == code


def test_a_boolean_may_say_that_a_job_runs() -> None:
    assert runs_for_sure("completed", False)
    assert runs_for_sure("isRunning", True)
    assert not runs_for_sure("completed", True)
    assert not runs_for_sure("is_running", False)
    assert not runs_for_sure("archived", False)
    assert runs_for_sure("is_execution_finished", False)


def test_a_small_object_may_hold_the_word() -> None:
    assert says_how_inside({"name": "FAILED", "type": "pipeline_state_completed_failed"}) == "FAILED"
    assert says_how_inside({"name": "SUCCESSFUL"}) is None
    assert says_how_inside({f"f{i}": 1 for i in range(10)} | {"name": "failed"}) is None, "that is data"


def test_a_condition_may_not_hold() -> None:
    assert is_not_met({"type": "Complete", "status": "False"}, "status")
    assert is_not_met({"type": "Complete", "status": "Unknown"}, "status")
    assert not is_not_met({"type": "Complete", "status": "True"}, "status")
    assert not is_not_met({"type": "Complete", "status": "False"}, "type")
    assert not is_not_met({"status": "False"}, "status")
