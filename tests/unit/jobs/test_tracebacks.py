# SPDX-License-Identifier: Apache-2.0
"""Errors of ours reach the task log without frames that say nothing to its reader."""

from __future__ import annotations

import json
import logging
import traceback

import pytest

from airflow_async_provider._jobs.tracebacks import make_plain
from airflow_async_provider.errors import JobFailedError, TransientError


class Task:
    log = logging.getLogger("task")

    def execute(self, error: Exception) -> None:
        def deep_inside() -> None:
            raise error from TransientError("why")

        deep_inside()


make_plain(Task)


def test_an_error_of_ours_comes_alone() -> None:
    with pytest.raises(JobFailedError) as found:
        Task().execute(JobFailedError("it failed"))
    text = "".join(traceback.format_exception(found.value))
    assert "deep_inside" not in text
    assert "why" in text


def test_another_error_keeps_them() -> None:
    with pytest.raises(ValueError, match="a slip") as found:
        Task().execute(ValueError("a slip"))
    assert "deep_inside" in "".join(traceback.format_exception(found.value))


def test_a_library_s_error_behind_it_is_one_line() -> None:
    class Stored(Task):
        def execute(self, error: Exception) -> None:
            try:
                json.loads("{")
            except ValueError as e:
                raise error from e

    make_plain(Stored)
    with pytest.raises(JobFailedError) as found:
        Stored().execute(JobFailedError("it failed"))
    text = "".join(traceback.format_exception(found.value))
    assert "JSONDecodeError" in text
    assert "raw_decode" not in text
