# SPDX-License-Identifier: Apache-2.0
"""A triggerer is killed while tasks of every kind wait in it: none is lost, and callbacks still arrive."""

from __future__ import annotations

import time

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.airflow_config import SETTLE
from tests.support.harness.aso_jobs import AsoJobs
from tests.support.harness.calling_remote import CallingRemote
from tests.support.harness.servers import SimulatorProcess
from tests.support.harness.waiting import waiting

ONE, ASO, PLAIN = "callback_one", "aso_deferred", "harness_deferred"


def test_tasks_outlive_their_triggerer_and_callbacks_arrive_while_none_lives(
    restored: RealAirflow, remote: CallingRemote, aso: SimulatorProcess, folder: str
) -> None:
    client, jobs = restored.client, AsoJobs(aso)
    early, late = (client.trigger(ONE) for _ in range(2))
    polled = client.trigger(ASO, {"event": jobs.event, "folder": folder})
    airflows_own = client.trigger(PLAIN, {"seconds": 60})
    for dag_id, run_id, task_id in (
        (ONE, early, "job"),
        (ONE, late, "job"),
        (ASO, polled, "get"),
        (PLAIN, airflows_own, "wait"),
    ):
        client.wait_task(dag_id, run_id, task_id, "deferred")

    restored.kill("triggerer")
    assert "triggerer" not in restored.pids()
    assert remote.call(remote.job(early)) == 200
    deferred = max(waiting(restored, ONE, late).values())
    wait_until(lambda: time.time() > deferred + SETTLE + 0.5, "the settle time to be over", 90)

    # Past the settle time nobody but the API server is needed.
    assert remote.call(remote.job(late)) == 200
    assert client.wait_run(ONE, late) == "success"

    restored.start("triggerer")
    jobs.end()
    # A callback that came before lay in the mailbox until a triggerer looked.
    for dag_id, run_id in ((ONE, early), (ASO, polled), (PLAIN, airflows_own)):
        assert client.wait_run(dag_id, run_id) == "success", dag_id
    assert len(jobs.numbers) == 1
