# SPDX-License-Identifier: Apache-2.0
"""What a person reads in the task log: few lines that tell the story, and errors without stacks."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import Delivery
from airflow_async_provider._jobs.task import WaitSettings
from airflow_async_provider._jobs.wait import describe_polling
from airflow_async_provider._polling import policy
from airflow_async_provider._polling import wait_log as waiting
from airflow_async_provider._polling.policy import PollPolicy
from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    ConfigurationError,
    JobFailedError,
    JobTimeoutError,
    TransientError,
)
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.sensors.async_job import AsyncJobSensor
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.one_task import OneTask

ITEMS = "event/7/apiItems/async"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.02)


@pytest.fixture
def aso(monkeypatch: pytest.MonkeyPatch) -> Iterator[AsoSimulator]:
    with running(AsoSimulator(result_bytes=2000, processing_seconds=0.2)) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(simulator.airflow_connection()))
        yield simulator


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged so far, wherever this Airflow's loggers write to in a test."""
    caplog.set_level("INFO")

    def read() -> str:
        text = capsys.readouterr().out or caplog.text
        caplog.clear()
        return text

    return read


def download(folder: Path, **given: Any) -> Callable[[], JaggaerAsoDownloadOperator]:
    arguments = {"poll_interval": 0.1, "max_poll_interval": 0.1, "timeout": 60, **given}
    return lambda: JaggaerAsoDownloadOperator(
        task_id="t", endpoint=ITEMS, destination=str(folder / "x"), **arguments
    )


# -- the story of a job


def test_a_job_that_ends_well(aso: AsoSimulator, lines: Callable[[], str], tmp_path: Path) -> None:
    OneTask().run(download(tmp_path))
    log = lines()
    deadline = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 60))
    assert "Submitted the jaggaer_aso job" in log
    assert log.count(f"Deadline {deadline}") == 1  # and not again on the worker that resumes it
    assert f"(GET {ITEMS})." in log
    assert "The triggerer polls every 0.1 s." in log
    assert re.search(rf"Job \S+: {aso.url}/\S+, connection jaggaer_aso_default; see the tab Remote jobs", log)
    assert "show|poll d r t" in log  # it cannot be cancelled there
    assert log.count(": running (processing)") <= 1
    assert log.count(": succeeded (completed)") == 1
    assert "resuming the task" not in log  # one line about the end is enough
    assert re.search(r"succeeded \(completed\) after [\d.]+ s and \d+ polls?\.", log)
    assert "Wrote 2.0 KiB to file://" in log


def test_a_job_that_the_worker_watches(aso: AsoSimulator, lines: Callable[[], str], tmp_path: Path) -> None:
    download(tmp_path, deferrable=False)().execute(OneTask().context)
    log = lines()
    assert "This worker waits and polls every 0.1 s." in log
    assert "succeeded (completed)" in log


def test_three_tasks(aso: AsoSimulator, lines: Callable[[], str], tmp_path: Path) -> None:
    job = JaggaerAsoSubmitOperator(task_id="s", endpoint=ITEMS).execute(OneTask().context)
    log = lines()
    assert "Submitted the jaggaer_aso job" in log
    assert "this task does not wait for it" in log

    OneTask().run(lambda: AsyncJobSensor(task_id="w", job=job, poke_interval=0.1, timeout=60))
    log = lines()
    assert "Waiting for the jaggaer_aso job" in log
    assert "The triggerer polls every 0.1 s." in log
    assert "succeeded (completed)" in log


def test_how_the_end_will_be_noticed() -> None:
    def told(callback: PollPolicy | None = None, *, pollable: bool = True, **settings: Any) -> str:
        wait = WaitSettings(timeout=60, policy=PollPolicy(), **settings)
        return describe_polling(wait, callback, pollable=pollable)

    slow = PollPolicy(poll_interval=120, max_poll_interval=120)
    assert told() == "The triggerer polls every 10 s to 60 s."
    assert (
        told(slow) == "Its callback resumes this task; in case it is lost, the triggerer polls every 2 min."
    )
    assert "cannot be polled" in told(slow, pollable=False)
    assert told(slow, deferrable=False).startswith("This worker")
    assert told(linger=5) == "This worker polls for 5 s first. The triggerer polls every 10 s to 60 s."


# -- errors


def frames(error: BaseException) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


def inside(error: BaseException) -> list[str]:
    """Frames inside the package, but for the one that lets the error out."""
    return [f for f in frames(error) if "airflow_async_provider/" in f and not f.endswith("tracebacks.py")]


def test_a_refusal_comes_without_the_package_s_frames(aso: AsoSimulator, tmp_path: Path) -> None:
    aso.faults.add("submit", "http_status", status=401)
    with pytest.raises(AuthenticationError, match="Check login") as caught:
        download(tmp_path)().execute(OneTask().context)
    assert inside(caught.value) == []
    assert frames(caught.value)  # but it does have those of whoever called


def test_a_failed_job_says_what_to_do(aso: AsoSimulator, tmp_path: Path) -> None:
    aso.script(outcome="failed")
    with pytest.raises(JobFailedError) as caught:
        OneTask().run(download(tmp_path))
    assert inside(caught.value) == []
    assert "last status 'failed'" in str(caught.value)
    assert str(caught.value).endswith("A retry of this task starts another one.")


def test_a_sensor_says_that_it_only_waits(aso: AsoSimulator) -> None:
    aso.script(outcome="failed")
    job = JaggaerAsoSubmitOperator(task_id="s", endpoint=ITEMS).execute(OneTask().context)
    with pytest.raises(JobFailedError, match="what started the job can start another one") as caught:
        OneTask().run(lambda: AsyncJobSensor(task_id="w", job=job, poke_interval=0.1, timeout=60))
    assert inside(caught.value) == []


def test_the_cause_stays_and_is_as_plain(
    aso: AsoSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    aso.script(processing_seconds=None)
    task, make = OneTask(), download(tmp_path, timeout=0.4)
    event = task.wait(task.begin(make))
    aso.faults.add("status", "http_status", status=503, times=None)
    with pytest.raises(JobTimeoutError) as caught:
        make().execute_complete(task.context, event=event, **task.deferrals[0])
    cause = caught.value.__cause__
    assert isinstance(cause, TransientError)
    assert inside(caught.value) == inside(cause) == []
    shown = "".join(traceback.format_exception(caught.value))
    assert "HTTP 503" in shown
    assert "tenacity" not in shown
    assert "During handling" not in shown


def test_transfers_and_wrong_settings_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps({"conn_type": "jaggaer_aso"}))
    job = JobHandle("jaggaer_aso", "7", 0.0, status_url="asyncStatus/7").to_dict()
    fetch = AsyncResultDownloadOperator(task_id="t", job=job, destination=str(tmp_path / "x"))
    with pytest.raises(ConfigurationError, match="no host") as caught:
        fetch.execute(OneTask().context)
    assert inside(caught.value) == []


def test_a_defect_keeps_its_stack(tmp_path: Path) -> None:
    class Broken(JaggaerAsoDownloadOperator):
        def execute(self, context: Any) -> Any:
            return {}["a defect"]

    with pytest.raises(KeyError) as caught:
        Broken(task_id="t", endpoint=ITEMS, destination=str(tmp_path / "x")).execute({})
    assert frames(caught.value)[-1] == __file__


def test_a_subclass_of_a_user_is_as_plain(tmp_path: Path) -> None:
    class Own(JaggaerAsoDownloadOperator):
        def execute(self, context: Any) -> Any:
            return self.deeper()

        def deeper(self) -> Any:
            raise JobFailedError("no")

    with pytest.raises(AsyncJobError) as caught:
        Own(task_id="t", endpoint=ITEMS, destination=str(tmp_path / "x")).execute({})
    assert frames(caught.value)[-1].endswith("tracebacks.py")


def test_with_debug_the_stack_is_there(aso: AsoSimulator, tmp_path: Path) -> None:
    told = []

    class Log:
        def debug(self, *args: Any, exc_info: bool = False) -> None:
            told.append((args, "".join(traceback.format_exception(*sys.exc_info()))))

        def __getattr__(self, name: str) -> Any:
            return lambda *args: None

    class Listening(JaggaerAsoDownloadOperator):
        @property
        def log(self) -> Any:
            return Log()

    aso.faults.add("submit", "http_status", status=401)
    with pytest.raises(AuthenticationError):
        Listening(task_id="t", endpoint=ITEMS, destination=str(tmp_path / "x")).execute(OneTask().context)
    assert "raise_for_answer" in told[0][1]


# -- signs of life


def a_trigger(**given: Any) -> AsyncJobTrigger:
    arguments: dict[str, Any] = {
        "job": JobHandle("open_connectors", "7", time.time()).to_dict(),
        "conn_id": None,
        "policy": PollPolicy().to_dict(),
        "deadline": time.time() + 0.6,
        "deferred_at": time.time(),
        "settle": 0.0,
        "callback": True,
    }
    return AsyncJobTrigger(**{**arguments, **given})


async def test_a_wait_for_nothing_but_a_callback_shows_signs_of_life(
    lines: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(AsyncJobTrigger):
        async def _look(self, *, signs: bool = False) -> None:
            """The mailbox lies in Airflow's database, and nothing comes."""

    monkeypatch.setattr(waiting, "FIRST_HEARTBEAT", 0.1)
    trigger = Silent(**a_trigger().serialize()[1])
    trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
    events = [event.payload async for event in trigger.run()]
    assert [event["state"] for event in events] == ["timeout"]
    log = lines()
    assert 1 <= len(re.findall(r"Job 7: no callback yet after \S+ s; deadline in 0\.\d+ s", log)) <= 3
    assert log.count("where it can be completed by hand") == 1
    assert log.count("Job 7: resuming the task: timeout by poll (0 polls, 0 failed)") == 1
    assert "remote-jobs show|complete d r t" in log.replace("python -m airflow_async_provider", "remote-jobs")


async def test_airflow_s_word_about_a_user_is_explained(lines: Callable[[], str]) -> None:
    class Answered(AsyncJobTrigger):
        async def _look(self) -> Delivery | None:  # the mailbox lies in Airflow's database
            return Delivery.from_dict(
                {
                    "version": 1,
                    "received_at": time.time(),
                    "submission": "",
                    "state": "succeeded",
                    "remote_status": "1900",
                    "job_id": "7",
                }
            )

    arguments = a_trigger().serialize()[1]
    await asyncio.wait_for(Answered(**arguments).on_kill(), 10)
    assert "Job 7: its callback has resumed or ended the task" in lines()
