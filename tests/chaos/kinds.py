# SPDX-License-Identifier: Apache-2.0
"""The kinds of jobs: where each leaves its result, and how its remote is asked what it started."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.harness.servers import SimulatorProcess

RUNNING = {"processing", "running"}


@dataclass(frozen=True)
class RemoteJob:
    """
    A job as its simulator knows it.

    :param key: what the simulator's actions call it
    :param state: "running", "cancelled", or "ended" however
    """

    key: int
    state: str


@dataclass(frozen=True)
class Kind:
    """
    One task of the DAG ``chaos_jobs``.

    :param task_id: its name
    :param remote: name of its simulator
    :param result: where its result lies, by the run's number; None: it has none
    :param jobs: the jobs of the run with that number, read from what the simulator says of itself
    :param cancellable: whether the remote can cancel such a job
    :param once: False: it only reads, so a submission whose answer is lost is sent again, which makes a
        second export
    :param findable: whether the task goes on after its worker has died between submission and answer: it
        finds the job, or sends the submission again
    """

    task_id: str
    remote: str
    result: str | None
    jobs: Callable[[dict[str, Any], int], list[RemoteJob]]
    cancellable: bool = False
    once: bool = True
    findable: bool = True

    def expected_sha256(self, simulator: SimulatorProcess, job: RemoteJob, number: int) -> str:
        """Checksum of the job's result."""
        if self.task_id == "sap_request":
            return _sha256_of_thing(number)
        return str(simulator.act("sha256_of", job=job.key))


def _sha256_of_thing(number: int) -> str:
    response = {"id": "1", "objectName": f"things-{number}", "method": "POST"}
    return hashlib.sha256(json.dumps(response, ensure_ascii=False).encode()).hexdigest()


def describe(remote: str, simulator: SimulatorProcess) -> dict[str, Any]:
    """What a simulator says of its jobs; SAP's requests are told apart by what they answer."""
    said = simulator.describe()
    if remote == "open-connectors":
        for place, job in enumerate(said["jobs"]):
            if "event_id" in job:
                job["sha256"] = simulator.act("sha256_of", job=place)
    return said


def _state(word: str | None) -> str:
    if word is None or word in RUNNING:
        return "running"
    return "cancelled" if word.lower().startswith("cancel") else "ended"


def _aso(digit: int) -> Callable[[dict[str, Any], int], list[RemoteJob]]:
    def jobs(said: dict[str, Any], number: int) -> list[RemoteJob]:
        event = f"{number}{digit}"
        mine = [job for job in said["jobs"] if job["parameters"].get("event_id") == event]
        return [RemoteJob(job["number"], _state(job["state"])) for job in mine]

    return jobs


def _automic(prefix: str) -> Callable[[dict[str, Any], int], list[RemoteJob]]:
    def jobs(said: dict[str, Any], number: int) -> list[RemoteJob]:
        mine = [run for run in said["runs"] if run["name"] == f"{prefix}.{number}" and run["type"] != "CBCK"]
        return [RemoteJob(run["run_id"], automic_state(run["status"])) for run in mine]

    return jobs


def automic_state(status: int) -> str:
    """An Automic status in a word of ours: 1800 and more is an end, 1850 and its like a cancellation."""
    if status < 1800:
        return "running"
    return "cancelled" if status in (1850, 1851, 1856) else "ended"


def _sap_requests(said: dict[str, Any], number: int) -> list[RemoteJob]:
    return [
        RemoteJob(place, _state(job["outcome"]))
        for place, job in enumerate(said["jobs"])
        if job.get("sha256") == _sha256_of_thing(number)
    ]


def _sap_bulk(said: dict[str, Any], number: int) -> list[RemoteJob]:
    return [
        RemoteJob(
            place, _state(None if job["status"] in ("CREATED", "STARTED", "RUNNING") else job["status"])
        )
        for place, job in enumerate(said["jobs"])
        if job.get("objectName") == f"contacts-{number}"
    ]


def _http(convention: str) -> Callable[[dict[str, Any], int], list[RemoteJob]]:
    def jobs(said: dict[str, Any], number: int) -> list[RemoteJob]:
        return [
            RemoteJob(job["number"], _state(job["state"]))
            for job in said["jobs"]
            if job["convention"] == convention and str((job["body"] or {}).get("n")) == str(number)
        ]

    return jobs


S3, DISK = "s3://results/{n}-", "{folder}/{n}-"

KINDS = (
    Kind("aso_disk", "aso", DISK + "aso_disk.dat", _aso(1), once=False),
    Kind("aso_s3", "aso", S3 + "aso_s3.dat", _aso(2), once=False),
    Kind("automic_callback", "automic", None, _automic("JOBS.CALLS"), cancellable=True),
    Kind("automic_poll", "automic", None, _automic("JOBS.POLLED"), cancellable=True),
    Kind("sap_request", "open-connectors", DISK + "sap_request.json", _sap_requests, findable=False),
    Kind(
        "sap_bulk",
        "open-connectors",
        S3 + "sap_bulk.csv",
        _sap_bulk,
        cancellable=True,
        once=False,
    ),
    Kind(
        "http_callback",
        "http",
        DISK + "http_callback.dat",
        _http("status_field"),
        cancellable=True,
        findable=False,
    ),
    Kind("http_poll", "http", S3 + "http_poll.dat", _http("location"), cancellable=True),
)
BY_TASK = {kind.task_id: kind for kind in KINDS}

#: DAGs that have only some of the tasks.
PARTS = {
    "chaos_large": ("aso_s3",),
    "chaos_on_workers": ("aso_disk", "automic_poll", "http_poll"),
}


def kinds_of(dag_id: str) -> tuple[Kind, ...]:
    """The tasks of a DAG."""
    return tuple(kind for kind in KINDS if kind.task_id in PARTS.get(dag_id, BY_TASK))


def unfinished(remote: str, said: dict[str, Any]) -> list[int]:
    """Keys of the jobs that a simulator still has running."""
    if remote == "automic":
        runs = [run for run in said["runs"] if run["type"] != "CBCK"]
        return [run["run_id"] for run in runs if automic_state(run["status"]) == "running"]
    if remote == "open-connectors":
        return [
            place
            for place, job in enumerate(said["jobs"])
            if job.get("outcome", "") is None or job.get("status") in ("CREATED", "STARTED", "RUNNING")
        ]
    return [job["number"] for job in said["jobs"] if job["state"] in RUNNING]


def finish(remote: str, simulator: SimulatorProcess, key: int) -> None:
    """Let one job succeed now."""
    if remote == "automic":
        simulator.act("finish_run", run_id=key)
    else:
        simulator.act("finish_job", job=key)
