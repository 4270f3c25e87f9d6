# SPDX-License-Identifier: Apache-2.0
"""
One task of each kind, its remote, and what lies in Airflow while it waits: to be stored and put back.

The samples in ``tests/support/samples`` are made of these, see the README there.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import DURABLE_KEY, as_stored
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
)
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator
from tests.support.played_airflow import PlayedAirflow, TaskDeferred

#: All times in the samples are about this one (epoch seconds).
THEN = 1_700_000_000.0


@dataclass(frozen=True)
class Kind:
    """
    A kind of task.

    :param simulator: its remote
    :param conn_id: the connection to it
    :param make: makes the operator
    :param options: of the remote
    :param started: how many jobs the remote has
    :param starts: False for one that waits for what something else has started
    """

    simulator: Callable[..., Any]
    conn_id: str
    make: Callable[[Scene], Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    started: Callable[[Any], int] = lambda simulator: int(simulator.journal.jobs_started)
    starts: bool = True


def http(profile: str, endpoint: str, **options: Any) -> Kind:
    return Kind(
        HttpAsyncSimulator,
        "http_default",
        lambda scene: HttpAsyncJobOperator(
            task_id="t",
            conn_id="http_default",
            endpoint=endpoint,
            profile=profile,
            profile_options=options,
            json={"year": 2026},
            poll_interval=0.05,
        ),
    )


def open_connectors(make: Callable[[Scene], Any], part: str, **options: Any) -> Kind:
    return Kind(
        OpenConnectorsSimulator,
        "sap_open_connectors_default",
        make,
        options=options,
        started=lambda simulator: len(getattr(simulator, part).jobs),
    )


def request(scene: Scene, **arguments: Any) -> OpenConnectorsAsyncRequestOperator:
    return OpenConnectorsAsyncRequestOperator(
        task_id="t",
        endpoint="hubs/documents/folders/copy",
        json={"path": "/testfoldercopy", "name": "TestFolderCopy"},
        params={"path": "/TestFolderCreate"},
        callback_base_url=scene.played.url,
        poll_interval=0.05,
        **arguments,
    )


KINDS: dict[str, Kind] = {
    "aso_download": Kind(
        AsoSimulator,
        "jaggaer_aso_default",
        lambda scene: JaggaerAsoDownloadOperator(
            task_id="t", endpoint="event/7/apiItems/async", destination=str(scene.target), poll_interval=0.05
        ),
    ),
    "automic": Kind(
        AutomicSimulator,
        "automic_default",
        lambda scene: AutomicExecuteOperator(
            task_id="t", object_name="JOBS.OK", poll_interval=0.05, callback_base_url=scene.played.url
        ),
    ),
    "http_location": http("location", "location/jobs"),
    "http_azure": http("azure", "azure/jobs"),
    "http_google": http("google", "google/v1/reports:export", operation_path="google/v1/{job_id}"),
    "http_odata": http("odata", "odata/Reports"),
    "http_status_field": http("status_field", "status_field/jobs", result_field="result"),
    "http_sensor": Kind(
        HttpAsyncSimulator,
        "http_default",
        lambda scene: HttpAsyncJobSensor(
            task_id="t", status_url=scene.job_of_another, profile="location", poke_interval=0.05
        ),
        starts=False,
    ),
    "bulk_download": open_connectors(
        lambda scene: OpenConnectorsBulkDownloadOperator(
            task_id="t",
            object_name="contacts",
            format="json",
            destination=str(scene.target),
            poll_interval=0.05,
            callback=False,
        ),
        "bulk",
    ),
    "bulk_upload": open_connectors(
        lambda scene: OpenConnectorsBulkUploadOperator(
            task_id="t",
            object_name="accounts",
            source=str(scene.rows),
            poll_interval=0.05,
            callback_base_url=scene.played.url,
        ),
        "bulk",
    ),
    "async_request": open_connectors(request, "requests"),
    "queued_request": open_connectors(
        lambda scene: request(scene, pull_queued=True), "requests", policy="queue", plan={"seconds": 0.3}
    ),
}


class Scene:
    """One kind of task, its remote, and the Airflow around it."""

    def __init__(self, name: str, played: PlayedAirflow, simulator: Any, folder: Path) -> None:
        self.name, self.kind = name, KINDS[name]
        self.played, self.simulator = played, simulator
        #: where a download goes
        self.target = folder / "file"
        self._folder = folder

    @cached_property
    def rows(self) -> Path:
        """What an upload sends."""
        path = self._folder / "rows.csv"
        path.write_text("id,name\n1,a\n", "utf-8")
        return path

    @cached_property
    def job_of_another(self) -> str:
        """The status URL of a job that was started elsewhere."""
        operator = KINDS["http_location"].make(self)
        return str(JobRun(operator, {}).begin_without_waiting().status_url)

    def operator(self) -> Any:
        return self.kind.make(self)

    def deferred(self) -> dict[str, Any]:
        """Start a job by the present code; all that lies in Airflow once the task has deferred."""
        self.played.new_try()
        with pytest.raises(TaskDeferred) as caught:
            self.operator().execute(self.played.context)
        path, arguments = caught.value.trigger.serialize()
        state = {
            "trigger": [path, arguments],
            "method": caught.value.method_name,
            "kwargs": caught.value.kwargs,
            "memory": dict(self.played.store),
            "xcoms": dict(self.played.xcoms),
        }
        return dict(json.loads(json.dumps(state)))

    def put_back(self, state: dict[str, Any]) -> None:
        """Airflow as it was, with nothing of this version's."""
        self.played.store.clear()
        self.played.store.update(state["memory"])
        self.played.xcoms.clear()
        self.played.xcoms.update(state["xcoms"])

    def resume(self, state: dict[str, Any]) -> Any:
        """What the triggerer and then a worker do with it."""
        module, _, name = state["trigger"][0].rpartition(".")
        trigger = getattr(importlib.import_module(module), name)(**state["trigger"][1])
        deferral = TaskDeferred(trigger=trigger, method_name=state["method"], kwargs=state["kwargs"])
        event = asyncio.run(asyncio.wait_for(self.played._wait(deferral), 20))
        method = getattr(self.operator(), state["method"])
        return method(self.played.context, event=event, **state["kwargs"])

    @property
    def started(self) -> int:
        return self.kind.started(self.simulator)


def facts_of(state: dict[str, Any]) -> dict[str, str]:
    """What is of one run only, by placeholder."""
    job = state["kwargs"]["run"]["handle"]
    facts = {"<job_id>": job["job_id"], "<status_url>": job["status_url"] or "", "<origin>": job["origin"]}
    facts["<callback_url>"] = job["data"].get("callback_url", "")
    facts["<queue_url>"] = job["options"].get("queue_url") or ""
    callbacks = state["memory"].get(DURABLE_KEY, {}).get("callbacks")
    if callbacks:
        facts["<secret_hash>"] = callbacks[0]["secret_hash"]
        facts["<submission>"] = callbacks[0]["secret_hash"][:16]
    return facts


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same structure with every leaf changed; what is stored as text is opened and closed again."""
    if isinstance(value, dict):
        return {k: changed(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [changed(v, change) for v in value]
    if isinstance(value, str) and value.startswith("json:"):
        return as_stored(changed(json.loads(value.removeprefix("json:")), change))
    return change(value)


def shifted(value: Any, by: float) -> Any:
    return round(value + by, 3) if isinstance(value, float) and 1e9 < value < 4e9 else value


def as_sample(state: dict[str, Any]) -> dict[str, Any]:
    names = {value: name for name, value in facts_of(state).items() if value}
    by = THEN - time.time()
    return dict(changed(state, lambda v: names.get(v, v) if isinstance(v, str) else shifted(v, by)))


def filled(sample: dict[str, Any], facts: dict[str, str]) -> dict[str, Any]:
    """A sample, made one of this run and of this moment."""
    by = time.time() - THEN
    return dict(changed(sample, lambda v: facts.get(v, v) if isinstance(v, str) else shifted(v, by)))
