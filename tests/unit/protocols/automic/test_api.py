# SPDX-License-Identifier: Apache-2.0
"""Paths and answers of Automic's REST API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import RequestRefusedError, UnreadableAnswerError
from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._automic.api import AutomicApi

API = AutomicApi("0100")


def answer(value: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, Headers(), json.dumps(value).encode(), 0.0)


def test_the_client_keeps_its_zeros_and_the_run_loses_them() -> None:
    assert API.execution("0001000007").url == "ae/api/v1/0100/executions/1000007"


def test_a_restart_is_a_run_of_its_own_and_must_not_be_sent_twice() -> None:
    request = API.restart(7, keep_start_type=True, inputs={"A#": 1})
    assert request.repeatable is False
    assert request.json["restart"]["keep_start_type"] == "true"
    assert API.read_restart(7, answer({"run_id": 8})) == 8
    with pytest.raises(UnreadableAnswerError, match="did not name the new run"):
        API.read_restart(7, answer({}))


def test_a_run_that_automic_does_not_know() -> None:
    with pytest.raises(RequestRefusedError):
        API.read_execution(7, answer({"code": 11049, "error": "Cannot find task"}, 404))
