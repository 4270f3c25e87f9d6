# SPDX-License-Identifier: Apache-2.0
"""
What a type checker sees of the public names, as a user's strict mypy does: ``make types`` reads this, and
nothing runs it. That each public class is here is a test (``tests/unit/project/test_typing.py``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, assert_type

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseEventTrigger, BaseTrigger

from airflow_async_provider import errors
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
)
from airflow_async_provider.operators.remote_job import Callback, RemoteJob, RemoteJobOperator, Submission
from airflow_async_provider.protocols import (
    Cancellation,
    Headers,
    HttpRequest,
    HttpResponse,
    JobHandle,
    JobProtocol,
    JobState,
    JobStatus,
    Result,
    Submitted,
)
from airflow_async_provider.sensors.async_job import AsyncJobSensor, job_of
from airflow_async_provider.sensors.automic import AutomicExecutionSensor
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator
from airflow_async_provider.transfers.download import DownloadOperator
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from airflow_async_provider.triggers.async_job_event import AsyncJobEventTrigger


def operators_take_what_their_pages_say() -> Iterable[BaseOperator]:
    yield JaggaerAsoDownloadOperator(task_id="a", endpoint="e", destination="/d", timeout=timedelta(hours=1))
    yield JaggaerAsoSubmitOperator(task_id="b", endpoint="e", method="POST", json={"a": [1]})
    yield AutomicExecuteOperator(task_id="c", object_name="JOBP.X", inputs={"A#": ["1"]}, wait=False)
    yield OpenConnectorsAsyncRequestOperator(task_id="d", endpoint="e", params={"a": "b"})
    yield OpenConnectorsBulkDownloadOperator(task_id="f", object_name="contacts", destination="/d")
    yield OpenConnectorsBulkUploadOperator(task_id="g", object_name="contacts", source="/d")
    yield HttpAsyncJobOperator(task_id="h", endpoint="e", profile={"poll": "jobs/{job_id}"}, cancel=False)
    yield AsyncResultDownloadOperator(task_id="i", job={}, destination="/d", if_exists="skip")
    yield DownloadOperator(task_id="j", url=["a", "b"], destination="s3://b/p/", max_result_bytes=None)
    yield AsyncJobSensor(task_id="k", job={}, poke_interval=10)
    yield AutomicExecutionSensor(task_id="l", run_id=7)
    yield HttpAsyncJobSensor(task_id="m", endpoint="e")
    yield RemoteJobOperator(task_id="n", start=print, poll=asked_by_a_worker, heartbeat_timeout=60)


def asked_by_a_worker(job: RemoteJob) -> str:
    assert_type(job.id, str)
    return "running"


def what_a_start_function_gets(submission: Submission) -> None:
    assert_type(submission.callback, Callback)
    assert_type(submission.callback.headers, dict[str, str])
    assert_type(submission.idempotency_key, str)


def what_they_refuse() -> None:
    HttpAsyncJobOperator(task_id="a", endpoint="e", result="both")  # type: ignore[arg-type] # no such choice
    DownloadOperator(task_id="b", url="u", destination="/d", if_exists="ask")  # type: ignore[arg-type] # likewise
    JaggaerAsoDownloadOperator(task_id="c", endpoint="e")  # type: ignore[call-arg] # wants a destination


def hooks(handle: JobHandle) -> None:
    http = HttpAsyncJobHook("http_default")
    assert_type(http.status(handle), JobStatus)
    assert_type(http.cancel(handle.to_dict()), Cancellation)
    assert_type(JaggaerAsoHook().submit("e"), JobHandle)
    assert_type(JaggaerAsoHook().test_connection(), tuple[bool, str])
    assert_type(AutomicHook().get_execution(7), dict[str, Any])
    assert_type(AutomicHook().cancel(7), Cancellation)
    assert_type(OpenConnectorsHook().test_connection(), tuple[bool, str])


async def hooks_in_a_trigger(handle: JobHandle) -> None:
    assert_type(await HttpAsyncJobHook().astatus(handle), JobStatus)


def protocols(protocol: JobProtocol, handle: JobHandle, response: HttpResponse, status: JobStatus) -> None:
    assert_type(protocol.status(handle), HttpRequest)
    assert_type(protocol.read_status(handle, response), JobStatus)
    assert_type(protocol.read_submit(response), Submitted)
    assert_type(JobHandle.from_dict(handle.to_dict()), JobHandle)
    assert_type(job_of(handle.to_dict()), JobHandle)
    assert_type(status.state, JobState)
    assert_type(status.state.ended, bool)
    assert_type(status.result, Result | None)
    assert_type(response.headers, Headers)


def triggers(
    waiting: AsyncJobTrigger, watching: AsyncJobEventTrigger
) -> tuple[BaseTrigger, BaseEventTrigger]:
    return waiting, watching


def failures() -> None:
    try:
        next(iter(operators_take_what_their_pages_say())).execute({})
    except errors.JobTimeoutError as late:
        assert_type(late, errors.JobTimeoutError)
        with contextlib.suppress(TimeoutError):
            raise
    except errors.TransientError as gone:
        assert_type(gone.retry_after, float | None)
    except errors.AsyncJobError as error:
        assert_type(error.args, tuple[Any, ...])


def simulators() -> None:
    with running(AsoSimulator(result_bytes=10)) as simulator:
        assert_type(simulator, AsoSimulator)
        assert_type(simulator.url, str)
        assert_type(simulator.journal.jobs_started, int)
