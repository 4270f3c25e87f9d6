# SPDX-License-Identifier: Apache-2.0
"""``@task.remote_job``: the function as callers see it, and what it is called with."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_async_provider.decorators.remote_job import remote_job_task
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators.remote_job import RemoteJobOperator, Submission


def export(year: int, submission: Submission, suffix: str = "") -> str:
    """Start an export."""
    return f"{year}{suffix}"


def test_callers_do_not_see_the_submission() -> None:
    with DAG("d", schedule=None):
        decorated = remote_job_task(export, timeout=60)
        for call in (lambda: decorated(2026), lambda: decorated(year=2026, suffix="x")):
            operator = call().operator
            assert isinstance(operator, RemoteJobOperator)
            assert operator.python_callable is export
            assert operator.timeout == 60
        assert operator.op_kwargs == {"year": 2026, "suffix": "x"}
        with pytest.raises(TypeError):
            decorated()
        with pytest.raises(TypeError):
            decorated(2026, submission=1)


def test_with_arguments_and_mapped() -> None:
    with DAG("d", schedule=None):

        @remote_job_task(poll=print, callback=False, worker_poll_interval=60)
        def start(year: int, submission: Any) -> int:
            return year

        assert start(1).operator.poll is print
        mapped = start.override(task_id="other").expand(year=[1, 2]).operator
        assert mapped.task_id == "other"


def test_what_cannot_be_right_is_refused_at_the_call() -> None:
    with DAG("d", schedule=None), pytest.raises(ConfigurationError, match="Did you mean"):
        remote_job_task(export, heartbeat_timout=60)(1)


def test_airflow_finds_it_behind_task() -> None:
    from airflow.sdk import task

    assert task.remote_job is remote_job_task
