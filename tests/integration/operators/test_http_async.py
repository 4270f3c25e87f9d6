# SPDX-License-Identifier: Apache-2.0
"""The generic operator and sensor against the simulated conventions: worker, triggerer, retries, results."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

try:
    from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from airflow_async_provider._callbacks.registration import Registration
from airflow_async_provider._download.destination.local_file import LocalFile
from airflow_async_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    DescriptionError,
    DownloadError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    JobTimeoutError,
    OriginError,
    RequestRefusedError,
    ResultExpiredError,
    SubmitError,
    SubmitUnknownError,
)
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols import (
    Headers,
    HttpRequest,
    HttpResponse,
    JobHandle,
    JobProtocol,
    JobState,
    JobStatus,
    Submitted,
)
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol
from airflow_async_provider.protocols._registry import protocol_for
from airflow_async_provider.protocols._signature_forms import SCHEMES
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator
from tests.support.ending import end_after

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

Start = Callable[..., HttpAsyncSimulator]

STATUS = {"status_path": "status_field/jobs/{job_id}"}
#: (profile, endpoint of the simulator, options)
CONVENTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "location": ("location", "location/jobs", {}),
    "azure": ("azure", "azure/jobs", {}),
    "azure_arm": ("azure", "azure_arm/jobs", {}),
    "azure_location": ("azure", "azure_location/jobs", {}),
    "google": ("google", "google/v1/reports:export", {"operation_path": "google/v1/{job_id}"}),
    "odata": ("odata", "odata/Reports", {}),
    "odata40": ("odata", "odata40/Reports", {}),
    "status_field": ("status_field", "status_field/jobs", {"result_field": "result"}),
}


class Store(dict[str, Any]):
    """Airflow's task state as an operator sees it, kept across tries."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        del self[key]


def context(store: Store | None = None, max_tries: int = 0) -> Any:
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=max_tries)
    dag_run = SimpleNamespace(clear_number=max_tries)
    return {"ti": ti, "dag_run": dag_run, **({"task_state_store": store} if store is not None else {})}


@pytest.fixture(autouse=True)
def _no_settle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    # Airflow's part, where it keeps no task state: this try is still the task's.
    monkeypatch.setattr("airflow_async_provider._jobs.memory.state_of_task", lambda _: "running")


@pytest.fixture
def start(run_simulator: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Start:
    def begin(**options: Any) -> HttpAsyncSimulator:
        extra = options.pop("extra", {})
        simulator: HttpAsyncSimulator = run_simulator(HttpAsyncSimulator(**options))
        connection = simulator.airflow_connection()
        connection["extra"] = {**connection.get("extra", {}), **extra}
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(connection))
        return simulator

    return begin


def operator(convention: str = "location", **arguments: Any) -> HttpAsyncJobOperator:
    profile, endpoint, options = CONVENTIONS[convention]
    given: dict[str, Any] = {
        "task_id": "t",
        "endpoint": endpoint,
        "profile": profile,
        "profile_options": {**options, **arguments.pop("profile_options", {})},
        "json": {"year": 2026},
        "poll_interval": 0.2,
        "deferrable": False,
        "timeout": 30,
        **arguments,
    }
    return HttpAsyncJobOperator(**given)


def complete(task: Any, ctx: Any) -> Any:
    """Run a task to its end; what it defers to runs in an event loop of its own."""
    try:
        return task.execute(ctx)
    except TaskDeferred as first:
        deferred = first
    while True:
        trigger = deferred.trigger
        path, arguments = trigger.serialize()
        json.dumps(arguments)
        rebuilt = type(trigger)(**arguments)
        assert path == f"{type(trigger).__module__}.{type(trigger).__qualname__}"

        async def first_event(trigger: Any = rebuilt) -> Any:
            async for event in trigger.run():
                return event.payload
            raise AssertionError("the trigger fired no event")

        event = asyncio.run(asyncio.wait_for(first_event(), 30))
        try:
            return getattr(task, deferred.method_name)(ctx, event=event, **(deferred.kwargs or {}))
        except TaskDeferred as again:
            deferred = again


# -- every convention, in the worker and in the triggerer


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_from_start_to_result(start: Start, convention: str, deferrable: bool) -> None:
    simulator = start(processing_seconds=0.3)
    assert complete(operator(convention, deferrable=deferrable), context()) == {"rows": 3}
    assert simulator.journal.jobs_started == 1
    assert simulator.journal.polls >= 1
    assert simulator.job().body == {"year": 2026}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_may_answer_at_once(start: Start, convention: str) -> None:
    simulator = start(synchronous=True)
    given = {"profile_options": {"result_field": "rows"}} if convention == "status_field" else {}
    expected = 3 if convention == "status_field" else {"rows": 3}
    assert complete(operator(convention, deferrable=True, **given), context()) == expected
    assert simulator.journal.polls == 0


@pytest.mark.parametrize("convention", [c for c in CONVENTIONS if c != "location"])
def test_a_failed_job_is_a_failed_task_in_the_remotes_words(start: Start, convention: str) -> None:
    start(processing_seconds=0, outcome="failed")
    with pytest.raises(JobFailedError, match="the simulated job failed"):
        complete(operator(convention), context())


def test_location_has_no_word_for_failure_but_a_4xx_may_be_declared_one(start: Start) -> None:
    start(processing_seconds=0, outcome="failed")
    with pytest.raises(RequestRefusedError, match="422"):
        complete(operator(), context())
    with pytest.raises(JobFailedError, match="the simulated job failed"):
        complete(operator(profile_options={"client_errors_are_final": True}), context())


@pytest.mark.parametrize("convention", ["azure", "google", "status_field"])
def test_a_cancelled_job_is_an_error_of_its_own(start: Start, convention: str) -> None:
    start(processing_seconds=0, outcome="cancelled")
    with pytest.raises(JobCancelledError):
        complete(operator(convention), context())


@pytest.mark.parametrize("place", ["same_origin", "presigned"])
@pytest.mark.parametrize(
    ("convention", "field"),
    [
        ("location", None),
        ("azure", "properties.outputUrl"),
        ("google", "response.outputUri"),
        ("odata", None),
        ("status_field", "resultUrl"),
    ],
)
def test_a_result_url_is_followed_with_credentials_only_on_the_own_origin(
    start: Start, convention: str, field: str | None, place: str
) -> None:
    simulator = start(processing_seconds=0, place=place)
    options: dict[str, Any] = (
        {"profile_options": {"result_field": None}} if convention == "status_field" else {}
    )
    if field is not None and not (convention == "azure" and place == "same_origin"):
        options["result_url_field"] = field
    assert complete(operator(convention, **options), context()) == {"rows": 3}
    (download,) = simulator.journal.entries("result")
    assert (download.auth_scheme is not None) is (place == "same_origin")
    assert download.listener == ("api" if place == "same_origin" else "results")


def test_a_users_own_class_by_its_path(start: Start) -> None:
    simulator = start(processing_seconds=0.2)
    task = operator(profile=f"{OwnProtocol.__module__}.OwnProtocol", deferrable=False)
    assert complete(task, context()) == {"rows": 3}
    assert simulator.journal.entries("submit")[0].has_header("X-Own")


class OwnProtocol(LocationProtocol):
    """A user's: the same, with a header."""

    def submit(self, *args: Any, **kwargs: Any) -> HttpRequest:
        return super().submit(*args, **{**kwargs, "headers": {"X-Own": "1"}})


class PlainProtocol(JobProtocol):
    """A user's, from nothing: 202 with a path in the body, and the one word "ready"."""

    name = f"{__name__}.PlainProtocol"

    def __init__(self, word: str = "ready") -> None:
        self.word = word

    def options(self) -> dict[str, Any]:
        return {"word": self.word}

    def submit(self, method: str, endpoint: str, *, json: Any = None, params: Any = None) -> HttpRequest:
        return HttpRequest(method, endpoint, json=json, params=params, repeatable=False)

    def read_submit(self, response: HttpResponse) -> Submitted:
        job_id = response.json_object()["id"]
        path = f"status_field/jobs/{job_id}"
        return Submitted(JobHandle(self.name, job_id, response.received_at, path, options=self.options()))

    def status(self, handle: JobHandle) -> HttpRequest:
        return HttpRequest("GET", str(handle.status_url))

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        word = response.json_object()["status"]
        return JobStatus(JobState.SUCCEEDED if word == self.word else JobState.RUNNING, remote_status=word)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_users_own_protocol_that_is_no_profile(start: Start, deferrable: bool) -> None:
    simulator = start(processing_seconds=0.2)
    arguments: dict[str, Any] = {"profile": PlainProtocol.name, "profile_options": {"word": "completed"}}
    task = operator("status_field", deferrable=deferrable, **arguments)
    task.profile_options = {"word": "completed"}
    assert complete(task, context()) is None
    assert simulator.journal.jobs_started == 1
    task = operator("status_field", **arguments)
    task.profile_options = {"colour": 1}
    with pytest.raises(ConfigurationError, match="does not take these options"):
        complete(task, context())


# -- waiting


@pytest.mark.parametrize("deferrable", [False, True])
def test_404_while_running_where_allowed(start: Start, deferrable: bool) -> None:
    start(processing_seconds=0.2, not_found_first=2)
    options = {"not_found_means_running": True}
    assert complete(operator(profile_options=options, deferrable=deferrable), context()) == {"rows": 3}
    with pytest.raises(RequestRefusedError, match="404"):
        complete(operator(deferrable=deferrable), context())


@pytest.mark.parametrize("deferrable", [False, True])
def test_relative_addresses(start: Start, deferrable: bool) -> None:
    start(processing_seconds=0.2, relative_urls=True)
    for convention in CONVENTIONS:
        assert complete(operator(convention, deferrable=deferrable), context()) == {"rows": 3}


@pytest.mark.parametrize("convention", ["location", "odata"])
def test_a_monitor_that_moves_is_followed(start: Start, convention: str) -> None:
    start(processing_seconds=0.7, moving=True)
    assert complete(operator(convention), context()) == {"rows": 3}


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_sets_the_pace(start: Start, as_date: bool) -> None:
    simulator = start(processing_seconds=None, retry_after=2, retry_after_as_date=as_date)
    end_after(simulator, 1)
    complete(operator(poll_interval=0.05), context())
    first, second = simulator.journal.entries("status")
    assert second.at - first.at >= 0.9  # a date has whole seconds; its own pace is 0.05


def test_an_error_of_the_monitor_is_no_failure_of_the_job(start: Start) -> None:
    simulator = start(processing_seconds=0.3)
    simulator.faults.add("status", "http_status", status=503, times=1)
    simulator.faults.add("status", "garbage", times=1)
    assert complete(operator("azure", deferrable=True), context()) == {"rows": 3}
    assert simulator.journal.jobs_started == 1


def test_bad_credentials_end_the_wait_at_once(start: Start) -> None:
    simulator = start(processing_seconds=None)
    simulator.faults.add("status", "http_status", status=401, times=None)
    with pytest.raises(AuthenticationError):
        complete(operator("azure", deferrable=True), context())
    assert simulator.journal.polls <= 2


def test_unknown_words_mean_running(start: Start) -> None:
    simulator = start(processing_seconds=None, words={"running": "SHUFFLING"})
    end_after(simulator, 6)
    assert complete(operator("status_field", poll_interval=0.05, max_poll_interval=0.1), context()) == {
        "rows": 3
    }
    assert simulator.journal.polls > 6  # more than unreadable answers would have been borne


def test_words_are_arguments(start: Start) -> None:
    start(processing_seconds=0.2, words={"running": "LAEUFT", "succeeded": "FERTIG", "failed": "KAPUTT"})
    options = {"succeeded": ["fertig"], "failed": ["kaputt"]}
    assert complete(operator("status_field", profile_options=options), context()) == {"rows": 3}


def test_a_redirect_of_the_monitor_to_an_allowed_place_is_followed(start: Start) -> None:
    simulator = start(processing_seconds=0, place="same_origin")
    task = operator()
    assert complete(task, context()) == {"rows": 3}
    assert [e.auth_scheme for e in simulator.journal.entries("result")] == ["Basic"]


def test_a_redirect_to_a_login_page_can_be_declared_an_error(start: Start) -> None:
    simulator = start(processing_seconds=None)
    simulator.faults.add("status", "redirect", location="http://localhost:1/login", times=None)
    with pytest.raises(OriginError, match="allowed_hosts"):
        complete(operator(profile_options={"redirect_means_done": False}), context())


def test_a_status_url_elsewhere_gets_no_credentials(start: Start) -> None:
    simulator = start(processing_seconds=None)
    simulator.faults.add(
        "submit", "alter", remove=["statusUrl"], update={"statusUrl": simulator.url_of("results") + "/steal"}
    )
    with pytest.raises(OriginError, match="allowed_hosts"):
        complete(operator("status_field"), context())
    assert simulator.journal.count("unknown") == 0


# -- the end that is not one


@pytest.mark.parametrize(
    ("convention", "cancel"),
    [
        ("location", "delete"),
        ("azure", "POST {status_url}:cancel"),
        ("google", None),
        ("odata", None),
        ("status_field", "status_field/jobs/{job_id}/cancel"),
    ],
)
def test_a_deadline_cancels_the_remote_job(start: Start, convention: str, cancel: str | None) -> None:
    simulator = start(processing_seconds=None)
    with pytest.raises(JobTimeoutError, match="cancelled at the remote"):
        complete(operator(convention, cancel=cancel, timeout=0.3), context())
    assert simulator.job().state == "cancelled"


@pytest.mark.parametrize("cancel", [False, None])
def test_a_job_that_cannot_be_cancelled_is_said_to_run_on(start: Start, cancel: Any) -> None:
    simulator = start(processing_seconds=None)
    with pytest.raises(JobTimeoutError, match="may still be running"):
        complete(operator("location", cancel=cancel, timeout=0.3), context())
    assert simulator.job().state == "running"
    with pytest.raises(JobTimeoutError, match="may still be running"):
        complete(operator("odata", cancel=False, timeout=0.3), context())


def test_a_killed_task_cancels_the_remote_job(start: Start) -> None:
    simulator = start(processing_seconds=None)
    task = operator("odata", deferrable=True)
    with pytest.raises(TaskDeferred):
        task.execute(context())
    task.on_kill()
    assert simulator.job().state == "cancelled"


# -- one submission


def test_a_retry_goes_on_with_the_job_of_the_try_before(start: Start) -> None:
    simulator = start(processing_seconds=None)
    store = Store()
    with pytest.raises(TaskDeferred):
        operator(deferrable=True).execute(context(store))
    simulator.job().finish()
    assert complete(operator(), context(store)) == {"rows": 3}
    # Airflow may not have heard of that success, as the worker was killed at that very moment.
    assert complete(operator(), context(store)) == {"rows": 3}
    assert simulator.journal.jobs_started == 1
    with pytest.raises(TaskDeferred):  # a person has cleared the task
        operator(deferrable=True).execute(context(store, max_tries=1))
    assert simulator.journal.jobs_started == 2


def test_the_same_idempotency_key_on_every_try_finds_the_first_job(start: Start) -> None:
    simulator = start(processing_seconds=0.2)
    simulator.faults.add("submit", "reset", processed=True, times=1)
    assert complete(operator(idempotency_key=True), context(Store())) == {"rows": 3}
    assert simulator.journal.jobs_started == 1
    assert simulator.journal.noted("idempotent_replay") == 1


@pytest.mark.parametrize("has_memory", [True, False])
def test_a_later_try_sends_the_same_key(start: Start, has_memory: bool) -> None:
    simulator = start(processing_seconds=0.2)
    store = Store() if has_memory else None
    simulator.faults.add("submit", "http_status", status=500, processed=True, times=5)
    with pytest.raises(Exception, match="HTTP 500"):
        complete(_impatient(), context(store))
    simulator.faults.clear()
    assert complete(operator(idempotency_key=True), context(store)) == {"rows": 3}
    assert simulator.journal.jobs_started == 1


def test_a_cleared_task_sends_another_key(start: Start) -> None:
    simulator = start(processing_seconds=0)
    for max_tries in (0, 1):
        complete(operator(idempotency_key=True), context(None, max_tries))
        complete(operator(idempotency_key=True), context(Store(), max_tries))
    assert simulator.journal.jobs_started == 4


def test_clearing_helps_where_the_remote_refuses_every_poll_for_a_cancelled_job(start: Start) -> None:
    simulator, store = start(processing_seconds=0), Store()
    simulator.script(outcome="cancelled")
    for _ in range(2):  # a retry starts nothing: who knows what the refusal means
        with pytest.raises(RequestRefusedError, match="422"):
            complete(operator(), context(store))
    assert complete(operator(), context(store, max_tries=1)) == {"rows": 3}
    assert simulator.journal.jobs_started == 2


def _impatient() -> HttpAsyncJobOperator:
    """One whose worker gives up at the first answer, as a killed one does."""
    task = operator(idempotency_key=True)
    hook = task.hook

    def once(protocol: Any, request: Any, **_: Any) -> Any:
        return protocol.read_submit(hook.call(request))

    hook.start = once  # type: ignore[method-assign] # the retries of the hook are not what is tried out
    return task


def test_a_key_of_the_authors_and_a_required_one(start: Start) -> None:
    simulator = start(processing_seconds=0, idempotency="required")
    with pytest.raises(SubmitError, match="Idempotency-Key is missing"):
        complete(operator(), context())
    assert complete(operator(idempotency_key="order-7"), context()) == {"rows": 3}
    with pytest.raises(SubmitError, match="another body"):
        complete(operator(idempotency_key="order-7", json={"year": 1999}), context())
    assert simulator.journal.jobs_started == 1


def test_a_conflict_over_a_key_waits_for_the_first_request(start: Start) -> None:
    simulator = start(processing_seconds=0, accepting_seconds=0.5)
    thread = threading.Thread(target=lambda: complete(operator(idempotency_key="k"), context()))
    thread.start()
    assert simulator.journal.wait(lambda journal: journal.submits == 1)
    assert complete(operator(idempotency_key="k"), context()) == {"rows": 3}
    thread.join(10)
    assert simulator.journal.jobs_started == 1
    assert 409 in [entry.status for entry in simulator.journal.entries("submit")]


def test_a_lost_answer_to_a_post_is_not_answered_by_a_second_one(start: Start) -> None:
    simulator = start(processing_seconds=None)
    simulator.faults.add("submit", "reset", processed=True, times=None)
    with pytest.raises(SubmitUnknownError):
        complete(operator(), context())
    assert simulator.journal.submits == 1


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_post_that_was_sent_elsewhere_may_be_sent_again(start: Start, status: int) -> None:
    simulator = start(processing_seconds=0)
    simulator.faults.add("submit", "redirect", location="https://login.example/", status=status)
    store = Store()
    with pytest.raises(OriginError, match=rf"HTTP {status} .*login\.example"):
        complete(operator(), context(store))
    assert complete(operator(), context(store)) == {"rows": 3}  # the next try, when it is repaired
    assert simulator.journal.jobs_started == 1


@pytest.mark.parametrize("status", [302, 303])
def test_a_post_that_led_elsewhere_may_have_started_a_job(start: Start, status: int) -> None:
    simulator = start(processing_seconds=0)
    simulator.faults.add("submit", "redirect", location="https://login.example/", status=status)
    store = Store()
    with pytest.raises(OriginError):
        complete(operator(), context(store))
    with pytest.raises(SubmitUnknownError):
        complete(operator(), context(store))
    assert simulator.journal.submits == 1


def test_a_try_that_died_while_it_submitted(start: Start) -> None:
    simulator = start(processing_seconds=0)
    store = Store(async_job={"version": 1, "correlation_id": "i", "max_tries": 0})
    with pytest.raises(SubmitUnknownError, match="idempotency_key=True"):
        complete(operator(), context(store))
    assert simulator.journal.submits == 0
    # A person's clearing, an idempotent method, the author's word: each lets it go on.
    assert complete(operator(), context(store, max_tries=1)) == {"rows": 3}
    for arguments in ({"method": "PUT"}, {"repeatable": True}, {"idempotency_key": True}):
        died = Store(async_job={"version": 1, "correlation_id": "i", "max_tries": 0})
        assert complete(operator(**arguments), context(died)) == {"rows": 3}


def test_a_synchronous_answer_that_was_lost_with_its_worker(start: Start, tmp_path: Path) -> None:
    simulator = start(synchronous=True)
    store = Store()
    (tmp_path / "file").write_text("in the way")
    bad = str(tmp_path / "file" / "below")
    with pytest.MonkeyPatch.context() as later:
        later.setattr(LocalFile, "check", lambda self: None)  # it gets in the way while the job runs
        with pytest.raises(Exception, match="file"):
            complete(operator(destination=bad), context(store))
    with pytest.raises(JobExpiredError, match="not kept"):
        complete(operator(), context(store))
    assert simulator.journal.jobs_started == 1
    assert complete(operator(repeatable=True), context(store)) == {"rows": 3}


def test_a_lost_put_is_sent_again(start: Start) -> None:
    simulator = start(processing_seconds=0)
    simulator.faults.add("submit", "reset", times=1)
    assert complete(operator(method="PUT"), context()) == {"rows": 3}
    assert simulator.journal.submits == 2


# -- what is sent


def test_prefer_wait_saves_the_wait(start: Start) -> None:
    simulator = start(processing_seconds=0.1)
    assert complete(operator(prefer_wait=10), context()) == {"rows": 3}
    assert simulator.journal.polls == 0
    assert simulator.journal.entries("submit")[0].shown["Prefer"] == "respond-async, wait=10"


def test_query_headers_and_raw_bodies(start: Start) -> None:
    simulator = start(
        processing_seconds=0, api_key="k", extra={"X-API-Key": "k", "verify": False, "timeout": 5}
    )
    task = operator(
        json=None,
        data={"a": ["1", "2"], "b": "ü"},
        params={"q": "x y", "none": None},
        headers={"x-api-key": "k", "X-Tenant": "7"},
    )
    assert complete(task, context()) == {"rows": 3}
    (entry,) = simulator.journal.entries("submit")
    assert entry.query_names == ("q",)
    assert entry.shown["Content-Type"] == "application/x-www-form-urlencoded"
    assert entry.has_header("X-Tenant")
    names = [name.lower() for name in entry.header_names]
    assert not {"verify", "timeout"} & set(names)
    assert len(names) == len(set(names))
    assert {"x-api-key"} <= {n.lower() for e in simulator.journal.entries("status") for n in e.header_names}


@pytest.mark.parametrize("data", ["plain ü", b"\x00\xff"])
def test_raw_bodies(start: Start, data: str | bytes) -> None:
    simulator = start(processing_seconds=0)
    task = operator(json=None, data=data, headers={"Content-Type": "application/x-acme"})
    assert complete(task, context()) == {"rows": 3}
    assert simulator.journal.entries("submit")[0].shown["Content-Type"] == "application/x-acme"


def test_a_refused_submission_says_why_and_starts_nothing(start: Start) -> None:
    simulator = start()
    simulator.faults.add("submit", "http_status", status=400, body='{"message": "no such year"}')
    with pytest.raises(SubmitError, match="no such year"):
        complete(operator(), context())
    assert simulator.journal.jobs_started == 0


def test_an_accepted_answer_that_names_no_job(start: Start) -> None:
    simulator = start()
    simulator.faults.add("submit", "http_status", status=202)
    with pytest.raises(DescriptionError, match="status_field"):
        complete(operator(), context())
    simulator.faults.add("submit", "http_status", status=202)
    with pytest.raises(DescriptionError, match="status_field"):
        complete(operator(repeatable=True), context())


# -- results


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_body_goes_to_the_destination_byte_by_byte(start: Start, tmp_path: Path, deferrable: bool) -> None:
    simulator = start(processing_seconds=0.2, result_bytes=300_000, result_content_type="application/zip")
    target = tmp_path / "out.zip"
    report = complete(operator(destination=str(target), deferrable=deferrable), context())
    assert target.read_bytes() == simulator.job().content.read()
    assert (report["bytes"], report["sha256"]) == (300_000, simulator.job().content.sha256)
    assert report["seconds"] >= 0


def test_a_result_url_is_streamed_to_the_destination(start: Start, tmp_path: Path) -> None:
    simulator = start(processing_seconds=0, place="presigned", result_bytes=5_000_000)
    simulator.faults.add("result", "cut", after_bytes=1_000_000)
    report = complete(operator(destination=str(tmp_path / "big")), context())
    assert (report["sha256"], report["resumes"]) == (simulator.job().content.sha256, 1)


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("convention", ["location", "odata", "azure_location"])
def test_a_body_larger_than_any_answer_is_streamed_to_the_destination(
    start: Start, tmp_path: Path, convention: str, deferrable: bool
) -> None:
    size = 40_000_000  # more than the transport takes for an answer
    simulator = start(processing_seconds=0.2, result_bytes=size)
    target = tmp_path / "big"
    report = complete(operator(convention, destination=str(target), deferrable=deferrable), context())
    assert (report["bytes"], report["sha256"]) == (size, simulator.job().content.sha256)
    # What was not wanted was not read either: only the last request was for the whole.
    assert all(entry.sent < size for entry in simulator.journal.entries("status")[:-1])


def test_the_last_address_may_be_streamed_from_again(start: Start, tmp_path: Path) -> None:
    simulator = start(processing_seconds=0, result_bytes=2_000_000)
    options = {"refetch_result": True}
    report = complete(operator(destination=str(tmp_path / "big"), profile_options=options), context())
    assert report["sha256"] == simulator.job().content.sha256
    assert simulator.journal.polls == 2


def test_a_part_of_the_answer_goes_to_the_destination_as_json(start: Start, tmp_path: Path) -> None:
    start(processing_seconds=0, result={"rows": ["ü", 1]})
    target = tmp_path / "rows.json"
    report = complete(
        operator("azure", result_field="result.rows", destination=f"file://{target}"), context()
    )
    assert json.loads(target.read_text("utf-8")) == ["ü", 1]
    assert report["content_type"] == "application/json"
    start(processing_seconds=0, result="text", result_content_type="text/plain")
    complete(operator("azure", result_field="result", destination=str(target)), context())
    assert target.read_text() == "text"


@pytest.mark.parametrize(("result", "kind"), [("a;b\n", "text/csv"), ([1, None, True], "application/json")])
def test_results_are_values(start: Start, result: Any, kind: str) -> None:
    start(processing_seconds=0, result=result, result_content_type=kind)
    assert complete(operator(), context()) == result


@pytest.mark.parametrize("place", ["body", "presigned"])
def test_a_result_that_is_too_large_or_no_text_wants_a_destination(start: Start, place: str) -> None:
    start(processing_seconds=0, result_bytes=100_000, result_content_type="application/zip", place=place)
    with pytest.raises(DownloadError, match="give a destination"):
        complete(operator(), context())
    start(processing_seconds=0, result="x" * 5000, result_content_type="text/plain", place=place)
    assert complete(operator(), context()) == "x" * 5000
    with pytest.raises(DownloadError, match="larger than 4000 bytes"):
        complete(operator(max_xcom_bytes=4000), context())


def test_no_data_is_none_and_may_skip_the_task(start: Start, tmp_path: Path) -> None:
    simulator = start(processing_seconds=None)
    simulator.faults.add("status", "http_status", status=204, times=None)
    assert complete(operator(), context()) is None
    assert complete(operator(destination=str(tmp_path / "x")), context()) is None
    assert not (tmp_path / "x").exists()
    with pytest.raises(AirflowSkipException, match="no data"):
        complete(operator(on_no_data="skip"), context())


def test_a_status_document_is_not_stored_unless_asked_for(start: Start, tmp_path: Path) -> None:
    start(processing_seconds=0)
    target, none = str(tmp_path / "x"), {"result_field": None}
    with pytest.raises(DownloadError, match="is a status document"):
        complete(operator("status_field", destination=target, profile_options=none), context())
    complete(operator("status_field", destination=target, result_field="$"), context())
    assert json.loads(Path(target).read_text("utf-8"))["status"] == "completed"


def test_the_handle_alone_may_be_returned_and_used_by_others(start: Start, tmp_path: Path) -> None:
    simulator = start(processing_seconds=0)
    handle = complete(operator(result="handle"), context())
    assert handle["protocol"] == "http_location"
    json.dumps(handle)
    target = tmp_path / "x.json"
    transfer = AsyncResultDownloadOperator(task_id="x", job=handle, destination=str(target))
    assert transfer.execute(context())["bytes"] == len(simulator.job().content.read())
    assert json.loads(target.read_text()) == {"rows": 3}


def test_an_expired_result_url_has_its_own_error(start: Start) -> None:
    simulator = start(processing_seconds=0, place="presigned")
    expired = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    simulator.faults.add("result", "http_status", status=403, times=None, body=expired)
    with pytest.raises(ResultExpiredError):
        complete(operator(), context())
    gone = start(processing_seconds=0, place="presigned", result_expires=-10)
    options = {"result_field": None, "result_expires_field": "resultUrlExpiresInSeconds"}
    task = operator("status_field", result_url_field="resultUrl", profile_options=options)
    with pytest.raises(ResultExpiredError, match="no longer offered"):
        complete(task, context())
    assert gone.journal.downloads == 0


@pytest.mark.parametrize(("if_exists", "started"), [("skip", 0), ("replace", 1)])
def test_what_is_there_already_is_not_made(
    start: Start, tmp_path: Path, if_exists: Any, started: int
) -> None:
    simulator = start(processing_seconds=0)
    target = tmp_path / "x"
    target.write_text("old")
    report = complete(operator(destination=str(target), if_exists=if_exists), context())
    assert simulator.journal.jobs_started == started
    assert report["skipped"] is (not started)


# -- the sensor


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("by", ["status_url", "endpoint"])
def test_the_sensor_waits_for_a_status_document(start: Start, by: str, deferrable: bool) -> None:
    simulator = start(processing_seconds=0.3)
    handle = complete(operator("status_field", result="handle", timeout=5), context())
    simulator.script(processing_seconds=0.5)
    complete(operator("status_field", result="handle"), context())
    path = f"/status_field/jobs/{simulator.job().id}"
    where = {"status_url": simulator.url + path} if by == "status_url" else {"endpoint": path}
    sensor = HttpAsyncJobSensor(task_id="s", poke_interval=0.1, deferrable=deferrable, **where)
    seen = complete(sensor, context())
    assert seen["protocol"] == handle["protocol"] == "http_status_field"
    assert seen["status_url"] == next(iter(where.values()))


def test_the_sensor_takes_any_profile_and_parameters(start: Start) -> None:
    simulator = start(processing_seconds=0)
    with pytest.raises(TaskDeferred):
        operator("azure", deferrable=True).execute(context())
    sensor = HttpAsyncJobSensor(
        task_id="s",
        endpoint=f"azure/operations/{simulator.job().id}",
        params={"api-version": "2026-01-01"},
        profile="azure",
        deferrable=False,
    )
    complete(sensor, context())


def test_the_sensor_fails_with_the_jobs_end_and_never_cancels(start: Start) -> None:
    simulator = start(processing_seconds=0, outcome="failed")
    with pytest.raises(TaskDeferred):
        operator("status_field", deferrable=True).execute(context())
    where = f"status_field/jobs/{simulator.job().id}"
    with pytest.raises(JobFailedError):
        complete(HttpAsyncJobSensor(task_id="s", endpoint=where, poke_interval=0.1), context())
    simulator.script(processing_seconds=None)
    with pytest.raises(TaskDeferred):
        operator("status_field", deferrable=True).execute(context())
    running = f"status_field/jobs/{simulator.job().id}"
    sensor = HttpAsyncJobSensor(
        task_id="s", endpoint=running, timeout=0.3, poke_interval=0.1, deferrable=False
    )
    with pytest.raises(AirflowSensorTimeout):
        complete(sensor, context())
    assert simulator.journal.cancels == 0


def test_the_sensor_refuses_a_foreign_host(start: Start) -> None:
    start()
    with pytest.raises(OriginError):
        complete(HttpAsyncJobSensor(task_id="s", status_url="http://localhost:1/status"), context())


@pytest.mark.parametrize("arguments", [{}, {"status_url": "https://a/b", "endpoint": "b"}])
def test_the_sensor_wants_one_address(arguments: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="either status_url or endpoint"):
        HttpAsyncJobSensor(task_id="s", **arguments)


def test_the_sensor_refuses_an_empty_address(start: Start) -> None:
    start()
    with pytest.raises(ConfigurationError, match="is empty"):
        complete(HttpAsyncJobSensor(task_id="s", status_url=" "), context())


# -- arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"profile": "soap"}, "not a profile"),
        ({"profile": "no.such.module.Class"}, "cannot be imported"),
        ({"profile": "airflow_async_provider.errors.JobError"}, "neither a built-in"),
        ({"profile_options": {"colour": 1}}, "no option 'colour'"),
        ({"profile_options": {"result_field": "a..b"}}, "result_field"),
        ({"cancel": "a b"}, "path template"),
        ({"json": None, "data": 5}, "data must be"),
        ({"headers": {"X": "a\nb"}}, "one line"),
    ],
)
def test_arguments_that_cannot_be_are_refused_before_anything_is_sent(
    start: Start, arguments: dict[str, Any], words: str
) -> None:
    simulator = start()
    with pytest.raises(ConfigurationError, match=words):
        complete(operator(**arguments), context())
    assert simulator.journal.submits == 0


@pytest.mark.parametrize(
    ("arguments", "words"), [({"callback": True}, "callback_field"), ({"json": {}, "data": "x"}, "one body")]
)
def test_arguments_that_contradict_each_other_are_refused_in_the_dag(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        HttpAsyncJobOperator(task_id="t", endpoint="x", **arguments)


def test_template_fields_are_attributes() -> None:
    for task in (operator(), HttpAsyncJobSensor(task_id="s", endpoint="x")):
        for name in task.template_fields:
            assert hasattr(task, name)


# -- callbacks


class Receiver:
    """In Airflow's place: takes what comes to any address."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Headers, bytes]] = []
        self.came = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, Headers(self.headers.items()), body))
                receiver.came.set()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/airflow"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join(10)
    made.server.server_close()


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> list[Registration]:
    """What is told to the receiver; Airflow's XCom, which it travels by, needs a running Airflow."""
    told: list[Registration] = []
    monkeypatch.setattr("airflow_async_provider._jobs.callback.expect", lambda _, r: told.append(r))
    return told


@pytest.mark.parametrize("where", [{"callback_field": "notify.url"}, {"callback_header": "X-Callback-Url"}])
def test_the_address_is_put_where_the_remote_wants_it(
    start: Start, receiver: Receiver, expected: list[Registration], where: dict[str, str], caplog: Any
) -> None:
    signing = {
        "callback_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "callback_signature": "standard_webhooks",
    }
    simulator = start(
        processing_seconds=0, callback_field="notify.url", callback_signature="standard", extra=signing
    )
    task = operator("status_field", deferrable=True, callback_base_url=receiver.url, **where)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context(Store()))
    assert deferred.value.trigger.callback
    assert receiver.came.wait(10)
    (registration,) = expected
    path, headers, body = receiver.got[0]
    secret = path.rpartition("/")[2]
    assert path.startswith("/airflow/async-provider/callbacks/v1/")
    assert secret not in caplog.text
    assert secret not in json.dumps(registration.to_dict())
    assert (registration.protocol, registration.signature) == (
        "http_status_field",
        SCHEMES["standard-webhooks"].to_dict(),
    )
    protocol = protocol_for(registration.protocol, registration.options)
    assert isinstance(protocol, StatusFieldProtocol)
    status = protocol.read_callback(headers, body)
    assert status.state is JobState.SUCCEEDED
    assert protocol.delivery_id(headers, body) == headers["webhook-id"]
    assert simulator.journal.jobs_started == 1


def test_without_a_place_for_it_no_callback_is_asked_for(
    start: Start, receiver: Receiver, expected: list[Registration]
) -> None:
    simulator = start(processing_seconds=0)
    assert complete(operator(callback_base_url=receiver.url), context()) == {"rows": 3}
    assert expected == []
    assert simulator.job().callback_url is None
