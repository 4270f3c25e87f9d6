# SPDX-License-Identifier: Apache-2.0
"""Processes of Airflow that die."""

from __future__ import annotations

import signal

import psutil

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene


def kill_running_tasks(scene: Scene) -> int:
    """SIGKILL for the processes of all tasks that run right now, with the workers that supervise them."""
    pids = {task["pid"] for task in scene.tasks() if task["state"] == "running" and task["pid"]}
    mine = set(scene.world.airflow.pids()["scheduler"])
    killed = 0
    for pid in pids & mine:
        try:
            task = psutil.Process(pid)
            supervisor = task.parent()
            task.kill()
            killed += 1
            if supervisor is not None and supervisor.pid in mine:
                supervisor.kill()
        except psutil.NoSuchProcess:
            continue
    return killed


@fault("a worker and its task are killed (SIGKILL) during the download", short=True)
def worker_killed_during_download(scene: Scene) -> None:
    for name in ("aso", "http"):
        stuck = {"route": "result", "fault": "silence", "seconds": 60, "after_bytes": 200_000, "times": 2}
        scene.world.simulators[name].add_faults(stuck)
    scene.start()
    scene.wait_waiting()
    scene.release()
    kill_when_stuck(scene, "result", ("aso", "http"))


def kill_when_stuck(scene: Scene, route: str, remotes: tuple[str, ...]) -> None:
    """Kill the running tasks once requests of theirs hang at the remotes, as the fault "silence" has it."""

    def stuck() -> bool:
        for name in remotes:
            entries = scene.world.simulators[name].journal(route)["entries"]
            if not any(e["fault"] == "silence" and e["ended_at"] is None for e in entries):
                return False
        return True

    scene.wait("requests to hang", stuck)
    killed = kill_running_tasks(scene)
    scene.remarks.append(f"{killed} workers killed")
    for name in remotes:
        scene.world.simulators[name].clear_faults()


@fault("one of two triggerers is killed (SIGKILL) while jobs wait", short=True)
def triggerer_killed(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    scene.wait_triggers()
    scene.world.airflow.kill("triggerer")
    scene.release()


@fault("an API server is killed (SIGKILL) between storing a callback and answering it", short=True)
def api_server_killed_after_storing(scene: Scene) -> None:
    airflow = scene.world.airflow
    scene.start()
    scene.wait_waiting()
    marker = airflow.home / "die-after-storing"
    marker.touch()
    scene.release()
    scene.wait("an API server to die", lambda: not marker.exists())


@fault("the scheduler is killed (SIGKILL) with all its workers while tasks submit, and starts again")
def scheduler_killed_while_submitting(scene: Scene) -> None:
    scene.start()
    scene.wait("tasks to run", lambda: scene.count("running", "deferred") >= 3)
    scene.world.airflow.kill("scheduler")
    scene.expect(states=frozenset({"success", "failed"}))
    scene.world.airflow.start("scheduler")
    scene.release()


@fault("the database is restarted (all connections break) while jobs wait and callbacks come")
def database_restarted(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    scene.release()
    scene.world.postgres.restart(signal.SIGINT)
