# SPDX-License-Identifier: Apache-2.0
"""People who act on tasks that wait, and a deadline that passes."""

from __future__ import annotations

from tests.chaos.faults.registry import fault
from tests.chaos.kinds import KINDS
from tests.chaos.scene import Scene


def waiting(scene: Scene) -> None:
    """Start jobs and wait until triggerers watch all of them."""
    scene.start()
    scene.wait_waiting()
    scene.wait_triggers()


@fault("waiting tasks are cleared")
def tasks_cleared(scene: Scene) -> None:
    waiting(scene)
    # What the remote can cancel is cancelled and started anew; what it cannot is gone on with.
    scene.expect(tasks=[k.task_id for k in KINDS if k.cancellable], least_jobs=2, most_jobs=2, cancelled=1)
    for run in scene.runs:
        scene.world.airflow.client.clear(run.dag_id, run.run_id)
    scene.wait("new tries", lambda: all(task["try_number"] > 1 for task in scene.tasks()))
    scene.wait_waiting()
    scene.release()


@fault("waiting tasks are marked as failed", short=True)
def tasks_marked_failed(scene: Scene) -> None:
    waiting(scene)
    scene.expect(states=frozenset({"failed"}), cancelled=1)
    mark(scene, "failed")


@fault("waiting tasks are marked as successful")
def tasks_marked_success(scene: Scene) -> None:
    waiting(scene)
    scene.expect(cancelled=1, no_file=True)
    mark(scene, "success")


def mark(scene: Scene, state: str) -> None:
    """Mark every task, as a person in the UI does."""
    for task in scene.tasks():
        scene.world.airflow.client.set_task_state(task["dag_id"], task["run_id"], task["task_id"], state)


@fault("DAG runs are marked as failed and deleted at once while their tasks wait")
def runs_deleted(scene: Scene) -> None:
    waiting(scene)
    scene.expect(gone=True, cancelled=1)
    for run in scene.runs:  # Airflow refuses to delete a run that is under way
        scene.world.airflow.client.set_run_state(run.dag_id, run.run_id, "failed")
        scene.world.airflow.client.delete_run(run.dag_id, run.run_id)


@fault("the deadline of the tasks (25 s) passes")
def deadline_passes(scene: Scene) -> None:
    scene.start("chaos_deadline")
    scene.expect(states=frozenset({"failed"}), cancelled=1)
