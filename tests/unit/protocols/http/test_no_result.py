# SPDX-License-Identifier: Apache-2.0
"""Small documents that are no result, and their neighbours, which are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.no_result import LARGEST, fields_seen, no_result
from airflow_async_provider.protocols._http.places import Answer
from airflow_async_provider.protocols._http.words import Meaning


def answer(body: Any) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(200, Headers(), content, 0.0)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"code": "E7", "message": "gone"}}, "E7: gone"),
        ([{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}], "Session expired"),
        ({"status": 404, "title": "Not found", "detail": "no such file"}, "no such file"),
        ({"status": "error", "message": "try later"}, "try later"),
        (
            {"code": 40002, "message": "the task has expired", "request_id": "r", "data": {}},
            "the task has expired",
        ),
        ({"responseStatus": "FAILURE", "errors": [{"type": "SESSION", "message": "expired"}]}, "expired"),
        ([{"looker_error": "the database is away"}], "looker_error"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "NoSuchKey"),
    ],
)
def test_whole_answers_of_an_error(body: Any, text: str) -> None:
    found = no_result(answer(body), states=False)
    assert found is not None
    assert found.meaning is Meaning.FAILED
    assert text in found.text


@pytest.mark.parametrize(
    "body",
    [{"status": "running"}, {"id": 7, "status": "queued"}, b"<job><id>7</id><status>running</status></job>"],
)
def test_a_state_counts_only_where_it_is_asked_for(body: Any) -> None:
    assert no_result(answer(body), states=False) is None
    found = no_result(answer(body), states=True)
    assert found is not None
    assert found.meaning is Meaning.RUNNING


@pytest.mark.parametrize(
    "body",
    [
        {"error": "x", "rows": []} | {"rows": [1]},
        {"status": "failed", "name": "vm-1"},
        {"status": "pending", "amount": 5},
        {"errors": 0, "message": "ok"},
        {"code": 0, "message": "OK", "data": {}},
        [{"looker_error": None}],
        [{"looker_error": "x", "orders": 1}],
        [{"error": "a column of this name"}],
        [{"looker_error": "x"}, {"looker_error": "y"}],
        {"status": "done"},
        [],
        {},
        b"",
        b"not json",
        b'{"error": "' + b"x" * LARGEST + b'"}',
        b"<Errors><row/></Errors>",
    ],
)
def test_data_is_data(body: Any) -> None:
    assert no_result(answer(body), states=True) is None


def test_the_fields_that_were_seen_have_no_values() -> None:
    seen = fields_seen(Answer(answer({"links": {"file": {"href": "/f?sig=SECRET"}}, "n": 1})))
    assert seen.startswith("Seen were links.file.href, n.")
    assert "SECRET" not in seen
