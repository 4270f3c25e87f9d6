# SPDX-License-Identifier: Apache-2.0
"""The Automic hook against the simulated Automic, over real sockets, from both sides of Airflow."""

from __future__ import annotations

import asyncio
import inspect
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_async_provider._transport.triggerer import pool
from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    ConfigurationError,
    RequestRefusedError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
)
from airflow_async_provider.hooks import _submission
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.protocols import JobHandle, JobState
from tests.support.byte_server import running, status

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Another try comes at once here: what is tested is that it comes."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(_submission, "LOOK_UP_PAUSES", (0.0, 0.0))


@pytest.fixture
def ae(automic_simulator, automic_connection):
    return automic_simulator


@pytest.fixture
def hook(ae):
    return AutomicHook()


def connect(monkeypatch, simulator=None, **changes):
    """Define another connection; keys of ``extra`` are replaced one by one."""
    connection = simulator.airflow_connection() if simulator else {"conn_type": "automic", "extra": {}}
    extra = {**connection.pop("extra"), **changes.pop("extra", {})}
    value = {**connection, **changes, "extra": {k: v for k, v in extra.items() if v is not None}}
    monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_TEST", json.dumps(value))
    return AutomicHook("automic_test")


# -- connections


@pytest.mark.parametrize(
    ("connection", "base", "client"),
    [
        ({"host": "ae", "port": 8088, "login": "U/D", "extra": {"client": "100"}}, "https://ae:8088", "100"),
        ({"host": "ae", "schema": "http", "login": "100/U/D"}, "http://ae", "100"),
        (
            {"host": "http://lb/automic", "login": "0100/U/D", "extra": {"client": 100}},
            "http://lb/automic",
            "100",
        ),
        ({"host": "ae", "login": "U/D", "extra": {"client": "0100"}}, "https://ae", "0100"),
        ({"host": "ae", "extra": {"client": "1", "auth": "bearer"}}, "https://ae", "1"),
    ],
)
def test_connections(monkeypatch, connection, base, client):
    hook = connect(monkeypatch, password="p", **connection)
    assert (hook.endpoint.base_url, hook.endpoint.client) == (base, client)
    assert hook.protocol().options()["client"] == client
    assert "p" not in repr(hook.endpoint).split("'")


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        ({"login": "U/D", "password": "p", "extra": {"client": "100"}}, "no host"),
        ({"host": "ae", "login": "U/D", "extra": {"client": "100"}}, "no password"),
        ({"host": "ae", "password": "p", "extra": {"client": "100"}}, "no login"),
        ({"host": "ae", "login": "U/D", "password": "p"}, "names no client"),
        ({"host": "ae", "login": "U/D", "password": "p", "extra": {"client": "abc"}}, "no Automic client"),
        ({"host": "ae", "login": "1/U/D", "password": "p", "extra": {"client": "2"}}, "two clients"),
        ({"host": "ae", "login": "U/D", "password": "p", "extra": {"client": "2", "auth": "ntlm"}}, "auth"),
        ({"host": "ae", "login": "U/D", "password": "geheim€x", "extra": {"client": "2"}}, "ISO-8859-1"),
    ],
)
def test_connections_that_make_no_sense(monkeypatch, connection, says):
    hook = connect(monkeypatch, **connection)
    with pytest.raises(ConfigurationError, match=says) as caught:
        hook.endpoint  # noqa: B018 - building it is the test
    assert "geheim" not in str(caught.value)


def test_test_connection(monkeypatch, ae, hook):
    assert hook.test_connection() == (True, f"Connected to client 100 at {hook.endpoint.host}.")
    assert connect(monkeypatch, ae, login="100/AIRFLOW/AF").test_connection()[0]
    bearer = {"auth": "bearer"}
    for token in ("automic-token", "automic-token\n"):  # as it is pasted
        assert connect(monkeypatch, ae, login="", password=token, extra=bearer).test_connection()[0]

    token = {"access_token": "automic-token", "token_type": "Bearer", "expires_in": 3600}
    with running(steps=[status(200, json.dumps(token).encode())]) as provider:
        credentials = {"login": "app-id", "password": "app-secret", "extra": {"token_url": provider.origin}}
        by_client = connect(monkeypatch, ae, **credentials)
        assert by_client.test_connection()[0]
        assert by_client.execute("JOBS.OK").job_id == str(ae.run().run_id)
    assert [r.method for r in provider.requests] == ["POST"]

    ok, message = connect(monkeypatch, ae, password="wrong").test_connection()
    assert not ok
    assert "401" in message
    assert "45254" in message
    assert "wrong" not in message

    ae.set_health(healthy=False)
    assert "not healthy" in hook.test_connection()[1]
    ae.set_health()
    ae.faults.add("ping", "http_status", status=404)
    assert "not as Automic" in hook.test_connection()[1]
    ok, message = connect(monkeypatch, ae, host="http://127.0.0.1:9").test_connection()
    assert (ok, "127.0.0.1:9" in message) == (False, True)


# -- starting


def test_a_run_from_start_to_end(ae, hook):
    job = hook.execute("JOBS.FAIL", inputs={"A#": 5}, queue="Q", timezone="TZ")
    assert hook.status(job).state is JobState.RUNNING
    assert ae.run().body == {
        "object_name": "JOBS.FAIL",
        "inputs": {"A#": "5"},
        "queue": "Q",
        "timezone": "TZ",
    }
    ae.clock.advance(10)
    status = hook_for(job, "automic_default").status(job.to_dict())
    assert (status.state, status.detail["status"]) == (JobState.FAILED, 1800)
    assert hook.get_execution(job)["status"] == 1800
    assert hook.get_execution(job.job_id)["run_id"] == int(job.job_id)
    assert hook.get_execution(job.to_dict())["name"] == "JOBS.FAIL"
    assert hook.get_variables(job) == {"A#": "5"}
    hook.add_comment(job, "seen")
    assert [c["comment"] for c in ae.run().comments] == ["seen"]
    assert [r["type"] for r in hook.list_reports(job)] == ["ACT", "REP"]
    assert list(hook.iter_reports(job)) == list(ae.run().plan.report)
    assert list(hook.iter_reports(job, pages_at_once=1)) == list(ae.run().plan.report)
    assert hook.ping()


async def test_the_same_on_the_event_loop(ae, hook):
    async with pool():
        job = await hook.aexecute("JOBS.FAIL", correlation_id="c-1")
        ae.clock.advance(10)
        assert (await hook.astatus(job)).state is JobState.FAILED


def test_an_object_that_does_not_exist(ae, hook):
    with pytest.raises(SubmitError, match=r"UNKNOWN\.X"):
        hook.execute("UNKNOWN.X")
    assert ae.journal.submits == 1


@pytest.mark.parametrize("fault", [("reset", {"processed": True}), ("garbage", {})])
def test_a_lost_answer_is_looked_for_by_the_mark(ae, hook, fault):
    name, parameters = fault
    ae.faults.add("submit", name, **parameters)
    job = hook.execute("JOBS.DEACTIVATED", correlation_id="my run")
    assert ae.journal.jobs_started == 1
    assert ae.journal.submits == 1
    assert int(job.job_id) == ae.run().run_id


def test_a_start_that_may_yet_be_worked_off_is_not_sent_again(ae, hook):
    ae.faults.add("submit", "reset")
    with pytest.raises(SubmitUnknownError, match="may still start it"):
        hook.execute("JOBS.X", correlation_id="my run")
    assert (ae.journal.submits, ae.journal.jobs_started) == (1, 0)


def test_a_500_is_never_answered_by_a_second_start(ae, hook):
    ae.faults.add("submit", "http_status", status=500, times=None)
    with pytest.raises(SubmitError, match="A look-up found no job of ours"):
        hook.execute("JOBS.X", correlation_id="my run")
    assert ae.journal.submits == 1


def test_without_a_mark_nobody_can_tell(ae, hook):
    ae.faults.add("submit", "reset", processed=True)
    with pytest.raises(SubmitUnknownError):
        hook.execute("JOBS.X")
    assert ae.journal.submits == 1


def test_ilm_is_waited_for(ae, hook):
    body = json.dumps({"code": 1, "error": "momentarily not available due to ILM actions", "details": ""})
    ae.faults.add("submit", "http_status", status=403, body=body, times=2)
    hook.execute("JOBS.X")
    assert (ae.journal.submits, ae.journal.jobs_started) == (3, 1)


def test_an_object_whose_name_holds_ilm_is_refused_as_any_other(ae, hook):
    body = json.dumps({"code": 2, "error": "Cannot find the object: 'JOBS.ILM.TIDY'.", "details": ""})
    ae.faults.add("submit", "http_status", status=404, body=body, times=None)
    with pytest.raises(SubmitError, match=r"JOBS\.ILM\.TIDY"):
        hook.execute("JOBS.ILM.TIDY")
    assert ae.journal.submits == 1


@pytest.mark.parametrize("status_code", [500, 502, 504])
def test_a_failed_start_of_an_object_whose_name_holds_ilm_is_not_sent_again(ae, hook, status_code):
    body = json.dumps({"code": 0, "error": "Start of JOBS.ILM.TIDY: no answer", "details": ""})
    ae.faults.add("submit", "http_status", status=status_code, body=body, processed=True, times=None)
    assert hook.execute("JOBS.ILM.TIDY", correlation_id="x").job_id == str(ae.run().run_id)
    assert ae.journal.jobs_started == 1


@pytest.mark.parametrize("fault", [("reset", {"processed": True}), ("garbage", {})])
async def test_a_lost_answer_on_the_event_loop(ae, hook, fault):
    name, parameters = fault
    ae.faults.add("submit", name, **parameters)
    job = await hook.aexecute("JOBS.X", correlation_id="my run")
    assert int(job.job_id) == ae.run().run_id
    assert ae.journal.submits == 1


async def test_a_lost_start_on_the_event_loop(ae, hook, monkeypatch):
    ae.faults.add("submit", "reset", times=2)
    with pytest.raises(SubmitUnknownError, match="No run of ours was found"):
        await hook.aexecute("JOBS.X", correlation_id="my run")
    with pytest.raises(SubmitUnknownError):
        await hook.aexecute("JOBS.X")
    unreachable = connect(monkeypatch, ae, host="http://127.0.0.1:9")
    with pytest.raises(TransientError) as caught:
        await unreachable.aexecute("JOBS.X", correlation_id="my run")
    assert not caught.value.sent


def test_wrong_credentials(ae, monkeypatch):
    with pytest.raises(AuthenticationError, match="45254"):
        connect(monkeypatch, ae, password="wrong").execute("JOBS.X", correlation_id="x")
    assert ae.journal.submits == 1


# -- cancelling and restarting


def children_of(ae, run_id):
    return [child.status for child in ae.run(run_id).children]


@pytest.mark.parametrize("form", ["handle", "dictionary", "number"])
def test_a_workflow_is_cancelled_with_its_children(ae, hook, form):
    job = hook.execute("JOBP.FOREVER")
    assert hook.cancel({"handle": job, "dictionary": job.to_dict(), "number": int(job.job_id)}[form])
    ae.clock.advance(1)
    assert hook.status(job).state is JobState.CANCELLED
    assert children_of(ae, int(job.job_id)) == [1851, 1851]
    assert not hook.cancel(job)


@pytest.mark.parametrize("form", ["handle", "dictionary", "number"])
async def test_the_same_from_the_event_loop(ae, hook, form):
    job = await hook.aexecute("JOBP.FOREVER")
    assert await hook.acancel({"handle": job, "dictionary": job.to_dict(), "number": int(job.job_id)}[form])
    ae.clock.advance(1)
    assert children_of(ae, int(job.job_id)) == [1851, 1851]


def test_a_job_is_cancelled_alone(ae, hook):
    job = hook.execute("JOBS.FOREVER")
    assert hook.cancel(job)
    assert not hook.cancel("999")  # nobody knows it


async def test_a_type_that_cannot_be_read_does_not_keep_from_cancelling(ae, hook):
    ae.faults.add("status", "garbage", times=2)
    first, second = hook.execute("JOBP.FOREVER"), hook.execute("JOBP.FOREVER")
    assert hook.cancel(first)
    assert await hook.acancel(second)
    ae.clock.advance(1)
    assert [hook.status(job).remote_status for job in (first, second)] == ["1850", "1850"]


async def test_a_known_type_spares_a_request(ae, hook):
    for cancel in (hook.cancel, hook.acancel):
        job = hook.execute("JOBP.FOREVER")
        done = cancel(JobHandle.from_dict({**job.to_dict(), "data": {"type": "JOBP", "label": "x"}}))
        assert await done if inspect.isawaitable(done) else done
        assert children_of(ae, int(job.job_id)) == [1571, 1571]
    assert ae.journal.polls == 0


@pytest.mark.parametrize(
    "automic_simulator", [{"restart_reference": "before"}, {"restart_reference": "original"}], indirect=True
)
def test_restarts_are_followed_to_the_last(ae, hook):
    job = hook.execute("JOBS.FAIL")
    assert hook.last_restart(job) is None
    ae.clock.advance(1)
    second = hook.restart(job, inputs={"A#": "1"})
    ae.clock.advance(1)
    third = hook.restart(second)
    assert len({job.job_id, second.job_id, third.job_id}) == 3
    assert hook.last_restart(job).job_id == third.job_id
    with pytest.raises(RequestRefusedError, match="no question of permissions"):
        hook.restart(third)


@pytest.mark.parametrize(
    "fault", [("reset", {"processed": True}), ("garbage", {}), ("alter", {"remove": ("run_id",)})]
)
def test_a_restart_whose_answer_was_lost_is_not_made_again(ae, hook, fault):
    name, parameters = fault
    job = hook.execute("JOBS.FAIL")
    ae.clock.advance(1)
    ae.faults.add("cancel", name, **parameters)  # the route of all changes of a run
    with pytest.raises(SubmitUnknownError, match="last_restart"):
        hook.restart(job)
    assert len(ae.runs) == 2
    assert hook.last_restart(job).job_id == str(ae.run().run_id)


def test_an_endless_chain_of_restarts_is_not_followed_for_ever(ae, hook, monkeypatch):
    monkeypatch.setattr("airflow_async_provider.hooks.automic.MAX_RESTARTS", 1)
    ae.script(run_seconds=0)
    job = hook.execute("JOBS.X")
    second = hook.restart(job)
    ae.clock.advance(1)
    hook.restart(second)
    assert hook.last_restart(job).job_id == second.job_id


def test_the_address_of_a_run(ae, monkeypatch):
    hook = connect(monkeypatch, ae, extra={"run_url": "https://awi/{client}/{run_id}{x}"})
    assert hook.run_url(7) == "https://awi/100/7{x}"
    job = hook.execute("JOBS.X")
    assert hook.job_url(job) == asyncio.run(hook.ajob_location(job)) == f"https://awi/100/{job.job_id}{{x}}"


def test_without_a_page_a_run_is_where_it_is_polled(ae, monkeypatch):
    hook = connect(monkeypatch, ae)
    job = hook.execute("JOBS.X")
    polled = f"{ae.url}/ae/api/v1/100/executions/{job.job_id}"
    assert hook.job_url(job) == hook.job_address(job) == asyncio.run(hook.ajob_location(job)) == polled


def test_a_job_of_another_protocol_is_not_taken(hook):
    with pytest.raises(ConfigurationError, match="no Automic run"):
        hook.last_restart(JobHandle("jaggaer_aso", "abc", 0.0))


# -- lists


def test_all_pages_of_the_list(ae, hook):
    for _ in range(7):
        hook.execute("JOBS.X")
    hook.execute("JOBS.DEACTIVATED")
    ae.clock.advance(1)
    records = list(hook.iter_executions(page_size=3, type=["JOBS"], name="JOBS.*"))
    assert [r["run_id"] for r in records] == sorted((r["run_id"] for r in records), reverse=True)
    assert len(records) == 7
    assert ae.journal.count("list") == 3
    assert len(list(hook.iter_executions(include_deactivated=True))) == 8
    since = datetime.fromtimestamp(ae.clock.now() + 1000, tz=UTC)
    assert list(hook.iter_executions(time_frame_from=since)) == []


def test_a_failed_page_is_asked_for_again(ae, hook):
    hook.execute("JOBS.X")
    ae.faults.add("list", "http_status", status=503, times=2)
    assert len(list(hook.iter_executions())) == 1


def test_a_misspelt_filter_is_no_filter(hook):
    with pytest.raises(ConfigurationError, match="nmae"):
        list(hook.iter_executions(nmae="X"))


def test_a_report_in_answers_that_are_shorter_than_asked_for(monkeypatch):
    """The server has a longest answer of its own; whether there is more, it says."""

    def answers():
        for number, more in ((1, True), (2, True), (3, False)):
            page = {"data": [{"page": number, "content": f"page {number}"}], "total": 3, "hasmore": more}
            yield status(200, json.dumps(page).encode())

    with running(steps=[*answers()]) as server:
        hook = connect(monkeypatch, host=server.origin, login="100/U/D", password="p")
        assert list(hook.iter_reports(7)) == ["page 1", "page 2", "page 3"]
    assert len(server.requests) == 3


def test_a_report_that_is_not_there(ae, hook):
    job = hook.execute("JOBS.FOREVER")
    with pytest.raises(RequestRefusedError):
        list(hook.iter_reports(job))
    with pytest.raises(AsyncJobError, match="another client"):
        hook.get_execution("999")
