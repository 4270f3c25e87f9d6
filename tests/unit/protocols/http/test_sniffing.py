# SPDX-License-Identifier: Apache-2.0
"""A state in a document that nobody has described."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.places import Answer
from airflow_async_provider.protocols._http.sniffing import (
    ambiguous,
    is_html_page,
    is_login_page,
    is_stand_in,
    sniffed,
)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"status": "Running"}, ["Running"]),
        ({"state": "x", "rows": 1}, ["x"]),
        ({"properties": {"provisioningState": "Creating"}}, ["Creating"]),
        ({"job": {"status": "queued"}}, ["queued"]),
        ({"done": False}, ["false"]),
        ({"done": True}, []),
        ({"status": 200}, []),
        ({"status": "x" * 200}, []),
        ({"rows": []}, []),
        ([{"status": "x"}], []),
        ({"jobStatus": "RUNNING"}, ["RUNNING"]),
        ({"run_status": "queued"}, ["queued"]),
        ({"phase": "Running"}, ["Running"]),
        ({"task": {"State": "odd"}}, ["odd"]),
        ({"isComplete": False}, ["false"]),
        # what may be the result says no more than "no success"
        ({"data": {"attributes": {"status": "pending"}}}, ["pending"]),
        ({"data": {"status": "failed"}}, ["failed"]),
        ({"data": {"status": "married"}}, []),
        ({"data": {"status": "completed"}}, []),
        # a progress that is not complete
        ({"progress": 0.4}, ["in progress"]),
        ({"percentComplete": "40%"}, ["in progress"]),
        ({"progress": 100}, []),
        ({"progress": 1}, []),
        ({"progress": True}, []),
        ({"progress": "fast"}, []),
        # lists: one job, or several that say that they are jobs
        ([{"status": "RUNNING"}], ["RUNNING"]),
        ([{"state": "failed", "rows": 3}], ["failed"]),
        ([{"status": "done"}], []),
        ([{"status": "married"}], []),
        ([{"jobId": 1, "state": "done"}, {"jobId": 2, "state": "running"}], ["running"]),
        ([{"jobId": 1, "state": "failed"}, {"jobId": 2, "state": "running"}], ["failed"]),
        ([{"order": 1, "status": "pending"}, {"order": 2, "status": "failed"}], []),
        (["RUNNING"], []),
        ([], []),
    ],
)
def test_what_may_be_a_state(document: Any, words: list[str]) -> None:
    assert sniffed(Answer(HttpResponse(200, Headers(), json.dumps(document).encode(), 0.0))) == words


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("text/plain", "RUNNING", ["RUNNING"]),
        ("", "pending\n", ["pending"]),
        ("text/plain", "FAILED", ["FAILED"]),
        ("text/plain", "COMPLETED", []),
        ("text/plain", "false", []),
        ("text/plain", "running\n7", []),
        ("text/csv", "new", []),
        ("application/xml", "<job><status>RUNNING</status></job>", ["RUNNING"]),
        (
            "text/xml",
            '<?xml version="1.0"?>\n<j:job a="1"><j:id>7</j:id> <j:JobState>failed</j:JobState></j:job>',
            ["failed"],
        ),
        ("text/xml", "<rows><row><status>pending</status></row></rows>", []),
        ("text/xml", "<job><status>married</status></job>", []),
        ("text/xml", "<job>" * 10_000, []),
    ],
)
def test_a_bare_word_or_xml_that_says_no_success(kind: str, body: str, words: list[str]) -> None:
    headers = Headers({"Content-Type": kind} if kind else {})
    assert sniffed(Answer(HttpResponse(200, headers, body.encode(), 0.0))) == words


@pytest.mark.parametrize(
    ("kind", "body", "asks"),
    [
        ("text/html; charset=utf-8", b'<form><INPUT name="p" type = "Password"></form>', True),
        ("text/html", b"<html><head><title>Sign in to your account</title></head></html>", True),
        ("text/html", b"<title lang=en>Contoso | Log-in</title>", True),
        (
            "application/xhtml+xml",
            b'<form method="post"><input type="hidden" name="SAMLRequest" value="x"/></form>',
            True,
        ),
        ("text/html", b'<body onload="s()"><form><input name="id_token"></form></body>', True),
        ("text/html", b"<html><table><tr><td>password</td></tr></table></html>", False),
        ("text/html", b"<title>Sales 2026</title><p>Please sign in at the desk</p>", False),
        ("text/html", b"<title>Blog index</title>", False),
        ("text/csv", b'<input type="password">', False),
    ],
)
def test_a_page_in_which_a_person_logs_in(kind: str, body: bytes, asks: bool) -> None:
    assert is_login_page(HttpResponse(200, Headers({"Content-Type": kind}), body, 0.0)) is asks


@pytest.mark.parametrize(
    ("kind", "body", "stands_in"),
    [
        ("text/html", b"<title>Down for maintenance</title>", True),
        ("text/html", b"<html><h1 class=x>503 Service Unavailable</h1></html>", True),
        ("text/html", b"<TITLE>Just a moment...</TITLE>", True),
        ("text/html", b"<title>404 - not here</title>", True),
        ("text/html", b"<title>Access denied</title>", True),
        ("text/html", b"<title>Sales 2026</title><h1>Units sold</h1><p>503 Service Unavailable</p>", False),
        ("text/plain", b"<title>Down for maintenance</title>", False),
    ],
)
def test_a_page_of_a_proxy(kind: str, body: bytes, stands_in: bool) -> None:
    assert is_stand_in(HttpResponse(200, Headers({"Content-Type": kind}), body, 0.0)) is stands_in


def test_an_answer_that_may_be_either_says_what_to_set() -> None:
    answer = Answer(HttpResponse(200, Headers(), b'{"status": "odd", "token": "s3cret-1"}', 0.0))
    error = str(ambiguous(answer, "odd", job="job 7"))
    assert "outcome.state to false" in error
    assert "s3cret-1" not in error


@pytest.mark.parametrize(
    ("beginning", "is_page"),
    [
        (b"<!DOCTYPE html><html>", True),
        (b"\xef\xbb\xbf\n<html lang='de'><head>", True),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0">', True),
        (b"<!-- a gateway's --> <HTML>", True),
        (b"<table><tr><td>", False),
        (b"<htmlish/>", False),
        (b"a,b\n<html>", False),
        (b'{"html": "<html>"}', False),
        (b"", False),
        (b"<!--" * 10_000, False),
    ],
)
def test_a_page_begins_like_one(beginning: bytes, is_page: bool) -> None:
    assert is_html_page(beginning) is is_page
