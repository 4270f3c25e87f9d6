# SPDX-License-Identifier: Apache-2.0
"""Connections that lead elsewhere all of a sudden, where other people's jobs have the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import requests

from tests.chaos.faults.killing import kill_when_stuck
from tests.chaos.faults.registry import fault
from tests.chaos.kinds import KINDS
from tests.chaos.scene import Scene
from tests.chaos.world import World
from tests.support.harness.servers import SimulatorProcess

#: Jobs of other people, with the numbers from 1 on, as ours have them.
FOREIGN_JOBS = 60

#: How a job of each kind is started there.
STARTS = {
    "automic": [("/ae/api/v1/100/executions", {"object_name": "JOBS.FOREIGN"})],
    "http": [("/location/jobs", {"n": "foreign"}), ("/status_field/jobs", {"n": "foreign"})],
}


@fault("connections are led to other systems while their tasks are deferred")
def connections_changed_while_deferred(scene: Scene) -> None:
    with foreign(scene) as others:
        scene.start()
        scene.wait_waiting()
        scene.wait_triggers()
        expect_no_mix(scene)
        for name, other in others.items():
            scene.world.point(name, other.url)
        scene.release()
        scene.wait_ended(300)


@fault("connections are led to other systems between a task's death and its next try")
def connections_changed_between_tries(scene: Scene) -> None:
    stuck = {"route": "result", "fault": "silence", "seconds": 60, "after_bytes": 200_000}
    scene.world.simulators["http"].add_faults(stuck)
    with foreign(scene) as others:
        scene.start()
        scene.wait_waiting()
        scene.release()
        kill_when_stuck(scene, "result", ("http",))
        expect_no_mix(scene)
        for name, other in others.items():
            scene.world.point(name, other.url)
        scene.wait_ended(300)


def expect_no_mix(scene: Scene) -> None:
    """A task whose connection has changed ends with its own job, or fails and says why."""
    moved = [kind.task_id for kind in KINDS if kind.remote in STARTS]
    scene.expect(tasks=moved, states=frozenset({"success", "failed"}))


@contextmanager
def foreign(scene: Scene) -> Iterator[dict[str, SimulatorProcess]]:
    """
    Other systems with jobs of others, for as long as the block lasts.

    Nothing may be asked of them: whose job it is cannot be seen from its number. What has been asked is a
    problem of the scene.
    """
    with ExitStack() as stack:
        others = {name: stack.enter_context(scene.world.another(name)) for name in STARTS}
        for name, other in others.items():
            _start_jobs(scene.world, name, other)
        before = {name: len(other.journal()["entries"]) for name, other in others.items()}
        try:
            yield others
        finally:
            for name in others:
                scene.world.point(name, scene.world.simulators[name].url)
        for name, other in others.items():
            asked = [entry["kind"] for entry in other.journal()["entries"]][before[name] :]
            if asked:
                scene.problems.append(
                    f"somebody else's {name} was asked {len(asked)} times: {sorted(set(asked))}"
                )
            said = str(other.describe()).lower()
            if "cancelled" in said or "1850" in said:
                scene.problems.append(f"a job of somebody else at {name} was cancelled")


def _start_jobs(world: World, name: str, other: SimulatorProcess) -> None:
    users = {"automic": ("AIRFLOW/AF", "automic_password"), "http": ("http-user", "http_password")}
    login, password = users[name]
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = _basic(login, world.secrets[password])
        for _ in range(FOREIGN_JOBS):
            for path, body in STARTS[name]:
                answer = session.post(f"{other.url}{path}", json=body, timeout=30)
                answer.raise_for_status()


def _basic(login: str, password: str) -> str:
    return (
        requests.Request(  # as requests itself writes it
            "GET", "http://localhost", auth=(login, password)
        )
        .prepare()
        .headers["Authorization"]
    )
