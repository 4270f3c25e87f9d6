# SPDX-License-Identifier: Apache-2.0
"""One fault from its first job to its row in the table."""

from __future__ import annotations

import json
import time

from tests.chaos.faults import Fault
from tests.chaos.ledger import Ledger, leftovers
from tests.chaos.report import Row, say
from tests.chaos.scene import Scene
from tests.chaos.world import World

#: Tasks whose logs are printed when something went wrong.
EXPLAINED = 4

#: Lines of Airflow that are the same in every log.
NOISE = ("::", "DAG bundles", "Filling up", "Worker startup", "Skipping masking", "Pausing task", "Done.")


def play(world: World, fault: Fault, jobs: int) -> Row:
    """Try one fault; whatever it has broken is whole again afterwards."""
    begin = time.monotonic()
    scene = Scene(world, jobs)
    ledger = Ledger(scene)
    problems: list[str] = []
    try:
        fault.play(scene)
        scene.wait_ended(fault.patience)
        world.airflow.start_missing()
        problems = ledger.balance()
        problems += leftovers(scene)
    except Exception as error:  # noqa: BLE001 - the other faults are tried all the same
        problems.append(f"{type(error).__name__}: {error}")
    if problems:
        explain(scene)
    clean_up(scene)
    return Row(
        name=fault.name,
        title=fault.title,
        jobs=ledger.started,
        outcome=outcome(ledger),
        seconds=time.monotonic() - begin,
        problems=problems,
    )


def outcome(ledger: Ledger) -> str:
    """What the ledger counted, in words."""
    states = ", ".join(f"{number} {state}" for state, number in sorted(ledger.states.items()))
    words = [states or "nothing"]
    if ledger.files:
        words.append(f"{ledger.files} files identical")
    if ledger.cancelled:
        words.append(f"{ledger.cancelled} jobs cancelled")
    if ledger.retried:
        words.append(f"{ledger.retried} tasks retried")
    return "; ".join([*words, *ledger.scene.remarks])


def clean_up(scene: Scene) -> None:
    """Give the next fault a world without jobs and faults."""
    world = scene.world
    world.airflow.start_missing()
    if any(task["state"] not in ("success", "failed", "skipped") for task in scene.tasks()):
        scene.give_up()
    for simulator in world.simulators.values():
        simulator.clear_faults()
        simulator.reset()
    for relay in world.relays.values():
        relay.breaks.clear()
        relay.up()


def explain(scene: Scene) -> None:
    """Print the logs of what did not succeed: for whoever looks for the reason."""
    client = scene.world.airflow.client
    for task in [t for t in scene.tasks() if t["state"] != "success"][:EXPLAINED]:
        for number in range(1, (task["try_number"] or 0) + 1):
            say(f"--- {task['task_id']} of {task['run_id']}, try {number}, {task['state']}")
            try:
                text = client.log(task["dag_id"], task["run_id"], task["task_id"], number)
            except Exception as error:  # noqa: BLE001 - this only explains
                text = str(error)
            say("\n".join(_shortened(text.splitlines())))
    say("\n".join(line[:300] for line in scene.world.airflow.report(8).splitlines()))


def _shortened(lines: list[str]) -> list[str]:
    """Time and words of the lines that say something."""
    result = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        event = str(entry.get("event"))
        if entry.get("timestamp") and not event.startswith(NOISE):
            details = " ".join(str(e.get("exc_value")) for e in entry.get("error_detail") or [])
            result.append(f"{entry['timestamp'][11:23]} {event} {details}"[:500])
    return result[-25:]
