# SPDX-License-Identifier: Apache-2.0
"""What came of a case: one row per task, one line per thing that went wrong."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from demo.cases import Case
from demo.world import World
from tests.support.harness import AIRFLOW

#: Earlier releases write no states of tasks into their event log, and tell no trigger of a person's hand.
TELLS_STATES = CANCELS_WHILE_DEFERRED = AIRFLOW >= (3, 3)

HEADINGS = ("task", "path taken", "states", "seconds", "bytes", "SHA-256 compared")


@dataclass(frozen=True)
class Row:
    """One task instance, as it is printed."""

    task: str
    path: str
    states: str
    seconds: str
    size: str
    checksum: str


def examine(world: World, case: Case, run_id: str) -> tuple[list[Row], list[str]]:
    """The rows of a finished run, and what is wrong with it."""
    rows: list[Row] = []
    problems: list[str] = []
    served = world.served()
    downloads = 0
    for task in world.airflow.client.tasks(case.dag_id, run_id):
        row, wrong = _task(world, case, run_id, task, served)
        rows.append(row)
        problems += [f"{row.task}: {what}" for what in wrong]
        downloads += row.checksum not in ("", "-")
    problems += [
        f"{case.dag_id}: {name} was not cancelled in Automic ({status})"
        for name in case.cancelled
        if CANCELS_WHILE_DEFERRED and (status := world.automic_status(name, 1850)) != 1850
    ]
    if downloads != case.downloads:
        problems.append(f"{case.dag_id}: {downloads} downloads, {case.downloads} expected")
    return rows, problems


def _task(
    world: World, case: Case, run_id: str, task: dict[str, Any], served: set[str]
) -> tuple[Row, list[str]]:
    task_id, map_index = task["task_id"], task["map_index"]
    name = f"{case.dag_id}.{task_id}" + (f"[{map_index}]" if map_index >= 0 else "")
    problems: list[str] = []
    expected = case.states.get(task_id, "success")
    if task["state"] != expected:
        problems.append(f"state {task['state']!r}, {expected!r} expected")
    history = world.airflow.client.states(case.dag_id, run_id, task_id, map_index)
    states = [state for state, _ in history]
    if TELLS_STATES and task_id in case.waiting.tasks and "deferred" not in states:
        problems.append("did not defer")
    value = world.airflow.client.xcom(case.dag_id, run_id, task_id, map_index=map_index)
    value = value if isinstance(value, dict) else {}
    wanted, via = case.via.get(task_id), value.get("via")
    # On a busy machine a poll may tell the end while the callback is on its way.
    outrun = (wanted, via) == ("callback", "poll") and _has_called(world, case.dag_id, run_id, task_id)
    if wanted and via != wanted and not outrun:
        problems.append(f"ended via {via!r}, {wanted!r} expected")
    size, checksum, target = "", "", ""
    if "sha256" in value and "uri" in value:
        size = f"{value['bytes']:,}"
        checksum, wrong = _compare(world, value, served)
        problems += wrong
        target = "s3" if value["uri"].startswith("s3://") else "file"
    seconds = (history[-1][1] - history[0][1]).total_seconds() if history else 0.0
    path = "deferred" if "deferred" in states else "worker"
    if value.get("via"):
        path += f", {value['via']}"
    if target:
        path += f", to {target}"
    shown = " > ".join(a for a, b in pairwise([*states, None]) if a != b) or str(task["state"])
    return Row(name, path, shown, f"{seconds:.1f}", size, checksum), problems


def _has_called(world: World, dag_id: str, run_id: str, task_id: str) -> bool:
    """Whether a callback has come for a task, or comes soon."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        came = world.airflow.client.get(
            "/remote-jobs/deliveries", dag_id=dag_id, run_id=run_id, task_id=task_id
        )
        if came["deliveries"]:
            return True
        time.sleep(1)
    return False


def _compare(world: World, value: dict[str, Any], served: set[str]) -> tuple[str, list[str]]:
    """Three sums must agree: of the stored bytes, of the task's report, of the simulator."""
    try:
        stored = world.read(value["uri"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the row says it and the demo fails
        return "unreadable", [f"{value['uri']} cannot be read: {error}"]
    checksum = hashlib.sha256(stored).hexdigest()
    problems = []
    if checksum != value["sha256"] or len(stored) != value["bytes"]:
        problems.append("what is stored is not what the task reported")
    if checksum not in served:
        problems.append("what is stored is not what the simulator served")
    return (f"{checksum[:12]}… differs" if problems else f"{checksum[:12]}… equal"), problems


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [HEADINGS, *((r.task, r.path, r.states, r.seconds, r.size, r.checksum) for r in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = {3, 4}  # numbers
    texts = ["  ".join(_cells(line, widths, right)).rstrip() for line in lines]
    return "\n".join([texts[0], "-" * max(map(len, texts)), *texts[1:]])


def _cells(line: Sequence[str], widths: Sequence[int], right: set[int]) -> Iterable[str]:
    for number, (text, width) in enumerate(zip(line, widths, strict=True)):
        yield text.rjust(width) if number in right else text.ljust(width)
