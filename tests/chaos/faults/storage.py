# SPDX-License-Identifier: Apache-2.0
"""Destinations that fail."""

from __future__ import annotations

import re
import resource

import psutil

from tests.chaos.faults.killing import kill_when_stuck
from tests.chaos.faults.registry import fault
from tests.chaos.kinds import KINDS
from tests.chaos.scene import Scene
from tests.support.harness.client import TASK_ENDED

#: Larger than any log file, which the limit concerns as well, and smaller than the file (bytes).
LARGEST_FILE = 48_000_000
LARGE = 60_000_000

PART_7 = re.compile(rb"^PUT \S+[?&]partNumber=7[& ]", re.MULTILINE)


@fault("S3 breaks the connection in part 7 of an upload, again and again")
def s3_fails_in_part_7(scene: Scene) -> None:
    broken = scene.world.relays["s3"].break_at(PART_7, times=12)
    scene.start("chaos_large", jobs=max(2, scene.jobs // 25))
    scene.start()  # and small ones beside them
    scene.wait_waiting()

    def failed() -> bool:
        scene.release()
        return broken.struck >= broken.times

    scene.wait("S3 to fail", failed)
    scene.remarks.append(f"{broken.struck} connections broken")


@fault("a worker and its task are killed (SIGKILL) in the middle of an upload to S3")
def worker_killed_during_upload(scene: Scene) -> None:
    stuck = {"route": "result", "fault": "silence", "seconds": 240, "after_bytes": 30_000_000, "times": None}
    scene.world.simulators["aso"].add_faults(stuck)
    large = scene.start("chaos_large", jobs=2)
    small = scene.start()  # beside them; their results are smaller than that
    scene.wait_waiting()
    scene.release()
    scene.wait(
        "the small ones to end", lambda: scene.count(*TASK_ENDED, runs=small) == len(scene.tasks(small))
    )
    scene.wait("the large ones to run", lambda: scene.count("running", runs=large) == len(large))
    kill_when_stuck(scene, "result", ("aso",))


@fault("no more can be written to the disk of the destination (RLIMIT_FSIZE), then it can")
def disk_full(scene: Scene) -> None:
    several = min(3, -(-scene.jobs // len(KINDS)))
    for _ in range(several):
        scene.world.simulators["aso"].act("script", endpoint="apiItems", result_bytes=LARGE)
    scene.start()
    scene.wait_waiting()
    limit_files(scene, LARGEST_FILE)
    try:
        scene.release()
        scene.wait("tasks to fail for it", lambda: retried(scene) >= several)
    finally:
        limit_files(scene, resource.RLIM_INFINITY)


def retried(scene: Scene) -> int:
    """How many tasks are in another try than their first."""
    return sum(task["try_number"] > 1 for task in scene.tasks())


def limit_files(scene: Scene, largest: int) -> None:
    """Set the largest file (bytes) that the workers and their tasks can write."""
    for pid in scene.world.airflow.pids()[scene.world.worker]:
        try:
            process = psutil.Process(pid)
            hard = process.rlimit(psutil.RLIMIT_FSIZE)[1]
            process.rlimit(psutil.RLIMIT_FSIZE, (largest, hard))
        except psutil.NoSuchProcess:
            continue
