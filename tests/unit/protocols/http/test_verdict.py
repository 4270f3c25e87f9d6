# SPDX-License-Identifier: Apache-2.0
"""Success is decided by all that an answer says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol

MONITOR = "https://api.example/jobs/7"
HANDLE = JobHandle("http_status_field", "7", 0.0, MONITOR)

OK, BAD, RUNS, STOPPED = JobState.SUCCEEDED, JobState.FAILED, JobState.RUNNING, JobState.CANCELLED


def read(profile: HttpProfile, body: Any, status: int = 200, **headers: str) -> JobStatus:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return profile.read_status(HANDLE, HttpResponse(status, Headers(named), content, 1000.0, MONITOR))


DATABRICKS = {"state": "state.life_cycle_state", "conclusion": "state.result_state", "ended": ["TERMINATED"]}
BIGQUERY = {"state": "status.state", "error": "status.errorResult"}
SLURM = {"state": "jobs[0].job_state"}
CONTROL_M = {"state": "statuses[*].status"}
ANTHROPIC = {
    "state": "processing_status",
    "ended": ["ended"],
    "failed_if": ["request_counts.succeeded==0"],
}
SALESFORCE = {"state": "state", "failed_if": ["numberRecordsFailed"]}
FLAGS = {"state": "running", "running": ["true"], "ended": ["false"], "conclusion": "ok"}
EMPTY = {"no_data_if": ["rows==0"]}
RCLONE = {"state": "finished", "conclusion": "success"}
FACEBOOK = {"state": "async_status", "running_if": [["async_status==Job Completed", "percent!=100"]]}
DBT = {
    "state": "data.status",
    "strict": True,
    "running": [1, 2, 3],
    "succeeded": [10],
    "failed": [20],
    "cancelled": [30],
}


@pytest.mark.parametrize(
    ("outcome", "body", "state"),
    [
        # state and conclusion
        (DATABRICKS, {"state": {"life_cycle_state": "RUNNING"}}, RUNS),
        (DATABRICKS, {"state": {"life_cycle_state": "TERMINATED"}}, RUNS),
        (DATABRICKS, {"state": {"life_cycle_state": "TERMINATED", "result_state": None}}, RUNS),
        (DATABRICKS, {"state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}}, OK),
        (DATABRICKS, {"state": {"life_cycle_state": "TERMINATED", "result_state": "FAILED"}}, BAD),
        (DATABRICKS, {"state": {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"}}, STOPPED),
        (
            DATABRICKS,
            {"state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS_WITH_FAILURES"}},
            BAD,
        ),
        (DATABRICKS, {"state": {"life_cycle_state": "INTERNAL_ERROR"}}, BAD),
        (DATABRICKS, {"state": {"life_cycle_state": "SKIPPED"}}, JobState.NOT_RUN),
        # nothing said of a conclusion: what stands beside the state may deny it
        ({}, {"status": "completed", "conclusion": "failure"}, BAD),
        ({}, {"status": "completed", "conclusion": "cancelled"}, STOPPED),
        ({}, {"status": "completed", "conclusion": "success"}, OK),
        ({}, {"status": "completed", "result": "failed"}, BAD),
        ({}, {"status": "completed", "result": "a long text that is the result"}, OK),
        ({}, {"status": "completed", "result": None}, OK),
        # another state of the same job, whatever its name, but not one of something else
        ({}, {"status": "completed", "status_detail": "failed"}, BAD),
        ({}, {"status": "completed", "subState": "CANCELLED"}, STOPPED),
        ({}, {"status": "completed", "finalJobStatus": "timed out"}, BAD),
        ({}, {"status": "completed", "exit-status": "error"}, BAD),
        ({}, {"status": "completed", "status_detail": "all rows written"}, OK),
        ({}, {"status": "completed", "last_status": "failed", "previousState": "failed"}, OK),
        ({"conclusion": False}, {"status": "completed", "status_detail": "failed"}, OK),
        ({"failed_if": ["status_detail==bad"]}, {"status": "completed", "status_detail": "failed"}, OK),
        ({"conclusion": "result"}, {"status": "done", "result": "success", "subState": "failed"}, BAD),
        ({"state": "job.status"}, {"job": {"status": "done"}, "status": "failed"}, BAD),
        # words of the state are not those of the conclusion
        (FLAGS, {"running": False, "ok": False}, BAD),
        (FLAGS, {"running": False, "ok": True}, OK),
        (FLAGS, {"running": True, "ok": False}, RUNS),
        # "no rows" is no excuse for a failure
        (EMPTY, {"status": "done", "rows": 0}, OK),
        (EMPTY, {"status": "failed", "rows": 0}, BAD),
        (EMPTY, {"status": "cancelled", "rows": 0}, STOPPED),
        (EMPTY, {"status": "done", "rows": 0, "error": "source down"}, BAD),
        (EMPTY, {"status": "done", "rows": 0, "success": False}, BAD),
        ({"no_data": ["NO_ROWS"]}, {"status": "NO_ROWS", "rows": 0, "failed_count": 3}, BAD),
        ({"no_data": ["NO_ROWS"]}, {"status": "NO_ROWS", "success": False}, OK),
        ({"no_data_if": [["status==failed", "code==7"]]}, {"status": "failed", "code": 7}, OK),
        # an outer state that runs, and failures further inside
        ({"state": "tasks[*].s"}, {"tasks": [{"s": "done"}], "status": "running"}, RUNS),
        ({"state": "tasks[*].s"}, {"tasks": [{"s": "done"}], "status": "active"}, OK),
        ({}, {"status": "done", "job": {"status": "FAILED"}}, BAD),
        ({}, {"status": "done", "result": {"status": "failed"}}, BAD),
        ({}, {"status": "done", "items": [{"status": "done"}, {"status": "FAILED"}]}, BAD),
        ({"partial": "succeeded"}, {"status": "done", "items": [{"status": "FAILED"}]}, OK),
        ({}, {"status": "done", "rows": [{"status": "FAILED"}]}, OK),
        ({}, {"status": "done", "unsuccessful": 2}, BAD),
        ({}, {"status": "done", "badRecords": 3}, BAD),
        ({}, {"status": "done", "bad": ["a"]}, OK),
        ({}, {"status": "done", "error": {"code": 0, "message": ""}}, OK),
        ({"error": "error"}, {"status": "done", "error": {"code": 0, "message": ""}}, OK),
        ({"succeeded": ["termin\u00e9"]}, {"status": "termine\u0301"}, OK),
        ({}, {"status": "done", "success": False}, BAD),
        ({}, {"status": "done", "failed": True}, BAD),
        ({"state": "job.state"}, {"job": {"state": "done", "is_error": True}}, BAD),
        # an error beside a final word
        ({}, {"status": "DONE", "error": {"errors": [{"code": "QUOTA"}]}}, BAD),
        ({}, {"status": "DONE", "error": None}, OK),
        ({}, {"status": "DONE", "error": {"code": 0, "message": ""}}, OK),
        ({}, {"status": "RUNNING", "error": {"code": "an attempt failed"}}, RUNS),
        ({"error": False}, {"status": "DONE", "error": "not about the job"}, OK),
        (BIGQUERY, {"status": {"state": "DONE", "errorResult": {"reason": "stopped"}}}, BAD),
        (BIGQUERY, {"status": {"state": "DONE", "errors": [{"reason": "a warning"}]}}, OK),
        # several states
        (SLURM, {"jobs": [{"job_state": ["COMPLETED"]}]}, OK),
        (SLURM, {"jobs": [{"job_state": ["RUNNING", "COMPLETING"]}]}, RUNS),
        (SLURM, {"jobs": [{"job_state": ["FAILED", "COMPLETED"]}]}, BAD),
        (CONTROL_M, {"statuses": [{"status": "Ended OK"}, {"status": "Ended Not OK"}]}, BAD),
        (CONTROL_M, {"statuses": [{"status": "Ended OK"}, {"status": "Executing"}]}, RUNS),
        (CONTROL_M, {"statuses": [{"status": "Ended OK"}, {"status": "Ended OK"}]}, OK),
        (CONTROL_M, {"statuses": [{"status": "Ended OK"}, {"status": "Wondering"}]}, RUNS),
        (CONTROL_M, {"statuses": []}, RUNS),
        # conditions
        (ANTHROPIC, {"processing_status": "ended", "request_counts": {"succeeded": 3}}, OK),
        (ANTHROPIC, {"processing_status": "ended", "request_counts": {"succeeded": 0}}, BAD),
        (ANTHROPIC, {"processing_status": "in_progress", "request_counts": {"succeeded": 0}}, RUNS),
        (SALESFORCE, {"state": "JobComplete", "numberRecordsFailed": 1}, BAD),
        (SALESFORCE, {"state": "JobComplete", "numberRecordsFailed": 0}, OK),
        (FACEBOOK, {"async_status": "Job Completed", "percent": 98}, RUNS),
        (FACEBOOK, {"async_status": "Job Completed", "percent": 100}, OK),
        # truth values and numbers
        (RCLONE, {"finished": False, "success": False}, RUNS),
        (RCLONE, {"finished": True, "success": False, "error": "no space"}, BAD),
        (RCLONE, {"finished": True, "success": False}, BAD),
        (RCLONE, {"finished": True, "success": True, "error": ""}, OK),
        (DBT, {"status": {"code": 200}, "data": {"status": 3}}, RUNS),
        (DBT, {"data": {"status": 10}}, OK),
        (DBT, {"data": {"status": 20}}, BAD),
        # null is not yet
        ({"state": "result"}, {"building": True, "result": None}, RUNS),
        ({"state": "result"}, {"building": False, "result": "UNSTABLE"}, RUNS),
        ({"state": "result", "failed": ["UNSTABLE"]}, {"result": "UNSTABLE"}, BAD),
        # an outcome that is missing until the end, beside a state that runs
        ({"state": "state.result_state"}, {"state": {"life_cycle_state": "RUNNING"}}, RUNS),
    ],
)
def test_the_state_of_a_job(outcome: dict[str, Any], body: Any, state: JobState) -> None:
    assert read(StatusFieldProtocol(outcome=outcome), body).state is state


def test_an_outcome_of_no_data_is_reported() -> None:
    profile = StatusFieldProtocol(status_field="processingStatus", no_data=["CANCELLED"], failed=["FATAL"])
    status = read(profile, {"processingStatus": "CANCELLED"})
    assert (status.state, status.no_data, status.result) == (OK, True, None)
    assert read(profile, {"processingStatus": "FATAL", "reportDocumentId": "why"}).state is BAD
    asked = StatusFieldProtocol(outcome={"no_data_if": ["rows==0"]})
    assert read(asked, {"status": "done", "rows": 0}).no_data


@pytest.mark.parametrize(
    ("outcome", "body", "words"),
    [
        ({"strict": True}, {"status": "completed"}, "'completed' is in none of the lists"),
        ({"unknown": "error"}, {"status": "crunching"}, "'crunching' is in none of the lists"),
        ({"conclusion": "how"}, {"status": "done", "how": "odd"}, "conclusion 'odd' is in none"),
        ({"total": "total", "state": "s[*]"}, {"s": ["done"], "total": 2}, "1 of 2 states"),
        ({"state": "state.result_state"}, {"state": {"life_cycle_state": "TERMINATED"}}, "no status word"),
        ({"state": "reslt"}, {"state": "RUNNING"}, "Seen were state: 'RUNNING'"),
    ],
)
def test_what_nobody_can_read_is_an_error(outcome: dict[str, Any], body: Any, words: str) -> None:
    with pytest.raises(DescriptionError, match=words):
        read(StatusFieldProtocol(outcome=outcome), body)


def test_a_word_in_no_list_is_reported_with_the_lists() -> None:
    status = read(StatusFieldProtocol(), {"status": "crunching"})
    assert (status.state, status.recognised, status.unknown_words) == (RUNS, False, ("crunching",))
    assert "running, succeeded, failed, cancelled" in (status.message or "")
    quiet = read(StatusFieldProtocol(outcome={"unknown": "running"}), {"status": "crunching"})
    assert (quiet.state, quiet.recognised) == (RUNS, True)


def test_an_own_list_keeps_the_known_words() -> None:
    profile = StatusFieldProtocol(succeeded=["ready"], running=["completed"])
    states = {w: read(profile, {"status": w}).state for w in ("ready", "succeeded", "completed", "failed")}
    assert states == {"ready": OK, "succeeded": OK, "completed": RUNS, "failed": BAD}


@pytest.mark.parametrize(
    ("place", "body", "headers", "progress"),
    [
        ("percent", {"percent": 37}, {}, 0.37),
        ("percent", {"percent": "37%"}, {}, 0.37),
        ("percent", {"percent": 1}, {}, 0.01),
        ("percent", {"percent": 0.25}, {}, 0.25),
        ("percent", {"percent": 140}, {}, 1.0),
        ("percent", {"percent": "soon"}, {}, None),
        ("percent", {}, {}, None),
        ("counts.done / counts.total", {"counts": {"done": 1, "total": 4}}, {}, 0.25),
        ("counts.done / counts.total", {"counts": {"done": 0, "total": 0}}, {}, None),
        ("header:X-Percent", {}, {"X_Percent": "50"}, 0.5),
        (None, {}, {"X_Progress": "50%"}, 0.5),
        (None, {}, {"X_Progress": "in the queue"}, None),
    ],
)
def test_progress(place: str | None, body: Any, headers: dict[str, str], progress: float | None) -> None:
    profile = StatusFieldProtocol(**({"progress_field": place} if place else {}))
    status = read(profile, {"status": "running", **body}, **headers)
    assert status.progress == progress


def test_a_failure_has_the_remotes_words() -> None:
    first = StatusFieldProtocol(outcome={"message": ["job_explanation", "result_traceback"]})
    status = read(first, {"status": "failed", "job_explanation": "", "result_traceback": "Traceback"})
    assert status.message == "Traceback"
    outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "no more"}]}
    assert read(StatusFieldProtocol(), {"status": "failed", **outcome}).message == "no more"


# -- parts that have failed

DONE = {"status": "completed", "file": "a.csv"}


@pytest.mark.parametrize(
    ("outcome", "body", "state"),
    [
        ({}, DONE, OK),
        ({}, {**DONE, "failed_count": 0, "errors": []}, OK),
        ({}, {**DONE, "failed_count": 3}, BAD),
        ({}, {**DONE, "errors": [{"row": 1}]}, BAD),
        ({}, {**DONE, "ok": False}, BAD),
        ({}, {"status": "running", "failed_count": 3, "errors": ["x"]}, RUNS),
        # the description says so
        ({"partial": "succeeded"}, {**DONE, "failed_count": 3}, OK),
        ({"partial": "succeeded"}, {**DONE, "error": "disk full"}, BAD),
        ({"error": False}, {**DONE, "errors": [{"row": 1}]}, OK),
        ({"error": "fault"}, {**DONE, "errors": [{"row": 1}]}, OK),
        ({"conclusion": False}, {**DONE, "ok": False}, OK),
        ({"failed_if": ["failed_count==10"]}, {**DONE, "failed_count": 3}, OK),
        ({"failed_if": ["failed_count==10"]}, {**DONE, "failed_count": 10}, BAD),
        # a conclusion does not hide another truth
        ({"conclusion": "isSuccess"}, {**DONE, "isSuccess": True, "isFaulted": True}, BAD),
        # beside each of many states
        (
            {"state": "tasks[*].status"},
            {"tasks": [{"status": "done"}, {"status": "done", "error": "x"}]},
            BAD,
        ),
        ({"no_data": ["empty"]}, {"status": "empty", "failed": 0, "success": False}, OK),
    ],
)
def test_parts_that_have_failed_are_no_success_unless_the_description_says_so(
    outcome: dict[str, Any], body: Any, state: JobState
) -> None:
    assert read(StatusFieldProtocol(outcome=outcome), body).state is state


def test_a_denied_success_says_what_was_seen_and_what_to_set() -> None:
    status = read(StatusFieldProtocol(), {**DONE, "failed_count": 3, "message": "3 rows were bad"})
    assert status.remote_status == "completed, failed_count: 3"
    assert "3 rows were bad" in str(status.message)
    assert "outcome: {partial: succeeded}" in str(status.message)


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"tasks": [{"status": "done"}, {"status": None}]}, RUNS),
        ({"tasks": [{"status": "done"}, {"name": "x"}]}, RUNS),
        ({"tasks": [{"status": "failed"}, {"status": None}]}, BAD),
        ({"tasks": [{"status": None}]}, RUNS),
        ({"tasks": []}, RUNS),
    ],
)
def test_one_of_many_that_has_no_state_yet_still_runs(body: Any, state: JobState) -> None:
    assert read(StatusFieldProtocol(outcome={"state": "tasks[*].status"}), body).state is state


def test_many_of_which_none_has_such_a_field_are_an_error() -> None:
    profile = StatusFieldProtocol(outcome={"state": "tasks[*].statsu"})
    with pytest.raises(DescriptionError, match=r"no status word at 'tasks\[\*\]\.statsu'"):
        read(profile, {"tasks": [{"status": "done"}]})


def test_a_condition_tells_of_a_failure_beside_an_unknown_word() -> None:
    profile = StatusFieldProtocol(outcome={"state": "exitCode", "missing": "running", "succeeded": [0],
                                           "failed_if": ["exitCode!=0"]})  # fmt: skip
    assert read(profile, {"exitCode": 137}).state is BAD
    assert read(profile, {"exitCode": 0}).state is OK
    assert read(profile, {"exitCode": None}).state is RUNS, "null is not yet a number"


def test_a_comparison_with_what_is_not_there_is_no_success() -> None:
    profile = StatusFieldProtocol(outcome={"failed_if": ["verdcit!=0"]})
    with pytest.raises(DescriptionError, match=r"compares 'verdcit', which is not in the answer"):
        read(profile, {"status": "done", "verdict": 8})
    optional = StatusFieldProtocol(outcome={"failed_if": [["grade", "grade!=0"]]})
    assert read(optional, {"status": "done"}).state is OK
    assert read(optional, {"status": "done", "grade": 8}).state is BAD


def test_the_last_of_a_history_may_be_the_state() -> None:
    profile = StatusFieldProtocol(outcome={"state": "events[-1].name"})
    assert read(profile, {"events": [{"name": "queued"}, {"name": "running"}]}).state is RUNS
    assert read(profile, {"events": [{"name": "running"}, {"name": "done"}]}).state is OK


def test_a_job_that_was_cancelled_has_not_failed() -> None:
    """Where an API has one word for both, a condition tells them apart, and the other holds as well."""
    profile = StatusFieldProtocol(
        outcome={"state": "state", "failed_if": ["error"], "cancelled_if": ["error==cancelled by user"]}
    )
    assert read(profile, {"state": "done", "error": "cancelled by user"}).state is STOPPED
    assert read(profile, {"state": "done", "error": "out of memory"}).state is BAD


@pytest.mark.parametrize(
    ("text", "kind", "state"),
    [
        ("<j><state>DONE</state></j>", "text/xml", OK),
        ("<j><state>DONE</state><failedCount>0</failedCount><error/></j>", "text/xml", OK),
        ("<j><state>DONE</state><failedCount>3</failedCount></j>", "text/xml", BAD),
        ("<x:j><x:state>DONE</x:state><x:error>disk full</x:error></x:j>", "application/xml", BAD),
        ("<j><state>DONE</state><success>false</success></j>", "text/xml", BAD),
        ('{"line": 1}\n{"state": "DONE"}', "application/x-ndjson", OK),
        ('{"state": "DONE"}\n{"state": "DONE", "error": "late"}', "application/x-ndjson", BAD),
    ],
)
def test_xml_and_json_lines_are_denied_as_json_is(text: str, kind: str, state: JobState) -> None:
    profile = StatusFieldProtocol(outcome={"state": '$ ~ state[": >]+([A-Z]+)'})
    response = HttpResponse(200, Headers({"Content-Type": kind}), text.encode(), 0.0, MONITOR)
    assert profile.read_status(HANDLE, response).state is state


XML = {"state": "$ ~ <state>([^<]+)"}


@pytest.mark.parametrize(
    ("outcome", "states", "state"),
    [
        (XML, ["Completed", "Completed"], OK),
        (XML, ["Completed", "Failed"], BAD),
        (XML, ["Completed", "InProgress"], RUNS),
        # far behind what an expression sees at a time
        (XML, [*["Completed"] * 400, "Failed"], BAD),
        # an expression that says where it begins names one
        ({"state": r"$ ~ \A[^<]*<l><b><state>([^<]+)"}, ["Completed", "Failed"], OK),
    ],
)
def test_of_several_states_in_a_text_the_worst_counts(
    outcome: dict[str, Any], states: list[str], state: JobState
) -> None:
    body = "<l>" + "".join(f"<b><state>{s}</state></b>" for s in states) + "</l>"
    assert read(StatusFieldProtocol(outcome=outcome), body.encode()).state is state


@pytest.mark.parametrize(
    ("beside", "state"),
    [
        ({"completed": False}, JobState.RUNNING),
        ({"isRunning": True}, JobState.RUNNING),
        ({"completed": True, "isRunning": False}, JobState.SUCCEEDED),
        ({"status_label": "Failed"}, JobState.FAILED),
        ({"responseStatus": "FAILURE"}, JobState.FAILED),
        ({"responseStatus": "SUCCESS"}, JobState.SUCCEEDED),
        ({"code": 51010, "message": "System error"}, JobState.FAILED),
        ({"code": 0, "message": "OK"}, JobState.SUCCEEDED),
    ],
)
def test_what_stands_beside_a_good_word_is_heard(beside: dict[str, Any], state: JobState) -> None:
    profile = HttpProfile(poll="GET jobs/{job_id}", outcome={"state": "status"}, result={"value": "$"})
    assert read(profile, {"status": "success", **beside}).state is state
    allowed = HttpProfile(
        poll="GET jobs/{job_id}", outcome={"state": "status", "conclusion": False}, result={"value": "$"}
    )
    assert read(allowed, {"status": "success", **beside}).state is JobState.SUCCEEDED


AROUND: dict[str, Any] = {"state": "data.run.status"}
CONDITION: dict[str, Any] = {"state": "status.conditions[-1].type"}


@pytest.mark.parametrize(
    ("outcome", "body", "state"),
    [
        # what stands around the object with the state
        (AROUND, {"data": {"run": {"status": "done"}, "error": {"code": 5}}}, BAD),
        (AROUND, {"data": {"run": {"status": "done"}, "sub_request_status": "ERROR"}}, BAD),
        (AROUND, {"data": {"run": {"status": "done"}, "error": None, "failed": 1}}, OK),
        ({"state": "data.runOrError.status"}, {"data": {"runOrError": {"status": "done"}}}, OK),
        # an object in place of the second word
        ({"state": "state.name"}, {"state": {"name": "COMPLETED", "result": {"name": "FAILED"}}}, BAD),
        ({"state": "state.name"}, {"state": {"name": "COMPLETED", "result": {"name": "STOPPED"}}}, STOPPED),
        ({"state": "state.name"}, {"state": {"name": "COMPLETED", "result": {"name": "SUCCESSFUL"}}}, OK),
        ({"state": "status"}, {"status": "Completed", "disposition": "Error"}, BAD),
        # Kubernetes says with "status" whether a condition holds
        (CONDITION, {"status": {"conditions": [{"type": "Complete", "status": "False"}]}}, RUNS),
        (CONDITION, {"status": {"conditions": [{"type": "Complete", "status": "Unknown"}]}}, RUNS),
        (CONDITION, {"status": {"failed": 1, "conditions": [{"type": "Complete", "status": "True"}]}}, OK),
        (CONDITION, {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, BAD),
    ],
)
def test_what_stands_around_a_good_word_is_heard(outcome: dict[str, Any], body: Any, state: JobState) -> None:
    profile = HttpProfile(poll="GET jobs/{job_id}", outcome=outcome, result={"value": "$"})
    assert read(profile, body).state is state


ENDS: dict[str, Any] = {
    "state": "endTime",
    "missing": "running",
    "succeeded": ["*"],
    "failed_if": ["isError"],
}
EXIT: dict[str, Any] = {"state": "exit", "missing": "running", "succeeded": ["OK"], "failed": ["*"]}


@pytest.mark.parametrize(
    ("outcome", "body", "state"),
    [
        (ENDS, {"startTime": 1}, RUNS),
        (ENDS, {"endTime": None}, RUNS),
        (ENDS, {"endTime": 1700000000, "isError": False}, OK),
        (ENDS, {"endTime": 1700000000, "isError": True}, BAD),
        (ENDS, {"endTime": "failed"}, BAD),  # a known word keeps its meaning
        (EXIT, {"exit": "OK"}, OK),
        (EXIT, {"exit": "command 'x' failed: exit code 1"}, BAD),
        (EXIT, {"exit": "running"}, RUNS),
        (EXIT, {"pid": 1}, RUNS),
        (EXIT, {"exit": "OK", "status_text": "all is well"}, OK),  # only the state is judged by it
        ({**EXIT, "state": "status", "conclusion": "exit", "ended": ["stopped"]},
         {"status": "stopped", "exit": "job errors"}, BAD),
    ],
)  # fmt: skip
def test_a_star_is_every_word_in_no_list(outcome: dict[str, Any], body: Any, state: JobState) -> None:
    profile = HttpProfile(poll="GET jobs/{job_id}", outcome=outcome, result={"value": "$"})
    assert read(profile, body).state is state
