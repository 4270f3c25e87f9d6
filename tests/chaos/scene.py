# SPDX-License-Identifier: Apache-2.0
"""One fault: its jobs from their start to their end, and what is to be expected of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.chaos.kinds import KINDS, finish, kinds_of, unfinished
from tests.chaos.world import World
from tests.support.harness import AirflowApiError, wait_until
from tests.support.harness.client import TASK_ENDED

#: Seconds for everything that a fault waits for, unless it says otherwise: a hundred tasks begin and go on at
#: two cores within about five minutes, and other work on them takes its part.
PATIENCE = 600.0


@dataclass(frozen=True)
class Run:
    """A DAG run with one task of each kind."""

    number: int
    dag_id: str
    run_id: str


@dataclass
class Expected:
    """
    How a task may end.

    :param states: of the task
    :param least_jobs: how many jobs its remote must have started
    :param most_jobs: and may have started
    :param cancelled: so many jobs must have been cancelled, where that can be done
    :param gone: the task instance no longer exists
    :param no_file: a person has called it a success before there was a result
    """

    states: frozenset[str] = frozenset({"success"})
    least_jobs: int = 1
    most_jobs: int = 1
    cancelled: int = 0
    gone: bool = False
    no_file: bool = False


@dataclass
class Scene:
    """
    The jobs of one fault.

    :param world: where it plays
    :param jobs: how many, in the end
    """

    world: World
    jobs: int
    runs: list[Run] = field(default_factory=list)
    expected: dict[tuple[int, str], Expected] = field(default_factory=dict)
    #: what went otherwise than hoped for but is as documented
    remarks: list[str] = field(default_factory=list)
    #: what a fault itself has seen go wrong
    problems: list[str] = field(default_factory=list)
    #: so many answers to submissions were lost: no more jobs than that may be doubled, or tasks fail
    lost_answers: int | None = None
    released: bool = False
    #: components that end by themselves are started again, as systemd or Kubernetes would do
    supervised: bool = False

    # -- the jobs

    def start(self, dag_id: str = "chaos_jobs", jobs: int | None = None) -> list[Run]:
        """Start as many DAG runs as the jobs need."""
        client = self.world.airflow.client
        each = len(kinds_of(dag_id))
        runs = []
        for _ in range(-(-(self.jobs if jobs is None else jobs) // each)):
            number = self.world.new_number()
            conf = {"n": number, "folder": str(self.world.folder)}
            runs.append(Run(number, dag_id, client.trigger(dag_id, conf, run_id=f"chaos-{number}")))
        self.runs += runs
        return runs

    def struck(self, name: str, fault: str) -> int:
        """
        How many requests to a remote this fault has hit.

        :raises RuntimeError: none: what came of the jobs would prove nothing
        """
        hit = sum(entry["fault"] == fault for entry in self.world.simulators[name].journal()["entries"])
        if not hit:
            raise RuntimeError(f"the fault {fault!r} never struck {name}")
        return hit

    def expect(
        self, *, runs: Collection[Run] | None = None, tasks: Collection[str] | None = None, **how: Any
    ) -> None:
        """Say how tasks of runs (all by default) may end, see :class:`Expected`."""
        for run in self.runs if runs is None else runs:
            for kind in KINDS:
                if tasks is None or kind.task_id in tasks:
                    self.expected[run.number, kind.task_id] = Expected(**how)

    def expectation(self, run: Run, task_id: str) -> Expected:
        """How a task may end."""
        return self.expected.get((run.number, task_id), Expected())

    # -- waiting

    def tasks(self, runs: Collection[Run] | None = None) -> list[dict[str, Any]]:
        """The task instances; read past Airflow, whose API servers may be dead just now."""
        run_ids = [run.run_id for run in (self.runs if runs is None else runs)]
        marks = ",".join("?" * len(run_ids))
        sql = (
            "select id, dag_id, run_id, task_id, state, try_number, pid from task_instance "
            f"where run_id in ({marks})"
        )
        return self.world.airflow.db(sql, run_ids) if run_ids else []

    def count(self, *states: str | None, runs: Collection[Run] | None = None) -> int:
        """How many tasks are in one of these states."""
        return sum(task["state"] in states for task in self.tasks(runs))

    def wait(self, what: str, question: Callable[[], Any], timeout: float = PATIENCE) -> Any:
        """
        Wait for something.

        :raises TimeoutError: with the states of all tasks
        """
        try:
            return wait_until(question, what, timeout, interval=0.3)
        except TimeoutError as error:
            states = Counter((task["task_id"], task["state"]) for task in self.tasks())
            raise TimeoutError(f"{error}; tasks: {dict(states)}") from None

    def wait_waiting(self, share: float = 1.0) -> None:
        """Wait until so many tasks are deferred (or have ended)."""
        whole = len(self.tasks())
        wanted = max(1, round(share * whole))
        self.wait(f"{wanted} tasks to be deferred", lambda: self.count("deferred", *TASK_ENDED) >= wanted)

    def wait_triggers(self) -> None:
        """Wait until every deferred task is watched by a triggerer: only then it hears what people do."""
        sql = "select count(*) as n from trigger where triggerer_id is null"
        self.wait("all triggers to run", lambda: self.world.airflow.db(sql)[0]["n"] == 0)
        time.sleep(1.5)  # they are assigned first, and begin with the triggerer's next look

    def release(self) -> None:
        """From now on all jobs succeed, those that are started later too."""
        self.released = True
        self._finish_jobs()

    def wait_ended(self, timeout: float = PATIENCE) -> None:
        """
        Wait until all tasks have ended, and release jobs that are started on the way.

        :raises TimeoutError: with what has not
        """

        def ended() -> bool:
            if self.released:
                self._finish_jobs()
            if self.supervised:
                self._start_ended()
            expected = {(run.run_id, kind) for run in self.runs for kind in self._kinds(run)}
            open_tasks = {
                (task["run_id"], task["task_id"]) for task in self.tasks() if task["state"] not in TASK_ENDED
            }
            return not expected & open_tasks

        self.wait("all tasks to end", ended, timeout)

    def _start_ended(self) -> None:
        for name in self.world.airflow.ended():
            self.remarks.append(f"{name} ended by itself and was started again")
            self.world.airflow.start(name)

    def _kinds(self, run: Run) -> list[str]:
        return [kind.task_id for kind in kinds_of(run.dag_id)]

    def _finish_jobs(self) -> None:
        for name, simulator in self.world.simulators.items():
            with suppress(requests.RequestException):  # it may be stopped just now
                for key in unfinished(name, simulator.describe()):
                    finish(name, simulator, key)

    def give_up(self) -> None:
        """After a failure: let nothing of this scene reach the next one."""
        client = self.world.airflow.client
        for simulator in self.world.simulators.values():
            simulator.clear_faults()
        for run in self.runs:
            with suppress(AirflowApiError, requests.RequestException):
                client.set_run_state(run.dag_id, run.run_id, "failed")
