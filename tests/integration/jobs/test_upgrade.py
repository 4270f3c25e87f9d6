# SPDX-License-Identifier: Apache-2.0
"""
A task that deferred under an earlier version of this package resumes under this one.

``tests/support/samples`` holds, by version of the layout and for one task of each kind, all that lies in
Airflow while it waits: the trigger with its arguments, what the deferral carried along, the task's memory,
its XComs, a callback. Here each of them is put back and gone on with, by the present code, against a job
that really runs. What is of one run only (addresses, ids, hashes, times) has placeholders. How the samples
were made, all of them by code of this repository, is said in the README there.

When the layout changes, :func:`test_the_newest_samples_are_what_is_written_now` fails. Then raise the version
where the old layout cannot be read as the new one, and add the next folder by
``MAKE_SAMPLES=v3 pytest tests/integration/jobs/test_upgrade.py``; the earlier ones stay and must go on
working.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    DURABLE_KEY,
    MAILBOX_KEY,
    REGISTRATION_KEY,
    Delivery,
    Registration,
)
from airflow_async_provider._jobs.memory import Remembered, TaskMemory
from airflow_async_provider._polling.policy import PollPolicy
from airflow_async_provider.errors import AsyncJobError, ConfigurationError
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from airflow_async_provider.triggers.async_job_event import AsyncJobEventTrigger
from tests.support.one_task import fired
from tests.support.played_airflow import PlayedAirflow, airflow  # noqa: F401 - a fixture
from tests.support.stored_tasks import KINDS, THEN, Scene, as_sample, facts_of, filled

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

SAMPLES = Path(__file__).parents[2] / "support" / "samples"
VERSIONS = sorted(p.name for p in SAMPLES.glob("v*")) or ["v1"]


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
    run_simulator: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    kind = KINDS[request.param]
    simulator = run_simulator(kind.simulator(**kind.options))
    monkeypatch.setenv(f"AIRFLOW_CONN_{kind.conn_id.upper()}", json.dumps(simulator.airflow_connection()))
    return Scene(request.param, airflow, simulator, tmp_path)


def test_the_newest_samples_are_what_is_written_now(scene: Scene) -> None:
    made = as_sample(scene.deferred())
    if folder := os.environ.get("MAKE_SAMPLES"):
        (SAMPLES / folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(made, indent=1, sort_keys=True) + "\n"
        (SAMPLES / folder / f"{scene.name}.json").write_text(text, "utf-8")
    known = sample(os.environ.get("MAKE_SAMPLES") or VERSIONS[-1], scene.name)
    if not ENDS_FROM_TRIGGER:
        known["trigger"][1].pop("end", None)
        known["memory"].get(DURABLE_KEY, {}).pop("ends_elsewhere", None)
    assert shape(made) == shape(known)
    assert made["trigger"][0] == known["trigger"][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_deferred_task_resumes(scene: Scene, version: str) -> None:
    state = filled(sample(version, scene.name), facts_of(scene.deferred()))
    scene.put_back(state)
    assert scene.resume(state) is not None
    assert scene.started == 1
    if scene.name.endswith("download"):
        assert scene.target.stat().st_size > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_retry_goes_on_with_the_job_in_the_memory(scene: Scene, version: str) -> None:
    state = filled(sample(version, scene.name), facts_of(scene.deferred()))
    scene.put_back(state)
    scene.played.new_try()
    assert scene.played.run(scene.operator) is not None
    assert scene.started == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "protocol", "pollable"),
    [
        ("automic", "automic", True),
        ("async_request", "open_connectors", False),
        ("bulk_upload", "open_connectors_bulk", True),
    ],
)
def test_the_receiver_still_knows_whom_to_expect(
    version: str, kind: str, protocol: str, pollable: bool
) -> None:
    state = filled(sample(version, kind), {"<secret_hash>": "a" * 64, "<submission>": "a" * 16})
    (remembered,) = state["memory"][DURABLE_KEY]["callbacks"]
    for stored in (state["xcoms"][REGISTRATION_KEY], remembered):
        registration = Registration.from_dict(stored)
        assert registration is not None
        assert registration.secret_hash == "a" * 64
        assert registration.submission == state["trigger"][1]["submission"]
        assert (registration.protocol, registration.pollable) == (protocol, pollable)
        assert registration.deadline > time.time()


DELIVERY = Delivery(
    state="succeeded",
    remote_status="completed",
    received_at=THEN,
    message="well",
    value={"rows": [1]},
    detail={"job_id": "7"},
    delivery_id="notification:9:succeeded",
    submission="a" * 16,
)


def test_a_callback_in_the_mailbox_is_still_read() -> None:
    if folder := os.environ.get("MAKE_SAMPLES"):
        (SAMPLES / folder / "delivery.json").write_text(json.dumps(DELIVERY.to_text()) + "\n", "utf-8")
    for version in VERSIONS:
        stored = json.loads((SAMPLES / version / "delivery.json").read_text("utf-8"))
        assert Delivery.from_dict(stored) == DELIVERY


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
    assert Delivery.from_dict({**DELIVERY.to_dict(), "colour": "red"}) == DELIVERY
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
    assert Delivery.from_dict({**DELIVERY.to_dict(), "version": 2}) is None
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
    state = scene.deferred()
    if not scene.kind.starts:
        assert state["memory"] == {}  # a sensor remembers no job, and starts none
        return
    scene.played.store[DURABLE_KEY] = {**scene.played.store[DURABLE_KEY], "version": 2}
    scene.played.new_try()
    with pytest.raises(ConfigurationError, match=r"later version of this package .* upgrade"):
        scene.operator().execute(scene.played.context)
    assert scene.started == 1


@pytest.mark.parametrize("memory", [None, [], "text", {}, {"version": "1"}, {"version": None, "handle": {}}])
def test_a_memory_that_is_none_is_empty(memory: Any) -> None:
    played = PlayedAirflow()
    played.store[DURABLE_KEY] = memory
    assert TaskMemory(played.context, None).now == Remembered()


def test_keys_of_mailbox_and_memory_are_part_of_the_layout() -> None:
    assert (REGISTRATION_KEY, MAILBOX_KEY, DURABLE_KEY, DURABLE_DELIVERY_KEY) == (
        "async_job_callback_expected",
        "async_job_callback_received",
        "async_job",
        "async_job_callback",
    )
    assert issubclass(ConfigurationError, AsyncJobError)
