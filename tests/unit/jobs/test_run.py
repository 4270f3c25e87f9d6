# SPDX-License-Identifier: Apache-2.0
"""The way of a job through its tries, against a remote system in this process: no vendor, no network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_async_provider._jobs.airflow_exceptions import AirflowTaskTimeout
from airflow_async_provider._jobs.memory import TaskMemory
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.wait import deferred_here
from airflow_async_provider.errors import (
    ConfigurationError,
    JobBlockedError,
    JobCancelledError,
    JobElsewhereError,
    JobFailedError,
)
from airflow_async_provider.protocols import JobHandle, JobStatus, Submitted
from airflow_async_provider.protocols._job import Cancellation
from tests.support.one_task import OneTask, TaskDeferred
from tests.support.small_remote import BLOCKED, FAILED, SUCCEEDED, SmallRemote, SmallTask, resume


def test_a_job_is_started_once_and_its_result_returned() -> None:
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    remote.jobs["7"] = SUCCEEDED
    assert resume(task, remote, deferral) == "7"
    assert list(remote.jobs) == ["7"]


def test_an_event_is_not_believed() -> None:
    """It was logged, stored in clear, and perhaps written by a stranger."""
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    with pytest.raises(TaskDeferred):
        resume(task, remote, deferral, state="succeeded")
    remote.jobs["7"] = FAILED
    with pytest.raises(JobFailedError):
        resume(task, remote, deferral, state="succeeded")


def test_what_a_person_reads_of_a_job_follows_its_address() -> None:
    remote = SmallRemote()
    run = JobRun(SmallTask(remote=remote), OneTask().context)
    run.adopt(remote.start())
    assert run.facts["url"] == "https://a.example/jobs/7"
    run.change_handle(replace(run.handle, status_url="https://a.example/moved/7"))
    assert run.facts["url"] == "https://a.example/moved/7"


@pytest.mark.parametrize("without", ["event", "run"])
def test_a_task_is_resumed_with_an_event_and_what_it_deferred_with(without: str) -> None:
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    deferred_here(task.context)  # it is another process
    given = {"event": {"state": "succeeded"}, **deferral.kwargs, without: None}
    with pytest.raises(ValueError, match="needs the trigger's event and the deferred run"):
        SmallTask(remote=remote).execute_complete(task.context, **given)


def test_the_word_of_dag_test_is_not_believed_either() -> None:
    """It knows no end by a trigger, and goes on with "success" in place of an event."""
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    with pytest.raises(TaskDeferred):
        SmallTask(remote=remote).execute_complete(task.context, event="success", **deferral.kwargs)
    remote.jobs["7"] = SUCCEEDED
    ended = SmallTask(remote=remote).execute_complete(task.context, event="success", **deferral.kwargs)
    assert ended == "7"


def test_a_retry_goes_on_with_the_job_and_starts_no_other() -> None:
    remote, task = SmallRemote(), OneTask()
    task.begin(lambda: SmallTask(remote=remote))  # its worker and its trigger are gone
    remote.jobs["7"] = SUCCEEDED
    assert task.run(lambda: SmallTask(remote=remote)) == "7"
    assert list(remote.jobs) == ["7"]


@pytest.mark.parametrize(("state", "error"), [(FAILED, JobFailedError), (BLOCKED, JobBlockedError)])
def test_after_a_bad_end_a_retry_starts_another_after_a_block_it_does_not(
    state: Any, error: type[Exception]
) -> None:
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    remote.jobs["7"] = state
    with pytest.raises(error):
        resume(task, remote, deferral, state=state.value)
    if state is FAILED:
        task.begin(lambda: SmallTask(remote=remote))
        assert list(remote.jobs) == ["7", "8"]
    else:
        with pytest.raises(error):
            task.run(lambda: SmallTask(remote=remote))
        assert list(remote.jobs) == ["7"]


# -- whose job it is


def test_a_try_that_airflow_has_given_up_leaves_the_job_to_its_successor() -> None:
    remote, task = SmallRemote(), OneTask()
    first = SmallTask(remote=remote)
    task.try_number = 1
    with pytest.raises(TaskDeferred):
        first.execute(task.context)
    task.begin(lambda: SmallTask(remote=remote))  # the second try has taken the job up
    first.on_kill()  # what a worker does whose heartbeat was refused
    assert remote.cancelled == []


def test_a_try_that_is_killed_cancels_its_own_job() -> None:
    remote, task = SmallRemote(), OneTask()
    operator = SmallTask(remote=remote)
    task.begin(lambda: operator)
    operator.on_kill()
    assert remote.cancelled == ["7"]


def test_a_kill_while_the_result_is_fetched_cancels_nothing() -> None:
    class Killed(SmallTask):
        def process_result(self, run: JobRun, status: JobStatus) -> Any:
            self.on_kill()
            return super().process_result(run, status)

    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: Killed(remote=remote))
    remote.jobs["7"] = SUCCEEDED
    event = {"version": 1, "state": "succeeded", "via": "poll", "polls": 1, "errors": 0}
    assert Killed(remote=remote).execute_complete(task.context, event=event, **deferral.kwargs) == "7"
    assert remote.cancelled == []


@pytest.mark.parametrize("given_up", [False, True])
def test_a_job_is_deleted_by_the_try_that_has_it(given_up: bool) -> None:
    remote, task = SmallRemote(), OneTask()
    deleted: list[str] = []

    class Deleting(SmallTask):
        def start(self, run: JobRun) -> Submitted:
            handle = self.remote.start()
            options = {"start": {"status_url": "header:Location"}, "delete": {"method": "DELETE"}}
            return Submitted(replace(handle, protocol="http_api", options=options))

        def process_result(self, run: JobRun, status: JobStatus) -> Any:
            if given_up:
                task.try_number += 1
                TaskMemory(task.context, self.log).add(owner="the next try")
            return run.handle.job_id

    def delete(handle: JobHandle) -> Cancellation:
        deleted.append(handle.job_id)
        return Cancellation(True)

    remote.delete = delete  # type: ignore[attr-defined] # what a hook has beside the rest
    deferral = task.begin(lambda: Deleting(remote=remote))
    remote.jobs["7"] = SUCCEEDED
    event = {"version": 1, "state": "succeeded", "via": "poll", "polls": 1, "errors": 0}
    assert Deleting(remote=remote).execute_complete(task.context, event=event, **deferral.kwargs) == "7"
    assert deleted == ([] if given_up else ["7"])


def test_a_connection_that_leads_elsewhere_is_not_asked_for_the_job() -> None:
    here, there, task = SmallRemote(), SmallRemote("https://b.example"), OneTask()
    there.start()  # somebody else's job, with the number of ours
    task.begin(lambda: SmallTask(remote=here))
    with pytest.raises(JobElsewhereError, match=r"a\.example"):
        task.run(lambda: SmallTask(remote=there))
    assert (there.asked, there.cancelled, list(there.jobs)) == ([], [], ["7"])
    here.jobs["7"] = SUCCEEDED
    assert task.run(lambda: SmallTask(remote=here)) == "7"


def test_the_same_for_another_connection_id() -> None:
    here, there, task = SmallRemote(), SmallRemote(conn_id="other"), OneTask()
    task.begin(lambda: SmallTask(remote=here))
    with pytest.raises(JobElsewhereError):
        task.run(lambda: SmallTask(remote=there))
    assert there.asked == []


# -- clearings


def test_clearing_cancels_what_runs_and_starts_anew() -> None:
    remote, task = SmallRemote(), OneTask()
    task.begin(lambda: SmallTask(remote=remote))
    task.clear()
    task.begin(lambda: SmallTask(remote=remote))
    assert remote.cancelled == ["7"]
    assert list(remote.jobs) == ["7", "8"]


def test_a_result_of_other_arguments_is_never_taken_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    remote, task = SmallRemote(), OneTask()
    task.begin(lambda: SmallTask(remote=remote, what="a"))
    remote.jobs["7"] = SUCCEEDED
    task.clear()
    deferral = task.begin(lambda: SmallTask(remote=remote, what="b"))
    assert deferral.kwargs["run"]["handle"]["job_id"] == "8"


def test_clearing_after_success_starts_a_new_job() -> None:
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    remote.jobs["7"] = SUCCEEDED
    assert resume(task, remote, deferral) == "7"
    task.clear()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    assert deferral.kwargs["run"]["handle"]["job_id"] == "8"


def test_a_job_that_somebody_cancelled_is_an_error_and_a_retry_starts_another() -> None:
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    remote.cancel(SmallTask(remote=remote).hook.bound(remote.start()))
    remote.jobs["7"] = remote.jobs["8"]
    with pytest.raises(JobCancelledError):
        resume(task, remote, deferral)


def test_a_job_that_only_a_callback_tells_of_cannot_be_watched_by_another_task() -> None:
    remote, task = SmallRemote(), OneTask()
    told = JobHandle("open_connectors", "7", 0.0)
    with pytest.raises(ConfigurationError, match="cannot be asked for the open_connectors job 7"):
        JobRun(SmallTask(remote=remote), task.context).watch(told)
    assert not remote.asked


@pytest.mark.parametrize("cancels", [True, False])
def test_airflow_s_time_limit_cancels_and_forgets_a_job_where_it_may(cancels: bool) -> None:
    class TooLong(SmallRemote):
        def status(self, handle: JobHandle, *, tries: int = 5) -> JobStatus:
            raise AirflowTaskTimeout

    remote, task = TooLong(), OneTask()
    with pytest.raises(AirflowTaskTimeout):
        task.run(lambda: SmallTask(remote=remote, deferrable=False, cancel_on_kill=cancels))
    assert remote.cancelled == (["7"] if cancels else [])
    later = SmallRemote()
    later.jobs, later.start = remote.jobs, remote.start  # type: ignore[method-assign] # it is the same system
    deferral = task.begin(lambda: SmallTask(remote=later))
    assert deferral.kwargs["run"]["handle"]["job_id"] == ("8" if cancels else "7")
