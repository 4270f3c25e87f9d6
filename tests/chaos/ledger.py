# SPDX-License-Identifier: Apache-2.0
"""What has to be true when a fault is over, whatever the fault was."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.kinds import Kind, RemoteJob, describe, kinds_of
from tests.chaos.scene import Run, Scene
from tests.support.harness import wait_until

#: Seconds in which cancelled jobs must be cancelled, and idle connections closed.
CANCEL_PATIENCE = 60.0
IDLE_PATIENCE = 60.0


@dataclass
class Ledger:
    """The accounts of one scene."""

    scene: Scene
    problems: list[str] = field(default_factory=list)
    files: int = 0
    started: int = 0
    #: jobs that were started beyond the one that each task needs, as far as that is documented
    doubled: int = 0
    retried: int = 0
    cancelled: int = 0
    states: Counter[str] = field(default_factory=Counter)

    def balance(self) -> list[str]:
        """Check everything; what is wrong."""
        said = {name: describe(name, sim) for name, sim in self.scene.world.simulators.items()}
        found = {(task["run_id"], task["task_id"]): task for task in self.scene.tasks()}
        keys: set[str] = set()
        for run in self.scene.runs:
            for kind in kinds_of(run.dag_id):
                jobs = kind.jobs(said[kind.remote], run.number)
                self._task(run, kind, found.get((run.run_id, kind.task_id)), jobs, keys)
        lost = self.scene.lost_answers
        if lost is not None and self.doubled + self.states["failed"] > lost:
            said = f"{self.doubled} jobs were doubled and {self.states['failed']} tasks failed"
            self.problems.append(f"{said}, with {lost} answers lost")
        self._cancelled()
        self._storage(keys)
        self.problems += self.scene.problems
        return self.problems

    def _task(
        self, run: Run, kind: Kind, task: dict[str, Any] | None, jobs: list[RemoteJob], keys: set[str]
    ) -> None:
        name = f"{kind.task_id} of run {run.number}"
        expected = self.scene.expectation(run, kind.task_id)
        self.started += len(jobs)
        self.doubled += max(0, len(jobs) - max(1, expected.least_jobs))
        if not expected.least_jobs <= len(jobs) <= expected.most_jobs:
            self.problems.append(f"{name}: its remote started {len(jobs)} jobs")
        if task is None:
            self.states["deleted"] += 1
            if not expected.gone:
                self.problems.append(f"{name} is gone")
            return
        self.states[task["state"]] += 1
        self.retried += task["try_number"] > 1
        if task["state"] not in expected.states:
            self.problems.append(f"{name}: {task['state']}, not {' or '.join(sorted(expected.states))}")
        if kind.result is not None and jobs:
            place = kind.result.format(n=run.number, folder=self.scene.world.folder)
            self._file(name, kind, run, jobs, place, task["state"] == "success")
            keys.add(place)

    def _file(self, name: str, kind: Kind, run: Run, jobs: list[RemoteJob], place: str, wanted: bool) -> None:
        """It must be whole where the task succeeded, and whole or absent elsewhere."""
        stored = self._read(place)
        if stored is None:
            if wanted and not self.scene.expectation(run, kind.task_id).no_file:
                self.problems.append(f"{name}: succeeded without a file")
            return
        simulator = self.scene.world.simulators[kind.remote]
        sums = {kind.expected_sha256(simulator, job, run.number) for job in jobs}
        if hashlib.sha256(stored).hexdigest() not in sums:
            self.problems.append(f"{name}: its file is not what the remote served")
        else:
            self.files += 1

    def _read(self, place: str) -> bytes | None:
        if place.startswith("s3://"):
            client = self.scene.world.s3_client()
            bucket, _, key = place.removeprefix("s3://").partition("/")
            try:
                body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            except client.exceptions.NoSuchKey:
                return None
            return body
        path = Path(place)
        return path.read_bytes() if path.exists() else None

    def _cancelled(self) -> None:
        """Jobs that nobody waits for any more must be cancelled, where the remote can do that."""
        wanted = {
            (run, kind): count
            for run in self.scene.runs
            for kind in kinds_of(run.dag_id)
            if kind.cancellable and (count := self.scene.expectation(run, kind.task_id).cancelled)
        }

        def missing() -> list[str]:
            said = {name: describe(name, sim) for name, sim in self.scene.world.simulators.items()}
            found = []
            self.cancelled = 0
            for (run, kind), count in wanted.items():
                states = [job.state for job in kind.jobs(said[kind.remote], run.number)]
                self.cancelled += states.count("cancelled")
                if states.count("cancelled") != count:
                    found.append(f"{kind.task_id} of run {run.number}: its jobs are {', '.join(states)}")
            return found

        if wanted:
            try:
                wait_until(lambda: not missing(), "jobs to be cancelled", CANCEL_PATIENCE, 1.0)
            except TimeoutError:
                self.problems += missing()

    def _storage(self, keys: set[str]) -> None:
        """Nothing but results lies at the destinations."""
        world = self.scene.world
        client = world.s3_client()
        uploads = client.list_multipart_uploads(Bucket=world.s3.bucket).get("Uploads", [])
        for upload in uploads:
            client.abort_multipart_upload(
                Bucket=world.s3.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        self.problems += [f"an upload of {u['Key']} was neither finished nor aborted" for u in uploads]
        mine = {str(run.number) for run in self.scene.runs}
        objects = client.get_paginator("list_objects_v2").paginate(Bucket=world.s3.bucket)
        stored = [f"s3://{world.s3.bucket}/{o['Key']}" for page in objects for o in page.get("Contents", [])]
        stored += [str(path) for path in world.folder.rglob("*")]
        for place in stored:
            name = place.rpartition("/")[2]
            known = name.split("-")[0] not in mine or place in keys
            if not known or name.startswith("."):
                self.problems.append(f"{name} was left at the destination")


def leftovers(scene: Scene) -> list[str]:
    """Processes of tasks and connections to remotes that outlive their tasks."""
    world = scene.world
    ports = world.remote_ports()

    def found() -> list[str]:
        return [
            text
            for name, pids in world.airflow.pids().items()
            for pid in pids
            for text in _left_by(name, pid, pids, ports, world.worker)
        ]

    try:
        wait_until(lambda: not found(), "connections to be closed", IDLE_PATIENCE, 1.0)
    except TimeoutError:
        return found()
    return []


def _left_by(name: str, pid: int, pids: list[int], ports: set[int], worker: str) -> list[str]:
    try:
        process = psutil.Process(pid)
        # 0 for a component, 1 for a worker of it, 2 for the process of a task.
        depth = sum(parent.pid in pids for parent in process.parents())
        sockets = process.net_connections("tcp")
        left = [f"process {pid} of {name}: {process.name()}"] if name == worker and depth > 1 else []
    except psutil.NoSuchProcess:
        return []
    # Whatever its state: a connection that the remote has closed and nobody else did is a leak, too.
    to_remotes = [s for s in sockets if s.raddr and s.raddr.port in ports]
    return left + [f"{name} has a connection to port {s.raddr.port}: {s.status}" for s in to_remotes]
