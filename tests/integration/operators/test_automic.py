# SPDX-License-Identifier: Apache-2.0
"""
The Automic operator and sensor against the simulated Automic, over real sockets.

Airflow's part (context, task state, running a trigger) is played here; how it goes with a real Airflow and
with callbacks is in the system tests.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

try:
    from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowSkipException, TaskDeferred

from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider.errors import (
    ConfigurationError,
    JobBlockedError,
    JobCancelledError,
    JobElsewhereError,
    JobExpiredError,
    JobFailedError,
    JobNotRunError,
    JobTimeoutError,
    SubmitError,
    SubmitUnknownError,
)
from airflow_async_provider.hooks import _submission
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.sensors.automic import AutomicExecutionSensor
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.frame import running

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

QUICK = {"poll_interval": 0.05, "max_poll_interval": 0.1}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Another try comes at once here, and no scheduler has to be waited for."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(_submission, "LOOK_UP_PAUSES", (0.0,))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


class Store(dict):
    """Airflow's task_state_store as the worker sees it."""

    def delete(self, key: str) -> None:
        self.pop(key, None)

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))  # it must be JSON


class Task:
    """One task instance over its tries."""

    def __init__(self, cls: Any = AutomicExecuteOperator, **arguments: Any) -> None:
        quick = QUICK if cls is AutomicExecuteOperator else {"poke_interval": 0.05}
        self.make = lambda: cls(task_id="t", **{**quick, **arguments})
        self.store = Store()
        ti = SimpleNamespace(
            dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=1, try_number=0, id="ti"
        )
        dag_run = SimpleNamespace(clear_number=0)
        self.context = {"ti": ti, "dag_run": dag_run, "task_state_store": self.store}
        self.operator: Any = None
        self.deferrals = 0

    def start(self) -> Any:
        """Run ``execute`` of a new try on a new worker; a deferral is returned."""
        self.operator = self.make()
        self.context["ti"].try_number += 1
        try:
            return self.operator.execute(self.context)
        except TaskDeferred as deferral:
            return deferral

    def resume(self, deferral: TaskDeferred) -> Any:
        """Run the trigger, then resume on a new worker."""
        self.deferrals += 1
        kind, arguments = deferral.trigger.serialize()
        assert kind.endswith("AsyncJobTrigger")
        json.dumps(arguments)

        async def fire() -> Any:
            async for event in type(deferral.trigger)(**arguments).run():
                return event.payload
            raise AssertionError("the trigger has not fired")

        event = asyncio.run(fire())
        self.operator = self.make()
        try:
            return getattr(self.operator, deferral.method_name)(self.context, event=event, **deferral.kwargs)
        except TaskDeferred as again:
            return again

    def run(self) -> Any:
        """From the beginning to the end of one try."""
        result = self.start()
        while isinstance(result, TaskDeferred):
            result = self.resume(result)
        return result


@pytest.fixture
def ae(automic_simulator, automic_connection):
    return automic_simulator


# -- the way of a run


def test_a_run_that_ends_well(ae):
    task = Task(
        object_name="JOBS.OK", inputs={"A#": 1}, automic_queue="FAST", timezone="TZ.CET", queue="kubernetes"
    )
    value = task.run()
    assert value == {
        "run_id": ae.run().run_id,
        "status": 1900,
        "status_text": "ENDED_OK - ended normally",
        "start_time": ae.run().record()["start_time"],
        "end_time": ae.run().record()["end_time"],
        "runtime": 0,
        "via": "poll",
        "conn_id": "automic_default",
        "origin": f"{ae.url} client 100",
    }
    body = ae.run().body
    assert body["queue"] == "FAST"
    assert task.operator.queue == "kubernetes"  # Airflow's own, not Automic's
    assert (body["timezone"], body["inputs"]) == ("TZ.CET", {"A#": "1"})
    assert body["alias"].startswith("JOBS.OK#AF-")
    assert "callback" not in body  # no address for one is configured
    assert task.deferrals == 1


@pytest.mark.parametrize("arguments", [{"deferrable": False}, {"linger": 10}])
def test_a_run_watched_on_the_worker(ae, arguments):
    task = Task(object_name="JOBS.OK", **arguments)
    assert task.run()["status"] == 1900
    assert task.deferrals == 0


@pytest.mark.parametrize(
    ("name", "error", "remote_status"),
    [
        ("JOBS.FAIL", JobFailedError, "1800"),
        ("JOBS.LOST", JobFailedError, "1815"),
        ("JOBS.CANCELLED", JobCancelledError, "1850"),
        ("JOBP.BLOCKED", JobBlockedError, "1560"),
    ],
)
def test_runs_that_end_badly(ae, name, error, remote_status):
    task = Task(object_name=name)
    with pytest.raises(error, match=name.replace(".", r"\.")) as caught:
        task.run()
    assert caught.value.remote_status == remote_status
    assert caught.value.job == str(ae.run(-1 if name.startswith("JOBS") else 0).run_id)


def test_a_retry_after_a_failure_starts_a_new_run(ae):
    task = Task(object_name="JOBS.FAIL")
    for _ in range(2):
        with pytest.raises(JobFailedError):
            task.run()
    first, second = ae.runs
    assert first.body["alias"] != second.body["alias"]


def test_a_retry_goes_on_with_a_blocked_workflow(ae):
    task = Task(object_name="JOBP.BLOCKED")
    with pytest.raises(JobBlockedError, match="a user acts in Automic"):
        task.run()
    with pytest.raises(JobBlockedError):
        task.run()
    ae.go_on(ae.runs[0].run_id)
    assert task.run()["status"] == 1900
    assert ae.journal.jobs_started == 1


def test_a_blocked_workflow_may_be_waited_for(ae):
    task = Task(object_name="JOBP.BLOCKED", on_blocked="wait", timeout=1.0, cancel_on_kill=False)
    with pytest.raises(JobTimeoutError) as caught:
        task.run()
    assert caught.value.remote_status == "1560"


@pytest.mark.parametrize("name", ["JOBS.OK", "JOBS.SKIPPED"])
def test_a_worker_killed_after_its_work_but_before_airflow_knew_starts_no_second_run(ae, name):
    task = Task(object_name=name)

    def ended() -> Any:
        try:
            return task.run()["run_id"]
        except AirflowSkipException as error:
            return re.sub(r", \d+ s old", "", str(error))

    assert ended() == ended()
    assert len(ae.runs) == 1
    task.context["ti"].max_tries += 1  # a person clears the task
    ended()
    assert len(ae.runs) == 2


# -- ended OK, but did not run


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        *((AutomicExecuteOperator, f"JOBS.{name}") for name in ("EMPTY", "INACTIVE", "SKIPPED", "TIMEOUT")),
        (AutomicExecutionSensor, "JOBS.SKIPPED"),
    ],
)
def test_a_run_that_did_not_run(ae, cls, name):
    def outcome(**arguments):
        if cls is AutomicExecutionSensor:
            arguments["run_id"] = Task(object_name=name, wait=False).run()["run_id"]
            arguments.pop("object_name")
        return Task(cls, **arguments)

    skipped = outcome(object_name=name)
    with pytest.raises(AirflowSkipException, match="without having run"):
        skipped.run()
    assert outcome(object_name=name, on_not_run="success").run()["status"] in (1912, 1922, 1930, 1940)
    with pytest.raises(JobNotRunError):
        outcome(object_name=name, on_not_run="fail").run()


@pytest.mark.parametrize("code", [1904, 1905])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_run_that_was_rolled_back_is_no_success(ae, code, deferrable):
    ae.script(status=code)
    with pytest.raises(AirflowSkipException, match=str(code)):
        Task(object_name="JOBS.X", deferrable=deferrable).run()
    ae.script(status=code)
    with pytest.raises(JobNotRunError, match=str(code)):
        Task(object_name="JOBS.X", on_not_run="fail").run()
    ae.script(status=code)
    assert Task(object_name="JOBS.X", on_not_run="success").run()["status"] == code


def test_a_worker_that_died_does_not_start_a_skipped_run_again(ae):
    task = Task(object_name="JOBS.SKIPPED")
    assert isinstance(task.start(), TaskDeferred)
    ae.clock.advance(10)
    with pytest.raises(AirflowSkipException):
        task.run()
    assert ae.journal.jobs_started == 1


# -- one start


def test_a_killed_worker_s_run_is_taken_up(ae):
    task = Task(object_name="JOBS.OK")
    assert isinstance(task.start(), TaskDeferred)
    assert task.run()["run_id"] == ae.run().run_id
    assert ae.journal.jobs_started == 1


def test_a_worker_killed_between_start_and_answer(ae, monkeypatch):
    task = Task(object_name="JOBS.DEACTIVATED")
    task.operator = task.make()
    with monkeypatch.context() as patch:
        patch.setattr(type(task.operator.hook), "start", killed_after(type(task.operator.hook).start))
        with pytest.raises(SystemExit):
            task.start()
    assert task.run()["run_id"] == ae.run().run_id
    assert ae.journal.jobs_started == 1


def killed_after(start):
    def run(*args, **kwargs):
        start(*args, **kwargs)
        raise SystemExit

    return run


def test_a_worker_killed_before_the_start(ae, monkeypatch):
    task = Task(object_name="JOBS.OK")
    with monkeypatch.context() as patch:
        patch.setattr(AutomicExecuteOperator, "start", killed_before)
        with pytest.raises(SystemExit):
            task.start()
    task.run()
    assert ae.journal.jobs_started == 1


def killed_before(self, run):
    raise SystemExit


def test_a_lost_answer_is_looked_for(ae):
    ae.faults.add("submit", "reset", processed=True)
    assert Task(object_name="JOBS.OK", alias="my alias").run()["status"] == 1900
    assert ae.journal.submits == 1
    assert ae.run().body["alias"].startswith("MY_ALIAS#AF-")


def test_a_start_that_automic_works_off_late_is_found_by_the_retry(ae, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(ae.airflow_connection(timeout=1)))
    ae.faults.add("submit", "silence", seconds=4, processed=False)
    task = Task(object_name="JOBS.OK")
    with pytest.raises(SubmitUnknownError, match="may still start it"):
        task.run()
    assert (ae.journal.submits, ae.journal.jobs_started) == (1, 0)
    mark = AutomicHook().protocol().alias("JOBS.OK", task.store[DURABLE_KEY]["correlation_id"])
    late = AutomicHook().execute("JOBS.OK", alias=mark)  # what lay in Automic's queue
    assert task.run()["run_id"] == int(late.job_id)
    assert ae.journal.jobs_started == 1


def test_a_start_that_was_dropped_after_all_is_made_by_the_retry(ae, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(ae.airflow_connection(timeout=1)))
    ae.faults.add("submit", "silence", seconds=4, processed=False)
    task = Task(object_name="JOBS.OK")
    with pytest.raises(SubmitUnknownError):
        task.run()
    assert task.run()["status"] == 1900
    assert ae.journal.jobs_started == 1


def test_without_the_mark_a_lost_answer_fails_the_task(ae, monkeypatch):
    ae.faults.add("submit", "reset", processed=True)
    task = Task(object_name="JOBS.OK", alias="MINE", correlate=False)
    with pytest.raises(SubmitUnknownError):
        task.run()
    with pytest.raises(SubmitUnknownError, match="correlate=False"):
        task.run()
    assert ae.run().body["alias"] == "MINE"
    task.context["ti"].max_tries += 1  # a person has cleared the task
    assert task.run()["status"] == 1900
    assert ae.journal.jobs_started == 2


# -- the same before Airflow 3.3, which has no task state


class OldTask(Task):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        del self.context["task_state_store"]

    def clear(self) -> None:
        """What Airflow does when a person clears a task."""
        self.context["ti"].max_tries = self.context["ti"].try_number + 1


def test_without_memory_a_killed_worker_s_run_is_found_by_its_alias(ae):
    task = OldTask(object_name="JOBS.DEACTIVATED")
    task.start()  # and the worker dies
    task.start()  # and again, while it reattaches
    assert task.run()["run_id"] == ae.run().run_id
    assert ae.journal.jobs_started == 1
    task.clear()
    assert task.run()["run_id"] != ae.runs[0].run_id
    assert ae.journal.jobs_started == 2


def test_without_memory_a_failed_run_is_not_taken_up(ae):
    ae.script(object_name="JOBS.OK", status=1800)
    task = OldTask(object_name="JOBS.OK")
    with pytest.raises(JobFailedError):
        task.run()
    assert task.run()["status"] == 1900
    assert [run.status for run in ae.runs] == [1800, 1900]


@pytest.mark.parametrize("follow", [True, False])
def test_without_memory_a_restart_is_followed_all_the_same(ae, follow):
    task = OldTask(object_name="JOBS.RESTARTED", follow_restarts=follow)
    task.start()
    ae.clock.advance(1)
    if follow:
        assert task.run()["run_id"] == 1000002
    else:
        with pytest.raises(JobFailedError):
            task.run()
    assert ae.journal.jobs_started == (1 if follow else 2)


def test_without_memory_a_run_that_nobody_knows_any_more_is_not_started_again(ae):
    task = OldTask(object_name="JOBS.OK")
    task.start()  # and the worker dies
    ae.faults.add("status", "http_status", status=404, times=None, body=json.dumps({"code": 11049}))
    with pytest.raises(JobExpiredError, match="reattach=False"):
        task.run()
    assert ae.journal.jobs_started == 1


def test_without_memory_the_run_of_another_airflow_is_not_taken_up(ae):
    """A test system has the same DAG, and a scheduled DAG run of the same name."""
    theirs, ours = OldTask(object_name="JOBS.FOREVER"), OldTask(object_name="JOBS.FOREVER")
    for task, second in ((theirs, 1), (ours, 2)):
        task.context["dag_run"].start_date = datetime(2026, 11, 27, 0, 0, second, tzinfo=UTC)
    theirs.start()
    ours.context["ti"].try_number = 1  # its worker died before it started anything
    deferral = ours.start()
    assert ae.journal.jobs_started == 2
    ae.finish_run()
    assert ours.resume(deferral)["run_id"] == ae.run().run_id
    # Each finds its own.
    assert isinstance(theirs.start(), TaskDeferred)
    assert ae.journal.jobs_started == 2


@pytest.mark.parametrize("arguments", [{"reattach": False}, {"correlate": False}])
def test_without_memory_and_mark_a_retry_starts_anew(ae, arguments):
    task = OldTask(object_name="JOBS.OK", **arguments)
    task.start()
    task.run()
    assert ae.journal.jobs_started == 2


def test_an_object_that_cannot_be_started(ae):
    with pytest.raises(SubmitError, match=r"UNKNOWN\.JOB"):
        Task(object_name="UNKNOWN.JOB").run()
    assert ae.journal.submits == 1


def test_a_run_that_nobody_knows_any_more_is_not_started_again(ae):
    task = Task(object_name="JOBS.GONE")
    for _ in range(2):
        with pytest.raises(JobExpiredError, match=r"archived.*reattach=False"):
            task.run()
    assert ae.journal.jobs_started == 1
    with pytest.raises(JobExpiredError):
        Task(object_name="JOBS.GONE", reattach=False).run()
    assert ae.journal.jobs_started == 2


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_record_of_another_run_is_no_end_of_ours(ae, deferrable):
    ae.faults.add("status", "alter", update={"run_id": 1, "status": 1900}, times=3)
    task = Task(object_name="JOBS.FAIL", deferrable=deferrable)
    with pytest.raises(JobFailedError):
        task.run()
    assert ae.journal.polls >= 4


# -- cancelling


def test_the_deadline_cancels_with_the_children(ae):
    with pytest.raises(JobTimeoutError, match="It was cancelled"):
        Task(object_name="JOBP.FOREVER", timeout=0.3).run()
    ae.clock.advance(1)
    assert [run.status for run in ae.runs] == [1850, 1851, 1851]


def test_a_killed_task_cancels_its_run(ae):
    task = Task(object_name="JOBS.FOREVER")
    deferral = task.start()
    task.operator.on_kill()
    ae.clock.advance(1)
    assert ae.run().status == 1850
    with pytest.raises(JobCancelledError):
        task.resume(deferral)


def test_the_trigger_cancels_with_the_children(ae):
    deferral = Task(object_name="JOBP.FOREVER").start()
    asyncio.run(deferral.trigger.on_kill())
    ae.clock.advance(1)
    assert [run.status for run in ae.runs] == [1850, 1851, 1851]


@pytest.mark.parametrize("killed", [True, False], ids=["trigger told", "trigger not told"])
def test_clearing_a_waiting_task_cancels_its_run_and_starts_a_new_one(ae, killed):
    # Airflow tells the trigger only if the triggerer had it already; the new try makes up for that.
    task = Task(object_name="JOBS.FOREVER")
    waiting = task.start()
    task.context["ti"].max_tries += 1
    if killed:
        asyncio.run(waiting.trigger.on_kill())
        assert ae.run().status == 1571
    again = task.start()
    ae.clock.advance(1)
    assert isinstance(again, TaskDeferred)
    assert [run.status for run in ae.runs] == [1850, 1550]
    ae.finish_run()
    assert task.resume(again)["run_id"] == ae.run().run_id


def test_clearing_with_cancel_on_kill_off_goes_on_with_the_run(ae):
    task = Task(object_name="JOBS.FOREVER", cancel_on_kill=False)
    task.start()
    task.context["ti"].max_tries += 1
    reattached = task.start()
    ae.finish_run()
    assert task.resume(reattached)["run_id"] == ae.run().run_id
    assert ae.journal.jobs_started == 1


def test_a_run_cancelled_in_automic_is_not_started_again(ae):
    task = Task(object_name="JOBS.FOREVER")
    waiting = task.start()
    ae.finish_run(status=1850)
    with pytest.raises(JobCancelledError):
        task.resume(waiting)
    assert ae.journal.jobs_started == 1


# -- restarts in Automic


@pytest.mark.parametrize("wait", [0, 10])
def test_a_restart_in_automic_is_followed(ae, wait):
    ae.script(object_name="JOBS.RESTARTED", status=1800, restart={"run_seconds": wait, "status": 1900})
    task = Task(object_name="JOBS.RESTARTED", follow_restarts=True)
    deferral = task.resume(task.start())
    if wait:
        assert isinstance(deferral, TaskDeferred)
        assert deferral.kwargs["run"]["followed"]
        assert (
            task.store["async_job"]["handle"]["job_id"] == str(ae.run().run_id)
            if "async_job" in task.store
            else True
        )
        ae.clock.advance(11)
        deferral = task.resume(deferral)
    assert (deferral["run_id"], deferral["status"]) == (ae.run().run_id, 1900)
    assert len(ae.runs) == 2


def test_a_restart_that_failed_too_is_the_last_word(ae):
    ae.script(object_name="JOBS.RESTARTED", restart={"run_seconds": 0})
    with pytest.raises(JobFailedError, match=r"1000002"):
        Task(object_name="JOBS.RESTARTED", follow_restarts=True).run()


def test_restarts_are_not_followed_unasked(ae):
    with pytest.raises(JobFailedError):
        Task(object_name="JOBS.RESTARTED").run()


def test_a_worker_that_died_takes_up_the_restart(ae):
    task = Task(object_name="JOBS.RESTARTED", follow_restarts=True)
    task.start()
    ae.clock.advance(1)
    assert task.run()["run_id"] == 1000002
    assert ae.journal.jobs_started == 1
    plain = Task(object_name="JOBS.FAIL", follow_restarts=True)
    plain.start()
    ae.clock.advance(1)
    with pytest.raises(JobFailedError):
        plain.run()
    assert ae.journal.jobs_started == 3  # nobody had restarted it, so the retry did


def test_a_restart_is_polled_at_the_normal_pace(ae, monkeypatch):
    from airflow_async_provider._jobs import callback

    monkeypatch.setattr(callback, "expect", lambda task, registration: None)
    monkeypatch.setattr(callback, "look", lambda task, submission: None)
    ae.script(object_name="JOBS.RESTARTED", status=1800, restart={"run_seconds": 60, "status": 1900})
    task = Task(object_name="JOBS.RESTARTED", follow_restarts=True, callback_base_url="https://here.example")
    waiting = task.start()
    assert waiting.trigger.policy["poll_interval"] == 120.0
    ae.clock.advance(1)
    event = {"version": 1, "state": "failed", "via": "poll", "polls": 1}
    with pytest.raises(TaskDeferred) as followed:
        task.make().execute_complete(task.context, event=event, **waiting.kwargs)
    assert followed.value.trigger.policy["poll_interval"] == QUICK["poll_interval"]
    assert followed.value.trigger.callback  # should Automic call back for the restart after all


# -- without waiting


def test_starting_only(ae):
    value = Task(object_name="JOBS.FOREVER", wait=False).run()
    assert value == {
        "run_id": ae.run().run_id,
        "status": None,
        "status_text": None,
        "start_time": None,
        "end_time": None,
        "runtime": None,
        "via": None,
        "conn_id": "automic_default",
        "origin": f"{ae.url} client 100",
    }


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


@pytest.mark.parametrize(
    ("arguments", "waits"),
    [
        ({}, True),
        ({"wait": False}, False),
        ({"execution_option": "recurring", "recurring": {"execute_after": "PT5M"}}, False),
        ({"execution_option": "recurring", "recurring": {"execute_after": "PT5M"}, "wait": True}, True),
        ({"execution_option": "once", "once": {"execution_date_time": moment(3600)}}, False),
        ({"execution_option": "once", "once": {"execution_date_time": moment(3600)}, "wait": True}, True),
        ({"execution_option": "once", "once": {"execution_date_time": moment(-60)}}, True),
        ({"execution_option": "once", "once": {"wait_for_manual_release": True}}, True),
    ],
)
def test_what_is_waited_for(ae, arguments, waits):
    task = Task(object_name="JOBS.FOREVER", **arguments)
    assert task.make().waits() is waits
    assert isinstance(task.start(), TaskDeferred) is waits
    assert ae.journal.jobs_started == 1


# -- arguments


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"execution_option": "recurring", "recurring": {"a": 1}, "callback": True}, "never calls back"),
        ({"callback": True, "wait": False}, "contradict"),
        ({"execution_option": "twice"}, "execution_option"),
        ({"execution_option": "once"}, "needs the block once"),
        ({"on_not_run": "ignore"}, "on_not_run"),
        ({"fetch_reports": "sometimes"}, "fetch_reports"),
    ],
)
def test_mistakes_are_reported_when_the_dag_is_parsed(arguments, says):
    with pytest.raises(ConfigurationError, match=says):
        AutomicExecuteOperator(task_id="t", object_name="JOBS.X", **arguments)


def test_the_operator_is_templated():
    with DAG("d", schedule=None):
        operator = AutomicExecuteOperator(
            task_id="t",
            object_name="JOBS.{{ name }}",
            inputs={"DAY#": "{{ day }}"},
            execution_option="{{ how }}",
            once={"execution_date_time": "{{ day }}T08:00:00Z"},
        )
    operator.render_template_fields({"name": "X", "day": "2026-01-02", "how": "once"})
    assert operator.object_name == "JOBS.X"
    assert operator.inputs == {"DAY#": "2026-01-02"}
    assert not AutomicExecuteOperator(
        task_id="u",
        object_name=operator.object_name,
        execution_option=operator.execution_option,
        once={"execution_date_time": "2999-01-02T08:00:00Z"},
    ).waits()


def test_the_operator_is_mappable():
    with DAG("d", schedule=None):
        AutomicExecuteOperator.partial(task_id="t", automic_queue="FAST").expand(
            object_name=["JOBS.A", "JOBS.B"]
        )


# -- callbacks: address and headers (the rest is in the system tests)


@pytest.mark.parametrize("headers", [None, {"X-Gateway": "1"}, {"authorization": "Basic gateway"}])
def test_where_the_secret_goes(ae, headers, monkeypatch):
    from airflow_async_provider._callbacks.address import new_address
    from airflow_async_provider._jobs import callback

    announced = []
    monkeypatch.setattr(callback, "expect", lambda task, registration: announced.append(registration))
    task = Task(
        object_name="JOBS.SILENT",
        callback=True,
        callback_base_url="https://airflow.example",
        callback_headers=headers,
    )
    deferral = task.start()
    http = ae.run().body["callback"]["http"]
    if headers and "authorization" in headers:
        secret = http["url"].rsplit("/", 1)[1]
        assert http["headers"] == headers
    else:
        secret = http["headers"].pop("Authorization").removeprefix("Bearer ")
        assert http["headers"] == (headers or {})
        assert secret not in http["url"]
    (registration,) = announced
    assert registration.protocol == "automic"
    assert registration.options == {"client": "100", "fail_on_blocked": True, "correlate": True}
    assert len(secret) == len(new_address("https://a", registration_key()).secret)
    assert secret not in json.dumps(
        [task.store, deferral.trigger.serialize(), deferral.kwargs, repr(task.operator)]
    )
    assert deferral.trigger.callback
    assert deferral.trigger.policy["poll_interval"] == 120.0


def registration_key():
    from airflow_async_provider._callbacks.address import TaskKey

    return TaskKey("d", "r", "t")


@pytest.mark.parametrize(
    "arguments",
    [
        {"wait": False},
        {"execution_option": "recurring", "recurring": {"execute_after": "PT5M"}, "wait": True},
        {"callback": False},
    ],
)
def test_no_callback_where_none_would_help(ae, arguments):
    Task(object_name="JOBS.FOREVER", callback_base_url="https://airflow.example", **arguments).start()
    assert "callback" not in ae.run().body


# -- reports


@pytest.mark.parametrize(
    ("name", "when", "shown"),
    [
        ("JOBS.FAIL", "on_failure", True),
        ("JOBS.OK", "always", True),
        ("JOBS.SKIPPED", "on_failure", False),
    ],
)
def test_when_reports_are_shown(ae, name, when, shown):
    task = Task(object_name=name, fetch_reports=when, on_not_run="success")
    with pytest.MonkeyPatch.context() as patch:
        logged = []
        patch.setattr(
            "airflow_async_provider.operators._automic_outcome.log_report",
            lambda hook, handle, log: logged.append(handle.job_id),
        )
        try:
            task.run()
        except JobFailedError:
            assert name == "JOBS.FAIL"
    assert bool(logged) is shown


# -- the sensor


def test_the_sensor_waits_for_a_run_of_somebody_else(ae):
    started = Task(object_name="JOBS.OK", wait=False).run()
    run_id = started["run_id"]
    for given in (run_id, str(run_id), f"{run_id:010}", started):
        value = Task(AutomicExecutionSensor, run_id=given).run()
        assert (value["run_id"], value["status"], value["via"]) == (run_id, 1900, "poll")


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_sensor_looks_for_no_run_of_another_system(ae, monkeypatch, deferrable):
    """Run numbers of two systems overlap, and a sensor's conn_id is easily forgotten."""
    started = Task(object_name="JOBS.FAIL", wait=False).run()
    handle = AutomicHook().execute("JOBS.FAIL").to_dict()
    with running(AutomicSimulator()) as another:
        monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_ANOTHER", json.dumps(another.airflow_connection()))
        for given in (started, handle):
            theirs = AutomicHook("automic_another").execute("JOBS.OK").job_id
            assert theirs == str(given.get("run_id") or given.get("job_id"))
            elsewhere = Task(
                AutomicExecutionSensor, run_id=given, conn_id="automic_another", deferrable=deferrable
            )
            with pytest.raises(JobElsewhereError, match=r"automic_default.*automic_another"):
                elsewhere.run()
        assert another.journal.polls == 0
    for given in (started, handle):
        with pytest.raises(JobFailedError):
            Task(AutomicExecutionSensor, run_id=given, deferrable=deferrable).run()


def test_the_sensor_looks_once_before_it_defers(ae):
    run_id = Task(object_name="JOBS.OK", wait=False).run()["run_id"]
    ae.clock.advance(10)
    sensor = Task(AutomicExecutionSensor, run_id=run_id)
    sensor.run()
    assert sensor.deferrals == 0


def test_the_sensor_cancels_nothing(ae):
    run_id = Task(object_name="JOBS.FOREVER", wait=False).run()["run_id"]
    sensor = Task(AutomicExecutionSensor, run_id=run_id, timeout=0.2)
    with pytest.raises(JobTimeoutError, match="may still be running"):
        sensor.run()
    assert ae.run().status == 1550


def test_the_sensor_and_runs_that_end_badly(ae):
    run_id = Task(object_name="JOBS.RESTARTED", wait=False).run()["run_id"]
    with pytest.raises(JobFailedError):
        Task(AutomicExecutionSensor, run_id=run_id).run()
    assert Task(AutomicExecutionSensor, run_id=run_id, follow_restarts=True).run()["run_id"] == run_id + 1
    with pytest.raises(JobExpiredError):
        Task(AutomicExecutionSensor, run_id=999).run()
    for nonsense in ({}, "", "abc"):
        with pytest.raises(ConfigurationError, match="not a RunID"):
            Task(AutomicExecutionSensor, run_id=nonsense).run()
