# SPDX-License-Identifier: Apache-2.0
"""Handles and states: what is stored and read again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.protocols import JobHandle, JobState
from airflow_async_provider.protocols._job import HANDLE_VERSION


def test_a_handle_survives_json() -> None:
    handle = JobHandle(
        "x", "7", 1.5, status_url="https://a/s", expires_at=9.0, options={"a": 1}, data={"b": 2}
    )
    assert JobHandle.from_dict(json.loads(json.dumps(handle.to_dict()))) == handle


def test_a_status_url_is_not_in_its_repr() -> None:
    assert "secret" not in repr(JobHandle("x", "7", 0.0, status_url="https://a/secret"))


def test_what_a_later_version_added_is_ignored() -> None:
    assert JobHandle.from_dict({"protocol": "x", "job_id": "7", "news": 1}).job_id == "7"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"protocol": "x"},
        {"protocol": "x", "job_id": "7", "submitted_at": "now"},
        {"protocol": "x", "job_id": "7", "options": 7},
        {"protocol": "x", "job_id": "7", "version": HANDLE_VERSION + 1},
    ],
)
def test_what_is_no_handle(value: Any) -> None:
    with pytest.raises(ValueError, match="handle"):
        JobHandle.from_dict(value)


def test_blocked_is_no_end() -> None:
    assert {state for state in JobState if not state.ended} == {JobState.RUNNING, JobState.BLOCKED}


def test_a_job_is_described_by_what_it_is_and_how_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_000.0)
    about = {"label": "GET event/7/async"}
    assert JobHandle("jaggaer_aso", "abc123", 910.0, data=about).describe() == (
        "jaggaer_aso job abc123 (GET event/7/async, 90 s old)"
    )
    assert JobHandle("jaggaer_aso", "abc123", 910.0).describe() == "jaggaer_aso job abc123 (90 s old)"
    assert JobHandle("p", "j", 1_050.0).describe() == "p job j (0 s old)", "a clock that was set back"
    assert JobHandle("p", "j", 910.0, data=about).describe(age=False) == "p job j (GET event/7/async)"
    assert JobHandle("p", "j", 0.0).describe() == "p job j"
