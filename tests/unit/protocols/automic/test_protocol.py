# SPDX-License-Identifier: Apache-2.0
"""The wire format of Automic, from the vendor's examples and the field reports; no network."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    RequestRefusedError,
    SubmitError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobState
from airflow_async_provider.protocols._automic.pagination import ExecutionWalk, ReportWalk
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._automic.requests import correlated_alias, correlation_suffix
from airflow_async_provider.protocols._automic.responses import ReportPages, raise_for_automic
from airflow_async_provider.protocols._automic.status_codes import RANGES, TEXTS, state_of, text_of
from airflow_async_provider.protocols._registry import protocol_of

AE = AutomicProtocol("100")
RUN = AE.handle(23021234, at=5.0)

NO_RUN = {
    "code": 11049,
    "error": "Cannot find task with RunID('0001141003') for Ignore sync condition!",
    "details": "No detail information available.",
}
NOT_ACTIVE = {
    "code": 11191,
    "error": "Task with RunID '0001168043' is not active.",
    "details": "No detail information available.",
}
BAD_LOGIN = {"code": 45254, "error": "The credentials are not valid.", "details": ""}
ILM = {"code": 1, "error": "REST API is momentarily not available due to ILM actions.", "details": ""}


def answer(body=b"", status=200, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, Headers({k.replace("_", "-"): v for k, v in headers.items()}), raw, 1000.0)


@pytest.mark.parametrize("code", [11049, 11191, 1])
@pytest.mark.parametrize("member", ["error", "details"])
def test_what_looks_secret_in_a_refusal_is_not_quoted(code, member):
    words = "ILM https://files.example/r?sig=s3cret password=s3cret\x1b[31m"
    with pytest.raises(AsyncJobError) as caught:
        raise_for_automic(answer({"code": code, member: words}, 400), job="run 7", doing="asking for")
    assert "https://files.example/r" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).isprintable()


# -- states

STATES = {
    JobState.RUNNING: """
        1300 1301 1310 1510 1520 1521 1529 1530 1531 1540 1541 1542 1543 1544 1545 1546 1547 1550
        1551 1552 1553 1554 1556 1557 1558 1565 1566 1567 1568 1569 1570 1571 1572 1573 1574 1575
        1576 1578 1579 1580 1581 1582 1583 1584 1590 1591 1592 1593 1599 1600 1655 1665 1680 1681
        1682 1683 1684 1685 1686 1687 1688 1689 1690 1691 1692 1693 1694 1695 1696 1697 1698 1699
        1700 1701 1702 1703 1704 1705 1709 1710 1711 1799
    """,
    JobState.BLOCKED: "1560 1561 1562 1563 1564",
    JobState.FAILED: """
        1800 1801 1802 1810 1815 1820 1821 1822 1823 1824 1825 1826 1827 1828 1829 1830 1856 1860
        1897 1898 1899
    """,
    JobState.CANCELLED: "1850 1851 1852 1853 1854",
    JobState.SUCCEEDED: "1900 1901 1902 1903 1960 1970 1997 1999",
    JobState.NOT_RUN: """
        1904 1905 1910 1911 1912 1913 1919 1920 1921 1922 1923 1924 1925 1926 1930 1931 1932 1933 1934 1940
        1941 1942 1943 1944
    """,
}
KNOWN = [(int(code), state) for state, codes in STATES.items() for code in codes.split()]
#: codes that no list knows, one or more of each range, its borders included
UNKNOWN = [
    (1305, JobState.RUNNING),
    (1559, JobState.RUNNING),
    (1650, JobState.RUNNING),
    (1798, JobState.RUNNING),
    (1816, JobState.FAILED),
    (1849, JobState.FAILED),
    (1855, JobState.FAILED),
    (1890, JobState.FAILED),
    (1906, JobState.SUCCEEDED),
    (1909, JobState.SUCCEEDED),
    (1915, JobState.NOT_RUN),
    (1939, JobState.NOT_RUN),
    (1945, JobState.SUCCEEDED),
    (1998, JobState.SUCCEEDED),
]


@pytest.mark.parametrize(("code", "state"), KNOWN + UNKNOWN)
def test_the_state_follows_from_the_range(code, state):
    status = AE.read_status(RUN, answer({"status": code}))
    assert (status.state, status.remote_status, status.recognised) == (state, str(code), True)


def test_the_table_is_exactly_what_is_tested():
    assert set(TEXTS) == {code for code, _ in KNOWN}


def test_the_documentation_has_the_whole_table():
    page = Path(__file__).parents[4] / "docs" / "automic.md"
    said = re.findall(r"^\| (\d{4}) \| (.+) \| (\w+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert said == [(str(code), text, state_of(code).value) for code, text in TEXTS.items()]


def test_every_code_from_1300_to_1999_is_classed():
    assert all(state_of(code) for code in range(1300, 2000))
    assert {state for _, _, state in RANGES} == set(STATES)


@pytest.mark.parametrize(
    "remote_status", [0, 1, 999, 1000, 1299, 2000, 12345, -1900, 1900.5, "ENDED_OK", True, "", 10**30]
)
def test_what_is_no_status_code_is_said_not_to_be_understood(remote_status):
    status = AE.read_status(RUN, answer({"status": remote_status, "status_text": "strange"}))
    assert (status.state, status.recognised) == (JobState.RUNNING, False)
    assert status.message == "strange"


@pytest.mark.parametrize("remote_status", [1900, "1900", " 001900 ", 1900.0])
def test_numbers_come_in_several_dresses(remote_status):
    status = AE.read_status(RUN, answer({"status": remote_status}))
    assert (status.state, status.remote_status, status.message) == (
        JobState.SUCCEEDED,
        "1900",
        "ENDED_OK - ended normally",
    )


def test_a_blocked_run_is_said_to_need_somebody():
    status = AE.read_status(RUN, answer({"status": 1560}))
    assert status.state is JobState.BLOCKED
    assert "a user acts in Automic" in status.message


def test_a_blocked_run_may_be_waited_for():
    patient = AutomicProtocol("100", fail_on_blocked=False)
    status = patient.read_status(RUN, answer({"status": 1562, "status_text": "HELD"}))
    assert (status.state, status.remote_status, status.recognised) == (JobState.RUNNING, "1562", True)
    assert status.message.startswith("HELD: ")


def test_unknown_codes_have_no_text():
    assert text_of(1998) == ""
    assert AE.read_status(RUN, answer({"status": 1998})).message is None


RECORD = {
    "name": "JOBP.LOAD",
    "type": "JOBP",
    "alias": "JOBP.LOAD#AF-0123456789ABCDEF",
    "title": "Load",
    "queue": "CLIENT_QUEUE",
    "user": "SMITH/DEP",
    "agent": "|CLIENT|WIN01",
    "platform": "WINDOWS",
    "run_id": 23021234,
    "parent": 0,
    "reference_run_id": 0,
    "status": 1900,
    "status_text": "ENDED_OK - ended normally",
    "activation_time": "2018-04-17T14:39:36Z",
    "start_time": "2018-04-17T14:39:40Z",
    "end_time": "2018-04-17T14:41:00Z",
    "runtime": 80,
    "estimated_runtime": 75,
}


def test_the_record_becomes_the_detail():
    status = AE.read_status(RUN, answer(RECORD, X_Request_Id="r-1", Retry_After="7"))
    assert status.detail == {k: v for k, v in RECORD.items() if k != "platform"}
    assert (status.request_id, status.retry_after) == ("r-1", 7.0)


def test_properties_that_are_null_may_be_missing():
    detail = AE.read_status(RUN, answer({"run_id": 23021234, "status": 1550})).detail
    assert (detail["run_id"], detail["end_time"], detail["status_text"]) == (23021234, None, "Active")


def test_nothing_unbounded_or_nested_gets_into_the_detail():
    record = {"status": 1900, "title": "x" * 9999, "user": {"a": 1}, "runtime": 10**40, "parent": True}
    detail = AE.read_status(RUN, answer(record)).detail
    assert len(detail["title"]) == 500
    assert (detail["user"], detail["runtime"], detail["parent"]) == (None, None, True)
    json.dumps(detail)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", {}, {"status": None}, {"status": {}}, {"status": []}]
)
def test_an_answer_without_a_status_is_unreadable(body):
    with pytest.raises(UnreadableAnswerError):
        AE.read_status(RUN, answer(body))


def test_a_run_of_another_client_or_one_archived_away_is_expired():
    status = AE.read_status(RUN, answer(NO_RUN, 404))
    assert (status.state, status.remote_status) == (JobState.EXPIRED, "404")
    assert "another client" in status.message
    assert "archived" in status.message


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, BAD_LOGIN, AuthenticationError),
        (403, {"code": 1, "error": "no right"}, AuthorizationError),
        (403, NOT_ACTIVE, RequestRefusedError),
        (404, b"<html>no such page", RequestRefusedError),
        (404, {"code": 7}, RequestRefusedError),
        (400, ILM, TransientError),
        (500, ILM, TransientError),
        (500, b"", TransientError),
        (503, b"[1]", TransientError),
        (429, b"", TransientError),
        (302, b"", AsyncJobError),
    ],
)
def test_failures_of_a_status(status, body, error):
    with pytest.raises(error) as caught:
        AE.read_status(RUN, answer(body, status, Retry_After="9"))
    assert caught.value.http_status == status
    if error is TransientError:
        assert caught.value.retry_after == 9.0


def test_a_conflict_with_the_status_says_that_it_is_no_question_of_rights():
    with pytest.raises(RequestRefusedError, match=r"no question of permissions.*11191.*is not active"):
        AE.read_restart(7, answer(NOT_ACTIVE, 403))


def test_details_are_reported_when_there_are_some():
    body = {"code": 99, "error": "No.", "details": "Queue is stopped."}
    with pytest.raises(SubmitError, match=r"\[99\] No. Queue is stopped."):
        AE.read_submit(answer(body, 400))


# -- start


def body_of(**arguments):
    request = AE.submit("JOBS.X", **arguments)
    assert (request.method, request.url, request.repeatable) == ("POST", "ae/api/v1/100/executions", False)
    return request.json


def test_the_smallest_start():
    assert body_of() == {"object_name": "JOBS.X"}


def test_the_largest_start():
    body = body_of(
        inputs={"TEXT#": "a", "N#": 1234, "F#": 1.5, "BOXES#": ["A", 2], "&J#|json": {"k": [1]}},
        alias="A",
        queue="Q",
        timezone="TZ.CET",
        execution_option="once",
        once={"execution_date_time": datetime(2018, 2, 27, 11, tzinfo=timezone(timedelta(hours=1)))},
        callback_url="https://airflow.example/cb",
        callback_headers={"Authorization": "Bearer s"},
        extra={"master": "M"},
    )
    assert body == {
        "object_name": "JOBS.X",
        "alias": "A",
        "queue": "Q",
        "timezone": "TZ.CET",
        "inputs": {"TEXT#": "a", "N#": "1234", "F#": "1.5", "BOXES#": ["A", "2"], "&J#|json": {"k": [1]}},
        "execution_option": "once",
        "once": {"execution_date_time": "2018-02-27T10:00:00Z"},
        "callback": {
            "type": "http",
            "http": {"url": "https://airflow.example/cb", "headers": {"Authorization": "Bearer s"}},
        },
        "master": "M",
    }


def test_a_callback_needs_no_headers():
    assert body_of(callback_url="https://a/cb")["callback"] == {
        "type": "http",
        "http": {"url": "https://a/cb"},
    }


def test_recurring_starts():
    body = body_of(execution_option="recurring", recurring={"execute_after": "PT5M"})
    assert body["recurring"] == {"execute_after": "PT5M"}


@pytest.mark.parametrize(
    "day", ["2026-11-27", date(2026, 11, 27), datetime(2026, 11, 27, 23, 30, tzinfo=UTC)]
)
def test_the_days_of_a_recurring_start(day):
    block = {"start_date": day, "end_date": day, "execute_at": "08:45", "end_after_executions": 3}
    body = body_of(execution_option="recurring", recurring=block)
    days = {"start_date": "2026-11-27", "end_date": "2026-11-27"}
    assert body["recurring"] == {**block, **days}
    moments = body_of(execution_option="once", once={"execution_date_time": "2026-11-27T23:30:00+01:00"})
    assert moments["once"] == {"execution_date_time": "2026-11-27T22:30:00Z"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"execution_option": "twice"}, "must be one of execute, once, recurring"),
        ({"execution_option": "once"}, "needs the block once"),
        ({"execution_option": "recurring"}, "needs the block recurring"),
        ({"once": {"a": 1}}, "execution_option='once'"),
        (
            {"execution_option": "once", "once": {"a": 1}, "recurring": {"a": 1}},
            "execution_option='recurring'",
        ),
        (
            {"execution_option": "recurring", "recurring": {"a": 1}, "callback_url": "https://a"},
            "never calls back",
        ),
        ({"alias": "A" * 201}, "200"),
        ({"inputs": {"D#": datetime(2020, 1, 1, tzinfo=UTC)}}, "'D#' is a datetime"),
        ({"inputs": {"B#": True}}, "'B#' is a bool"),
        ({"inputs": {"L#": [None]}}, "'L#' is a NoneType"),
        ({"extra": {"queue": "Q"}}, "queue"),
        ({"execution_option": "once", "once": {"execution_date_time": "tomorrow at 8"}}, "no moment"),
        ({"execution_option": "once", "once": {"use_logical_time": 5}}, "no moment"),
    ],
)
def test_mistakes_are_found_before_anything_is_sent(arguments, says):
    with pytest.raises(ConfigurationError, match=says):
        body_of(**arguments)


@pytest.mark.parametrize("name", ["", "  ", None])
def test_an_object_must_be_named(name):
    with pytest.raises(ConfigurationError, match="object_name is empty"):
        AE.submit(name)


@pytest.mark.parametrize("client", ["0100", "100", 8001, "0"])
def test_clients_keep_their_dress(client):
    assert AutomicProtocol(client).submit("X").url == f"ae/api/v1/{client}/executions"


@pytest.mark.parametrize("client", ["", "12345", "a", "1/2", None, "\u0661"])
def test_what_is_no_client(client):
    with pytest.raises(ConfigurationError, match="no Automic client"):
        AutomicProtocol(client)


@pytest.mark.parametrize("run_id", [26350635, "26350635", "0026350635"])
def test_the_answer_to_a_start(run_id):
    handle = AE.read_submit(answer({"run_id": run_id})).handle
    assert (handle.protocol, handle.job_id, handle.submitted_at) == ("automic", "26350635", 1000.0)
    assert handle.options == {"client": "100", "fail_on_blocked": True, "correlate": True}


def test_the_answer_to_a_start_as_the_page_about_callbacks_prints_it():
    body = {"runid": "0001005016", "object_type": "SCRI", "execution_status": "1900"}
    assert AE.read_submit(answer(body)).handle.job_id == "1005016"


@pytest.mark.parametrize("run_id", [23021235, "0023021235", 2302123.0])
def test_the_record_of_another_run_says_nothing_about_ours(run_id):
    record = {"run_id": run_id, "status": 1900}
    with pytest.raises(UnreadableAnswerError, match="run 23021234: the answer is about another run, 2302123"):
        AE.read_status(RUN, answer(record))
    with pytest.raises(UnreadableAnswerError, match="about another run"):
        AE.read_execution("0023021234", answer(record))


@pytest.mark.parametrize("run_id", [23021234, "0023021234", 23021234.0, None])
def test_our_own_record_may_be_dressed_otherwise(run_id):
    assert AE.read_status(RUN, answer({"run_id": run_id, "status": 1900})).state is JobState.SUCCEEDED


def test_a_handle_brings_its_protocol_back():
    handle = AutomicProtocol("8001", fail_on_blocked=False, correlate=False).handle(7, at=0)
    assert protocol_of(handle).options() == handle.options


@pytest.mark.parametrize(
    "body",
    [b"", {}, {"run_id": None}, {"run_id": 0}, {"run_id": -5}, {"run_id": True}, {"runid": "x"}, [7]],
)
def test_a_start_that_names_no_run(body):
    with pytest.raises(UnreadableAnswerError) as caught:
        AE.read_submit(answer(body))
    assert caught.value.http_status == 200


@pytest.mark.parametrize(
    ("status", "body", "error", "sent"),
    [
        (400, {"code": 2, "error": "no such object"}, SubmitError, None),
        (404, NO_RUN, SubmitError, None),
        (403, NOT_ACTIVE, SubmitError, None),
        (403, {"code": 5, "error": "no right"}, AuthorizationError, None),
        (401, BAD_LOGIN, AuthenticationError, None),
        # a body that Automic cannot read gets a 500 too: a run may exist or not
        (500, {"error": "NullPointerException"}, TransientError, True),
        (502, b"", TransientError, True),
        (429, b"", TransientError, True),
        # ILM: Automic says that it did not take the request
        (403, ILM, TransientError, False),
        (500, ILM, TransientError, False),
        (501, b"", SubmitError, None),
        (302, b"", SubmitError, None),
    ],
)
def test_refused_starts(status, body, error, sent):
    with pytest.raises(error) as caught:
        AE.read_submit(answer(body, status))
    assert caught.value.http_status == status
    assert getattr(caught.value, "sent", None) is sent


# -- aliases and finding again

CORRELATION = "my_dag/scheduled__2026-11-22T00:00:00+00:00/load/-1/1"


def test_an_alias_shows_the_object_and_carries_the_mark():
    alias = AE.alias("JOBS.LOAD_x@y$z", CORRELATION)
    assert alias == "JOBS.LOAD_X_Y_Z#" + correlation_suffix(CORRELATION)
    assert correlation_suffix(CORRELATION) == correlation_suffix(CORRELATION)
    assert correlation_suffix(CORRELATION) != correlation_suffix(CORRELATION + "2")


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_alias_is_one_that_automic_takes(name, correlation):
    alias = correlated_alias(name, correlation)
    assert len(alias) <= 200
    assert set(alias) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.#-")
    assert len(alias) - len(correlation_suffix(correlation)) >= 1
    assert alias.endswith("#" + correlation_suffix(correlation))


def test_the_mark_can_be_switched_off():
    plain = AutomicProtocol("100", correlate=False)
    assert plain.alias("JOBS.X", CORRELATION) is None
    assert plain.find(CORRELATION) is None


def test_looking_for_a_run_by_its_mark_takes_deactivated_ones_in():
    request = AE.find(CORRELATION)
    assert request.repeatable
    assert request.params == {
        "alias": "*#" + correlation_suffix(CORRELATION),
        "include_deactivated": True,
        "max_results": 50,
    }


def test_looking_for_a_run_by_its_whole_alias_is_exact():
    alias = AE.alias("JOBS.X", CORRELATION)
    assert AE.find(alias).params["alias"] == alias


@pytest.mark.parametrize("by_alias", [False, True])
def test_the_oldest_run_with_the_mark_is_ours(by_alias):
    alias = AE.alias("JOBP.X", CORRELATION)
    data = [
        {"run_id": 30, "alias": alias, "type": "JOBP", "reference_run_id": 20},
        {"run_id": 25, "alias": alias, "type": "CBCK"},
        {"run_id": 20, "alias": alias.lower(), "type": "JOBP"},
        {"run_id": 11, "alias": alias, "type": "CBCK"},
        {"run_id": 10, "alias": "OTHER#AF-0000000000000000", "type": "JOBS"},
        {"run_id": 9, "type": "JOBS"},
        {"run_id": None, "alias": alias},
        "no object",
    ]
    found = AE.read_find(alias if by_alias else CORRELATION, answer({"total": 7, "data": data}))
    assert (found.job_id, found.data) == ("20", {"type": "JOBP"})


def test_nothing_found():
    assert AE.read_find(CORRELATION, answer({"total": 0, "data": []})) is None
    with pytest.raises(TransientError):
        AE.read_find(CORRELATION, answer(b"", 503))


# -- cancel


def test_cancelling_a_job():
    request = AE.cancel(RUN)
    assert (request.method, request.url) == ("POST", "ae/api/v1/100/executions/23021234/status")
    assert request.json == {"action": "cancel"}
    assert request.repeatable


@pytest.mark.parametrize(
    ("kind", "recursive"), [("JOBP", True), ("JSCH", True), ("JOBG", True), ("JOBS", False), ("SCRI", False)]
)
def test_what_has_children_is_cancelled_with_them(kind, recursive):
    handle = AE.typed(RUN, AE.read_status(RUN, answer({"status": 1550, "type": kind})))
    assert (AE.cancel(handle).json.get("cancel") == {"recursive": "true"}) is recursive
    assert AE.typed(handle, AE.read_status(RUN, answer({"status": 1550}))) == handle


@pytest.mark.parametrize(
    ("status", "body", "accepted"), [(200, {}, True), (403, NOT_ACTIVE, False), (404, NO_RUN, False)]
)
def test_whether_a_cancellation_was_accepted(status, body, accepted):
    assert AE.read_cancel(RUN, answer(body, status)) is accepted


def test_a_cancellation_without_the_right_to_it():
    with pytest.raises(AuthorizationError):
        AE.read_cancel(RUN, answer({"code": 3, "error": "no right"}, 403))


# -- restarts


def test_restarting():
    assert AE.restart("0000000007").json == {"action": "restart"}
    request = AE.restart(
        7, queue="FAST.QUEUE", restart_point="RP2", keep_start_type=True, wait_for_manual_release=False,
        inputs={"TEXT1#": "restart text", "NUMBER1#": 123456789},
    )  # fmt: skip
    assert (request.url, request.repeatable) == ("ae/api/v1/100/executions/7/status", False)
    assert request.json == {
        "action": "restart",
        "restart": {
            "queue": "FAST.QUEUE",
            "restart_point": "RP2",
            "keep_start_type": "true",
            "wait_for_manual_release": "false",
            "inputs": {"TEXT1#": "restart text", "NUMBER1#": "123456789"},
        },
    }
    assert AE.read_restart(7, answer({"run_id": 26350635})) == 26350635
    with pytest.raises(UnreadableAnswerError):
        AE.read_restart(7, answer({}))


def test_following_restarts():
    assert AE.restarts(RUN).params == {
        "reference_run_id": 23021234,
        "include_deactivated": True,
        "max_results": 50,
    }
    data = [
        {"run_id": 23021300, "reference_run_id": 23021234, "type": "JOBS"},
        {"run_id": 23021290, "reference_run_id": "0023021234", "type": "JOBS"},
        {"run_id": 23021400, "reference_run_id": 5},  # a filter that the server did not know
        {"run_id": 23021234, "reference_run_id": 23021234},
    ]
    assert AE.read_restarts(RUN, answer({"data": data})).job_id == "23021300"
    assert AE.read_restarts(RUN, answer({"data": data[2:]})) is None


# -- lists


def test_filters():
    request = AE.executions(
        max_results=7,
        start_at_run_id=100,
        name="JOBS.*",
        name_exclude=True,
        type=["JOBS", "JOBP"],
        status=1900,
        include_deactivated=False,
        time_frame_option="start",
        time_frame_from=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        time_frame_to="2026-01-03T00:00:00Z",
        run_id="0000000012",
        remote_status_number=-1,
        modified_only="true",
        user=None,
    )
    assert request.params == {
        "name": "JOBS.*",
        "name_exclude": True,
        "type": "JOBS,JOBP",
        "status": "1900",
        "include_deactivated": False,
        "time_frame_option": "start",
        "time_frame_from": "2026-01-02T03:04:05Z",
        "time_frame_to": "2026-01-03T00:00:00Z",
        "run_id": 12,
        "remote_status_number": -1,
        "modified_only": "true",
        "max_results": 7,
        "start_at_run_id": 100,
    }


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31 09:00:00+01:00", "2026-01-31T08:00:00Z"),  # as Airflow renders a datetime
        ("2026-01-31T08:00:00.123456+00:00", "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00", "2026-01-31T08:00:00Z"),
    ],
)
def test_moments_as_text(text, moment):
    once = body_of(execution_option="once", once={"execution_date_time": text})["once"]
    assert once == {"execution_date_time": moment}


def test_a_moment_without_zone_is_taken_as_it_is():
    naive = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - this is the case
    assert AE.executions(time_frame_from=naive).params["time_frame_from"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    "filters",
    [
        {"nmae": "X"},
        {"name": ["A", "B"]},
        {"run_id": "abc"},
        {"time_frame_from": "2026-01-02"},
        {"time_frame_to": 5},
        {"max_results": 0},
        {"has_more": True},
    ],
)
def test_a_filter_that_would_be_ignored_is_refused(filters):
    with pytest.raises(ConfigurationError):
        AE.executions(**filters)


@pytest.mark.parametrize(
    ("body", "more", "start"),
    [
        ({"total": 3, "data": [{"run_id": 9}, {"run_id": 8}], "hasmore": True}, True, 8),
        ({"total": 2, "data": [{"run_id": 9}, {"run_id": 8}], "hasmore": False}, False, 8),
        ({"total": 2, "data": [{"run_id": 9}, {"run_id": 8}]}, True, 8),  # hasmore missing, page full
        ({"total": 1, "data": [{"run_id": 9}]}, False, 9),
        ({"data": [], "hasmore": True}, False, None),  # no cursor, no end of the loop otherwise
        ({"data": [{"name": "X"}], "hasmore": True}, False, None),
        ({}, False, None),
    ],
)
def test_pages(body, more, start):
    page = AE.read_executions(answer(body), asked=2)
    assert (page.has_more, page.next_start) == (more, start)


@pytest.mark.parametrize("body", [b"[]", {"data": {}}, b"x"])
def test_what_is_no_list(body):
    with pytest.raises(UnreadableAnswerError):
        AE.read_executions(answer(body))


# -- what belongs to a run


def test_reading_a_record():
    assert AE.execution(7).params is None
    assert AE.execution(7, fields="comments,restarts").params == {"fields": "comments,restarts"}
    assert AE.read_execution(RECORD["run_id"], answer(RECORD)) == RECORD
    with pytest.raises(RequestRefusedError, match="another client"):
        AE.read_execution(7, answer(NO_RUN, 404))


@pytest.mark.parametrize("run_id", ["7/../8", "", "0", -1, True, "7?x=1", "abc"])
def test_what_is_no_run_id_never_reaches_a_path(run_id):
    with pytest.raises(ConfigurationError, match="not a RunID"):
        AE.execution(run_id)


def test_reports():
    assert AE.reports(7).url == "ae/api/v1/100/executions/7/reports"
    listed = [{"end_timestamp": "2018-04-17T13:11:54Z", "type": "REP", "is_db": True}]
    assert AE.read_reports(answer(listed)) == listed
    assert AE.read_reports(answer({"data": listed})) == listed
    request = AE.report_pages(7, "RE/P", start_at=4, max_results=3)
    assert request.url == "ae/api/v1/100/executions/7/reports/RE%2FP"
    assert request.params == {"max_results": 3, "start_at": 4}
    pages = {"total": 2, "data": [{"page": 4, "content": "a"}, {"page": 5}], "hasmore": False}
    assert AE.read_report_pages(answer(pages)).pages == ((4, "a"), (5, ""))
    assert AE.read_report_pages(answer(b" ")) == ReportPages((), has_more=False)


@pytest.mark.parametrize("body", [b"", b"null", b"5", {"data": 5}])
def test_what_is_no_list_of_reports(body):
    with pytest.raises(UnreadableAnswerError):
        AE.read_reports(answer(body))


def test_variables_and_comments():
    assert AE.variables(7).url == "ae/api/v1/100/executions/7/variables"
    assert AE.read_variables(answer({"A#": "1"})) == {"A#": "1"}
    request = AE.add_comment(7, "from Airflow")
    assert request.url == "ae/api/v1/100/executions/7/comments"
    assert (request.method, request.json, request.repeatable) == ("POST", {"comment": "from Airflow"}, False)


def test_ping_and_health():
    assert AE.ping().url == "ae/api/v1/ping"
    assert AE.health().url == "ae/api/v1/100/system/health"
    assert AE.read_health(answer(b"whatever"))
    assert not AE.read_health(answer(b"", 503))
    with pytest.raises(AuthenticationError):
        AE.read_health(answer(BAD_LOGIN, 401))


# -- callbacks

TEMPLATE = {
    "runid": "0001005016",
    "object_type": "SCRI",
    "execution_status": "1900",
    "execution_status_text": "ENDED_OK - ended normally",
    "ae_system": "AUTOMIC",
    "client_number": "0100",
    "last_error_message": "",
    "last_error_code": "00000000",
}


@pytest.mark.parametrize(
    ("body", "run_id", "remote_status", "state"),
    [
        ({"runid": "0000000008", "object_type": "SCRI", "execution_status": "1900"}, 8, "1900", "succeeded"),
        ({"run_id": 2303535, "name": "JOBP.M", "status": 1900}, 2303535, "1900", "succeeded"),
        ({"run_id": 5, "object_type": "JOBS", "execution_status": 1800}, 5, "1800", "failed"),
        (TEMPLATE, 1005016, "1900", "succeeded"),
        ({"Run-ID": "7", "ExecutionStatus": "01850"}, 7, "1850", "cancelled"),
        ({"event": {"what": {"runId": 7, "status": "1930"}}}, 7, "1930", "not_run"),
        ([{"runid": 7}, {"status": 1560}], 7, "1560", "blocked"),
        ({"status": "ENDED_OK", "run_id": 7}, 7, "", "running"),
        ({"status": 1234}, None, "1234", "running"),
        ({"anything": "else"}, None, "", "running"),
        (b"", None, "", "running"),
        (b"\xff\xfe\x00", None, "", "running"),
        (b"null", None, "", "running"),
        (b"[" * 100_000, None, "", "running"),
        # templates are filled in by text: quotes and line breaks of an error message break the JSON
        (b'{"runid":"0000000007","m":"he said "no"\n","execution_status":"1800"}', 7, "1800", "failed"),
        # the trailing comma of the vendor's own example
        (b'{"runid": "0001005016", "execution_status": "1900",}', 1005016, "1900", "succeeded"),
        (b"<run runid='0000000007' status='1900'/>", 7, "1900", "succeeded"),
        (b"RUN_ID=0000000007&EXECUTION_STATUS=1801", 7, "1801", "failed"),
    ],
)  # fmt: skip
def test_any_form_of_callback_gives_a_hint(body, run_id, remote_status, state):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    hint = AE.read_callback(Headers(), raw)
    assert (hint.detail["run_id"], hint.remote_status, hint.state.value) == (run_id, remote_status, state)
    assert hint.recognised is (state != "running")


def test_what_else_a_template_says():
    body = {**TEMPLATE, "last_error_message": "x" * 9999, "execution_status_text": {"not": "text"}}
    detail = AE.read_callback(Headers(), json.dumps(body).encode()).detail
    assert detail["object_type"] == "SCRI"
    assert len(detail["last_error_message"]) == 500
    assert "status_text" not in detail


def test_a_long_payload_that_is_no_json_takes_no_time():
    for body in (b"a" * 40 + b" " * 1_000_000, b"a:" * 500_000, b'"' * 1_000_000, b"a b " * 250_000):
        assert AE.read_callback(Headers(), body).state is JobState.RUNNING


# -- whatever comes (answers are tried beside those to all other protocols, in ../test_fuzz.py)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["status", "run_id", "data", "hasmore", "alias", "type", "code", "error", "page", "content"]
            )
            | st.text(max_size=8),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
bodies = st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode())


@given(bodies)
def test_any_callback_leads_to_a_status(body):
    hint = AE.read_callback(Headers(), body)
    json.dumps(hint.detail, allow_nan=False)
    assert len(hint.remote_status) <= 80


def test_asking_for_the_status():
    request = AE.status(RUN)
    assert (request.method, request.url) == ("GET", "ae/api/v1/100/executions/23021234")
    assert request.repeatable


# -- walking through pages


def walk_of(**filters):
    return ExecutionWalk(AE, page_size=2, **filters)


def test_a_walk_asks_until_there_is_no_more():
    walk = walk_of(type="JOBS")
    assert walk.next.params == {"type": "JOBS", "max_results": 2}
    assert walk.take(answer({"data": [{"run_id": 9}, {"run_id": 8}], "hasmore": True})) == [
        {"run_id": 9},
        {"run_id": 8},
    ]
    assert walk.next.params == {"type": "JOBS", "max_results": 2, "start_at_run_id": 8}
    # run 8 once more, as the list has moved
    assert walk.take(answer({"data": [{"run_id": 8}, {"run_id": 7}], "hasmore": False})) == [{"run_id": 7}]
    assert walk.next is None


def test_a_walk_in_circles_ends():
    walk = walk_of()
    page = {"data": [{"run_id": 9}, {"run_id": 8}], "hasmore": True}
    assert len(walk.take(answer(page))) == 2
    assert walk.take(answer(page)) == []  # a server that does not know start_at_run_id
    assert walk.next is None


def test_a_failed_page_can_be_asked_for_again():
    walk = walk_of()
    first = walk.next
    with pytest.raises(TransientError):
        walk.take(answer(b"", 503))
    assert walk.next is first
    assert walk.take(answer({"data": [{"name": "without id"}]})) == []


def test_a_report_is_walked_through():
    walk = ReportWalk(AE, 7, "REP", at_once=2)
    assert walk.next.params == {"max_results": 2, "start_at": 1}
    assert walk.take(answer({"data": [{"page": 1, "content": "a"}, {"page": 2, "content": "b"}]})) == [
        "a",
        "b",
    ]
    assert walk.next.params == {"max_results": 2, "start_at": 3}
    assert walk.take(answer({"data": [{"page": 3, "content": "c"}]})) == ["c"]
    assert walk.next is None


@pytest.mark.parametrize(
    ("count", "said", "more"),
    [
        (1, {"hasmore": True}, True),
        (2, {"hasmore": False}, False),
        (2, {}, True),
        (1, {}, False),
        (2, {"hasmore": "no"}, True),
    ],
)
def test_a_report_has_more_pages_where_the_answer_says_so(count, said, more):
    walk = ReportWalk(AE, 7, "REP", at_once=2)
    data = [{"page": n, "content": str(n)} for n in range(1, count + 1)]
    assert len(walk.take(answer({"data": data, **said}))) == count
    assert (walk.next is not None) is more
    if more:
        assert walk.next.params == {"max_results": 2, "start_at": count + 1}


def test_a_report_without_a_wrapping_is_read_to_its_first_short_answer():
    walk = ReportWalk(AE, 7, "REP", at_once=2)
    assert walk.take(answer([{"page": 1, "content": "a"}, {"page": 2, "content": "b"}])) == ["a", "b"]
    assert walk.take(answer([{"page": 3, "content": "c"}])) == ["c"]
    assert walk.next is None


def test_a_report_that_always_comes_whole_is_read_once():
    walk = ReportWalk(AE, 7, "REP", at_once=2)
    whole = {"data": [{"page": n, "content": str(n)} for n in (1, 2, 3)]}
    assert walk.take(answer(whole)) == ["1", "2", "3"]
    assert walk.take(answer(whole)) == []
    assert walk.next is None
