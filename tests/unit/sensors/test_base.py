# SPDX-License-Identifier: Apache-2.0
"""What all sensors share, against a remote system in this process: no vendor, no network."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from airflow.sdk import PokeReturnValue

from airflow_async_provider._jobs.airflow_exceptions import (
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_async_provider._polling import policy
from airflow_async_provider.errors import (
    ConfigurationError,
    JobBlockedError,
    JobCancelledError,
    JobFailedError,
    JobTimeoutError,
    RequestRefusedError,
    TransientError,
)
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus
from airflow_async_provider.sensors._base import JobSensor, JobSensorTimeoutError
from tests.support.one_task import OneTask
from tests.support.small_remote import BLOCKED, CANCELLED, FAILED, SUCCEEDED, SmallRemote


class SmallSensor(JobSensor):
    """Waits for the job 7 of a :class:`SmallRemote`."""

    def __init__(self, *, remote: SmallRemote, **kwargs: Any) -> None:
        super().__init__(**{"task_id": "t", "poke_interval": 10, "timeout": 60, **kwargs})
        self.remote = remote

    @cached_property
    def hook(self) -> Any:  # as much of a hook as the engine asks for
        return self.remote

    def handle_to_watch(self) -> JobHandle:
        return JobHandle("http_location", "7", 0.0, status_url=f"{self.remote.origin}/jobs/7")


class Troubled(SmallRemote):
    """Answers with an error."""

    error: Exception = TransientError("HTTP 503")

    def status(self, handle: JobHandle, *, tries: int = 5) -> JobStatus:
        raise self.error


def a_remote(state: JobState = JobState.RUNNING) -> SmallRemote:
    remote = SmallRemote()
    remote.start(state)
    return remote


def deferral_of(sensor: SmallSensor, context: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute(context)
    return caught.value


def run_of(deferral: TaskDeferred) -> dict[str, Any]:
    """What it carries along."""
    return dict((deferral.kwargs or {})["run"])


def event(state: str) -> dict[str, Any]:
    return {"version": 1, "state": state, "via": "poll", "polls": 1, "errors": 0}


# -- poking from a worker


def test_a_job_that_runs_is_poked_again() -> None:
    remote = a_remote()
    assert SmallSensor(remote=remote, deferrable=False).poke(OneTask().context) is False
    assert remote.asked == ["7"]


def test_a_job_that_has_succeeded_gives_its_handle() -> None:
    found = SmallSensor(remote=a_remote(SUCCEEDED), deferrable=False).poke(OneTask().context)
    assert isinstance(found, PokeReturnValue)
    assert found.is_done
    handle: Any = found.xcom_value
    assert (handle["protocol"], handle["job_id"]) == ("http_location", "7")


@pytest.mark.parametrize(
    ("state", "error"),
    [(FAILED, JobFailedError), (CANCELLED, JobCancelledError), (BLOCKED, JobBlockedError)],
)
def test_any_other_end_is_its_error_and_nobody_is_asked_to_retry(state: JobState, error: Any) -> None:
    with pytest.raises(error, match="This task only waits"):
        SmallSensor(remote=a_remote(state), deferrable=False).poke(OneTask().context)


def test_an_answer_that_did_not_come_is_asked_for_again_but_a_refusal_is_none() -> None:
    remote = Troubled()
    sensor = SmallSensor(remote=remote, deferrable=False)
    assert sensor.poke(OneTask().context) is False
    remote.error = RequestRefusedError("no such job", http_status=404)
    with pytest.raises(RequestRefusedError, match="no such job"):
        sensor.poke(OneTask().context)


def test_a_job_that_continues_another_is_waited_for_on_the_worker_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who says deferrable=False may have no triggerer."""

    class Restarted(SmallRemote):
        def status(self, handle: JobHandle, *, tries: int = 5) -> JobStatus:
            found = super().status(handle, tries=tries)
            if handle.job_id == "8":
                self.jobs["8"] = SUCCEEDED  # by the next question
            return found

    class Following(SmallSensor):
        def continued_by(self, handle: JobHandle) -> JobHandle | None:
            return self.remote.start() if handle.job_id == "7" else None

    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.001)
    remote = Restarted()
    remote.start(FAILED)
    found = Following(remote=remote, deferrable=False, poke_interval=0.001).poke(OneTask().context)
    assert isinstance(found, PokeReturnValue)
    handle: Any = found.xcom_value
    assert (handle["job_id"], remote.asked) == ("8", ["7", "8", "8"])


# -- waiting in the triggerer


def test_a_job_that_has_ended_already_needs_no_triggerer() -> None:
    assert SmallSensor(remote=a_remote(SUCCEEDED)).execute(OneTask().context)["job_id"] == "7"


@pytest.mark.parametrize("remote", [a_remote(), Troubled()])
def test_a_job_that_runs_or_that_cannot_be_read_yet_is_waited_for(remote: SmallRemote) -> None:
    deferral = deferral_of(SmallSensor(remote=remote), OneTask().context)
    arguments = deferral.trigger.serialize()[1]
    assert (arguments["job"]["job_id"], arguments["cancel_on_kill"]) == ("7", False)


def test_after_the_trigger_the_job_itself_is_asked() -> None:
    remote, task = a_remote(), OneTask()
    deferral = deferral_of(SmallSensor(remote=remote), task.context)
    with pytest.raises(TaskDeferred):  # the event lies
        SmallSensor(remote=remote).execute_complete(task.context, event("succeeded"), run_of(deferral))
    remote.jobs["7"] = SUCCEEDED
    done = SmallSensor(remote=remote).execute_complete(task.context, event("succeeded"), run_of(deferral))
    assert done["job_id"] == "7"


def over(sensor: SmallSensor, task: OneTask) -> Any:
    """The sensor's wait, after its deadline."""
    run = {**run_of(deferral_of(sensor, task.context)), "deadline": time.time() - 10}
    return sensor.execute_complete(task.context, event("timeout"), run)


@pytest.mark.parametrize("cancel", [False, True])
def test_a_passed_deadline_is_the_end_as_for_all_sensors_of_airflow(cancel: bool) -> None:
    remote = a_remote()
    with pytest.raises(JobSensorTimeoutError) as caught:
        over(SmallSensor(remote=remote, cancel_on_kill=cancel), OneTask())
    assert isinstance(caught.value, AirflowSensorTimeout)  # so Airflow makes no retry
    assert isinstance(caught.value, JobTimeoutError)
    assert caught.value.job == "7"
    assert remote.cancelled == (["7"] if cancel else [])  # it has not started it


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize(
    ("soft_fail", "error"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
def test_the_same_where_a_worker_pokes(cancel: bool, soft_fail: bool, error: type[Exception]) -> None:
    remote = a_remote()
    given: dict[str, Any] = {"cancel_on_kill": cancel, "soft_fail": soft_fail, "timeout": 1e-9}
    with pytest.raises(error):
        SmallSensor(remote=remote, deferrable=False, **given).execute(OneTask().context)
    assert (remote.asked, remote.cancelled) == (["7"], ["7"] if cancel else [])


def test_a_job_that_waits_for_a_person_is_not_cancelled_where_it_skips_the_task() -> None:
    remote = a_remote(BLOCKED)
    sensor = SmallSensor(remote=remote, deferrable=False, soft_fail=True, cancel_on_kill=True)
    with pytest.raises(AirflowSkipException):
        sensor.execute(OneTask().context)
    assert remote.cancelled == []


# -- soft_fail and never_fail


@pytest.mark.parametrize("how", [{"soft_fail": True}, {"never_fail": True}])
def test_instead_of_a_failure_the_task_is_skipped(how: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException, match=r"Skipped instead of failed: .*job 7"):
        SmallSensor(remote=a_remote(FAILED), **how).execute(OneTask().context)
    with pytest.raises(AirflowSkipException, match=r"Skipped instead of failed: .*job 7"):
        SmallSensor(remote=a_remote(FAILED), deferrable=False, **how).poke(OneTask().context)
    with pytest.raises(AirflowSkipException, match=r"Skipped instead of failed: .*job 7"):
        over(SmallSensor(remote=a_remote(), **how), OneTask())


def test_a_defect_is_not_skipped_and_a_deferral_is_none() -> None:
    remote = Troubled()
    remote.error = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        SmallSensor(remote=remote, soft_fail=True).execute(OneTask().context)
    deferral_of(SmallSensor(remote=a_remote(), soft_fail=True), OneTask().context)


# -- a killed task


@pytest.mark.parametrize("cancel", [False, True])
def test_a_killed_sensor_cancels_only_where_it_was_asked_to(cancel: bool) -> None:
    remote = a_remote()
    sensor = SmallSensor(remote=remote, deferrable=False, cancel_on_kill=cancel)
    sensor.on_kill()  # before anything was done
    sensor.poke(OneTask().context)
    sensor.on_kill()
    assert remote.cancelled == (["7"] if cancel else [])


# -- arguments


def test_arguments_that_cannot_be_are_reported_when_the_dag_is_parsed() -> None:
    with pytest.raises(ConfigurationError, match="timeout must be more than 0 seconds"):
        SmallSensor(remote=a_remote(), timeout=0)
    with pytest.raises(ConfigurationError, match=r"no argument 'poke_intervall'.*'poke_interval'"):
        SmallSensor(remote=a_remote(), poke_intervall=5)


@pytest.mark.parametrize(
    ("given", "pace"),
    [
        ({}, (10, 10, 1)),
        ({"poke_interval": 0}, (0.001, 0.001, 1)),  # Airflow lets it be
        ({"exponential_backoff": True}, (10, 3600, 2)),
        ({"exponential_backoff": True, "max_wait": timedelta(minutes=2)}, (10, 120, 2)),
        ({"exponential_backoff": True, "max_wait": timedelta(seconds=1)}, (10, 10, 2)),
        ({"max_wait": timedelta(minutes=2)}, (10, 10, 1)),
    ],
)
def test_airflow_s_words_set_the_pace(given: dict[str, Any], pace: tuple[float, float, float]) -> None:
    settings = SmallSensor(remote=a_remote(), **given).wait_settings()
    found = settings.policy
    assert (found.poll_interval, found.max_poll_interval, found.backoff) == pace
    assert settings.timeout == 60
