# SPDX-License-Identifier: Apache-2.0
"""Killing the right process at the right moment, and what may be lost by it."""

from __future__ import annotations

import contextlib
import time

import psutil

from tests.chaos.kinds import BY_TASK, KINDS
from tests.chaos.scene import Scene


def kill_running_tasks(scene: Scene, remote: str) -> int:
    """
    SIGKILL for the workers that supervise a remote's running tasks, and then for the tasks.

    In this order, and only while the task runs: a worker of LocalExecutor whose task dies first goes on to
    wait for the next one, and whoever kills it then kills it with the lock of the queue in its hand, which no
    other worker gets any more (see docs/reliability.md). The worker is stopped first, so that it cannot get
    there between the look and the kill. One worker is left: the queue is a pipe, and a scheduler that fills
    it while nobody reads waits for ever.
    """
    tasks = [t for t in scene.tasks() if t["state"] == "running" and BY_TASK[t["task_id"]].remote == remote]
    pids = {task["pid"] for task in tasks}
    mine = set(scene.world.airflow.pids()[scene.world.worker])
    killed = 0
    for pid in pids & mine:
        if len(living_children(scene.world.airflow.main_pid(scene.world.worker))) < 2:
            break
        try:
            killed += _kill_with_supervisor(psutil.Process(pid), mine)
        except psutil.NoSuchProcess:
            continue
    return killed


def living_children(pid: int) -> list[psutil.Process]:
    """Of a process, those that have not ended."""
    children = psutil.Process(pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def _kill_with_supervisor(task: psutil.Process, mine: set[int]) -> bool:
    supervisor = task.parent()
    if supervisor is None or supervisor.pid not in mine:
        task.kill()
        return True
    supervisor.suspend()
    if not task.is_running() or task.status() == psutil.STATUS_ZOMBIE:
        supervisor.resume()
        return False
    supervisor.kill()
    task.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        while supervisor.status() != psutil.STATUS_ZOMBIE:  # a signal takes a moment
            time.sleep(0.01)
    return True


def kill_when_stuck(scene: Scene, route: str, remotes: tuple[str, ...]) -> int:
    """
    Kill the running tasks of each remote once a request hangs there, as the fault "silence" has it.

    :return: how many were killed
    """
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
    return killed


def may_have_lost_submissions(scene: Scene, lost: int, most_jobs: int = 3) -> None:
    """
    Expect what docs/operations.md says about a submission whose answer is lost.

    A task whose remote can neither find nor repeat a submission fails and starts nothing twice; what only
    reads (an ASO GET, a bulk download) is sent again and makes a second export.

    :param lost: how many answers were lost at the most
    """
    scene.lost_answers = lost
    scene.expect(
        tasks=[kind.task_id for kind in KINDS if not kind.findable],
        states=frozenset({"success", "failed"}),
        least_jobs=0,  # it may have died before it sent anything
    )
    scene.expect(tasks=[kind.task_id for kind in KINDS if not kind.once], most_jobs=most_jobs)
