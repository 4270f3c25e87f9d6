# SPDX-License-Identifier: Apache-2.0
"""All tasks of the simulated Automic by their RunID: runs, their children and restarts, callback entries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from airflow_async_provider.simulators._automic_runs import BLOCKED, WITH_CHILDREN, Plan, Run

FIRST_RUN_ID = 1_000_001


class Tasks:
    """
    The tasks.

    :param now: simulated epoch seconds
    :param user: ``USER/DEPARTMENT`` that starts them
    :param restart_reference: whether a restart names the run "before" it or the "original" one
    :param on_change: told of every run whose course was changed from outside
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        user: str,
        restart_reference: str,
        on_change: Callable[[Run], None],
    ) -> None:
        if restart_reference not in ("before", "original"):
            raise ValueError('restart_reference is "before" or "original"')
        self._now = now
        self._user = user
        self._original = restart_reference == "original"
        self._on_change = on_change
        self._lock = threading.RLock()
        self._by_id: dict[int, Run] = {}
        self._next_id = FIRST_RUN_ID
        #: in the order of their start; children, restarts and recurring tasks included
        self.runs: list[Run] = []

    def clear(self) -> None:
        """Forget all; RunIDs go on, as Automic never uses one twice."""
        with self._lock:
            self._by_id.clear()
            self.runs.clear()

    def all(self) -> list[Run]:
        """Runs and callback entries; those that somebody restarts meanwhile have been restarted."""
        with self._lock:
            for run in list(self.runs):
                if run.to_be_restarted:
                    self.restart(run)
            return list(self._by_id.values())

    def get(self, run_id: int) -> Run | None:
        """One task, None when nobody knows it (any more)."""
        self.all()
        run = self._by_id.get(run_id)
        return None if run is None or run.forgotten else run

    def run(self, number: int) -> Run:
        """
        One run by its RunID, or by its place in :attr:`runs`.

        :raises LookupError: when there is none
        """
        return self._by_id[number] if number >= FIRST_RUN_ID else self.runs[number]

    def start(
        self,
        name: str,
        plan: Plan,
        body: Mapping[str, Any],
        *,
        start_at: float | None = None,
        parent: int = 0,
        reference: int = 0,
        object_type: str | None = None,
    ) -> Run:
        """Start a run, and its children."""
        with self._lock:
            run = self._registered(
                name=name,
                plan=plan,
                body=body,
                start_at=start_at,
                parent=parent,
                reference=reference,
                object_type=object_type,
            )
            self.runs.append(run)
            if run.type in WITH_CHILDREN:
                # What blocks a workflow is a child that failed.
                status = 1800 if plan.status in BLOCKED else plan.status
                once = plan.changed(
                    {"children": 0, "object_type": "JOBS", "restart_after": None, "status": status}
                )
                run.children += [
                    self.start(f"{name}.CHILD{number + 1}", once, {}, parent=run.run_id)
                    for number in range(plan.children)
                ]
            return run

    def restart(self, run: Run, inputs: Mapping[str, Any] | None = None) -> Run:
        """Restart a run: a run of its own, without the callback of the first."""
        with self._lock:
            run.restarted = True
            reference = run.reference if run.reference and self._original else run.run_id
            body = {k: v for k, v in run.body.items() if k not in ("callback", "once", "execution_option")}
            if inputs:
                body["inputs"] = {**body.get("inputs", {}), **inputs}
            plan = run.plan.changed({"restart_after": None, **run.plan.restart})
            return self.start(run.name, plan, body, reference=reference)

    def callback_entry(self, run: Run) -> Run:
        """The entry of type CBCK that a callback has in the list."""
        plan = Plan(run_seconds=None)
        with self._lock:
            return self._registered(name=run.name, plan=plan, body={}, parent=run.run_id, object_type="CBCK")

    def _registered(self, **values: Any) -> Run:
        run = Run(run_id=self._next_id, now=self._now, user=self._user, on_change=self._on_change, **values)
        self._next_id += 1
        self._by_id[run.run_id] = run
        return run
