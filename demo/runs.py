# SPDX-License-Identifier: Apache-2.0
"""Starts the runs, finishes their jobs once all tasks wait, and says what came of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.cases import Case
from demo.report import Row, examine, table
from demo.world import World
from tests.support.harness import AIRFLOW
from tests.support.harness.client import RUN_ENDED


@dataclass
class Outcome:
    """
    What came of all runs.

    :param runs: the cases with the ids of their runs
    :param problems: what went wrong, a line each
    """

    runs: list[tuple[Case, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def run_ids(self, dag_id: str) -> list[str]:
        """Of one DAG, in the order of the cases."""
        return [run_id for case, run_id in self.runs if case.dag_id == dag_id]


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(world: World, cases: Sequence[Case], tell: Callable[[str], None] = say) -> Outcome:
    """
    Start all runs, wait for them, and tell what came of them.

    :param tell: takes the table, and the logs of what went wrong
    """
    rows: list[Row] = []
    outcome = Outcome()
    runs, problems = outcome.runs, outcome.problems
    # First those that others start: an asset event starts no DAG that is paused.
    followers = [case for case in cases if case.started_by]
    for case in followers + [case for case in cases if not case.started_by]:
        try:
            world.airflow.client.unpause(case.dag_id)
            if case not in followers:
                run_id = world.airflow.client.trigger(case.dag_id, filled(case.conf, world.values))
                runs.append((case, run_id))
        except TimeoutError as error:
            problems.append(str(error))
    problems += wait(world, runs)
    started, missing = runs_of(world, followers)
    problems += missing + wait(world, started)
    runs += started
    for case, run_id in runs:
        more_rows, more_problems = examine(world, case, run_id)
        rows += more_rows
        problems += more_problems
    tell("\n" + table(rows))
    problems += [f"a secret ({name}) lies in {place}" for name, place in leaks(world)]
    for problem in problems:
        tell(f"PROBLEM: {problem}")
    if problems:
        for case, run_id in runs:
            logs_of_failed(world, case, run_id, tell)
        tell(world.airflow.report())
    return outcome


def runs_of(world: World, followers: Sequence[Case]) -> tuple[list[tuple[Case, str]], list[str]]:
    """The runs that assets have started, and a word for each that is missing."""
    found: list[tuple[Case, str]] = []
    problems: list[str] = []
    for case in followers:
        try:
            found.append((case, world.airflow.client.wait_asset_run(case.dag_id)))
        except TimeoutError as error:
            problems.append(str(error))
    return found, problems


def wait(world: World, runs: Sequence[tuple[Case, str]]) -> list[str]:
    """Wait for all runs, letting held jobs finish once their tasks wait; returns what did not end in time."""
    client = world.airflow.client
    begin = time.monotonic()
    problems: list[str] = []
    open_runs = list(runs)
    marked: set[str] = set()
    while open_runs:
        # Again and again, because a task may start a further job later.
        for held in {case.waiting.held for case, _ in open_runs} - {None}:
            waiting = [(c, run_id) for c, run_id in runs if c.waiting.held == held]
            if all(client.all_deferred(c.dag_id, run_id, c.waiting.tasks) for c, run_id in waiting):
                world.simulators[held].finish_all()
        marked |= {run_id for case, run_id in open_runs if run_id not in marked and mark(world, case, run_id)}
        time.sleep(1)
        for case, run_id in list(open_runs):
            ended = client.run_state(case.dag_id, run_id) in RUN_ENDED
            if ended or time.monotonic() - begin > case.timeout:
                open_runs.remove((case, run_id))
                if not ended:
                    problems.append(f"{case.dag_id}: run {run_id} has not ended after {case.timeout:.0f} s")
    return problems


def mark(world: World, case: Case, run_id: str) -> bool:
    """Mark a task as failed once it waits, as a person would; whether that is done."""
    client, task = world.airflow.client, case.marked_failed
    if task is None or not client.all_deferred(case.dag_id, run_id, {task}):
        return False
    # Airflow tells a trigger what a person did only once the trigger runs.
    if "starting" not in client.log(case.dag_id, run_id, task):
        return False
    client.set_task_state(case.dag_id, run_id, task, "failed")
    return True


def filled(value: Any, values: dict[str, str]) -> Any:
    """The same value with ``{names}`` in its strings replaced."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, dict):
        return {key: filled(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, values) for item in value]
    return value


def leaks(world: World) -> list[tuple[str, str]]:
    """Where a credential or a signed URL has come to rest."""
    wanted = {**world.secrets, "a signed URL": "X-Amz-Signature="}
    written = world.airflow.places_of_all(wanted.values())
    found = [(name, place) for name, text in wanted.items() for place in written.get(text, ())]
    # Airflow 3.1 writes connections that its API is sent into its own event log, this field in clear.
    known = ("sap-signature-key", "table log")
    return [leak for leak in found if leak != known or AIRFLOW >= (3, 2)]


def logs_of_failed(world: World, case: Case, run_id: str, tell: Callable[[str], None]) -> None:
    """The task logs of tasks that did not end as expected."""
    for task in world.airflow.client.tasks(case.dag_id, run_id):
        if task["state"] != case.states.get(task["task_id"], "success") and task["try_number"]:
            tell(f"--- log of {case.dag_id}.{task['task_id']} [{task['map_index']}]")
            log = world.airflow.client.log(
                case.dag_id, run_id, task["task_id"], task["try_number"], task["map_index"]
            )
            tell("\n".join(log.splitlines()[-40:]))
