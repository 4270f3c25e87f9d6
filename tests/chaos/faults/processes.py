# SPDX-License-Identifier: Apache-2.0
"""Processes of Airflow that die."""

from __future__ import annotations

import signal
import time

import psutil

from tests.chaos.faults.registry import fault
from tests.chaos.kinds import BY_TASK, KINDS
from tests.chaos.scene import Scene


def kill_running_tasks(scene: Scene, remote: str) -> int:
    """SIGKILL for the processes of a remote's tasks that run right now, and the workers that supervise them."""
    tasks = [t for t in scene.tasks() if t["state"] == "running" and BY_TASK[t["task_id"]].remote == remote]
    pids = {task["pid"] for task in tasks}
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
        stuck = {"route": "result", "fault": "silence", "seconds": 60, "after_bytes": 200_000}
        scene.world.simulators[name].add_faults(stuck)
    scene.start()
    scene.wait_waiting()
    scene.release()
    kill_when_stuck(scene, "result", ("aso", "http"))


def may_have_lost_submissions(scene: Scene, most_jobs: int = 3) -> None:
    """
    Expect what docs/operations.md says about a submission whose answer is lost.

    A task whose remote can neither find nor repeat a submission fails and starts nothing twice; an ASO GET is
    sent again and makes a second export.
    """
    scene.expect(
        tasks=[kind.task_id for kind in KINDS if not kind.findable],
        states=frozenset({"success", "failed"}),
    )
    scene.expect(tasks=[kind.task_id for kind in KINDS if not kind.once], most_jobs=most_jobs)


def kill_when_stuck(scene: Scene, route: str, remotes: tuple[str, ...]) -> None:
    """Kill the running tasks once a request hangs at each remote, as the fault "silence" has it."""

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


@fault("a worker and its task are killed (SIGKILL) after the remote took the job, before it answered")
def worker_killed_during_submission(scene: Scene) -> None:
    stuck = {"route": "submit", "fault": "silence", "seconds": 60}
    for simulator in scene.world.simulators.values():
        simulator.add_faults(stuck)
    scene.start()
    kill_when_stuck(scene, "submit", tuple(scene.world.simulators))
    may_have_lost_submissions(scene)
    scene.release()


def may_have_lost_submissions(scene: Scene, most_jobs: int = 3) -> None:
    """
    Expect what docs/operations.md says about a submission whose answer is lost.

    A task whose remote can neither find nor repeat a submission fails and starts nothing twice; an ASO GET is
    sent again and makes a second export.
    """
    scene.expect(
        tasks=[kind.task_id for kind in KINDS if not kind.findable],
        states=frozenset({"success", "failed"}),
    )
    scene.expect(tasks=[kind.task_id for kind in KINDS if not kind.once], most_jobs=most_jobs)


def kill_when_stuck(scene: Scene, route: str, remotes: tuple[str, ...]) -> None:
    """Kill the running tasks of each remote once a request hangs there, as the fault "silence" has it."""
    left = set(remotes)
    killed = 0

    def struck() -> bool:
        nonlocal killed
        if scene.released:
            scene.release()
        for name in sorted(left):
            entries = scene.world.simulators[name].journal(route)["entries"]
            if any(entry["fault"] == "silence" and entry["ended_at"] is None for entry in entries):
                left.discard(name)
                killed += kill_running_tasks(scene, name)
        return not left

    scene.wait(f"requests to hang at {sorted(left)}", struck)
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
    may_have_lost_submissions(scene)
    scene.world.airflow.start("scheduler")
    scene.release()


@fault("the database is restarted (all connections break) while jobs wait and callbacks come")
def database_restarted(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    scene.release()
    scene.world.postgres.restart(signal.SIGINT)


@fault("a triggerer stands still for 15 s (SIGSTOP), so that the other one takes its jobs over")
def triggers_change_hands(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    scene.wait_triggers()
    pids = scene.world.airflow.pids()["triggerer"]
    for pid in pids:
        psutil.Process(pid).send_signal(signal.SIGSTOP)
    try:
        time.sleep(15)
    finally:
        for pid in pids:
            psutil.Process(pid).send_signal(signal.SIGCONT)
    time.sleep(6)  # a job that it cancels now is cancelled by mistake
    scene.release()
