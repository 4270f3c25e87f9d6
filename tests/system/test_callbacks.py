# SPDX-License-Identifier: Apache-2.0
"""Callbacks on a real Airflow: at any moment after the deferral, early ones, each to its own task."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.harness import AIRFLOW, RealAirflow, wait_until
from tests.support.harness.airflow_config import SETTLE
from tests.support.harness.airflow_with_users import AirflowWithUsers
from tests.support.harness.calling_remote import CallingRemote, RemoteJob, calling_remote, connect
from tests.support.harness.waiting import waiting

together = pytest.mark.together

MANY, FEW, ONE, LINGER, MUTE = (f"callback_{n}" for n in ("many", "few", "one", "linger", "mute"))

#: Airflow 3.3 tells a trigger when a person acts on its task, and keeps a task's state across tries.
NEW = AIRFLOW >= (3, 3)
needs_new = pytest.mark.skipif(not NEW, reason="Airflow 3.3 and later")

#: Callbacks come between the deferral and so many seconds after it: in the settle time, and past it.
SPREAD = SETTLE + 3


def spread_callbacks(
    airflow: RealAirflow, remote: CallingRemote, dag_id: str, run_id: str, count: int
) -> None:
    """Call back for every task, each at another moment after its deferral."""
    due: dict[int, float] = {}
    called: set[int] = set()

    def done() -> bool:
        for index, since in waiting(airflow, dag_id, run_id).items():
            due.setdefault(index, since + SPREAD * index / (count - 1))
        for index in [i for i, at in due.items() if i not in called and at <= time.time()]:
            called.add(index)
            assert remote.call(remote.job(index)) == 200
        return len(called) == count

    wait_until(done, "all tasks to defer and to be called", 600, interval=0.1)


def woken_after(airflow: RealAirflow, dag_id: str, run_id: str, index: int = -1) -> float:
    """Seconds from the callback to the operator's next line."""
    log = airflow.client.log(dag_id, run_id, "job", map_index=index)
    found = re.search(r"Resumed by a callback, ([\d.]+) s after it was received", log)
    assert found is not None, log[-3000:]
    return float(found[1])


def check_spread(
    airflow: RealAirflow, remote: CallingRemote, dag_id: str, count: int, tell: Callable[[str], None]
) -> None:
    run_id = airflow.client.trigger(dag_id)
    spread_callbacks(airflow, remote, dag_id, run_id, count)

    assert airflow.client.wait_run(dag_id, run_id) == "success"
    tasks = airflow.client.tasks(dag_id, run_id)
    assert [(t["state"], t["try_number"]) for t in tasks] == [("success", 1)] * count
    values = [airflow.client.xcom(dag_id, run_id, "job", map_index=i) for i in range(count)]
    assert values == [{"job": remote.job(i).id} for i in range(count)]
    # Each was asked once, for the truth, so none was woken by a poll and none in vain.
    assert {remote.job(i).asked for i in range(count)} == {1}
    took = {i: woken_after(airflow, dag_id, run_id, i) for i in range(count)}
    settled = [t for i, t in took.items() if SPREAD * i / (count - 1) > SETTLE + 0.5]
    early = [t for i, t in took.items() if SPREAD * i / (count - 1) < SETTLE - 0.5]
    tell(f"past the settle time: median {statistics.median(settled):.2f} s, worst {max(settled):.2f} s")
    tell(f"before: {min(early):.2f} to {max(early):.2f} s (settle time included)")
    assert not [i for i in range(count) if remote.job(i).cancelled]


@together
def test_callbacks_at_any_moment_after_the_deferral_fail_no_task(
    real_airflow: RealAirflow, remote: CallingRemote, record_testsuite_property: Callable[[str, object], None]
) -> None:
    check_spread(real_airflow, remote, MANY, 16, partial(record_testsuite_property, "wake"))

    # Airflow has told the triggers of the woken tasks that they were killed, and they cancelled nothing.
    if NEW:
        wait_until(
            lambda: "invoking on_kill" in real_airflow.all_logs(MANY),
            "the triggerer to notice",
            120,
            interval=1,
        )
        time.sleep(2)
    assert not [i for i in range(16) if remote.job(i).cancelled]


def test_the_same_on_sqlite(
    airflow_with_users: AirflowWithUsers, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with calling_remote() as remote:
        connect(airflow_with_users.client, remote, airflow_with_users.root)
        check_spread(airflow_with_users, remote, FEW, 6, partial(record_testsuite_property, "wake"))
        secret = str(next(iter(remote.jobs.values())).callback).rsplit("/", 1)[1]
        assert airflow_with_users.places_of(secret) == []


@needs_new
@together
def test_a_person_who_marks_a_waiting_task_does_cancel_its_job(
    real_airflow: RealAirflow, remote: CallingRemote
) -> None:
    run_id = real_airflow.client.trigger(ONE)
    real_airflow.client.wait_task(ONE, run_id, "job", "deferred")
    job = remote.job(run_id)
    # Airflow tells a trigger of a person's action only once it runs.
    real_airflow.client.wait_log(ONE, run_id, "job", "starting")

    real_airflow.client.set_task_state(ONE, run_id, "job", "failed")

    wait_until(lambda: job.cancelled, "the job to be cancelled", 300)
    assert real_airflow.client.wait_run(ONE, run_id) == "failed"
    assert remote.call(job) == 200  # too late, and harmless
    assert real_airflow.client.task(ONE, run_id, "job")["state"] == "failed"


@together
def test_a_callback_that_is_faster_than_the_submission_saves_the_deferral(
    real_airflow: RealAirflow, remote: CallingRemote
) -> None:
    run_id, state = real_airflow.client.run(ONE, {"early": True})
    assert state == "success"
    assert "DEFERRED" not in real_airflow.client.log(ONE, run_id, "job")
    assert remote.job(run_id).answers == [200]


@together
def test_a_worker_that_lingers_sees_a_short_job_through(
    real_airflow: RealAirflow, remote: CallingRemote
) -> None:
    run_id = real_airflow.client.trigger(LINGER)
    job = remote.job(run_id)
    time.sleep(2)
    assert remote.call(job) == 200
    assert real_airflow.client.wait_run(LINGER, run_id) == "success"
    assert "DEFERRED" not in real_airflow.client.log(LINGER, run_id, "job")


@needs_new
@together
def test_a_result_that_only_the_callback_bears_outlives_a_failed_try(
    real_airflow: RealAirflow, remote: CallingRemote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = real_airflow.client
    blocked = tmp_path_factory.mktemp("mute") / "blocked"
    run_id = client.trigger(MUTE, {"destination": f"{blocked}/result.json"})
    client.wait_task(MUTE, run_id, "job", "deferred")
    job = remote.job(run_id)
    # A destination that cannot be written from the first is refused before anything is started.
    shutil.rmtree(blocked, ignore_errors=True)
    blocked.write_text("no directory can be made here")
    assert remote.call(job, {"eventId": job.id, "eventStatus": "started"}) == 200

    result = {"rows": [1, {"__classname__": "builtins.int"}], "text": "\0\ud800ü"}
    assert remote.call(job, {"eventId": job.id, "response": result}) == 200

    # One try fails after the other, until the folder can be made.
    wait_until(lambda: client.task(MUTE, run_id, "job")["try_number"] > 1, "a second try", 300, interval=1)
    blocked.unlink()
    blocked.mkdir(exist_ok=True)
    # The new try has lost its XComs, and nobody will call back again.
    assert client.wait_run(MUTE, run_id) == "success"
    stored = (blocked / "result.json").read_text(encoding="utf-8")
    assert json.loads(stored)["rows"] == result["rows"]
    assert len([j for j in remote.jobs.values() if j.n == run_id]) == 1


@together
def test_a_result_that_is_given_once_travels_from_the_triggerer_to_the_worker(
    real_airflow: RealAirflow, remote: CallingRemote
) -> None:
    run_id = real_airflow.client.trigger("result_once")
    job = remote.job(run_id)
    wait_until(lambda: bool(waiting(real_airflow, "result_once", run_id)), "the deferral", 300)
    job.given_once = True
    job.status = "succeeded"
    assert real_airflow.client.wait_run("result_once", run_id) == "success"
    assert real_airflow.client.xcom("result_once", run_id, "job") == {"job": job.id}
    assert job.refused == 0, "it was asked for again"


@together
def test_a_pool_with_deferred_tasks_bounds_the_jobs_that_are_alive(
    real_airflow: RealAirflow, remote: CallingRemote
) -> None:
    real_airflow.client.put_pool("two_jobs", slots=2, include_deferred=True)
    run_id = real_airflow.client.trigger("callback_pool")
    most = 0

    def alive() -> list[RemoteJob]:
        nonlocal most
        found = [j for j in list(remote.jobs.values()) if j.n.startswith("pool-") and j.status == "running"]
        most = max(most, len(found))
        return found

    for number in range(1, 5):
        # The last ones have no other beside them any more.
        wait_until(lambda n=number: len(alive()) == min(2, 5 - n), "as many jobs as fit", 300)
        wait_until(
            lambda: len(waiting(real_airflow, "callback_pool", run_id)) == len(alive()), "deferral", 300
        )
        assert remote.call(alive()[0]) == 200
    assert real_airflow.client.wait_run("callback_pool", run_id) == "success"
    assert most == 2


@pytest.mark.skipif(AIRFLOW < (3, 4), reason="task loops came with Airflow 3.4")
@together
def test_a_callback_reaches_its_own_round_of_a_loop(real_airflow: RealAirflow, remote: CallingRemote) -> None:
    """The rounds share dag, run, task and map index: only the try that an address names tells them apart."""
    run_id = real_airflow.client.trigger("callback_loop")
    rounds: list[RemoteJob] = []

    def next_job() -> RemoteJob | None:
        new = [job for job in list(remote.jobs.values()) if job.n.startswith("loop-") and job not in rounds]
        assert len(new) <= 1, "two rounds at once"
        return new[0] if new and waiting(real_airflow, "callback_loop", run_id) else None

    for _ in range(3):
        job = wait_until(next_job, "the next round to wait", 300)
        for earlier in rounds:  # whose round is over: nobody is woken
            asked = job.asked
            assert remote.call(earlier) in (200, 404, 410)
            assert job.asked == asked
        rounds.append(job)
        assert remote.call(job) == 200
    assert real_airflow.client.wait_run("callback_loop", run_id) == "success"
    assert [job.asked for job in rounds] == [1, 1, 1]
    assert not [job for job in rounds if job.cancelled]
