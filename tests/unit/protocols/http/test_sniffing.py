# SPDX-License-Identifier: Apache-2.0
"""A state in a document that nobody has described."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.places import Answer
from airflow_async_provider.protocols._http.sniffing import ambiguous, asks_for_password, sniffed


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
        ("text/html", b"<html><table><tr><td>password</td></tr></table></html>", False),
        ("text/csv", b'<input type="password">', False),
    ],
)
def test_a_page_in_which_a_person_logs_in(kind: str, body: bytes, asks: bool) -> None:
    assert asks_for_password(HttpResponse(200, Headers({"Content-Type": kind}), body, 0.0)) is asks


def test_an_answer_that_may_be_either_says_what_to_set() -> None:
    answer = Answer(HttpResponse(200, Headers(), b'{"status": "odd", "token": "s3cret-1"}', 0.0))
    error = str(ambiguous(answer, "odd", job="job 7"))
    assert "outcome.state to false" in error
    assert "s3cret-1" not in error
