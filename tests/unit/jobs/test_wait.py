# SPDX-License-Identifier: Apache-2.0
"""How a run waits, on the worker and in the triggerer, against a remote system in this process."""

from __future__ import annotations

import time

import pytest

from airflow_async_provider.errors import AnswerTooLargeError, JobTimeoutError, UnreadableAnswerError
from airflow_async_provider.protocols import JobHandle, JobStatus
from airflow_async_provider.protocols._job import Cancellation
from tests.support.one_task import OneTask, TaskDeferred
from tests.support.small_remote import SUCCEEDED, SmallRemote, SmallTask, resume


def test_what_the_worker_has_seen_while_it_lingered_goes_along_with_the_deferral() -> None:
    remote, task = SmallRemote(), OneTask()
    remote.moves_to = "https://a.example/moved/7"
    deferral = task.begin(lambda: SmallTask(remote=remote, linger=0.05))
    asked = len(remote.asked)
    assert asked >= 1
    assert deferral.kwargs["run"]["polls"] == asked
    assert deferral.kwargs["run"]["handle"]["status_url"] == remote.moves_to
    assert deferral.trigger.serialize()[1]["job"]["status_url"] == remote.moves_to


def test_a_worker_lingers_no_longer_than_the_task_has_time() -> None:
    remote, task = SmallRemote(), OneTask()
    task.begin(lambda: SmallTask(remote=remote, timeout=0.05, linger=2))
    assert len(remote.asked) <= 2


@pytest.mark.parametrize("cancel", [True, False])
def test_a_passed_deadline_cancels_where_it_may(cancel: bool) -> None:
    remote, task = SmallRemote(), OneTask()
    arguments = {"timeout": 0.05, "deferrable": False, "cancel_on_kill": cancel}
    with pytest.raises(JobTimeoutError):
        task.run(lambda: SmallTask(remote=remote, **arguments))
    assert remote.cancelled == (["7"] if cancel else [])


def test_after_a_cancellation_at_the_deadline_a_retry_starts_another_job() -> None:
    """The remote system takes its time to cancel: who waited for that end would fail because of it."""

    class Slow(SmallRemote):
        def cancel(self, handle: JobHandle) -> Cancellation:
            self.cancelled.append(handle.job_id)
            return Cancellation(True)

    remote, task = Slow(), OneTask()
    with pytest.raises(JobTimeoutError):
        task.run(lambda: SmallTask(remote=remote, timeout=0.05, deferrable=False))
    task.begin(lambda: SmallTask(remote=remote))
    assert remote.cancelled == ["7"]
    assert list(remote.jobs) == ["7", "8"]


def test_a_clock_that_is_ahead_ends_nobody_s_wait() -> None:
    """The triggerer says that the time is over; the worker's clock says otherwise, and counts."""
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote, timeout=86_400))
    with pytest.raises(TaskDeferred) as again:
        resume(task, remote, deferral, state="timeout")
    assert remote.cancelled == []
    assert again.value.kwargs["run"]["clock_trusted"] is False
    assert again.value.kwargs["run"]["deadline"] > time.time() + 80_000


def test_a_deferral_carries_what_its_trigger_and_the_next_try_count_with() -> None:
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote, cancel_on_kill=False))
    assert deferral.trigger.serialize()[1]["cancel_on_kill"] is False
    deferral.kwargs["run"]["started_at"] -= 7200
    began = time.time()
    with pytest.raises(TaskDeferred) as second:
        resume(task, remote, deferral, polls=3, via="callback", received_at=5.0)
    with pytest.raises(TaskDeferred) as third:
        resume(task, remote, second.value, polls=4)
    assert third.value.trigger.serialize()[1]["deferred_at"] >= began
    carried = third.value.kwargs["run"]
    assert (carried["polls"], carried["last_delivery_at"]) == (7, 5.0)
    assert carried["started_at"] < began - 7000


def test_a_deadline_that_passes_while_the_answers_cannot_be_read_says_what_they_are() -> None:
    class Unreadable(SmallRemote):
        def status(self, handle: JobHandle, *, tries: int = 5) -> JobStatus:
            raise UnreadableAnswerError("the answer is a page for people")

    remote, task = Unreadable(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote, timeout=1))
    deferral.kwargs["run"]["deadline"] = time.time()
    with pytest.raises(JobTimeoutError, match="The last poll failed: the answer is a page for people"):
        resume(task, remote, deferral, state="timeout")


def test_what_is_too_large_for_the_triggerer_is_polled_on_the_worker() -> None:
    class Ending(SmallRemote):
        def status(self, handle: JobHandle, *, tries: int = 5) -> JobStatus:
            if len(self.asked) >= 2:
                self.jobs[handle.job_id] = SUCCEEDED
            return super().status(handle, tries=tries)

    remote, task = Ending(), OneTask()
    deferral = task.begin(lambda: SmallTask(remote=remote))
    result = resume(task, remote, deferral, state="error", error=AnswerTooLargeError.__name__)
    assert result == "7"  # and no second deferral, which would bring the same answer again
    assert len(remote.asked) == 3
