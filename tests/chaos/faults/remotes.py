# SPDX-License-Identifier: Apache-2.0
"""Remotes and networks that misbehave."""

from __future__ import annotations

import time
from typing import Any

from tests.chaos.faults.killing import may_have_lost_submissions
from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene

#: What is asked of the remotes once a job is known. Garbage in place of a result could not be told from one.
QUESTIONS = {
    "aso": ("status", "token"),
    "automic": ("status", "list"),
    "open-connectors": ("status", "errors"),
    "http": ("status",),
}
ROUTES = {name: routes if name == "automic" else (*routes, "result") for name, routes in QUESTIONS.items()}


def storm(scene: Scene, routes: dict[str, tuple[str, ...]], lasts: float, **trouble: Any) -> None:
    """
    While all jobs wait and then end, every answer of these routes has a fault, for some time.

    :raises RuntimeError: the fault has not struck every remote
    """
    scene.start()
    scene.wait_waiting()
    spoil(scene, routes, times=None, **trouble)
    time.sleep(lasts / 3)
    scene.release()
    time.sleep(lasts * 2 / 3)
    for simulator in scene.world.simulators.values():
        simulator.clear_faults()
    hit = sum(scene.struck(name, trouble["fault"]) for name in routes)
    scene.remarks.append(f"{hit} answers spoilt")


def spoil(scene: Scene, routes: dict[str, tuple[str, ...]], **trouble: Any) -> None:
    """Enter a fault for each of these routes."""
    for name, kinds in routes.items():
        scene.world.simulators[name].add_faults(*({"route": kind, **trouble} for kind in kinds))


@fault("all remotes are down for a minute: connections refused, open ones reset")
def remotes_down_for_a_minute(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    relays = [relay for name, relay in scene.world.relays.items() if name != "s3"]
    for relay in relays:
        relay.down()
    time.sleep(20)
    scene.release()
    time.sleep(40)
    for relay in relays:
        relay.up()


@fault("the remotes answer 500 to polls and downloads for 20 s")
def remotes_answer_500(scene: Scene) -> None:
    storm(scene, ROUTES, 20, fault="http_status", status=500)


@fault("the remotes answer 429 with Retry-After to polls and downloads for 20 s")
def remotes_answer_429(scene: Scene) -> None:
    storm(scene, ROUTES, 20, fault="http_status", status=429, retry_after=3)


@fault("the remotes answer garbage to every poll for 20 s")
def remotes_answer_garbage(scene: Scene) -> None:
    storm(scene, QUESTIONS, 20, fault="garbage")


@fault("the remotes send half of every body for 20 s, results too")
def remotes_send_half_bodies(scene: Scene) -> None:
    storm(scene, ROUTES, 20, fault="cut")


@fault("the remotes reset every connection for 20 s")
def remotes_reset_connections(scene: Scene) -> None:
    storm(scene, ROUTES, 20, fault="reset")


@fault("the remotes say nothing for 30 s, to polls and in the middle of results")
def remotes_silent_for_30_s(scene: Scene) -> None:
    results = dict.fromkeys(("aso", "open-connectors", "http"), ("result",))
    spoil(scene, results, fault="silence", seconds=30, after_bytes=100_000, times=2)
    storm(scene, QUESTIONS, 30, fault="silence", seconds=30)


@fault("answers to submissions are lost: the job has started, the connection is reset")
def submissions_lost(scene: Scene) -> None:
    spoil(
        scene,
        dict.fromkeys(scene.world.simulators, ("submit",)),
        fault="reset",
        processed=True,
        times=2,
    )
    scene.start()
    scene.wait_waiting()
    lost = sum(scene.struck(name, "reset") for name in scene.world.simulators)
    scene.remarks.append(f"{lost} answers lost")
    may_have_lost_submissions(scene, lost, most_jobs=4)
    scene.release()


@fault("the clocks of the remotes are an hour ahead, and pauses are asked for by date")
def remotes_an_hour_ahead(scene: Scene) -> None:
    with_clocks_off_by(scene, 3600)


@fault("the clocks of the remotes are an hour behind, and pauses are asked for by date")
def remotes_an_hour_behind(scene: Scene) -> None:
    with_clocks_off_by(scene, -3600)


def with_clocks_off_by(scene: Scene, seconds: float) -> None:
    simulators = scene.world.simulators
    for simulator in simulators.values():
        simulator.act("shift_clock", seconds=seconds)
    for _ in range(scene.jobs // 8):
        simulators["http"].act("script", convention="location", retry_after=3, retry_after_as_date=True)
    scene.start()
    scene.wait_waiting()
    time.sleep(5)
    scene.release()
