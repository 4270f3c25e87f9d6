# SPDX-License-Identifier: Apache-2.0
"""Callbacks on a real Airflow: at any moment after the deferral, parts of it dead, no secret kept."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.harness import AIRFLOW, MAP_INDEX, RealAirflow, wait_until
from tests.support.harness.calling_remote import CallingRemote, RemoteJob, calling_remote

MANY, FEW, ONE, LINGER, MUTE = (f"callback_{n}" for n in ("many", "few", "one", "linger", "mute"))

#: Airflow 3.3 tells a trigger when a person acts on its task, and keeps a task's state across tries.
NEW = AIRFLOW >= (3, 3)
needs_new = pytest.mark.skipif(not NEW, reason="Airflow 3.3 and later")

#: Callbacks come between the deferral and so many seconds after it, while the settle time is 10 seconds.
SPREAD = 12.0


@pytest.fixture(scope="module")
def remote() -> Iterator[CallingRemote]:
    """The remote."""
    with calling_remote() as server:
        yield server


def connect(airflow: RealAirflow, remote: CallingRemote) -> None:
    base = airflow.url()
    extra = {"callback_base_url": base}
    airflow.client.put_connection("callback_remote", "http", host=remote.url, extra=extra)
    airflow.client.put_connection(
        "callback_mute",
        "sap_open_connectors",
        host=remote.url,
        extra={**extra, "user_secret": "u", "organization_secret": "o", "element_token": "e"},
    )


@pytest.fixture(scope="module")
def airflow(real_airflow: RealAirflow, remote: CallingRemote) -> RealAirflow:
    """The shared Airflow with connections to the remote."""
    connect(real_airflow, remote)
    return real_airflow


@pytest.fixture
def mended(airflow: RealAirflow, restored: RealAirflow) -> RealAirflow:
    """The same, for tests that kill parts of it."""
    return airflow


def waiting(airflow: RealAirflow, dag_id: str, run_id: str) -> dict[int, float]:
    """Map index and moment of deferral of the tasks that are deferred now."""
    rows = airflow.db(
        f"select ti.{MAP_INDEX} as map_index, t.created_date "
        "from task_instance ti join trigger t on ti.trigger_id = t.id "
        "where ti.dag_id = ? and ti.run_id = ? and ti.state = 'deferred'",
        [dag_id, run_id],
    )
    return {row["map_index"]: moment(row["created_date"]) for row in rows}


def moment(value: Any) -> float:
    when = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


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

    wait_until(done, "all tasks to defer and to be called", 480, interval=0.1)


def woken_after(airflow: RealAirflow, dag_id: str, run_id: str, index: int = -1) -> float:
    """Seconds from the callback to the operator's next line."""
    log = airflow.client.log(dag_id, run_id, "job", map_index=index)
    found = re.search(r"Resumed by a callback, ([\d.]+) s after it was received", log)
    assert found is not None, log[-3000:]
    return float(found[1])


def on_kills(airflow: RealAirflow) -> int:
    return airflow.all_logs().count("invoking on_kill")


def all_cancelled(remote: CallingRemote) -> list[RemoteJob]:
    return [job for job in remote.jobs.values() if job.cancelled]


def check_spread(
    airflow: RealAirflow, remote: CallingRemote, dag_id: str, count: int, tell: Callable[[str], None]
) -> None:
    run_id = airflow.client.trigger(dag_id)
    spread_callbacks(airflow, remote, dag_id, run_id, count)

    assert airflow.client.wait_run(dag_id, run_id, timeout=180) == "success"
    tasks = airflow.client.tasks(dag_id, run_id)
    assert [(t["state"], t["try_number"]) for t in tasks] == [("success", 1)] * count
    values = [airflow.client.xcom(dag_id, run_id, "job", map_index=i) for i in range(count)]
    assert values == [{"job": remote.job(i).id} for i in range(count)]
    # Each was asked once, for the truth, so none was woken by a poll and none in vain.
    assert {remote.job(i).asked for i in range(count)} == {1}
    took = {i: woken_after(airflow, dag_id, run_id, i) for i in range(count)}
    settled = [t for i, t in took.items() if SPREAD * i / (count - 1) > 10.5]
    early = [t for i, t in took.items() if SPREAD * i / (count - 1) < 9.5]
    tell(f"past the settle time: median {statistics.median(settled):.2f} s, worst {max(settled):.2f} s")
    tell(f"before: {min(early):.2f} to {max(early):.2f} s (settle time included)")


def test_callbacks_at_any_moment_after_the_deferral_fail_no_task(
    airflow: RealAirflow, remote: CallingRemote, record_property: Callable[[str, object], None]
) -> None:
    before = on_kills(airflow)
    check_spread(airflow, remote, MANY, 50, partial(record_property, "wake"))

    # Airflow has told the triggers of the woken tasks that they were killed, and they cancelled nothing.
    if NEW:
        wait_until(lambda: on_kills(airflow) > before, "the triggerer to notice", 30)
        time.sleep(2)
    assert all_cancelled(remote) == []


@needs_new
def test_a_person_who_marks_a_waiting_task_does_cancel_its_job(
    airflow: RealAirflow, remote: CallingRemote
) -> None:
    run_id = airflow.client.trigger(ONE)
    airflow.client.wait_task(ONE, run_id, "job", "deferred")
    job = remote.job(run_id)
    # Airflow tells a trigger of a person's action only once it runs.
    wait_until(lambda: "starting" in airflow.client.log(ONE, run_id, "job"), "the trigger to start", 60)

    airflow.client.set_task_state(ONE, run_id, "job", "failed")

    wait_until(lambda: job.cancelled, "the job to be cancelled", 60)
    assert airflow.client.wait_run(ONE, run_id) == "failed"
    assert remote.call(job) == 200  # too late, and harmless
    assert airflow.client.task(ONE, run_id, "job")["state"] == "failed"


def test_a_callback_that_is_faster_than_the_submission_saves_the_deferral(
    airflow: RealAirflow, remote: CallingRemote
) -> None:
    run_id, state = airflow.client.run(ONE, {"early": True})
    assert state == "success"
    assert "DEFERRED" not in airflow.client.log(ONE, run_id, "job")
    assert remote.job(run_id).answers == [200]


def test_a_worker_that_lingers_sees_a_short_job_through(airflow: RealAirflow, remote: CallingRemote) -> None:
    run_id = airflow.client.trigger(LINGER)
    job = remote.job(run_id)
    time.sleep(2)
    assert remote.call(job) == 200
    assert airflow.client.wait_run(LINGER, run_id) == "success"
    assert "DEFERRED" not in airflow.client.log(LINGER, run_id, "job")


def test_callbacks_arrive_while_no_triggerer_lives(mended: RealAirflow, remote: CallingRemote) -> None:
    client = mended.client
    runs = [client.trigger(ONE) for _ in range(2)]
    for run_id in runs:
        client.wait_task(ONE, run_id, "job", "deferred")
    mended.kill("triggerer")
    early, late = runs
    assert remote.call(remote.job(early)) == 200
    deferred = max(waiting(mended, ONE, late).values())
    wait_until(lambda: time.time() > deferred + 10.5, "the settle time to be over", 30)

    # Past the settle time nobody but the API server is needed.
    assert remote.call(remote.job(late)) == 200
    assert client.wait_run(ONE, late, timeout=60) == "success"

    # What came before lies in the mailbox until a triggerer looks, or until it is sent again.
    assert client.task(ONE, early, "job")["state"] == "deferred"
    mended.start("triggerer")
    assert client.wait_run(ONE, early, timeout=90) == "success"


@needs_new
def test_a_result_that_only_the_callback_bears_outlives_a_failed_try(
    airflow: RealAirflow, remote: CallingRemote, tmp_path: Path
) -> None:
    client = airflow.client
    blocked = tmp_path / "blocked"
    blocked.write_text("no directory can be made here")
    run_id = client.trigger(MUTE, {"destination": f"{blocked}/result.json"})
    client.wait_task(MUTE, run_id, "job", "deferred")
    job = remote.job(run_id)
    assert remote.call(job, {"eventId": job.id, "eventStatus": "started"}) == 200

    result = {"rows": [1, {"__classname__": "builtins.int"}], "text": "\0\ud800ü"}
    assert remote.call(job, {"eventId": job.id, "response": result}) == 200

    client.wait_task(MUTE, run_id, "job", {"up_for_retry", "failed"}, timeout=60)
    blocked.unlink()
    blocked.mkdir()
    # The new try has lost its XComs, and nobody will call back again.
    assert client.wait_run(MUTE, run_id, timeout=90) == "success"
    stored = (blocked / "result.json").read_text(encoding="utf-8")
    assert json.loads(stored)["rows"] == result["rows"]
    assert len([j for j in remote.jobs.values() if j.n == run_id]) == 1


def test_no_secret_of_an_address_is_written_down(airflow: RealAirflow, remote: CallingRemote) -> None:
    secrets = {job.callback.rsplit("/", 1)[1] for job in remote.jobs.values()}
    assert len(secrets) == len(remote.jobs) > 0
    wrong = next(iter(remote.jobs.values()))
    for method in ("GET", "POST"):  # also when it goes wrong
        with requests.Session() as session:
            session.trust_env = False
            session.request(method, wrong.callback + "/?a=" + next(iter(secrets)), timeout=30)
    found = {secret: places for secret in list(secrets)[-12:] if (places := airflow.places_of(secret))}
    assert found == {}
    assert "/callbacks/v1/" in airflow.component_log("api-server")
    assert "/hidden" in airflow.component_log("api-server")


def test_the_same_on_postgresql(
    real_airflow_on_postgres: RealAirflow,
    remote: CallingRemote,
    record_property: Callable[[str, object], None],
) -> None:
    connect(real_airflow_on_postgres, remote)
    remote.jobs.clear()
    check_spread(
        real_airflow_on_postgres,
        remote,
        FEW,
        6,
        partial(record_property, "wake"),
    )
    secret = next(iter(remote.jobs.values())).callback.rsplit("/", 1)[1]
    assert real_airflow_on_postgres.places_of(secret) == []


def test_a_result_that_is_given_once_travels_from_the_triggerer_to_the_worker(
    airflow: RealAirflow, remote: CallingRemote
) -> None:
    run_id = airflow.client.trigger("result_once")
    job = remote.job(run_id)
    wait_until(lambda: waiting(airflow, "result_once", run_id), "the deferral", 60)
    job.given_once = True
    job.status = "succeeded"
    assert airflow.client.wait_run("result_once", run_id, timeout=120) == "success"
    assert airflow.client.xcom("result_once", run_id, "job") == {"job": job.id}
    assert job.refused == 0, "it was asked for again"


def test_a_pool_with_deferred_tasks_bounds_the_jobs_that_are_alive(
    airflow: RealAirflow, remote: CallingRemote
) -> None:
    airflow.client.put_pool("two_jobs", slots=2, include_deferred=True)
    run_id = airflow.client.trigger("callback_pool")
    most = 0

    def alive() -> list[RemoteJob]:
        nonlocal most
        found = [job for job in remote.jobs.values() if job.n.startswith("pool-") and job.status == "running"]
        most = max(most, len(found))
        return found

    for number in range(1, 7):
        # The last ones have no other beside them any more.
        wait_until(lambda n=number: len(alive()) == min(2, 7 - n), "as many jobs as fit", 120)
        wait_until(lambda: len(waiting(airflow, "callback_pool", run_id)) == len(alive()), "deferral", 60)
        assert remote.call(alive()[0]) == 200
    assert airflow.client.wait_run("callback_pool", run_id, timeout=180) == "success"
    assert most == 2


@pytest.mark.skipif(AIRFLOW < (3, 4), reason="task loops came with Airflow 3.4")
def test_a_callback_reaches_its_own_round_of_a_loop(airflow: RealAirflow, remote: CallingRemote) -> None:
    """The rounds share dag, run, task and map index: only the try that an address names tells them apart."""
    known = set(remote.jobs)
    run_id = airflow.client.trigger("callback_loop")
    rounds: list[RemoteJob] = []

    def next_job() -> RemoteJob | None:
        new = [job for name, job in remote.jobs.items() if name not in known and job not in rounds]
        assert len(new) <= 1, "two rounds at once"
        return new[0] if new and waiting(airflow, "callback_loop", run_id) else None

    for _ in range(3):
        job = wait_until(next_job, "the next round to wait", 120)
        for earlier in rounds:  # whose round is over: nobody is woken
            asked = job.asked
            assert remote.call(earlier) in (200, 404, 410)
            assert job.asked == asked
        rounds.append(job)
        assert remote.call(job) == 200
    assert airflow.client.wait_run("callback_loop", run_id, timeout=180) == "success"
    assert [job.asked for job in rounds] == [1, 1, 1]
    assert not [job for job in rounds if job.cancelled]
