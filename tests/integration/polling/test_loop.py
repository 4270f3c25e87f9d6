# SPDX-License-Identifier: Apache-2.0
"""The two loops that watch a job, each with the simulated ASO and its faults."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_async_provider._polling import wait_log as waiting
from airflow_async_provider._polling.loop import Outcome, awatch, watch, with_status_url
from airflow_async_provider._polling.policy import PollPolicy, Wait
from airflow_async_provider.errors import TransientError
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols import _registry as registry
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from tests.support.byte_server import running, status
from tests.support.watched_aso import CONN_ID, FAST, Aso, aso, quick, submit  # noqa: F401 - fixtures among them


class Lines:
    """A log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, /, *args: Any) -> None:
        self.lines.append("I " + event % args)

    def warning(self, event: str, /, *args: Any) -> None:
        self.lines.append("W " + event % args)


def a_wait(seconds: float = 30, **policy: Any) -> Wait:
    return Wait(PollPolicy(**{**FAST, **policy}), time.time() + seconds)


@pytest.fixture(params=["worker", "triggerer"])
def watching(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    def run(handle: JobHandle, wait: Wait, log: Lines) -> Outcome:
        if request.param == "worker":
            return watch(JaggaerAsoHook(), handle, wait, log)
        return asyncio.run(awatch(JaggaerAsoHook(), handle, wait, log))

    return run


def test_both_loops_tell_changes_and_signs_of_life(
    aso: Aso, watching: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_HEARTBEAT", 0.15)
    simulator = aso(processing_seconds=0.6)
    job = submit()
    simulator.faults.add("status", "http_status", status=503, skip=1)
    log = Lines()
    outcome = watching(job, a_wait(), log)
    assert outcome.state == "succeeded"
    assert outcome.status is not None
    assert outcome.status.result is not None
    said = "\n".join(log.lines)
    assert said.count("running (processing)") == 1
    assert "poll 2 failed (1 in a row): HTTP 503" in said
    assert 1 <= said.count("still processing after") <= 3  # ever more rarely
    assert log.lines[-1].endswith("succeeded (completed)") or "still" in log.lines[-1]


def test_both_loops_stop_at_the_deadline(aso: Aso, watching: Callable[..., Outcome]) -> None:
    aso(processing_seconds=None)
    outcome = watching(submit(), a_wait(0.6), Lines())
    assert (outcome.state, outcome.remote_status, outcome.status, outcome.error) == (
        "timeout",
        "processing",
        None,
        None,
    )


def test_both_loops_ask_nothing_when_it_is_too_late(aso: Aso, watching: Callable[..., Outcome]) -> None:
    simulator = aso(processing_seconds=None)
    outcome = watching(submit(), a_wait(-1), Lines())
    assert (outcome.state, outcome.polls, outcome.remote_status) == ("timeout", 0, "")
    assert simulator.journal.polls == 0


def test_both_loops_give_up(aso: Aso, watching: Callable[..., Outcome]) -> None:
    simulator = aso(processing_seconds=None)
    job = submit()
    simulator.faults.add("status", "http_status", status=503, times=None)
    outcome = watching(job, a_wait(max_outage=1.0), Lines())
    assert (outcome.state, outcome.polls) == ("error", outcome.errors)
    assert isinstance(outcome.error, TransientError)
    assert outcome.status is None


def test_a_worker_s_wait_can_be_broken_off(aso: Aso) -> None:
    aso(processing_seconds=None)

    def killed(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(JaggaerAsoHook(), submit(), a_wait(), Lines(), sleep=killed)


class Moving(JaggaerAsoProtocol):
    """A remote that moves its monitor with every answer."""

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        number = int(response.json_object()["n"])
        if number == 3:
            return JobStatus(JobState.SUCCEEDED, remote_status="done")
        return JobStatus(JobState.RUNNING, remote_status=f"step {number}", status_url=f"/s/{number + 1}")


def test_both_loops_follow_a_monitor_that_moves(
    watching: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "protocol_class", lambda name: Moving)
    with running(steps=[status(200, b'{"n": %d}' % n) for n in (1, 2, 3)]) as server:
        connection = {"conn_type": "jaggaer_aso", "host": server.origin, "password": "token"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
        job = JobHandle("jaggaer_aso", "x", time.time(), server.origin + "/s/1")
        outcome = watching(job, a_wait(), Lines())
        assert [request.target for request in server.requests] == ["/s/1", "/s/2", "/s/3"]
    assert (outcome.state, outcome.polls) == ("succeeded", 3)
    # Whoever reads the status after this wait asks where the job is now.
    assert outcome.status_url == "/s/3"
    assert with_status_url(job, JobStatus(JobState.RUNNING)) is job


def test_a_sign_of_life_comes_however_rarely_the_remote_is_polled(
    aso: Aso, watching: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_HEARTBEAT", 0.1)
    aso(processing_seconds=None)
    log = Lines()
    pace = {"poll_interval": 60.0, "max_poll_interval": 60.0}
    outcome = watching(submit(), a_wait(1.0, **pace), log)
    assert outcome.state == "timeout"
    said = [line for line in log.lines if "still" in line]
    assert 1 <= len(said) <= 4
    assert "still unknown after" in said[0]
    assert said[0].split("; ", 1)[1].startswith("0 polls; deadline in ")
