# SPDX-License-Identifier: Apache-2.0
"""A result that goes to XCom stays within its bound."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_async_provider._jobs.results.returned import ReturnedResult
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Result

HANDLE = JobHandle("remote_job", "7", 0.0)


def returned(value: Any, bound: int = 50) -> Any:
    part = ReturnedResult(None, logging.getLogger("test"), bound)  # type: ignore[arg-type] # nothing is fetched
    return part.value(HANDLE, JobStatus(JobState.SUCCEEDED, result=Result(value=value)))


@pytest.mark.parametrize("value", [{"a": [1, None]}, "text", 0, "x" * 48])
def test_what_fits_is_handed_over(value: Any) -> None:
    assert returned(value) == value


@pytest.mark.parametrize("value", ["x" * 49, ["é" * 30], b"bytes"])
def test_what_does_not_wants_a_destination(value: Any) -> None:
    with pytest.raises(AsyncJobError, match="destination"):
        returned(value)
