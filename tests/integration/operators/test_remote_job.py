# SPDX-License-Identifier: Apache-2.0
"""
Jobs that a function starts, with the real receiver on a real socket; Airflow's part is played.

A sender is whoever has the address: here a thread with ``requests``.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_async_provider._callbacks import merging
from airflow_async_provider._callbacks.registration import MAILBOX_KEY, Delivery
from airflow_async_provider._jobs.airflow_exceptions import AirflowSkipException
from airflow_async_provider.errors import (
    CallbackError,
    ConfigurationError,
    DownloadError,
    JobCancelledError,
    JobFailedError,
    JobHeartbeatTimeoutError,
    JobTimeoutError,
    ResultLimitError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.operators import _remote_job_arguments as arguments_of
from airflow_async_provider.operators.remote_job import Callback, RemoteJob, RemoteJobOperator, Submission
from airflow_async_provider.triggers import async_job
from tests.support.callback_world import logged
from tests.support.harness.calling_remote import CallingRemote, calling_remote
from tests.support.played_airflow import PlayedAirflow, airflow  # noqa: F401 - a fixture

#: A moment in which a task that waits is surely deferred, and which nothing depends on.
MOMENT = 0.3


class Killed(BaseException):
    """A worker that is killed at this very place."""


def post(callback: Callback, body: Any = None, **options: Any) -> int:
    """One delivery, as a shell script or a remote system sends it."""
    with requests.Session() as session:
        session.trust_env = False
        data = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        answer = session.post(options.pop("url", callback.url), data=data, timeout=30, **options)
    return answer.status_code


class Sender:
    """A start function whose remote system sends the given bodies, one after the other, and an id."""

    def __init__(self, *bodies: Any, job_id: Any = "j1", pause: float = MOMENT, **options: Any) -> None:
        self.bodies = bodies
        self.job_id = job_id
        self.pause = pause
        self.options = options
        self.submissions: list[Submission] = []
        self.answers: list[int] = []
        self._threads: list[threading.Thread] = []

    def __call__(self, submission: Submission) -> Any:
        self.submissions.append(submission)
        thread = threading.Thread(target=self._send, args=(submission.callback,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return self.job_id

    def _send(self, callback: Callback | None) -> None:
        for body in self.bodies:
            time.sleep(self.pause)
            self.answers.append(post(callback, body, **self.options))

    def join(self) -> list[int]:
        for thread in self._threads:
            thread.join(20)
        return self.answers


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trigger looks into the mailbox soon; heartbeats may be short, and each of them is written."""
    monkeypatch.setattr(async_job, "SLACK", 0.05)
    monkeypatch.setattr(arguments_of, "MIN_HEARTBEAT_TIMEOUT", 0.1)
    # One a second is written: with a timeout of a second, the others would be missed.
    monkeypatch.setattr(merging, "HEARTBEAT_PAUSE", 0.0)


@pytest.fixture
def try_(airflow: PlayedAirflow) -> Callable[..., Any]:
    """One try of a task."""

    def run(start: Callable[..., Any], **changes: Any) -> Any:
        given = {"callback_base_url": airflow.url, "timeout": 15, **changes}
        return airflow.run(lambda: RemoteJobOperator(task_id="t", start=start, **given))

    return run


@pytest.fixture(scope="module")
def remote() -> Iterator[CallingRemote]:
    """A remote system that can be asked."""
    with calling_remote() as server:
        yield server


# -- what a callback may say


@pytest.mark.parametrize(
    ("body", "options", "result"),
    [
        ({"state": "succeeded", "result": {"rows": [1, 2]}}, {}, {"rows": [1, 2]}),
        ({"state": "succeeded"}, {}, None),
        ({"state": " Succeeded ", "result": 0}, {}, 0),
        (
            "state=succeeded&result=s3%3A%2F%2Fb%2Fk",
            {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            "s3://b/k",
        ),
        (
            '{"state": "succeeded", "result": [1]}',
            {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},  # curl -d
            [1],
        ),
    ],
)
def test_a_callback_says_that_the_job_succeeded_and_brings_the_result(
    airflow: PlayedAirflow,
    try_: Any,
    body: Any,
    options: Any,
    result: Any,
) -> None:
    sender = Sender(body, **options)
    assert try_(sender) == result
    assert sender.join() == [200]
    assert airflow.deferrals == 1


def test_the_secret_may_go_in_a_header(airflow: PlayedAirflow, try_: Any) -> None:
    def start(submission: Submission) -> str:
        callback = submission.callback
        assert callback.secret not in callback.address
        assert callback.secret not in repr(submission)
        assert post(callback, {"state": "succeeded", "result": 1}, url=callback.address) == 401
        sent = post(
            callback, {"state": "succeeded", "result": 1}, url=callback.address, headers=callback.headers
        )
        assert sent == 200
        return "j"

    assert try_(start) == 1
    assert airflow.deferrals == 0  # it was there before the task could defer


def test_a_callback_says_why_the_job_failed_and_a_retry_starts_another(
    airflow: PlayedAirflow, try_: Any
) -> None:
    sender = Sender({"state": "failed", "message": "no disk left"})
    with pytest.raises(JobFailedError, match="no disk left"):
        try_(sender)
    airflow.new_try()
    sender.bodies = ({"state": "cancelled"},)
    with pytest.raises(JobCancelledError):
        try_(sender)
    assert len(sender.submissions) == 2
    one, other = sender.submissions
    assert one.correlation_id != other.correlation_id
    assert one.callback != other.callback


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "has no body"),
        (b"   ", "has no body"),
        (b'{"state": "succee', "neither JSON nor a form"),  # truncated
        (b'{"state": "done"}', "words are"),
        (b'{"status": "succeeded"}', "words are"),
        (b'["succeeded"]', "not a JSON object"),
        (b"\xff\xfe\x00", "neither JSON nor a form"),
        (b'"succeeded"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"state": true}', "words are"),
        (b"9" * 5000, "neither JSON nor a form"),
        (b"[" * 100_000, "neither JSON nor a form"),
    ],
)
def test_what_does_not_say_success_is_none(airflow: PlayedAirflow, try_: Any, body: bytes, why: str) -> None:
    sender = Sender(body)
    with pytest.raises(CallbackError, match=why):
        try_(sender)
    # The job may have done its work: a retry does not start another one.
    airflow.new_try()
    with pytest.raises(CallbackError, match="clear the task"):
        try_(sender)
    assert len(sender.submissions) == 1


def test_a_callback_of_another_form_is_read_by_a_mapping(try_: Any) -> None:
    mapping = {
        "succeeded_if": ["detail.status==COMPLETED"],
        "failed_if": ["detail.error", "detail.status==ABORTED"],
        "running_if": ["detail.status==QUEUED"],
        "result": "detail.output",
        "message": "detail.error.text",
    }
    good = {"detail": {"status": "COMPLETED", "output": {"n": 1}}}
    assert try_(Sender({"detail": {"status": "QUEUED"}}, good), callback_mapping=mapping) == {"n": 1}


@pytest.mark.parametrize(
    ("said", "error", "why"),
    [
        ({"detail": {"status": "COMPLETED", "error": {"text": "half"}}}, JobFailedError, "half"),
        ({"detail": {"status": "PARTIAL"}}, CallbackError, "fits none of"),
    ],
)
def test_a_mapping_takes_nothing_unknown_for_a_success(
    try_: Any, said: Any, error: type[Exception], why: str
) -> None:
    mapping = {
        "succeeded_if": ["detail.status==COMPLETED"],
        "failed_if": ["detail.error"],
        "message": "detail.error.text",
    }
    with pytest.raises(error, match=why):
        try_(Sender(said), callback_mapping=mapping)


def test_a_late_and_a_repeated_callback_change_nothing(airflow: PlayedAirflow, try_: Any) -> None:
    good = {"state": "succeeded", "result": 1}
    sender = Sender(good, good, {"state": "failed", "message": "after all"})
    assert try_(sender) == 1
    assert sender.join() == [200, 200, 200]
    assert airflow.state == "success"


def test_forged_callbacks_are_refused(airflow: PlayedAirflow, try_: Any) -> None:
    good = {"state": "succeeded", "result": 1}
    forged: list[int] = []

    def start(submission: Submission) -> None:
        callback = submission.callback
        head, _, secret = callback.url.rpartition("/")
        forged.append(post(callback, good, url=f"{head}/{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}"))
        forged.append(post(callback, good, url=head))
        forged.append(post(callback, good, url=head, headers={"Authorization": "Bearer x"}))

    with pytest.raises(JobTimeoutError):
        try_(start, timeout=3)
    assert forged == [401, 401, 401]
    assert airflow.deferrals >= 1


def test_a_body_that_is_too_large_fails_the_task(try_: Any) -> None:
    with pytest.raises(CallbackError, match="callback_max_bytes"):
        try_(Sender({"state": "succeeded", "result": "x" * 500}), callback_max_bytes=200)


def test_a_result_beyond_the_bound_of_xcom_wants_a_destination(try_: Any, tmp_path: Path) -> None:
    sender = Sender({"state": "succeeded", "result": "x" * 500})
    with pytest.raises(DownloadError, match="max_xcom_bytes"):
        try_(sender, max_xcom_bytes=200)


def test_a_result_goes_to_a_destination(try_: Any, tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    stored = try_(Sender({"state": "succeeded", "result": {"a": "ü"}}), destination=str(target))
    assert json.loads(target.read_text(encoding="utf-8")) == {"a": "ü"}
    assert (stored["via"], stored["bytes"]) == ("callback", len(target.read_bytes()))


# -- heartbeats


def test_signs_of_life_keep_a_task_waiting_and_wake_nobody(airflow: PlayedAirflow, try_: Any) -> None:
    beats = [{"state": "running", "progress": n / 10, "message": f"part {n}"} for n in range(4)]
    sender = Sender(*beats, {"state": "succeeded", "result": 7}, pause=0.6)
    assert try_(sender, heartbeat_timeout=2.0) == 7
    assert sender.join() == [200] * 5
    assert airflow.deferrals == 1


def test_a_heartbeat_that_stays_away_fails_the_task_and_cancels_the_job(
    airflow: PlayedAirflow, try_: Any
) -> None:
    cancelled: list[RemoteJob] = []
    sender = Sender({"state": "running", "progress": 0.4}, pause=0.1)
    with pytest.raises(JobHeartbeatTimeoutError, match="40%"):
        try_(sender, heartbeat_timeout=2.0, cancel=cancelled.append)
    assert [job.id for job in cancelled] == ["j1"]
    # It was cancelled, so a retry starts another one.
    airflow.new_try()
    sender.bodies = ({"state": "succeeded"},)
    assert try_(sender, heartbeat_timeout=10.0) is None
    assert len(sender.submissions) == 2


def test_one_that_never_comes_is_missed_as_well(try_: Any) -> None:
    with pytest.raises(JobHeartbeatTimeoutError, match="there has been none"):
        try_(Sender(), heartbeat_timeout=0.3)


def test_a_worker_that_waits_itself_misses_it_too(try_: Any) -> None:
    with pytest.raises(JobHeartbeatTimeoutError):
        try_(Sender({"state": "running"}), heartbeat_timeout=1.2, deferrable=False)


def test_silence_adds_up_over_the_worker_s_own_polls(try_: Any) -> None:
    with pytest.raises(JobHeartbeatTimeoutError):
        try_(Sender(), heartbeat_timeout=1.0, poll=lambda job: None, worker_poll_interval=0.3)


# -- polls by a function


def test_a_function_polls_on_the_worker_until_the_job_has_ended(airflow: PlayedAirflow, try_: Any) -> None:
    asked: list[RemoteJob] = []

    def poll(job: RemoteJob) -> Any:
        asked.append(job)
        return {"state": "succeeded", "result": job.data["region"]} if len(asked) == 3 else None

    def start(submission: Submission) -> Any:
        with pytest.raises(RuntimeError, match="callback=False"):
            _ = submission.callback
        return {"job_id": 17, "region": "eu-1"}

    assert try_(start, poll=poll, callback=False, worker_poll_interval=0.05) == "eu-1"
    assert airflow.deferrals == 3
    assert {job.id for job in asked} == {"17"}
    assert asked[0].correlation_id
    assert asked[0].idempotency_key


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("failed", JobFailedError),
        ({"state": "failed", "message": "why"}, JobFailedError),
        ("cancelled", JobCancelledError),
    ],
)
def test_a_function_says_that_the_job_failed(try_: Any, said: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        try_(lambda: "j", poll=lambda job: said, callback=False, worker_poll_interval=0.05)


@pytest.mark.parametrize("said", [True, False, "done", {"state": "ok"}, {}, 1, []])
def test_what_a_function_returns_and_says_nothing_is_no_success(try_: Any, said: Any) -> None:
    given = {"poll": lambda job: said, "callback": False, "worker_poll_interval": 0.05}
    with pytest.raises(UnreadableAnswerError, match="says nothing"):
        try_(lambda: "j", max_outage=0.2, **given)


def test_a_poll_that_fails_for_too_long_is_an_error_and_a_retry_goes_on(
    airflow: PlayedAirflow, try_: Any
) -> None:
    started: list[int] = []
    trouble = [True]

    def start() -> str:
        started.append(1)
        return "j"

    def poll(job: RemoteJob) -> Any:
        if trouble[0]:
            raise ConnectionError("nobody there")
        return "succeeded"

    given = {"poll": poll, "callback": False, "worker_poll_interval": 0.05}
    with pytest.raises(TransientError, match="nobody there"):
        try_(start, max_outage=0.3, **given)
    trouble[0] = False
    airflow.new_try()
    try_(start, **given)
    assert len(started) == 1


def test_a_poll_that_fails_now_and_then_is_repeated(airflow: PlayedAirflow, try_: Any) -> None:
    answers = ["no", None, "no", "no", "succeeded"]

    def poll(job: RemoteJob) -> Any:
        if (said := answers.pop(0)) == "no":
            raise ConnectionError("nobody there")
        return said

    assert try_(lambda: "j", poll=poll, callback=False, worker_poll_interval=0.05) is None
    assert answers == []


def test_done_ask_is_asked_at_once(airflow: PlayedAirflow, try_: Any) -> None:
    asked: list[RemoteJob] = []

    def poll(job: RemoteJob) -> Any:
        asked.append(job)
        return {"state": "succeeded", "result": "told"}

    assert try_(Sender(None), poll=poll, worker_poll_interval=3600) == "told"
    assert len(asked) == 1


def test_done_ask_is_no_success_while_the_job_runs(try_: Any) -> None:
    answers = [None, None, "succeeded"]
    sender = Sender(None, b"", {"state": "running"}, {"state": "succeeded", "result": 2})
    assert try_(sender, poll=lambda job: answers[0], worker_poll_interval=3600) == 2


def test_who_speaks_first_is_heard(airflow: PlayedAirflow, try_: Any) -> None:
    assert try_(Sender(), poll=lambda job: "succeeded", worker_poll_interval=0.05) is None
    airflow.clear()
    good = {"state": "succeeded", "result": 1}
    assert try_(Sender(good), poll=lambda job: None, worker_poll_interval=3600) == 1


# -- polls by a description

DESCRIBED = {
    "poll": "GET jobs/{job_id}",
    "outcome": {"state": "status"},
    "result": {"value": "result"},
    "cancel": "DELETE jobs/{job_id}",
}


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch, remote: CallingRemote) -> dict[str, Any]:
    """Arguments of a task whose job the remote can be asked for."""
    monkeypatch.setenv("AIRFLOW_CONN_OWN_REMOTE", json.dumps({"conn_type": "http", "host": remote.url}))
    return {
        "conn_id": "own_remote",
        "profile": DESCRIBED,
        "poll_interval": 0.05,
        "safety_poll_interval": 0.05,
    }


def start_at(remote: CallingRemote, *, status: str = "running") -> Callable[[Submission], str]:
    """Start a job at the remote with requests, as code of one's own does."""

    def start(submission: Submission) -> str:
        with requests.Session() as session:
            session.trust_env = False
            body = {"n": submission.correlation_id, "callback": None}
            job_id = session.post(f"{remote.url}/jobs", json=body, timeout=30).json()["id"]
        remote.jobs[job_id].status = status
        return str(job_id)

    return start


def test_a_description_asks_for_what_a_function_has_started(
    airflow: PlayedAirflow,
    try_: Any,
    remote: CallingRemote,
    described: dict[str, Any],
) -> None:
    def start(submission: Submission) -> str:
        job_id = start_at(remote)(submission)
        threading.Timer(MOMENT, lambda: setattr(remote.jobs[job_id], "status", "succeeded")).start()
        return job_id

    value = try_(start, callback=False, **described)
    assert value == {"job": list(remote.jobs)[-1]}
    assert airflow.deferrals == 1


def test_a_callback_without_a_result_lets_the_description_fetch_it(
    try_: Any, remote: CallingRemote, described: dict[str, Any]
) -> None:
    def start(submission: Submission) -> str:
        job_id = start_at(remote, status="succeeded")(submission)
        threading.Timer(MOMENT, lambda: post(submission.callback, {"state": "succeeded"})).start()
        return job_id

    slow = {**described, "poll_interval": 3600, "safety_poll_interval": 3600}
    assert try_(start, **slow) == {"job": list(remote.jobs)[-1]}


def test_a_callback_that_says_failed_counts_beside_a_description(
    try_: Any, remote: CallingRemote, described: dict[str, Any]
) -> None:
    def start(submission: Submission) -> str:
        threading.Timer(
            MOMENT, lambda: post(submission.callback, {"state": "failed", "message": "x"})
        ).start()
        return start_at(remote)(submission)

    with pytest.raises(JobFailedError):
        try_(start, **{**described, "poll_interval": 3600, "safety_poll_interval": 3600})


def test_a_passed_deadline_sends_the_described_cancellation(
    try_: Any, remote: CallingRemote, described: dict[str, Any]
) -> None:
    with pytest.raises(JobTimeoutError, match="was cancelled"):
        try_(start_at(remote), callback=False, timeout=0.4, **described)
    assert list(remote.jobs.values())[-1].cancelled == 1


def test_a_request_cancels_where_nothing_polls(
    try_: Any, remote: CallingRemote, described: dict[str, Any]
) -> None:
    with pytest.raises(JobTimeoutError, match="was cancelled"):
        try_(start_at(remote), timeout=0.4, conn_id="own_remote", cancel="DELETE jobs/{job_id}")
    assert list(remote.jobs.values())[-1].cancelled == 1


# -- one submission


def test_a_function_that_raises_may_have_started_something(airflow: PlayedAirflow, try_: Any) -> None:
    calls: list[Submission] = []

    def start(submission: Submission) -> str:
        calls.append(submission)
        raise ConnectionError("the answer was lost")

    with pytest.raises(SubmitUnknownError, match="the answer was lost"):
        try_(start)
    airflow.new_try()
    with pytest.raises(SubmitUnknownError, match="died while it called start"):
        try_(start)
    assert len(calls) == 1
    # A person who has looked clears the task.
    airflow.clear()
    with pytest.raises(SubmitUnknownError):
        try_(start)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("repeatable", "words"),
    [
        (True, "The next try starts it again, with the same idempotency key."),
        (False, "Look at the remote system; if nothing is there, clear this task."),
    ],
)
def test_what_was_started_and_names_no_job_says_what_happens_next(
    try_: Any, repeatable: bool, words: str
) -> None:
    with pytest.raises(SubmitUnknownError, match=f"has probably been started. {words}"):
        try_(lambda submission: object(), repeatable=repeatable)


@pytest.mark.parametrize("error", [SubmitError("full"), AirflowSkipException("nothing to do")])
def test_a_function_may_say_that_it_has_started_nothing(
    airflow: PlayedAirflow,
    try_: Any,
    error: Exception,
) -> None:
    def refused(submission: Submission) -> str:
        raise error

    with pytest.raises(type(error)):
        try_(refused)
    airflow.new_try()
    assert try_(Sender({"state": "succeeded", "result": 1})) == 1


def test_what_is_repeatable_is_started_again_by_the_same_key(airflow: PlayedAirflow, try_: Any) -> None:
    calls: list[Submission] = []

    def start(submission: Submission) -> str:
        calls.append(submission)
        if len(calls) == 1:
            raise ConnectionError
        # The remote system honours the key: it has the job already, and calls the address of the first try.
        threading.Timer(MOMENT, lambda: post(calls[0].callback, {"state": "succeeded", "result": 5})).start()
        return "j"

    with pytest.raises(SubmitUnknownError):
        try_(start, repeatable=True)
    airflow.new_try()
    assert try_(start, repeatable=True) == 5
    assert len({c.correlation_id for c in calls}) == len({c.idempotency_key for c in calls}) == 1


def test_and_a_callback_that_came_between_the_tries_is_not_lost(airflow: PlayedAirflow, try_: Any) -> None:
    def start(submission: Submission) -> str:
        assert post(submission.callback, {"state": "succeeded", "result": 5}) == 200
        raise Killed

    with pytest.raises(Killed):
        try_(start)
    airflow.new_try()
    # It proves that there is a job, and says how it ended.
    assert try_(start) == 5


def test_a_worker_that_is_killed_before_the_handle_is_noted_leaves_a_job_to_be_found(
    airflow: PlayedAirflow,
    try_: Any,
) -> None:
    calls: list[Submission] = []

    def start(submission: Submission) -> str:
        calls.append(submission)
        raise Killed

    def find(submission: Submission) -> str | None:
        assert submission.correlation_id == calls[0].correlation_id
        threading.Timer(MOMENT, lambda: post(calls[0].callback, {"state": "succeeded", "result": 8})).start()
        return "found"

    with pytest.raises(Killed):
        try_(start, find=find)
    airflow.new_try()
    assert try_(start, find=find) == 8
    assert len(calls) == 1


def test_find_may_say_that_there_is_none(airflow: PlayedAirflow, try_: Any) -> None:
    sender = Sender({"state": "succeeded", "result": 9})

    def killed(submission: Submission) -> str:
        raise Killed

    with pytest.raises(Killed):
        try_(killed, find=lambda submission: None)
    airflow.new_try()
    assert try_(sender, find=lambda submission: None) == 9


def test_a_retry_goes_on_with_the_job_and_hears_the_callback_of_the_first_try(
    airflow: PlayedAirflow,
    try_: Any,
    tmp_path: Path,
) -> None:
    sender = Sender({"state": "succeeded", "result": {"a": 1}})
    target = str(tmp_path / "r.json")
    with pytest.raises(ResultLimitError):
        try_(sender, destination=target, max_result_bytes=1)
    airflow.new_try()
    assert try_(sender, destination=target)["bytes"] > 0
    assert len(sender.submissions) == 1


def test_a_person_who_clears_the_task_gets_the_old_job_cancelled_and_a_new_one(
    airflow: PlayedAirflow,
    try_: Any,
) -> None:
    cancelled: list[str] = []
    sender = Sender(job_id="first")
    given = {"cancel": lambda job: cancelled.append(job.id), "cancel_on_kill": True}
    operator = RemoteJobOperator(
        task_id="t", start=sender, callback_base_url=airflow.url, timeout=60, **given
    )
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the deferral, which nobody follows
        operator.execute(airflow.context)
    airflow.clear()
    sender.job_id, sender.bodies = "second", ({"state": "succeeded"},)
    try_(sender, **given)
    assert cancelled == ["first"]
    assert len(sender.submissions) == 2


def test_a_kill_on_the_worker_cancels_by_the_function(airflow: PlayedAirflow) -> None:
    cancelled: list[str] = []
    operator = RemoteJobOperator(
        task_id="t",
        start=lambda: "j7",
        poll=lambda job: operator.on_kill(),
        callback=False,
        cancel=lambda job: cancelled.append(job.id),
        deferrable=False,
        poll_interval=0.05,
        timeout=0.5,
    )
    with pytest.raises(JobTimeoutError):
        operator.execute(airflow.context)
    assert cancelled
    assert set(cancelled) == {"j7"}


# -- secrets


def test_no_secret_is_kept(
    airflow: PlayedAirflow,
    try_: Any,
    caplog: pytest.LogCaptureFixture,
    capsys: Any,
) -> None:
    caplog.set_level("DEBUG")
    sender = Sender({"state": "running"}, {"state": "succeeded", "result": 1})
    try_(sender)
    secret = sender.submissions[0].callback.secret
    for place in (
        logged(caplog) + capsys.readouterr().out,
        repr(airflow.triggers),
        json.dumps(airflow.xcoms),
        json.dumps(airflow.store),
        repr(sender.submissions[0]),
    ):
        assert secret not in place


def test_what_would_store_the_secret_is_refused(try_: Any) -> None:
    with pytest.raises(SubmitUnknownError, match="callback's secret"):
        try_(lambda submission: {"job_id": "j", "told": submission.callback.url})


# -- what is refused where the DAG is parsed


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"callback": False}, "Nothing would tell"),
        ({"callback": False, "poll": print, "heartbeat_timeout": 60}, "nobody sends"),
        ({"heartbeat_timeout": 0.01}, "at least"),
        ({"callback_mapping": {"result": "a"}}, "succeeded_if"),
        ({"callback_mapping": {"suceeded_if": ["a"]}}, "suceeded_if"),
        ({"callback_mapping": {"succeeded_if": ["a"], "result": "a["}}, "result"),
        ({"cancel": "delete"}, "status URL"),
        ({"profile_options": {"a": 1}}, "profile"),
        ({"profile": "tests.support.callback_protocols.Own"}, "description|imported"),
        ({"callbacks": 3, "poll": print}, "several"),
        ({"callbacks": []}, "different names"),
        ({"callbacks": ["a", "a"]}, "different names"),
        ({"callbacks": 101}, "100"),
        ({"callbacks": 3, "wait_for": 4}, "from 1 to 3"),
        ({"wait_for": 1}, "belongs to callbacks"),
        ({"confirm": {"subject": "?", "options": {"Yes": "done"}}}, "must mean one of"),
        ({"confirm": {"options": {"Yes": "succeeded"}}}, "subject"),
        ({"polll": print}, "Did you mean 'poll'"),
    ],
)
def test_what_cannot_be_right_is_refused_where_the_dag_is_parsed(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        RemoteJobOperator(task_id="t", start=print, **arguments)


def test_without_an_address_for_the_callback_nothing_is_started(airflow: PlayedAirflow) -> None:
    called: list[int] = []
    with pytest.raises(ConfigurationError, match="no address"):
        RemoteJobOperator(task_id="t", start=lambda: called.append(1)).execute(airflow.context)
    assert called == []


def test_the_mailbox_holds_what_was_said(airflow: PlayedAirflow, try_: Any) -> None:
    try_(Sender({"state": "succeeded", "result": {"__classname__": "builtins.int"}}))
    delivery = Delivery.from_dict(airflow.xcoms[MAILBOX_KEY])
    assert delivery is not None
    assert (delivery.state, delivery.kept) == ("succeeded", True)


# -- several parties


class Parties:
    """A start function whose parties say something each, one after the other."""

    def __init__(self, said: dict[str, Any], pause: float = 0.15) -> None:
        self.said = said
        self.pause = pause
        self.submissions: list[Submission] = []
        self.answers: dict[str, int] = {}
        self.thread: threading.Thread | None = None

    def __call__(self, submission: Submission) -> None:
        self.submissions.append(submission)
        with pytest.raises(RuntimeError, match="callbacks"):
            _ = submission.callback
        self.thread = threading.Thread(target=self._send, args=(submission,), daemon=True)
        self.thread.start()

    def _send(self, submission: Submission) -> None:
        for name, body in self.said.items():
            time.sleep(self.pause)
            with contextlib.suppress(requests.RequestException):  # the test may be over
                self.answers[name] = post(submission.callbacks[name.rstrip("+")], body)

    def join(self) -> dict[str, int]:
        assert self.thread is not None
        self.thread.join(20)
        return self.answers


def good(result: Any = None) -> dict[str, Any]:
    return {"state": "succeeded", "result": result}


BAD = {"state": "failed", "message": "no"}
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("wait_for", "said", "result"),
    [
        ("all", {"a": good(1), "b": good(2), "c": good(3)}, {"a": 1, "b": 2, "c": 3}),
        ("any", {"b": good(2)}, {"b": 2}),
        ("any", {"a": BAD, "c": b"what?", "b": good(2)}, {"b": 2}),
        (2, {"a": good(1), "b": BAD, "c": good(3)}, {"a": 1, "c": 3}),
        # Who repeats itself counts once, and cannot take back what it said.
        (2, {"a": good(1), "a+": good(9), "a++": BAD, "c": good(3)}, {"a": 1, "c": 3}),
        (
            "all",
            {"a": {"state": "running", "progress": 0.5}, "b": good(2), "c": good(3), "a+": good(1)},
            {"a": 1, "b": 2, "c": 3},
        ),
    ],
)
def test_so_many_parties_must_succeed(
    airflow: PlayedAirflow,
    try_: Any,
    wait_for: Any,
    said: Any,
    result: Any,
) -> None:
    parties = Parties(said)
    assert try_(parties, callbacks=NAMES, wait_for=wait_for) == result
    assert set(parties.join().values()) == {200}
    assert airflow.deferrals == 1  # none but the deciding one has woken the task


@pytest.mark.parametrize(
    ("wait_for", "said"),
    [
        ("all", {"a": good(), "b": BAD}),
        ("all", {"a": b""}),
        (2, {"a": BAD, "b": {"state": "cancelled"}}),
        ("any", {"a": BAD, "b": BAD, "c": BAD}),
    ],
)
def test_too_many_that_fail_are_a_failure(try_: Any, wait_for: Any, said: Any) -> None:
    with pytest.raises(JobFailedError, match="needed"):
        try_(Parties(said), callbacks=NAMES, wait_for=wait_for)


def test_fewer_than_needed_are_no_success(try_: Any) -> None:
    with pytest.raises(JobTimeoutError, match="2 of 3"):
        try_(Parties({"a": good(), "b": good()}), callbacks=NAMES, timeout=3)


def test_one_party_cannot_speak_for_another(airflow: PlayedAirflow, try_: Any) -> None:
    forged: list[int] = []

    def start(submission: Submission) -> None:
        a, b = submission.callbacks["a"], submission.callbacks["b"]
        forged.append(post(a, good(), url=f"{b.address}/{a.secret}"))
        assert post(a, good("a")) == 200
        assert post(b, good("b")) == 200

    assert try_(start, callbacks=["a", "b"]) == {"a": "a", "b": "b"}
    assert forged == [401]


def test_parties_may_be_a_number(try_: Any) -> None:
    assert try_(Parties({"1": good(1), "2": good(2)}), callbacks=2) == {"1": 1, "2": 2}


def test_what_parties_have_said_outlives_a_try(airflow: PlayedAirflow, try_: Any) -> None:
    first = Parties({"a": good(1)})

    def killed(submission: Submission) -> None:
        first(submission)
        first.join()

    operator = RemoteJobOperator(
        task_id="t", start=killed, callbacks=["a", "b"], callback_base_url=airflow.url, timeout=60
    )
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the deferral, which nobody follows
        operator.execute(airflow.context)
    airflow.new_try()
    later = threading.Timer(MOMENT, lambda: post(first.submissions[0].callbacks["b"], good(2)))
    later.start()
    assert try_(killed, callbacks=["a", "b"]) == {"a": 1, "b": 2}
    assert len(first.submissions) == 1


def test_each_party_has_to_give_signs_of_life(try_: Any) -> None:
    beats = {f"a{'+' * n}": {"state": "running"} for n in range(12)}
    with pytest.raises(JobHeartbeatTimeoutError):
        try_(Parties(beats, pause=0.3), callbacks=["a", "b"], heartbeat_timeout=1.5)


# -- a person


def browse(url: str, method: str = "GET", **options: Any) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=30, **options)


def pressed(callback: Callback, answer: str, message: str = "") -> Any:
    return browse(callback.confirm_url, "POST", data={"message": message, "answer": answer})


QUESTION = {
    "subject": "Release <the> payment run?",
    "body": "4711 payments & a half",
    "options": {"Release": "succeeded", "Hold back": "failed"},
}


def test_a_person_answers_on_a_page_and_scanners_that_follow_the_link_do_not(
    airflow: PlayedAirflow, try_: Any
) -> None:
    seen: list[Any] = []

    def mail(submission: Submission) -> None:
        callback = submission.callback

        def reads() -> None:
            # a scanner of links
            seen.extend(browse(callback.confirm_url, method) for method in ("GET", "HEAD", "GET"))
            time.sleep(MOMENT)
            assert airflow.state == "deferred"
            seen.append(pressed(callback, "Release", "looked at it"))
            seen.append(pressed(callback, "Hold back"))

        threading.Thread(target=reads, daemon=True).start()

    assert try_(mail, confirm=QUESTION) == {"answer": "Release", "message": "looked at it"}
    airflow.until(lambda: len(seen) == 5)
    page, head, _, thanks, again = seen
    assert (page.status_code, head.status_code) == (200, 405)
    assert "Release &lt;the&gt; payment run?" in page.text
    assert "4711 payments &amp; a half" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "has arrived" in thanks.text
    assert again.status_code == 200


def test_a_no_is_a_failure_with_its_reason(try_: Any) -> None:
    def mail(submission: Submission) -> None:
        threading.Timer(MOMENT, lambda: pressed(submission.callback, "Hold back", "wrong month")).start()

    with pytest.raises(JobFailedError, match="wrong month"):
        try_(mail, confirm=QUESTION)


@pytest.mark.parametrize(
    "body", [b"", b"answer=", b"answer=Rel", b"answer=succeeded", b"state=succeeded", b"\xff"]
)
def test_what_no_button_sends_is_no_answer(airflow: PlayedAirflow, try_: Any, body: bytes) -> None:
    answers: list[Any] = []

    def mail(submission: Submission) -> None:
        answers.append(browse(submission.callback.confirm_url, "POST", data=body))

    with pytest.raises(JobTimeoutError):
        try_(mail, confirm=QUESTION, timeout=0.5)
    assert answers[0].status_code == 400
    assert answers[0].headers["Content-Type"].startswith("text/html")


def test_the_page_is_for_who_has_the_link_and_only_where_a_task_asks(
    airflow: PlayedAirflow, try_: Any
) -> None:
    got: list[Any] = []

    def asks(submission: Submission) -> None:
        callback = submission.callback
        secret = callback.secret
        wrong = callback.confirm_url.replace(secret, ("A" if secret[0] != "A" else "B") + secret[1:])
        got.append([browse(wrong).status_code, browse(wrong, "POST").status_code])
        got.append(browse(callback.confirm_url).status_code)
        got.append(pressed(callback, "Confirm").status_code)

    with pytest.raises(JobTimeoutError):
        try_(asks, timeout=0.5)
    assert got == [[401, 401], 404, 404]
    airflow.clear()
    got.clear()
    assert try_(asks, confirm="Is it so?") == {"answer": "Confirm", "message": ""}
    assert got == [[401, 401], 200, 200]


def test_any_of_several_persons_may_answer(try_: Any) -> None:
    def mail(submission: Submission) -> None:
        bob = submission.callbacks["bob"]
        assert "For bob." in browse(bob.confirm_url).text
        threading.Timer(MOMENT, lambda: pressed(bob, "Release")).start()

    value = try_(mail, confirm=QUESTION, callbacks=["alice", "bob"], wait_for="any")
    assert value == {"bob": {"answer": "Release", "message": ""}}
