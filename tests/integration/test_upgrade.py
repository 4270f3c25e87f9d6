# SPDX-License-Identifier: Apache-2.0
"""
A task that deferred under an earlier version of this package resumes under this one.

``tests/unit/samples/v1`` holds, for one task of each kind, all that lies in Airflow while it waits: the
trigger with its arguments, what the deferral carried along, the task's memory, its XComs, a callback.
Here each of them is put back and gone on with, by the present code, against a job that really runs. What is
of one run only (addresses, ids, hashes, times) has placeholders.

When the layout changes, :func:`test_the_newest_samples_are_what_is_written_now` fails. Then raise the version
where the old layout cannot be read as the new one, and add the next folder by
``MAKE_SAMPLES=v2 pytest tests/integration/test_upgrade.py``; the earlier ones stay and must go on working.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from one_task import fired
from played_airflow import PlayedAirflow, TaskDeferred, airflow  # noqa: F401 - a fixture

from airflow_async_provider.callbacks.registration import (
    DURABLE_KEY,
    DURABLE_LETTER_KEY,
    MAILBOX_KEY,
    REGISTRATION_KEY,
    Letter,
    Registration,
    as_stored,
)
from airflow_async_provider.errors import AsyncJobError, ConfigurationError
from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.operators.durable import Durable
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
)
from airflow_async_provider.policy import PollPolicy
from airflow_async_provider.protocols.base import JobHandle
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from airflow_async_provider.triggers.async_job_event import AsyncJobEventTrigger

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

SAMPLES = Path(__file__).parents[1] / "unit" / "samples"
VERSIONS = sorted(p.name for p in SAMPLES.glob("v*")) or ["v1"]

#: All times in the samples are about this one (epoch seconds).
THEN = 1_700_000_000.0

#: Options of the simulators: jobs last until they are told to end, or for a moment.
KINDS: dict[str, tuple[str, Callable[[Path, str], Any]]] = {
    "aso_download": (
        "aso",
        lambda target, url: JaggaerAsoDownloadOperator(
            task_id="t", endpoint="event/7/apiItems/async", destination=str(target), poll_interval=0.05
        ),
    ),
    "automic": (
        "automic",
        lambda target, url: AutomicExecuteOperator(
            task_id="t", object_name="JOBS.OK", poll_interval=0.05, callback_base_url=url
        ),
    ),
    "http_location": (
        "http_async",
        lambda target, url: HttpAsyncJobOperator(
            task_id="t",
            conn_id="http_default",
            endpoint="location/jobs",
            profile="location",
            json={"year": 2026},
            poll_interval=0.05,
        ),
    ),
    "bulk_download": (
        "open_connectors",
        lambda target, url: OpenConnectorsBulkDownloadOperator(
            task_id="t",
            object_name="contacts",
            format="json",
            destination=str(target),
            poll_interval=0.05,
            callback=False,
        ),
    ),
    "async_request": (
        "open_connectors",
        lambda target, url: OpenConnectorsAsyncRequestOperator(
            task_id="t",
            endpoint="hubs/documents/folders/copy",
            json={"path": "/testfoldercopy", "name": "TestFolderCopy"},
            params={"path": "/TestFolderCreate"},
            callback_base_url=url,
            poll_interval=0.05,
        ),
    ),
}


class Scene:
    """One kind of task, its remote, and the Airflow around it."""

    def __init__(self, kind: str, played: PlayedAirflow, simulator: Any, target: Path) -> None:
        self.kind, self.played, self.simulator, self.target = kind, played, simulator, target

    def operator(self) -> Any:
        return KINDS[self.kind][1](self.target, self.played.url)

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
        return json.loads(json.dumps(state))

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
        if self.kind == "async_request":
            return len(self.simulator.requests.jobs)
        if self.kind == "bulk_download":
            return len(self.simulator.bulk.jobs)
        return int(self.simulator.journal.jobs_started)


def facts_of(state: dict[str, Any]) -> dict[str, str]:
    """What is of one run only, by placeholder."""
    job = state["kwargs"]["run"]["job"]
    facts = {"<job_id>": job["job_id"], "<status_url>": job["status_url"] or ""}
    facts["<callback_url>"] = job["data"].get("callback_url", "")
    callbacks = state["memory"][DURABLE_KEY].get("callbacks")
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


def shape(value: Any) -> Any:
    """The keys of a structure."""
    if isinstance(value, str) and value.startswith("json:"):
        value = json.loads(value.removeprefix("json:"))
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    return [shape(v) for v in value] if isinstance(value, list) else None


def sample(version: str, kind: str) -> dict[str, Any]:
    return json.loads((SAMPLES / version / f"{kind}.json").read_text("utf-8"))


@pytest.fixture(params=KINDS)
def scene(
    request: pytest.FixtureRequest,
    airflow: PlayedAirflow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    remote = KINDS[request.param][0]
    simulator = request.getfixturevalue(f"{remote}_simulator")
    conn_id = request.getfixturevalue(f"{remote}_connection")
    if remote == "http_async":
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"])
    return Scene(request.param, airflow, simulator, tmp_path / "file")


def test_the_newest_samples_are_what_is_written_now(scene: Scene) -> None:
    made = as_sample(scene.deferred())
    if folder := os.environ.get("MAKE_SAMPLES"):
        (SAMPLES / folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(made, indent=1, sort_keys=True) + "\n"
        (SAMPLES / folder / f"{scene.kind}.json").write_text(text, "utf-8")
    known = sample(os.environ.get("MAKE_SAMPLES") or VERSIONS[-1], scene.kind)
    assert shape(made) == shape(known)
    assert made["trigger"][0] == known["trigger"][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_deferred_task_resumes(scene: Scene, version: str) -> None:
    state = filled(sample(version, scene.kind), facts_of(scene.deferred()))
    scene.put_back(state)
    assert scene.resume(state) is not None
    assert scene.started == 1
    if scene.kind.endswith("download"):
        assert scene.target.stat().st_size > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_retry_goes_on_with_the_job_in_the_memory(scene: Scene, version: str) -> None:
    state = filled(sample(version, scene.kind), facts_of(scene.deferred()))
    scene.put_back(state)
    scene.played.new_try()
    assert scene.played.run(scene.operator) is not None
    assert scene.started == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["automic", "async_request"])
def test_the_receiver_still_knows_whom_to_expect(version: str, kind: str) -> None:
    state = filled(sample(version, kind), {"<secret_hash>": "a" * 64, "<submission>": "a" * 16})
    (remembered,) = state["memory"][DURABLE_KEY]["callbacks"]
    for stored in (state["xcoms"][REGISTRATION_KEY], remembered):
        registration = Registration.from_dict(stored)
        assert registration is not None
        assert registration.secret_hash == "a" * 64
        assert registration.submission == state["trigger"][1]["submission"]
        assert registration.protocol == {"automic": "automic", "async_request": "open_connectors"}[kind]
        assert registration.pollable is (kind == "automic")
        assert registration.deadline > time.time()


LETTER = Letter(
    state="succeeded",
    native="completed",
    received_at=THEN,
    message="well",
    value={"rows": [1]},
    detail={"job_id": "7"},
    delivery_id="notification:9:succeeded",
    submission="a" * 16,
)


def test_a_callback_in_the_mailbox_is_still_read() -> None:
    if folder := os.environ.get("MAKE_SAMPLES"):
        (SAMPLES / folder / "letter.json").write_text(json.dumps(LETTER.to_text()) + "\n", "utf-8")
    for version in VERSIONS:
        stored = json.loads((SAMPLES / version / "letter.json").read_text("utf-8"))
        assert Letter.from_dict(stored) == LETTER


def test_a_watcher_of_assets_is_still_made() -> None:
    job = JobHandle("http_location", "7", THEN, "https://api.example/jobs/7").to_dict()
    trigger = AsyncJobEventTrigger(job=job, conn_id="c", poll_interval=5.0, states=["failed", "succeeded"])
    if folder := os.environ.get("MAKE_SAMPLES"):
        text = json.dumps(trigger.serialize(), indent=1) + "\n"
        (SAMPLES / folder / "watcher.json").write_text(text, "utf-8")
    for version in VERSIONS:
        path, arguments = json.loads((SAMPLES / version / "watcher.json").read_text("utf-8"))
        assert path == f"{AsyncJobEventTrigger.__module__}.{AsyncJobEventTrigger.__name__}"
        # Airflow tells watchers apart by this: another one would fire what has fired already.
        assert json.loads(json.dumps(AsyncJobEventTrigger(**arguments).serialize())) == [path, arguments]


# -- the other way round: what a later version has written


def test_further_keys_of_a_later_version_are_ignored() -> None:
    handle = JobHandle("automic", "7", THEN)
    assert JobHandle.from_dict({**handle.to_dict(), "colour": "red"}) == handle
    assert Letter.from_dict({**LETTER.to_dict(), "colour": "red"}) == LETTER
    registration = Registration(secret_hash="a" * 64, deadline=THEN, protocol="automic")
    assert Registration.from_dict({**registration.to_dict(), "colour": "red"}) == registration
    policy = PollPolicy()
    assert PollPolicy.from_dict({**policy.to_dict(), "colour": "red"}) == policy


def test_a_handle_of_a_later_version_says_what_to_do() -> None:
    later = {**JobHandle("automic", "7", THEN).to_dict(), "version": 2}
    with pytest.raises(ValueError, match=r"later version of this package .* upgrade the package"):
        JobHandle.from_dict(later)


def test_letters_and_registrations_of_a_later_version_are_none() -> None:
    """So the receiver refuses the callback, and its remote repeats it, or polling makes up for it."""
    assert Letter.from_dict({**LETTER.to_dict(), "version": 2}) is None
    registration = Registration(secret_hash="a" * 64, deadline=THEN, protocol="automic")
    assert Registration.from_dict({**registration.to_dict(), "version": 2}) is None


def test_further_arguments_of_a_later_trigger_are_kept() -> None:
    """Whatever passes through an old triggerer on its way to a new one still has them."""
    path, arguments = sample("v1", "http_location")["trigger"]
    assert AsyncJobTrigger(**arguments, colour="red").serialize() == (path, {**arguments, "colour": "red"})


def test_a_trigger_of_a_later_version_hands_its_task_back(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """The task fails with what to do in its log, and its next try goes on with the job."""
    _, arguments = scene.deferred()["trigger"]
    trigger = AsyncJobTrigger(**{**arguments, "version": 2, "settle": 0.0}, colour="red")

    event = asyncio.run(fired(trigger))

    assert (event["state"], event["error"]) == ("error", "ConfigurationError")
    assert "upgrade the package on the triggerer" in capsys.readouterr().out
    assert scene.started == 1


def test_a_memory_of_a_later_version_starts_no_second_job(scene: Scene) -> None:
    """It is not understood, but there is one: the job in it may be running."""
    scene.deferred()
    scene.played.store[DURABLE_KEY] = {**scene.played.store[DURABLE_KEY], "version": 2}
    scene.played.new_try()
    with pytest.raises(ConfigurationError, match=r"later version of this package .* upgrade"):
        scene.operator().execute(scene.played.context)
    assert scene.started == 1


@pytest.mark.parametrize("memory", [None, [], "text", {}, {"version": "1"}, {"version": None, "job": {}}])
def test_a_memory_that_is_none_is_empty(memory: Any) -> None:
    played = PlayedAirflow()
    played.store[DURABLE_KEY] = memory
    assert Durable(played.context, None).load() == {}


def test_keys_of_mailbox_and_memory_are_part_of_the_layout() -> None:
    assert (REGISTRATION_KEY, MAILBOX_KEY, DURABLE_KEY, DURABLE_LETTER_KEY) == (
        "async_job_callback_expected",
        "async_job_callback_received",
        "async_job",
        "async_job_callback",
    )
    assert issubclass(ConfigurationError, AsyncJobError)
