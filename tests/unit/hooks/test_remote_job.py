# SPDX-License-Identifier: Apache-2.0
"""Jobs of one's own without any connection: asked for and cancelled by functions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_async_provider._jobs.airflow_exceptions import AirflowSkipException
from airflow_async_provider.errors import JobFailedError, TransientError, UnreadableAnswerError
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.hooks._remote_job import RemoteJob, RemoteJobHook
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus

HANDLE = JobHandle(
    "remote_job",
    "7",
    0.0,
    data={
        "label": "start",
        "kept": {"region": "eu"},
        "names": {"correlation_id": "c", "idempotency_key": "k"},
    },
)


def test_without_a_connection_there_is_nothing_to_point_elsewhere() -> None:
    hook = hook_for(HANDLE)
    assert isinstance(hook, RemoteJobHook)
    assert (hook.conn_id, hook.origin, hook.min_poll_interval) == ("", "", 0.0)
    assert hook.bound(HANDLE) is HANDLE
    assert hook.signature_scheme(hook.connection) is None
    assert not hook.can_ask(HANDLE)
    assert not hook.can_cancel(HANDLE)


def test_functions_get_the_job() -> None:
    seen: list[RemoteJob] = []
    hook = RemoteJobHook(poll=seen.append, cancel=seen.append)
    assert hook.can_ask(HANDLE)
    assert hook.can_cancel(HANDLE)
    assert hook.status(HANDLE).state is JobState.RUNNING
    assert hook.cancel(HANDLE)
    assert seen == [RemoteJob("7", {"region": "eu"}, "c", "k")] * 2


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (None, JobState.RUNNING),
        ("succeeded", JobState.SUCCEEDED),
        ({"state": "running", "progress": 0.1}, JobState.RUNNING),
        (JobStatus(JobState.EXPIRED), JobState.EXPIRED),
    ],
)
def test_what_a_function_says(said: Any, state: JobState) -> None:
    assert RemoteJobHook(poll=lambda job: said).status(HANDLE).state is state


def test_what_a_function_raises() -> None:
    def raising(error: Exception) -> Any:
        def poll(job: RemoteJob) -> Any:
            raise error

        return RemoteJobHook(poll=poll, cancel=poll)

    with pytest.raises(TransientError, match="ValueError: x"):
        raising(ValueError("x")).status(HANDLE)
    with pytest.raises(TransientError, match="function cancel"):
        raising(ValueError("x")).cancel(HANDLE)
    with pytest.raises(AirflowSkipException):
        raising(AirflowSkipException("so")).status(HANDLE)
    with pytest.raises(JobFailedError):
        raising(JobFailedError("so")).status(HANDLE)
    with pytest.raises(UnreadableAnswerError):
        RemoteJobHook(poll=lambda job: True).status(HANDLE)
    assert not RemoteJobHook(cancel=lambda job: False).cancel(HANDLE)


def test_the_triggerer_says_who_could_cancel() -> None:
    done = asyncio.run(RemoteJobHook().acancel(HANDLE))
    assert not done
    assert "worker" in str(done)
