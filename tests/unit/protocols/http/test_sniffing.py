# SPDX-License-Identifier: Apache-2.0
"""A state in a document that nobody has described."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.places import Answer
from airflow_async_provider.protocols._http.sniffing import ambiguous, sniffed


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
    ],
)
def test_what_may_be_a_state(document: Any, words: list[str]) -> None:
    assert sniffed(Answer(HttpResponse(200, Headers(), json.dumps(document).encode(), 0.0))) == words


def test_an_answer_that_may_be_either_says_what_to_set() -> None:
    answer = Answer(HttpResponse(200, Headers(), b'{"status": "odd", "token": "s3cret-1"}', 0.0))
    error = str(ambiguous(answer, "odd", job="job 7"))
    assert "outcome.state to false" in error
    assert "s3cret-1" not in error
