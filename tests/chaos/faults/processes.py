# SPDX-License-Identifier: Apache-2.0
"""Processes of Airflow that die or stand still."""

from __future__ import annotations

import signal
import time

import psutil

from tests.chaos.faults.killing import kill_when_stuck, may_have_lost_submissions
from tests.chaos.faults.registry import fault
from tests.chaos.kinds import unfinished
from tests.chaos.scene import Scene
from tests.chaos.world import TRIGGERER_THRESHOLD


@fault("a worker and its task are killed (SIGKILL) after the remote took the job, before it answered")
def worker_killed_during_submission(scene: Scene) -> None:
    for simulator in scene.world.simulators.values():
        simulator.add_faults({"route": "submit", "fault": "silence", "seconds": 60})
    scene.start()
    killed = kill_when_stuck(scene, "submit", tuple(scene.world.simulators))
    # one worker is left, and its submission gets no answer either
    may_have_lost_submissions(scene, lost=killed + 1)
    scene.release()


@fault("a worker and its task are killed (SIGKILL) during the download")
def worker_killed_during_download(scene: Scene) -> None:
    remotes = ("aso", "http", "open-connectors")
    for name in remotes:
        stuck = {"route": "result", "fault": "silence", "seconds": 60, "after_bytes": 200_000}
        scene.world.simulators[name].add_faults(stuck)
    scene.start()
    scene.wait_waiting()
    scene.release()
    kill_when_stuck(scene, "result", remotes)


@fault("all workers are killed (SIGKILL) while their tasks are deferred", short=True)
def workers_killed_while_deferred(scene: Scene) -> None:
    airflow, name = scene.world.airflow, scene.world.worker
    scene.start()
    scene.wait_waiting()
    airflow.kill(name)  # with LocalExecutor the workers are the scheduler's, which dies with them
    airflow.start(name)
    scene.release()


@fault("one of two triggerers is killed (SIGKILL) while jobs wait", short=True)
def triggerer_killed(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    scene.wait_triggers()
    scene.world.airflow.kill("triggerer")
    scene.release()


@fault("a triggerer stands still (SIGSTOP) until the other one has taken its jobs over, then goes on")
def triggers_change_hands(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    scene.wait_triggers()
    pids = scene.world.airflow.pids()["triggerer"]
    for pid in pids:
        psutil.Process(pid).send_signal(signal.SIGSTOP)
    try:
        time.sleep(TRIGGERER_THRESHOLD + 6)
    finally:
        for pid in pids:
            psutil.Process(pid).send_signal(signal.SIGCONT)
    time.sleep(8)  # a job that it cancels now is cancelled by mistake
    scene.release()


@fault("an API server is killed (SIGKILL) between storing a callback and answering it", short=True)
def api_server_killed_after_storing(scene: Scene) -> None:
    marker = scene.world.airflow.home / "die-after-storing"
    scene.start()
    scene.wait_waiting()
    marker.touch()
    scene.release()
    scene.wait("an API server to die", lambda: not marker.exists())


@fault("the scheduler is killed (SIGKILL) with all its workers while tasks submit, and starts again")
def scheduler_killed_while_submitting(scene: Scene) -> None:
    scene.start()
    scene.wait("tasks to run", lambda: scene.count("running", "deferred") >= 3)
    scene.world.airflow.kill("scheduler")
    # Whatever ran just now may have been submitting. With CeleryExecutor the workers live on.
    may_have_lost_submissions(scene, lost=scene.count("running"))
    scene.world.airflow.start("scheduler")
    scene.release()


@fault("the database is restarted (all connections break) while jobs wait and callbacks come")
def database_restarted(scene: Scene) -> None:
    scene.supervised = True  # Airflow's scheduler ends when its database does
    scene.start()
    scene.wait_waiting()
    scene.release()
    scene.world.postgres.restart(signal.SIGINT)


@fault("the API servers are away until Airflow has given up all tasks that wait on their workers")
def api_servers_away(scene: Scene) -> None:
    runs = scene.start("chaos_on_workers", jobs=6)  # as many as there are workers for
    wanted = len(scene.tasks(runs))
    scene.wait("jobs to run", lambda: jobs_of(scene) >= wanted)
    scene.world.balancer.down()
    begin = time.monotonic()
    try:
        # Airflow's worker ends its task after three heartbeats that nobody took, whatever the minutes.
        scene.wait("workers to give their tasks up", lambda: not running_tasks(scene), timeout=300)
    finally:
        scene.world.balancer.up()
    scene.remarks.append(f"API servers away for {time.monotonic() - begin:.0f} s")
    scene.wait("new tries", lambda: all(task["try_number"] > 1 for task in scene.tasks(runs)))
    scene.release()


def jobs_of(scene: Scene) -> int:
    """How many jobs run at all remotes."""
    return sum(len(unfinished(name, sim.describe())) for name, sim in scene.world.simulators.items())


def running_tasks(scene: Scene) -> set[int]:
    """Processes of tasks that live."""
    return {task["pid"] for task in scene.tasks()} & set(scene.world.airflow.pids()[scene.world.worker])


@fault("the clock of the only triggerer is two days ahead")
def triggerer_two_days_ahead(scene: Scene) -> None:
    airflow = scene.world.airflow
    marker = airflow.home / "clock-ahead"
    marker.write_text(str(2 * 86400))
    airflow.terminate("triggerer")
    airflow.terminate("triggerer-2")
    try:
        airflow.start("triggerer-2")
        marker.unlink()
        scene.start()
        scene.wait_waiting()
        scene.wait_triggers()
        time.sleep(10)
        scene.release()
        scene.wait_ended()
    finally:
        marker.unlink(missing_ok=True)
        airflow.kill("triggerer-2")
        airflow.start("triggerer")
        airflow.start("triggerer-2")
