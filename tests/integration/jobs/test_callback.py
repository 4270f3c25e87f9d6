# SPDX-License-Identifier: Apache-2.0
"""What operators and triggers make of callbacks: the real ones, with Airflow's part played around them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import (
    DURABLE_KEY,
    EMPTY_MAILBOX,
    MAILBOX_KEY,
    REGISTRATION_KEY,
    Delivery,
    Registration,
)
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider.errors import CallbackError, ConfigurationError, JobTimeoutError, ResultError
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.open_connectors import OpenConnectorsAsyncRequestOperator
from airflow_async_provider.triggers import async_job
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support import played_airflow
from tests.support.harness.calling_remote import CallingRemote, RemoteJob, calling_remote
from tests.support.played_airflow import PlayedAirflow
from tests.support.sent_metrics import SentMetrics, sent  # noqa: F401 - a fixture

played = played_airflow.airflow

SIGNED = {"callback_secret": "k", "callback_signature": {"header": "X-Signature", "encoding": "hex"}}


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[CallingRemote]:
    """A remote that does nothing by itself, and its connections."""
    with calling_remote() as server:
        connect(monkeypatch, server)
        yield server


def connect(monkeypatch: pytest.MonkeyPatch, server: CallingRemote, **extra: Any) -> None:
    http = {"conn_type": "http", "host": server.url, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(http))
    sap = {"conn_type": "sap_open_connectors", "host": server.url}
    keys = {"user_secret": "user", "organization_secret": "organization", "element_token": "element"}
    sap_extra = {**keys, "callback_base_url": extra.get("callback_base_url")}
    monkeypatch.setenv("AIRFLOW_CONN_SAP_OPEN_CONNECTORS_DEFAULT", json.dumps({**sap, "extra": sap_extra}))


def pollable(airflow: PlayedAirflow, **arguments: Any) -> Callable[[], Any]:
    """Makes operators whose remote can be asked, but is asked so seldom that only a callback ends a test."""
    return lambda: HttpAsyncJobOperator(
        **{
            "task_id": "t",
            "endpoint": "/jobs",
            "json": {"n": "one"},
            "profile": "status_field",
            "profile_options": {"status_path": "jobs/{job_id}"},
            "result_field": "result",
            "callback_field": "callback",
            "callback_base_url": airflow.url,
            "poll_interval": 300,
            "timeout": 600,
            **arguments,
        }
    )


def mute(airflow: PlayedAirflow, **arguments: Any) -> Callable[[], Any]:
    """Makes operators whose remote cannot be asked."""
    return lambda: OpenConnectorsAsyncRequestOperator(
        **{
            "task_id": "t",
            "endpoint": "/things",
            "json": {"n": "one"},
            "callback_base_url": airflow.url,
            "timeout": 600,
            **arguments,
        }
    )


def meanwhile(*steps: Callable[[], Any]) -> threading.Thread:
    """What the remote and the world do while the task waits."""

    def run() -> None:
        for step in steps:
            step()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def when_deferred(airflow: PlayedAirflow, number: int = 1) -> Callable[[], None]:
    return lambda: airflow.until(lambda: airflow.deferrals >= number and airflow.state == "deferred")


# -- asking for a callback


@pytest.fixture
def announced(played: PlayedAirflow, remote: CallingRemote) -> Callable[..., RemoteJob]:
    """The job of a task that does not wait for it."""

    def start(**arguments: Any) -> RemoteJob:
        operator = pollable(played, **arguments)()
        JobRun(operator, played.context).begin_without_waiting()
        return remote.job("one")

    return start


def test_where_the_api_server_cannot_take_callbacks_the_job_is_polled(
    announced: Callable[..., RemoteJob],
    played: PlayedAirflow,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "airflow_async_provider._jobs.callback.unsupported_reason", lambda: "no XComModel.put"
    )
    job = announced()
    assert not job.callback
    assert played.xcoms.get(REGISTRATION_KEY) is None
    assert "callbacks cannot be taken: no XComModel.put; the job is polled." in capsys.readouterr().out


def test_where_only_a_callback_tells_of_the_job_nothing_is_submitted_then(
    played: PlayedAirflow, remote: CallingRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "airflow_async_provider._jobs.callback.unsupported_reason", lambda: "no XComModel.put"
    )
    with pytest.raises(ConfigurationError, match=r"Nothing was submitted: .*: no XComModel\.put\."):
        played.run(mute(played))
    assert remote.jobs == {}


def test_the_nearest_address_counts(
    announced: Callable[..., RemoteJob],
    played: PlayedAirflow,
    remote: CallingRemote,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def base(**arguments: Any) -> str | None:
        played.store.clear()  # another task
        url = announced(callback_base_url=None, **arguments).callback
        return url and url.split("/async-provider/")[0]

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://own.example")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"{played.url}/execution/")
    assert base() is None
    assert base(callback=True) == "https://own.example"
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_BASE_URL", "https://option.example/")
    assert base() == "https://option.example"
    connect(monkeypatch, remote, callback_base_url="https://connection.example/a")
    assert base() == "https://connection.example/a"
    played.store.clear()
    assert announced(callback_base_url="https://argument.example").callback.startswith("https://argument.")
    assert base(callback=False) is None


def test_no_address_at_all_is_a_mistake(
    announced: Callable[..., RemoteJob], remote: CallingRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    with pytest.raises(ConfigurationError, match="there is no address"):
        announced(callback_base_url=None, callback=True)
    assert remote.jobs == {}


def test_what_is_written_down_before_the_remote_hears_of_it(
    announced: Callable[..., RemoteJob], played: PlayedAirflow, capsys: pytest.CaptureFixture[str]
) -> None:
    job = announced(callback_max_bytes=77)
    log = capsys.readouterr().out
    assert job.callback is not None
    url, secret = job.callback.rsplit("/", 1)
    registration = Registration.from_dict(played.xcoms[REGISTRATION_KEY])
    assert registration is not None
    assert (registration.max_bytes, registration.pollable, registration.keep_body) == (77, True, False)
    assert registration.deadline == pytest.approx(time.time() + 660, abs=30)
    assert played.xcoms[MAILBOX_KEY] == EMPTY_MAILBOX
    assert Registration.from_dict(played.store[DURABLE_KEY]["callbacks"][0]) == registration
    for text in (json.dumps(played.xcoms), json.dumps(played.store), log):
        assert secret not in text
    assert f"Asked for a callback to {url}." in log


def test_the_secret_is_masked_before_it_is_used(
    announced: Callable[..., RemoteJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    import airflow.sdk.log

    masked: list[str] = []
    monkeypatch.setattr(airflow.sdk.log, "mask_secret", lambda secret, name=None: masked.append(secret))
    job = announced()
    assert job.callback is not None
    assert masked[0] == job.callback.rsplit("/", 1)[1]


def test_a_hook_of_the_users_own_is_known_by_ours(
    announced: Callable[..., RemoteJob],
    played: PlayedAirflow,
    remote: CallingRemote,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OwnHook(HttpAsyncJobHook):
        pass

    connect(monkeypatch, remote, **SIGNED)
    monkeypatch.setattr(HttpAsyncJobOperator, "hook", property(lambda self: OwnHook("http_default")))
    announced()
    registration = Registration.from_dict(played.xcoms[REGISTRATION_KEY])
    assert registration is not None
    assert registration.hook == "airflow_async_provider.hooks.http_async.HttpAsyncJobHook"
    assert registration.signature == {"kind": "hmac", "header": "X-Signature", "encoding": "hex"}


# -- woken


def test_a_callback_ends_the_wait_and_the_truth_is_read_once(
    played: PlayedAirflow, remote: CallingRemote, capsys: pytest.CaptureFixture[str], sent: SentMetrics
) -> None:
    other = meanwhile(when_deferred(played), lambda: remote.call(remote.job("one")))
    assert played.run(pollable(played)) == {"job": "j0"}
    other.join()
    assert [name for name, *_ in sent if name == "callback.wake"] == ["callback.wake"]
    assert (played.deferrals, remote.jobs["j0"].asked, remote.jobs["j0"].answers) == (1, 1, [200])
    assert "Resumed by a callback, " in capsys.readouterr().out


def test_one_that_is_faster_than_the_submission_saves_the_deferral(
    played: PlayedAirflow, remote: CallingRemote
) -> None:
    assert played.run(pollable(played, json={"n": "one", "early": "True"})) == {"job": "j0"}
    assert played.deferrals == 0


def test_one_that_comes_too_soon_is_taken_out_by_the_trigger(
    played: PlayedAirflow, remote: CallingRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "1")
    monkeypatch.setattr(async_job, "SLACK", 0.1)
    other = meanwhile(when_deferred(played), lambda: remote.call(remote.job("one")))
    begun = time.monotonic()
    assert played.run(pollable(played)) == {"job": "j0"}
    other.join()
    assert time.monotonic() - begun >= 1
    assert played.woken.empty()  # not by the receiver


def test_one_that_lies_is_not_believed_and_the_next_one_counts(
    played: PlayedAirflow, remote: CallingRemote
) -> None:
    other = meanwhile(
        when_deferred(played),
        lambda: remote.call(remote.job("one"), ended=False),
        when_deferred(played, 2),
        lambda: remote.call(remote.job("one"), {"status": "at last"}),
    )
    assert played.run(pollable(played)) == {"job": "j0"}
    other.join()
    assert (played.deferrals, remote.jobs["j0"].asked) == (2, 2)


def test_one_for_an_earlier_submission_in_the_mailbox_is_none(
    played: PlayedAirflow, remote: CallingRemote
) -> None:
    def stale() -> None:
        delivery = Delivery(state="succeeded", received_at=time.time(), submission="0" * 16)
        played.xcoms[MAILBOX_KEY] = delivery.to_text()

    seen: list[int] = []
    other = meanwhile(
        when_deferred(played),
        stale,
        lambda: time.sleep(0.3),
        lambda: seen.append(played.deferrals),
        lambda: remote.call(remote.job("one")),
    )
    assert played.run(pollable(played)) == {"job": "j0"}
    other.join()
    assert (seen, played.deferrals) == ([1], 1)


def test_one_that_is_too_large_leaves_the_job_to_the_polls(
    played: PlayedAirflow, remote: CallingRemote
) -> None:
    def too_large() -> None:
        job = remote.job("one")
        assert remote.call(job, {"status": "x" * 1000}) == 413

    other = meanwhile(when_deferred(played), too_large)
    assert played.run(pollable(played, callback_max_bytes=100)) == {"job": "j0"}
    other.join()


# -- on kill


def killed(airflow: PlayedAirflow, remote: CallingRemote, job: RemoteJob, **arguments: Any) -> None:
    trigger = AsyncJobTrigger(
        job={
            "protocol": "http_status_field",
            "job_id": job.id,
            "status_url": f"jobs/{job.id}",
            "options": {"cancel_by": "delete", "status_path": "jobs/{job_id}"},
        },
        conn_id="http_default",
        policy={},
        deadline=time.time() + 60,
        deferred_at=time.time(),
        callback=True,
        **arguments,
    )
    trigger.task_instance = airflow.ti
    asyncio.run(trigger.on_kill())


def test_a_task_that_a_callback_has_woken_cancels_nothing(
    played: PlayedAirflow, remote: CallingRemote
) -> None:
    job = remote.jobs["j0"] = RemoteJob("j0", "one", None)
    delivery = Delivery(state="running", received_at=100.0, submission="ab" * 8)
    played.xcoms[MAILBOX_KEY] = delivery.to_text()

    killed(played, remote, job, submission="ab" * 8, last_delivery_at=99.0)
    assert (job.asked, job.cancelled) == (0, 0)

    killed(played, remote, job, submission="ab" * 8, last_delivery_at=100.0)  # that one was dealt with before
    assert (job.asked, job.cancelled) == (1, 1)


def test_a_task_that_a_person_has_ended_cancels_its_job(played: PlayedAirflow, remote: CallingRemote) -> None:
    job = remote.jobs["j0"] = RemoteJob("j0", "one", None)
    played.xcoms[MAILBOX_KEY] = EMPTY_MAILBOX
    killed(played, remote, job)
    assert job.cancelled == 1


# -- where the callback is the only news


def test_a_worker_waits_at_the_mailbox_where_there_is_no_triggerer(
    played: PlayedAirflow, remote: CallingRemote
) -> None:
    other = meanwhile(
        lambda: played.until(lambda: remote.jobs),
        lambda: remote.call(remote.job("one"), {"eventId": "j0", "response": [1]}),
    )
    assert played.run(mute(played, deferrable=False)) == [1]
    other.join()
    assert played.deferrals == 0


def test_and_not_for_ever(played: PlayedAirflow, remote: CallingRemote) -> None:
    with pytest.raises(JobTimeoutError, match="No webhook came"):
        played.run(mute(played, deferrable=False, timeout=0.3))


def test_one_about_another_job_is_not_taken_for_ours(played: PlayedAirflow, remote: CallingRemote) -> None:
    other = meanwhile(
        when_deferred(played),
        lambda: remote.call(remote.job("one"), {"eventId": "other", "response": [0]}),
        when_deferred(played, 2),
        lambda: remote.call(remote.job("one"), {"eventId": "j0", "response": [1]}),
    )
    assert played.run(mute(played)) == [1]
    other.join()


def test_a_result_that_could_not_be_stored_is_there_for_the_next_try(
    played: PlayedAirflow, remote: CallingRemote, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    make = mute(played, destination=f"{blocked}/result.json")

    def block_and_call() -> None:
        if blocked.is_dir():  # made when it was looked at before the start
            blocked.rmdir()
        blocked.write_text("no directory can be made here any more")
        remote.call(remote.job("one"), {"eventId": "j0", "response": [1]})

    other = meanwhile(when_deferred(played), block_and_call)
    with pytest.raises((ResultError, OSError)):
        played.run(make)
    other.join()
    blocked.unlink()

    played.new_try()
    assert played.run(make)["bytes"] == 3
    assert (blocked / "result.json").read_bytes() == b"[1]"
    assert len(remote.jobs) == 1


@pytest.mark.parametrize(("body", "words"), [(b"x" * 2000, "too large"), (b"rubbish", "unreadable")])
def test_one_that_cannot_be_taken_fails_the_task_with_the_reason(
    played: PlayedAirflow, remote: CallingRemote, body: bytes, words: str
) -> None:
    other = meanwhile(
        when_deferred(played),
        lambda: remote.call(remote.job("one"), body.decode()),  # JSON, but no object
    )
    with pytest.raises(CallbackError, match=f"could not be taken \\({words}\\)") as caught:
        played.run(mute(played, callback_max_bytes=1000))
    other.join()
    assert caught.value.job == "j0"
