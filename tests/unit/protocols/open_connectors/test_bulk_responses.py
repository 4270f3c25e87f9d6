# SPDX-License-Identifier: Apache-2.0
"""Answers and notifications about bulk jobs."""

from __future__ import annotations

import pytest

from airflow_async_provider.errors import CallbackError, UnreadableAnswerError
from airflow_async_provider.protocols import Headers, HttpResponse, JobState
from airflow_async_provider.protocols._open_connectors.bulk_responses import (
    STATES,
    read_errors,
    read_notification,
    read_state,
)


@pytest.mark.parametrize("word", STATES)
@pytest.mark.parametrize("field", ["jobStatus", "status"])
def test_every_word_in_either_field(word: str, field: str) -> None:
    assert read_state({field: word.lower()}).state is STATES[word]


def test_an_unknown_word_keeps_the_job_running() -> None:
    status = read_state({"jobStatus": "MELTING", "recordCount": "7", "errorCount": 0})
    assert (status.state, status.recognised) == (JobState.RUNNING, False)
    assert status.detail == {"record_count": 7, "error_count": 0}


def test_errors_are_texts_or_objects() -> None:
    headers = Headers({"Elements-Next-Page-Token": "t"})
    page = read_errors(HttpResponse(200, headers, b'["a", {"b": 1}]', 0.0), job="job 7")
    assert (page.entries, page.next_page) == (("a", '{"b": 1}'), "t")
    assert read_errors(HttpResponse(200, Headers(), b"", 0.0), job="job 7").entries == ()
    with pytest.raises(UnreadableAnswerError):
        read_errors(HttpResponse(200, Headers(), b"{}", 0.0), job="job 7")


def test_a_notification_names_its_job() -> None:
    status = read_notification(Headers(), b'{"id": 7.0, "status": "COMPLETED"}')
    assert (status.state, status.detail["job_id"]) == (JobState.SUCCEEDED, "7")
    with pytest.raises(CallbackError):
        read_notification(Headers(), b"[]")
