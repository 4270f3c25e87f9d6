# SPDX-License-Identifier: Apache-2.0
"""Webhooks that wait in SAP's queue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError, UnreadableAnswerError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._open_connectors.queue import OpenConnectorsQueueProtocol

QUEUE = OpenConnectorsQueueProtocol(queue_url="https://queue.example/7")
HANDLE = JobHandle("open_connectors_queue", "1028", 0.0)


def status(value: Any) -> JobState:
    answer = HttpResponse(200, Headers(), json.dumps(value).encode(), 0.0)
    return QUEUE.read_status(HANDLE, answer).state


def test_only_the_job_s_own_address_is_asked_for() -> None:
    params = QUEUE.status(HANDLE).params
    assert params is not None
    assert "config.url='https://queue.example/7'" in params["where"]


def test_nothing_in_the_queue_is_a_job_that_runs() -> None:
    assert status([]) is JobState.RUNNING
    assert status([{"error": "x", "status": "queued"}]) is JobState.RUNNING


def test_a_webhook_of_another_event_is_not_ours() -> None:
    other = {"message": json.dumps({"eventId": 1029, "eventStatus": "completed", "response": {"id": 1}})}
    assert status([other]) is JobState.RUNNING


@pytest.mark.parametrize("answered", [{"status": 502}, "HTTP 502", {"requestId": "r", "message": "m"}])
def test_what_the_address_answered_is_no_result(answered: Any) -> None:
    delivery = {"eventId": 1028, "status": "queued", "error": "502", "response": answered}
    assert status([delivery]) is JobState.RUNNING
    webhook = {"eventId": 1028, "response": {"id": 1}}
    assert status([{**delivery, "notification": {"message": webhook}}]) is JobState.SUCCEEDED
    assert status([{**delivery, "message": json.dumps(webhook)}]) is JobState.SUCCEEDED


def test_what_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="apostrophe"):
        OpenConnectorsQueueProtocol(queue_url="https://queue.example/it's")
    with pytest.raises(UnreadableAnswerError):
        status({})
