# SPDX-License-Identifier: Apache-2.0
"""The ASO operators, the sensor and the transfer: the whole way, through kills, retries and expiries."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._callbacks.registration import DURABLE_KEY
from airflow_async_provider._download.source.http import DownloadRetryPolicy as Impatient
from airflow_async_provider._polling import policy
from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    DestinationExistsError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobTimeoutError,
    OriginError,
    RequestRefusedError,
    ResultMissingError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator
from airflow_async_provider.protocols import HttpRequest, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols import _registry as registry
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from airflow_async_provider.sensors.async_job import AsyncJobSensor
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running as simulating
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator
from tests.support.byte_server import ByteServer, hang_up, status
from tests.support.one_task import OneTask, TaskDeferred
from tests.support.watched_aso import server  # noqa: F401 - a fixture

CONN_ID = "jaggaer_aso_default"
ITEMS = "event/7/apiItems/async"
EVENT = "chost/1/user/2/template/3/apiEvent/async"
POST: dict[str, Any] = {"endpoint": EVENT, "method": "POST", "json": {"eventName": "Steel"}}

Aso = Callable[..., AsoSimulator]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.02)
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def aso(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aso]:
    with ExitStack() as stack:

        def start(service: str = "ees", **options: Any) -> AsoSimulator:
            simulator = stack.enter_context(simulating(AsoSimulator(**{"result_bytes": 5000, **options})))
            monkeypatch.setenv(
                f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(simulator.airflow_connection(service))
            )
            return simulator

        yield start


@pytest.fixture
def task() -> OneTask:
    return OneTask()


def download(target: Path | str, **given: Any) -> Callable[[], JaggaerAsoDownloadOperator]:
    arguments: dict[str, Any] = {
        "task_id": "t",
        "endpoint": ITEMS,
        "destination": str(target),
        "poll_interval": 0.04,
        "timeout": 30,
        **given,
    }
    return lambda: JaggaerAsoDownloadOperator(**arguments)


def submit(**given: Any) -> Callable[[], JaggaerAsoSubmitOperator]:
    return lambda: JaggaerAsoSubmitOperator(**{"task_id": "t", "endpoint": ITEMS, **given})


def sensor(job: Any, **given: Any) -> Callable[[], AsyncJobSensor]:
    return lambda: AsyncJobSensor(
        **{"task_id": "t", "job": job, "poke_interval": 0.04, "timeout": 30, **given}
    )


def fetch(job: Any, target: Path | str, **given: Any) -> Callable[[], AsyncResultDownloadOperator]:
    return lambda: AsyncResultDownloadOperator(
        **{"task_id": "t", "job": job, "destination": str(target), **given}
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- the plain way


@pytest.mark.parametrize("options", [{}, {"deferrable": False}, {"linger": 5}], ids=lambda o: str(o))
def test_from_start_to_stored_file(aso: Aso, task: OneTask, tmp_path: Path, options: dict[str, Any]) -> None:
    simulator = aso(processing_seconds=0.4)
    target = tmp_path / "items.dat"
    result = task.run(download(target, params={"page": 2}, **options))
    assert set(result) >= {"uri", "bytes", "sha256", "content_type", "etag", "seconds", "restarts"}
    assert result["sha256"] == sha256(target) == simulator.sha256_of()
    assert (result["bytes"], result["restarts"]) == (5000, 0)
    assert 0.4 <= result["seconds"] < 20
    assert json.loads(json.dumps(result)) == result
    assert simulator.journal.jobs_started == simulator.journal.downloads == 1
    assert simulator.journal.entries("submit")[0].query_names == ("page",)
    assert len(task.deferrals) == (0 if options else 1)


def test_an_airflow_without_task_state_works_too(aso: Aso, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0)
    OneTask(store=False).run(download(tmp_path / "x"))
    assert simulator.journal.jobs_started == 1


def test_a_short_job_is_not_worth_a_deferral(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    aso(processing_seconds=0)
    task.run(download(tmp_path / "x", linger=3))
    assert not task.deferrals


def test_a_long_one_is_deferred_after_lingering(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    make = download(tmp_path / "x", linger=0.5)
    deferral = task.begin(make)
    assert simulator.journal.polls >= 1
    simulator.job().finish()
    assert task.follow(make, deferral)["bytes"] == 5000


def test_a_trouble_while_lingering_is_the_triggerer_s_affair(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0)
    simulator.faults.add("status", "http_status", status=503, times=6)
    assert task.run(download(tmp_path / "x", linger=0.1))["bytes"] == 5000
    assert len(task.deferrals) == 1


def test_what_a_deferral_carries(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    before = time.time()
    deferral = task.begin(download(tmp_path / "x", timeout=100, conn_id=CONN_ID))
    assert deferral.method_name == "execute_complete"
    trigger = task.trigger(deferral)
    assert before + 100 <= trigger.deadline <= time.time() + 100
    assert trigger.conn_id == CONN_ID
    assert trigger.job["status_url"].endswith(simulator.job().status_path)
    assert task.store
    assert task.store[DURABLE_KEY]["handle"] == trigger.job
    (run,) = [d["run"] for d in task.deferrals]
    assert run["deadline"] == trigger.deadline


def test_an_event_that_comes_too_early_is_only_a_hint(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    """Whatever wakes the task, the remote's word counts."""
    simulator = aso(processing_seconds=None)
    make = download(tmp_path / "x")
    deferral = task.begin(make)
    lie = {
        "version": 1,
        "state": "succeeded",
        "remote_status": "completed",
        "via": "poll",
        "polls": 1,
        "errors": 0,
    }
    with pytest.raises(TaskDeferred):
        make().execute_complete(task.context, event=lie, **task.deferrals[0])
    simulator.job().finish()
    assert task.follow(make, deferral)["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize(
    ("event", "run"), [(None, {"job": {}}), ({"state": "succeeded"}, None), (None, None)]
)
def test_a_wake_without_event_or_run(aso: Aso, task: OneTask, tmp_path: Path, event: Any, run: Any) -> None:
    aso()
    with pytest.raises(ValueError, match="execute_complete"):
        download(tmp_path / "x")().execute_complete({"ti": object()}, event=event, run=run)


# -- the destination goes first


def test_what_is_there_is_not_prepared_again(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso()
    target = tmp_path / "x"
    target.write_bytes(b"old")
    result = task.run(download(target, if_exists="skip"))
    assert (result["bytes"], result["restarts"], result["sha256"]) == (3, 0, None)
    assert target.read_bytes() == b"old"
    with pytest.raises(DestinationExistsError):
        task.run(download(target, if_exists="fail"))
    assert simulator.journal.submits == 0


def test_what_is_there_is_replaced_by_default(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0)
    target = tmp_path / "x"
    target.write_bytes(b"old")
    task.run(download(target))
    assert sha256(target) == simulator.sha256_of()


@pytest.mark.parametrize(
    "wrong", [{"if_exists": "overwrite"}, {"destination": "relative/path"}, {"destination": "s3://"}]
)
def test_a_destination_that_makes_no_sense_starts_nothing(
    aso: Aso, task: OneTask, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    simulator = aso()
    with pytest.raises(ConfigurationError):
        task.run(download(tmp_path / "x", **wrong))
    assert simulator.journal.submits == 0


# -- how a job ends badly


@pytest.mark.parametrize(("outcome", "error"), [("failed", JobFailedError), ("cancelled", JobCancelledError)])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_bad_end_is_reported_and_a_retry_starts_anew(
    aso: Aso, task: OneTask, tmp_path: Path, outcome: str, error: type[JobError], deferrable: bool
) -> None:
    simulator = aso(processing_seconds=0, outcome=outcome)
    with pytest.raises(error) as caught:
        task.run(download(tmp_path / "x", deferrable=deferrable))
    for part in (f"GET {ITEMS}", "s old", repr(outcome)):
        assert part in str(caught.value)
    assert caught.value.remote_status == outcome
    assert not task.store
    simulator.script(outcome="completed")
    assert task.run(download(tmp_path / "x", deferrable=deferrable))["bytes"] == 5000
    assert simulator.journal.jobs_started == 2
    assert simulator.journal.downloads == 1


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_passed_deadline(aso: Aso, task: OneTask, tmp_path: Path, deferrable: bool) -> None:
    simulator = aso(processing_seconds=None)
    with pytest.raises(JobTimeoutError) as caught:
        task.run(download(tmp_path / "x", timeout=0.6, deferrable=deferrable))
    for part in (f"GET {ITEMS}", "timeout of 0.6 s", "'processing'", "may still be running"):
        assert part in str(caught.value)
    # It still runs at the remote, and cannot be cancelled there: the next try goes on with it.
    simulator.job().finish()
    assert task.run(download(tmp_path / "x"))["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


def test_a_job_that_ended_at_the_last_moment_counts(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    make = download(tmp_path / "x", timeout=0.5)
    deferral = task.begin(make)
    event = task.wait(deferral)
    assert event["state"] == "timeout"
    simulator.job().finish()
    assert make().execute_complete(task.context, event=event, **task.deferrals[0])["bytes"] == 5000


def test_a_deadline_at_a_remote_that_is_away(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    make = download(tmp_path / "x", timeout=0.5)
    event = task.wait(task.begin(make))
    simulator.faults.add("status", "http_status", status=503, times=None)
    with pytest.raises(JobTimeoutError) as caught:
        make().execute_complete(task.context, event=event, **task.deferrals[0])
    assert isinstance(caught.value.__cause__, TransientError)


def test_an_expired_status_url(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None, status_expires=1)
    with pytest.raises(JobExpiredError) as caught:
        task.run(download(tmp_path / "x"))
    assert f"GET {ITEMS}" in str(caught.value)
    assert not task.store  # a GET may be prepared again
    simulator.script(processing_seconds=0)
    assert task.run(download(tmp_path / "x"))["bytes"] == 5000


def test_an_expired_status_url_of_a_post_is_never_started_again(
    aso: Aso, task: OneTask, tmp_path: Path
) -> None:
    simulator = aso(service="ches", processing_seconds=None, status_expires=1)
    for _ in range(2):  # the retry does no better
        with pytest.raises(JobExpiredError):
            task.run(download(tmp_path / "x", **POST))
    assert simulator.journal.jobs_started == 1


def test_a_status_that_can_no_longer_be_asked_for_without_a_403(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path
) -> None:
    """A remote that is more patient than it said: the wait ends with the expiry all the same."""
    found = server()
    body = {"statusUrl": found.origin + "/s", "statusUrlExpiresInSeconds": 0.7}
    found.steps.append(status(202, json.dumps(body).encode()))
    found.steps.extend([status(200, b'{"status": "processing"}')] * 50)
    with pytest.raises(JobExpiredError, match="can no longer be read"):
        task.run(download(tmp_path / "x"))
    assert not task.store


def test_an_expiry_at_a_remote_that_is_away(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path
) -> None:
    found = server()
    body = {"statusUrl": found.origin + "/s", "statusUrlExpiresInSeconds": 0.5}
    found.steps.append(status(202, json.dumps(body).encode()))
    make = download(tmp_path / "x")
    deferral = task.begin(make)
    found.steps.extend([status(200, b'{"status": "processing"}')] * 20)
    event = task.wait(deferral)
    assert event["state"] == "expired"
    found.steps[:] = [status(503)] * 10
    with pytest.raises(JobExpiredError, match="HTTP 503"):
        make().execute_complete(task.context, event=event, **task.deferrals[0])


def test_giving_up_leaves_the_job_to_the_next_try(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    make = download(tmp_path / "x", max_outage=0.3)
    deferral = task.begin(make)
    simulator.faults.add("status", "http_status", status=503, times=None)
    event = task.wait(deferral)
    simulator.faults.clear()
    assert event["state"] == "error"
    with pytest.raises(TransientError, match="goes on with it") as caught:
        make().execute_complete(task.context, event=event, **task.deferrals[0])
    assert "HTTP 503" in str(caught.value)
    simulator.job().finish()
    assert task.run(make)["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize(("code", "error"), [(401, AuthenticationError), (403, AuthorizationError)])
def test_lost_rights_are_an_error_of_their_own(
    aso: Aso, task: OneTask, tmp_path: Path, code: int, error: type[AsyncJobError]
) -> None:
    simulator = aso(processing_seconds=None)
    simulator.faults.add("status", "http_status", status=code, times=None)
    with pytest.raises(error):
        task.run(download(tmp_path / "x"))
    simulator.faults.clear()
    simulator.job().finish()
    assert task.run(download(tmp_path / "x"))["bytes"] == 5000  # once that is put right, nothing is lost
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize(
    ("fault", "options"), [("http_status", {"status": 503}), ("garbage", {}), ("reset", {})]
)
def test_a_remote_that_is_away_just_when_the_truth_is_read(
    aso: Aso, task: OneTask, tmp_path: Path, fault: str, options: dict[str, Any]
) -> None:
    simulator = aso(processing_seconds=0)
    make = download(tmp_path / "x")
    event = task.wait(task.begin(make))
    assert event["state"] == "succeeded"
    simulator.faults.add("status", fault, times=6, **options)  # more than the tries of one question
    with pytest.raises(TaskDeferred) as again:
        make().execute_complete(task.context, event=event, **task.deferrals[0])
    assert task.follow(make, again.value)["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


# -- results that are gone


def test_an_expired_result_is_prepared_again(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None, result_expires=300)
    make = download(tmp_path / "x")
    deferral = task.begin(make)
    simulator.job().finish()
    simulator.clock.advance(400)
    simulator.script(processing_seconds=0)
    result = task.follow(make, deferral)
    assert (result["restarts"], result["bytes"]) == (1, 5000)
    assert result["sha256"] == simulator.sha256_of(1)
    assert simulator.journal.jobs_started == 2
    assert simulator.journal.downloads == 1


def test_it_is_not_prepared_again_for_ever(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0, result_expires=0)
    with pytest.raises(JobExpiredError, match="max_restarts") as caught:
        task.run(download(tmp_path / "x", max_restarts=2))
    assert simulator.journal.jobs_started == 3
    assert f"GET {ITEMS}" in str(caught.value)
    assert not task.store


def test_a_post_is_not_prepared_again_at_all(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(service="ches", processing_seconds=0, result_expires=0)
    for _ in range(2):
        with pytest.raises(JobExpiredError, match="POST is never repeated"):
            task.run(download(tmp_path / "x", **POST))
    assert simulator.journal.jobs_started == 1
    # A person who knows that it may run again says so.
    simulator.result_expires = 300
    assert task.run(download(tmp_path / "x", reattach=False, **POST))["bytes"] == 5000
    assert simulator.journal.jobs_started == 2


@pytest.mark.parametrize("again", [POST, {"max_restarts": 0}])
def test_the_last_second_of_a_result_is_used_where_nothing_can_be_prepared_again(
    aso: Aso, task: OneTask, tmp_path: Path, again: dict[str, Any]
) -> None:
    simulator = aso(service="ches" if again is POST else "ees", processing_seconds=0, result_expires=300)
    simulator.faults.add("status", "alter", update={"resultUrlExpiresInSeconds": 1}, times=None)
    assert task.run(download(tmp_path / "x", **again))["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


#: As signed URLs look: escapes of either case, reserved characters, an empty value, a plus.
SIGNED = "/s/MTY%3d:22850/a+b=?sig=a%2Fb+c%3D&x=&y=1;2&z=%7e~"


@pytest.mark.parametrize("content", [b"", gzip.compress(b"id,name\n" * 1000, mtime=0)])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_status_url_with_a_query_goes_back_as_it_came(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path, content: bytes, deferrable: bool
) -> None:
    found = server()
    finished = {"status": "completed", "resultUrl": found.origin + "/f.gz?X-Amz-Signature=s"}
    answers = {
        f"/{ITEMS}": status(202, json.dumps({"statusUrl": found.origin + SIGNED}).encode()),
        SIGNED: status(200, json.dumps({**finished, "resultUrlExpiresInSeconds": 289}).encode()),
        "/f.gz?X-Amz-Signature=s": content,
    }
    found.by_path = lambda target: answers.get(target, status(404))
    found.headers = {"Content-Disposition": 'attachment; filename="../../items.csv"'}
    found.steps += [status(202, json.dumps({"statusUrl": found.origin + SIGNED}).encode())]
    found.steps += [status(200, b'{"status": "processing"}')]
    result = task.run(download(tmp_path / "x", deferrable=deferrable))
    assert (tmp_path / "x").read_bytes() == content
    assert (result["bytes"], result["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert {r.target for r in found.requests} == set(answers)
    # The result's address proves itself: nothing else goes there.
    [fetched] = [r for r in found.requests if r.target.startswith("/f.gz")]
    assert not {"authorization", "x-api-key"} & set(fetched.headers)


def test_a_refusal_of_the_storage_counts_as_an_expiry(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    """The remote's count says there is time left, S3 says there is none."""
    simulator = aso(processing_seconds=0)
    expired = (
        "<Error><Code>AccessDenied</Code><Message>Request has expired</Message>"
        "<Expires>2020-09-08T20:05:05Z</Expires><ServerTime>2020-09-09T17:06:17Z</ServerTime></Error>"
    )
    simulator.faults.add(
        "result", "http_status", status=403, body=expired, content_type="application/xml", times=1
    )
    assert task.run(download(tmp_path / "x"))["restarts"] == 1
    assert simulator.journal.jobs_started == 2


def test_a_result_that_never_appears(
    aso: Aso, task: OneTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_async_provider._download.source import http as source

    monkeypatch.setattr(source, "DownloadRetryPolicy", lambda: Impatient(patience_404=0.2))
    simulator = aso(processing_seconds=0, not_found_first=10_000)
    make = download(tmp_path / "x", deferrable=False)
    with pytest.raises(ResultMissingError):
        task.run(make)
    assert not (tmp_path / "x").exists()
    # The job is not forgotten: the next try asks for its result again.
    with pytest.raises(ResultMissingError):
        task.run(make)
    assert simulator.journal.jobs_started == 1
    assert simulator.journal.downloads >= 2


def test_a_result_behind_plain_http_of_a_remote_with_tls(task: OneTask) -> None:
    from airflow_async_provider._jobs.results.store import stream_of
    from airflow_async_provider.protocols import JobState, JobStatus, Result

    class Hook:
        class endpoint:  # noqa: N801 - stands for an attribute
            base_url = "https://ees.example"

            @staticmethod
            def resolve(url: str) -> str:
                return url

    for url in ("http://s3.example/canary?canary", "HTTP://s3.example/canary?canary"):
        with pytest.raises(OriginError, match="plain http") as caught:
            stream_of(
                Hook(),  # type: ignore[arg-type] # all that is asked of it
                JobHandle("jaggaer_aso", "x", 1.0),
                JobStatus(JobState.SUCCEEDED, result=Result(url)),
            )
        assert "canary" not in str(caught.value)


# -- tries, kills and clears


def test_a_killed_worker_s_job_is_taken_up_again(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    make = download(tmp_path / "x")
    task.begin(make)  # and its triggerer and worker are gone
    deferral = task.begin(make)
    simulator.job().finish()
    assert task.follow(make, deferral)["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


def test_a_job_that_ended_meanwhile_is_fetched_at_once(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    task.begin(download(tmp_path / "x"))
    simulator.job().finish()
    assert download(tmp_path / "x")().execute(task.context)["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_job_that_failed_meanwhile_is_started_again(
    aso: Aso, task: OneTask, tmp_path: Path, outcome: str
) -> None:
    simulator = aso(processing_seconds=None)
    task.begin(download(tmp_path / "x"))
    simulator.job().finish(outcome)
    task.begin(download(tmp_path / "x"))
    assert simulator.journal.jobs_started == 2


def test_a_job_that_the_remote_has_forgotten_is_started_again(
    aso: Aso, task: OneTask, tmp_path: Path
) -> None:
    simulator = aso(processing_seconds=None)
    task.begin(download(tmp_path / "x"))
    simulator._jobs_by_path.clear()
    task.begin(download(tmp_path / "x"))
    assert simulator.journal.jobs_started == 2


def test_a_post_that_the_remote_has_forgotten_is_not(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(service="ches", processing_seconds=None)
    task.begin(download(tmp_path / "x", **POST))
    simulator._jobs_by_path.clear()
    with pytest.raises(JobExpiredError, match="no longer knows"):
        task.run(download(tmp_path / "x", **POST))
    assert simulator.journal.jobs_started == 1


def test_other_refusals_of_the_status_are_no_end_of_the_job(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    task.begin(download(tmp_path / "x"))
    simulator.faults.add("status", "http_status", status=422, times=1)
    with pytest.raises(RequestRefusedError):
        task.run(download(tmp_path / "x"))
    assert simulator.journal.jobs_started == 1


def test_without_reattaching_every_try_starts_anew(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    for _ in range(2):
        task.begin(download(tmp_path / "x", reattach=False))
    assert simulator.journal.jobs_started == 2


def test_a_person_who_clears_a_failed_task_goes_on_with_its_job(
    aso: Aso, task: OneTask, tmp_path: Path
) -> None:
    simulator = aso(processing_seconds=None)
    task.begin(download(tmp_path / "x"))
    task.clear()
    simulator.job().finish()
    assert task.run(download(tmp_path / "x"))["bytes"] == 5000
    assert simulator.journal.jobs_started == 1


def test_unless_the_task_is_another_one_now(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    """Whoever corrects the endpoint and clears the task must not get the file of the wrong one."""
    simulator = aso(processing_seconds=0)
    task.begin(download(tmp_path / "x"))
    task.clear()
    result = task.run(download(tmp_path / "x", endpoint="event/7/apiBids/async"))
    assert simulator.journal.jobs_started == 2
    assert result["sha256"] == simulator.sha256_of(1)


def test_a_worker_killed_after_its_work_but_before_airflow_knew_starts_no_second_job(
    aso: Aso, task: OneTask, tmp_path: Path
) -> None:
    """Between the last line of the operator and Airflow's note of the success lies a moment, too."""
    simulator = aso(processing_seconds=0.1, result_bytes=5000)
    target = tmp_path / "items.dat"
    first = task.run(download(target))

    again = task.run(download(target))

    assert simulator.journal.jobs_started == 1
    assert again["sha256"] == first["sha256"] == sha256(target)
    task.clear()
    task.run(download(target))
    assert simulator.journal.jobs_started == 2


def test_who_clears_a_succeeded_task_gets_a_new_job(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0)
    for _ in range(2):
        task.run(download(tmp_path / "x"))
        task.clear()
    assert simulator.journal.jobs_started == 2


def intent(task: OneTask) -> None:
    """A worker died between saying what it is about to do and noting the job."""
    assert task.store is not None
    task.store.set(
        DURABLE_KEY, {"version": 1, "correlation_id": "0" * 32, "max_tries": task.max_tries, "restarts": 0}
    )


def test_a_get_that_may_have_been_started_is_started_again(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0)
    intent(task)
    task.run(download(tmp_path / "x"))
    assert simulator.journal.jobs_started == 1


def test_a_post_that_may_have_been_started_waits_for_a_person(
    aso: Aso, task: OneTask, tmp_path: Path
) -> None:
    simulator = aso(service="ches", processing_seconds=0)
    intent(task)
    for _ in range(2):
        with pytest.raises(SubmitUnknownError, match="POST"):
            task.run(download(tmp_path / "x", **POST))
    assert simulator.journal.submits == 0
    task.clear()
    task.run(download(tmp_path / "x", **POST))
    assert simulator.journal.jobs_started == 1


def test_a_lost_answer_to_a_post_is_not_followed_by_another(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(service="ches", processing_seconds=0)
    simulator.faults.add("submit", "reset", processed=True)
    for _ in range(3):
        with pytest.raises(SubmitUnknownError):
            task.run(download(tmp_path / "x", **POST))
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 422}, SubmitError),
        ({"status": 401}, AuthenticationError),
        ({"status": 403}, AuthorizationError),
        ({"status": 429}, TransientError),
    ],
)
def test_a_post_that_was_refused_leaves_no_doubt(
    aso: Aso, task: OneTask, tmp_path: Path, fault: dict[str, Any], error: type[AsyncJobError]
) -> None:
    simulator = aso(service="ches", processing_seconds=0)
    simulator.faults.add("submit", "http_status", times=None, **fault)
    with pytest.raises(error) as caught:
        task.run(download(tmp_path / "x", **POST))
    assert type(caught.value) is error
    assert not task.store
    simulator.faults.clear()
    task.run(download(tmp_path / "x", **POST))  # the retry
    assert simulator.journal.jobs_started == 1


def test_a_post_that_never_left_leaves_no_doubt(
    task: OneTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = {"conn_type": "jaggaer_aso", "host": "http://127.0.0.1:1", "password": "t"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(nobody))
    for _ in range(2):
        with pytest.raises(TransientError):
            task.run(download(tmp_path / "x", **POST))
    assert not task.store


def test_a_connection_that_is_not_there_leaves_no_doubt(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(service="ches", processing_seconds=0)
    with pytest.raises(Exception, match="no_such"):
        task.run(download(tmp_path / "x", conn_id="no_such", **POST))
    assert not task.store
    task.run(download(tmp_path / "x", **POST))  # the retry, once that is put right
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize("body", [{"x": object()}, {"x": {1}}])
def test_a_post_that_cannot_be_written_leaves_no_doubt(
    aso: Aso, task: OneTask, tmp_path: Path, body: Any
) -> None:
    aso(service="ches")
    with pytest.raises(ConfigurationError, match="JSON"):
        task.run(download(tmp_path / "x", **{**POST, "json": body}))
    assert not task.store


def test_a_job_whose_status_url_leads_astray_was_started(
    aso: Aso, task: OneTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(service="ches", separate_origins=True)
    connection = simulator.airflow_connection("ches")
    del connection["extra"]["allowed_hosts"]
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    with pytest.raises(OriginError):
        task.run(download(tmp_path / "x", **POST))
    with pytest.raises(SubmitUnknownError):  # so the retry starts no second one
        task.run(download(tmp_path / "x", **POST))
    assert simulator.journal.jobs_started == 1


def test_a_job_of_a_later_version_of_this_package(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    task.begin(download(tmp_path / "x"))
    assert task.store is not None
    later = {**task.store[DURABLE_KEY], "version": 2}
    task.store.set(DURABLE_KEY, later)
    with pytest.raises(ConfigurationError, match="upgrade the package"):
        task.begin(download(tmp_path / "x"))  # there is a job, though nobody here can read which
    assert simulator.journal.jobs_started == 1


# -- killing


class Cancellable(JaggaerAsoProtocol):
    """ASO, had it a way to cancel a job."""

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        return HttpRequest("DELETE", "cancel")


@pytest.fixture
def cancellable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "protocol_class", lambda name: Cancellable)


def accepted(found: ByteServer) -> Any:
    return status(202, json.dumps({"statusUrl": found.origin + "/s"}).encode())


PROCESSING = status(200, b'{"status": "processing"}')


def cancels(found: ByteServer) -> int:
    return sum(r.method == "DELETE" for r in found.requests)


@pytest.mark.usefixtures("cancellable")
@pytest.mark.parametrize(("cancel_on_kill", "times"), [(True, 1), (False, 0)])
def test_a_task_killed_on_its_worker_cancels_its_job(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path, cancel_on_kill: bool, times: int
) -> None:
    found = server()
    found.steps.append(accepted(found))
    operator = download(tmp_path / "x", cancel_on_kill=cancel_on_kill)()
    with pytest.raises(TaskDeferred):
        operator.execute(task.context)
    found.steps.append(status(204))
    operator.on_kill()
    assert cancels(found) == times


def test_a_kill_before_anything_was_started(server: Callable[..., ByteServer], tmp_path: Path) -> None:
    found = server()
    download(tmp_path / "x")().on_kill()
    assert not found.requests


@pytest.mark.usefixtures("cancellable")
def test_a_kill_that_cannot_cancel_is_reported(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path
) -> None:
    found = server()
    found.steps.append(accepted(found))
    operator = download(tmp_path / "x")()
    with pytest.raises(TaskDeferred):
        operator.execute(task.context)
    found.steps.extend([hang_up()] * 10)
    operator.on_kill()
    assert cancels(found) == 5


@pytest.mark.usefixtures("cancellable")
def test_a_passed_deadline_cancels_the_job_and_a_retry_starts_anew(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path
) -> None:
    found = server()
    found.steps.append(accepted(found))
    make = download(tmp_path / "x", timeout=0.5)
    deferral = task.begin(make)
    found.steps.extend([PROCESSING] * 30)
    event = task.wait(deferral)
    found.steps[:] = [PROCESSING, status(204)]
    with pytest.raises(JobTimeoutError, match="was cancelled"):
        make().execute_complete(task.context, event=event, **task.deferrals[0])
    assert cancels(found) == 1
    assert not task.store


@pytest.mark.usefixtures("cancellable")
def test_a_kill_during_the_download_cancels_nothing(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_async_provider._jobs.results import store as results

    found = server()
    found.steps.append(accepted(found))
    completed = {"status": "completed", "resultUrl": found.origin + "/r", "resultUrlExpiresInSeconds": 100}
    operator = download(tmp_path / "x", deferrable=False)()

    def killed(*args: Any, **kwargs: Any) -> Any:
        operator.on_kill()
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "fetch", killed)
    found.steps.append(status(200, json.dumps(completed).encode()))
    with pytest.raises(KeyboardInterrupt):
        operator.execute(task.context)
    assert cancels(found) == 0


# -- three tasks


def test_the_three_steps_as_separate_tasks(aso: Aso, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0.4)
    first, second, third = OneTask(), OneTask(), OneTask()
    job = json.loads(json.dumps(first.run(submit())))
    assert JobHandle.from_dict(job).data["label"] == f"GET {ITEMS}"
    same = json.loads(json.dumps(second.run(sensor(job))))
    assert same["job_id"] == job["job_id"]
    assert len(second.deferrals) == 1
    result = third.run(fetch(same, tmp_path / "x"))
    assert result["sha256"] == sha256(tmp_path / "x") == simulator.sha256_of()
    assert set(result) >= {"uri", "bytes", "sha256", "content_type", "etag", "seconds"}
    assert simulator.journal.jobs_started == 1


def test_a_submit_task_that_is_tried_again_hands_over_the_same_job(aso: Aso, task: OneTask) -> None:
    simulator = aso(processing_seconds=None)
    first = task.run(submit())
    assert task.run(submit()) == first  # the worker died before the handle was in XCom
    assert simulator.journal.jobs_started == 1
    task.clear()
    assert task.run(submit()) != first  # a person wants a new one
    assert simulator.journal.jobs_started == 2


def test_a_submit_task_does_not_hand_over_a_job_that_failed(aso: Aso, task: OneTask) -> None:
    simulator = aso(processing_seconds=None)
    first = task.run(submit())
    simulator.job().finish("failed")
    assert task.run(submit()) != first


def test_a_sensor_that_finds_the_job_ended(aso: Aso, task: OneTask) -> None:
    aso(processing_seconds=0)
    job = OneTask().run(submit())
    assert task.run(sensor(job))["job_id"] == job["job_id"]
    assert not task.deferrals


@pytest.mark.parametrize(("outcome", "error"), [("failed", JobFailedError), ("cancelled", JobCancelledError)])
@pytest.mark.parametrize("processing", [0, 0.4])
def test_a_sensor_fails_as_the_job_did(
    aso: Aso, task: OneTask, outcome: str, error: type[JobError], processing: float
) -> None:
    aso(processing_seconds=processing, outcome=outcome)
    job = OneTask().run(submit())
    with pytest.raises(error, match=f"GET {ITEMS}"):
        task.run(sensor(job))


def test_a_sensor_s_deadline_is_its_own(aso: Aso, task: OneTask) -> None:
    aso(processing_seconds=None)
    job = OneTask().run(submit())
    with pytest.raises(JobTimeoutError):
        task.run(sensor(job, timeout=0.5))


@pytest.mark.parametrize(
    ("fault", "options"), [("http_status", {"status": 503}), ("garbage", {}), ("reset", {})]
)
def test_a_sensor_waits_out_a_trouble_at_its_first_look(
    aso: Aso, task: OneTask, fault: str, options: dict[str, Any]
) -> None:
    simulator = aso(processing_seconds=0)
    job = OneTask().run(submit())
    simulator.faults.add("status", fault, times=2, **options)
    assert task.run(sensor(job))["job_id"] == job["job_id"]
    assert len(task.deferrals) == 1


@pytest.mark.usefixtures("cancellable")
@pytest.mark.parametrize(("given", "times"), [({}, 0), ({"cancel_on_kill": True}, 1)])
def test_a_sensor_cancels_nothing_unless_asked_to(
    server: Callable[..., ByteServer], task: OneTask, given: dict[str, Any], times: int
) -> None:
    found = server(PROCESSING)
    job = JobHandle("jaggaer_aso", "x", time.time(), found.origin + "/s").to_dict()
    operator = sensor(job, **given)()
    with pytest.raises(TaskDeferred):
        operator.execute(task.context)
    found.steps.append(status(204))
    operator.on_kill()
    assert cancels(found) == times


def test_a_transfer_before_the_job_has_ended(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    aso(processing_seconds=None)
    job = OneTask().run(submit())
    with pytest.raises(JobError, match="AsyncJobSensor"):
        task.run(fetch(job, tmp_path / "x"))


def test_a_transfer_of_a_job_that_failed(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    aso(processing_seconds=0, outcome="failed")
    job = OneTask().run(submit())
    with pytest.raises(JobFailedError):
        task.run(fetch(job, tmp_path / "x"))


def test_a_transfer_of_a_result_that_is_gone(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    aso(processing_seconds=0, result_expires=0)
    job = OneTask().run(submit())
    with pytest.raises(AsyncJobError, match="expired"):
        task.run(fetch(job, tmp_path / "x"))


def test_a_transfer_to_what_is_there_already(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso()
    (tmp_path / "x").write_bytes(b"old")
    assert task.run(fetch({"protocol": "jaggaer_aso", "job_id": "x"}, tmp_path / "x", if_exists="skip"))[
        "skipped"
    ]
    assert not simulator.journal.entries()


@pytest.mark.parametrize("job", [None, "text", {}])
def test_what_is_no_job_is_a_configuration_error(aso: Aso, task: OneTask, tmp_path: Path, job: Any) -> None:
    aso()
    for make in (sensor(job), fetch(job, tmp_path / "x")):
        with pytest.raises(ConfigurationError):
            task.run(make)


def test_an_unreadable_answer_that_stays(aso: Aso, task: OneTask, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=None)
    simulator.faults.add("status", "garbage", times=None, body="<html>the gateway's page</html>")
    with pytest.raises(UnreadableAnswerError, match="the gateway's page"):
        task.run(download(tmp_path / "x", max_outage=0.3))


# -- what remotes with more to offer than ASO make possible


@pytest.mark.usefixtures("cancellable")
def test_clearing_a_waiting_task_cancels_its_job_and_starts_a_new_one(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path
) -> None:
    found = server()
    found.steps.append(accepted(found))
    task.begin(download(tmp_path / "x"))
    task.clear()
    found.steps.extend([PROCESSING, status(204), accepted(found)])
    task.begin(download(tmp_path / "x"))
    assert [r.method for r in found.requests] == ["GET", "GET", "DELETE", "GET"]


def test_a_job_that_was_started_but_not_noted_is_found_by_its_name(
    aso: Aso, task: OneTask, tmp_path: Path
) -> None:
    simulator = aso(processing_seconds=0)
    job = OneTask().run(submit())
    asked_for: list[str] = []

    class Findable(JaggaerAsoDownloadOperator):
        def find_started(self, run: Any, correlation_id: str) -> JobHandle | None:
            asked_for.append(correlation_id)
            return JobHandle.from_dict({**job, "data": {}})

    intent(task)
    result = task.run(
        lambda: Findable(
            task_id="t", endpoint=ITEMS, destination=str(tmp_path / "x"), poll_interval=0.04, timeout=30
        )
    )
    assert asked_for == ["0" * 32]
    assert result["bytes"] == 5000
    assert simulator.journal.jobs_started == 1
    assert f"GET {ITEMS}" in str(task.deferrals)  # it has its label again


class Moving(JaggaerAsoProtocol):
    """A remote that moves its monitor with every answer, as some conventions allow."""

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        number = int(response.json_object()["n"])
        state = JobState.FAILED if number == 9 else JobState.RUNNING
        return JobStatus(state, remote_status=f"step {number}", status_url=f"/s/{number + 1}")


def test_the_truth_is_read_where_the_monitor_is_now(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "protocol_class", lambda name: Moving)
    found = server()
    found.steps.append(accepted(found))
    make = download(tmp_path / "x")
    task.begin(make)
    found.steps.extend(status(200, b'{"n": %d}' % n) for n in (7, 8, 9))
    event = {
        "version": 1,
        "state": "failed",
        "remote_status": "step 9",
        "via": "poll",
        "polls": 1,
        "errors": 0,
    }
    with pytest.raises(JobFailedError):
        make().execute_complete(task.context, event=event, **task.deferrals[0])
    assert [r.target for r in found.requests[1:]] == ["/s", "/s/8", "/s/9"]


def test_a_monitor_that_never_stops_moving_is_not_followed_for_ever(
    server: Callable[..., ByteServer], task: OneTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "protocol_class", lambda name: Moving)
    found = server()
    found.steps.append(accepted(found))
    make = download(tmp_path / "x")
    task.begin(make)
    found.steps.extend(status(200, b'{"n": %d}' % n) for n in range(100, 200))
    event = {"version": 1, "state": "failed", "remote_status": "?", "via": "poll", "polls": 1, "errors": 0}
    with pytest.raises(TaskDeferred):
        make().execute_complete(task.context, event=event, **task.deferrals[0])
    assert len(found.requests) < 10
