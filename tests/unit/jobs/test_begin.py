# SPDX-License-Identifier: Apache-2.0
"""Taking up the job of an earlier try, or the doubt about one."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import pytest

from airflow_async_provider import _metrics
from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider.errors import (
    JobCancelledError,
    JobElsewhereError,
    SubmitUnknownError,
    TransientError,
)
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Submitted
from tests.support.one_task import OneTask
from tests.support.small_remote import FAILED, RUNNING, SUCCEEDED, SmallRemote, SmallTask


class Unlucky(SmallTask):
    """The answer to its start is lost: the job is there, and whether it can be found is up to the remote."""

    findable = True

    def start(self, run: JobRun) -> Submitted:
        self.remote.start()
        raise TransientError("reset", sent=True)

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        if not self.findable:
            raise SubmitUnknownError("nobody can tell")
        number = next(iter(self.remote.jobs), None)
        if number is None:
            return None
        options = {"cancel_by": "delete"}
        return JobHandle("http_location", number, 0.0, status_url="https://a/x", options=options)


class Hidden(Unlucky):
    findable = False


def lost(task: OneTask, remote: SmallRemote, cls: Any = Unlucky) -> None:
    with pytest.raises(TransientError):
        task.run(lambda: cls(remote=remote))


def test_a_job_whose_answer_was_lost_is_looked_for() -> None:
    remote, task = SmallRemote(), OneTask()
    lost(task, remote)
    remote.jobs["7"] = SUCCEEDED
    deferral = task.begin(lambda: Unlucky(remote=remote))
    assert deferral.kwargs["run"]["handle"]["job_id"] == "7"
    assert list(remote.jobs) == ["7"]


def test_where_nobody_can_tell_no_retry_starts_a_second_one_but_a_person_can() -> None:
    remote, task = SmallRemote(), OneTask()
    lost(task, remote, Hidden)
    for _ in range(2):
        with pytest.raises(SubmitUnknownError):
            task.run(lambda: Hidden(remote=remote))
    assert list(remote.jobs) == ["7"]
    task.clear()
    lost(task, remote, Hidden)
    assert list(remote.jobs) == ["7", "8"]


@pytest.mark.parametrize(
    ("cleared", "what", "jobs"),
    [
        (False, "a", ["7"]),
        (True, "a", ["7"]),
        (False, "b", ["7"]),  # a retry goes on with what was meant when the task began
        (True, "b", ["7", "8"]),
    ],
)
def test_a_job_that_is_found_is_another_one_only_where_a_person_has_cleared_for_other_arguments(
    cleared: bool, what: str, jobs: list[str]
) -> None:
    remote, task = SmallRemote(), OneTask()
    lost(task, remote)
    if cleared:
        task.clear()
    if len(jobs) == 1:
        deferral = task.begin(lambda: Unlucky(remote=remote, what=what))
        assert deferral.kwargs["run"]["handle"]["job_id"] == "7"
    else:
        with pytest.raises(TransientError):
            task.run(lambda: Unlucky(remote=remote, what=what))
    assert list(remote.jobs) == jobs
    assert remote.cancelled == (["7"] if len(jobs) > 1 else [])


def test_a_doubt_is_not_looked_into_at_another_system() -> None:
    here, there, task = SmallRemote(), SmallRemote("https://b.example"), OneTask()
    there.start()
    lost(task, here)
    with pytest.raises(JobElsewhereError):
        task.run(lambda: Unlucky(remote=there))
    assert list(there.jobs) == ["7"]


def test_without_reattach_every_try_starts_a_job() -> None:
    remote, task = SmallRemote(), OneTask()
    for _ in range(2):
        task.begin(lambda: SmallTask(remote=remote, reattach=False))
    assert list(remote.jobs) == ["7", "8"]


def test_a_job_that_the_remote_no_longer_knows_is_started_again() -> None:
    remote, task = SmallRemote(), OneTask()
    task.begin(lambda: SmallTask(remote=remote))
    del remote.jobs["7"]
    task.begin(lambda: SmallTask(remote=remote))
    assert list(remote.jobs) == ["8"]


def test_a_retry_waits_for_as_long_as_a_first_try_would() -> None:
    remote, task = SmallRemote(), OneTask()
    task.begin(lambda: SmallTask(remote=remote))
    task.store[DURABLE_KEY]["handle"]["submitted_at"] = time.time() - 7200
    deferral = task.begin(lambda: SmallTask(remote=remote, timeout=3600))
    assert deferral.kwargs["run"]["deadline"] > time.time() + 3000


def test_without_reattach_a_retry_has_the_same_intent_and_a_clearing_another() -> None:
    """What a remote that knows the intent already makes of it is told by the same name."""
    remote, task = SmallRemote(), OneTask()
    intents: list[str] = []

    class Lost(SmallTask):
        def start(self, run: JobRun) -> Submitted:
            intents.append(run.correlation_id)
            raise TransientError("reset", sent=True)

    for _ in range(2):
        with pytest.raises(TransientError):
            task.run(lambda: Lost(remote=remote, reattach=False))
    task.clear()
    with pytest.raises(TransientError):
        task.run(lambda: Lost(remote=remote, reattach=False))
    first, second, third = intents
    assert first == second != third


def test_what_a_try_decides_is_counted_as_airflow_s_own_operators_count_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stats:
        counted: ClassVar[list[str]] = []

        def incr(self, name: str, *_: Any, tags: dict[str, str]) -> None:
            if name.startswith("resumable_job."):
                assert tags == {"operator": "SmallTask"}
                self.counted.append(name.removeprefix("resumable_job."))

    def counted() -> list[str]:
        found, Stats.counted = Stats.counted, []
        return found

    monkeypatch.setattr(_metrics, "_stats", Stats)
    remote, task = SmallRemote(), OneTask()

    def make() -> SmallTask:
        return SmallTask(remote=remote)

    task.begin(make)
    assert counted() == ["fresh_submit"]
    task.begin(make)
    assert counted() == ["reconnect_attempt", "reconnect_success"]
    remote.jobs["7"] = FAILED
    task.begin(make)
    assert counted() == ["reconnect_attempt", "terminal_resubmit"]
    remote.jobs["8"] = SUCCEEDED
    assert task.run(make) == "8"
    assert counted() == ["reconnect_attempt", "already_succeeded"]


@pytest.mark.parametrize("said", [None, RUNNING, SUCCEEDED])
def test_a_task_that_is_killed_while_it_starts_its_job_cancels_it_if_it_runs(said: JobState | None) -> None:
    class Killed(SmallTask):
        def start(self, run: JobRun) -> Submitted:
            self.on_kill()
            handle = self.remote.start(said or RUNNING)
            return Submitted(handle, None if said is None else JobStatus(said, remote_status="said at once"))

    remote, task = SmallRemote(), OneTask()
    if said is SUCCEEDED:
        assert task.run(lambda: Killed(remote=remote)) == "7"
        assert remote.cancelled == []
        return
    with pytest.raises(JobCancelledError, match=r"killed while it started the .* It was cancelled"):
        task.run(lambda: Killed(remote=remote))
    assert remote.cancelled == ["7"]
