# SPDX-License-Identifier: Apache-2.0
"""Many waiting Automic runs and the few lists that answer for them, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from dataclasses import replace

import pytest

from airflow_async_provider._transport.triggerer import pool
from airflow_async_provider.errors import ConfigurationError, TransientError
from airflow_async_provider.hooks import _automic_batch as automic_batch
from airflow_async_provider.hooks import _endpoint_cache as endpoint_cache
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.protocols import JobHandle, JobState
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._automic.requests import correlated_alias
from airflow_async_provider.triggers.async_job import AsyncJobTrigger

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

#: Questions of a round that are asked before a list is worth it.
FIRST = automic_batch.ASKS_PER_PAGE - 1


@pytest.fixture(autouse=True)
def long_pauses(request, monkeypatch):
    """Waits with pauses of some minutes, so that it does not matter how fast a test runs."""
    if "hundreds_of" not in request.node.name:
        monkeypatch.setattr(automic_batch, "PART_OF_PAUSE", 1e9)
        monkeypatch.setattr(automic_batch, "FIRST_AGE", automic_batch.OLDEST)


@pytest.fixture
def ae(automic_simulator, automic_connection):
    return automic_simulator


@pytest.fixture
def hook(ae):
    return AutomicHook()


def started(ae, count, name="JOBS.FOREVER", *, marked=True, **plan):
    """Runs, started past the network, and their handles."""
    protocol, handles = AutomicProtocol("100"), []
    for number in range(count):
        body = {"alias": correlated_alias(name, f"{name} {number} {len(ae.runs)}")} if marked else {}
        run = ae.tasks.start(name, ae.objects.next(name).changed(plan), body)
        handles.append(protocol.handle(run.run_id, at=time.time()))
    return handles


async def ask(hook, handles):
    """All at once, as the questions of many waits may come."""
    return await asyncio.gather(*(hook.astatus(handle) for handle in handles))


def counts(ae):
    return ae.journal.count("list"), ae.journal.polls


def batch():
    (found,) = automic_batch._batches[asyncio.get_running_loop()].values()
    return found


async def round_of(ae, hook, handles):
    """States, lists and single questions of one round, for which no earlier list is good."""
    for known in automic_batch._batches.get(asyncio.get_running_loop(), {}).values():
        known._marked._snapshot = known._activated._snapshot = None
    lists, polls = counts(ae)
    states = [status.state for status in await ask(hook, handles)]
    return states, ae.journal.count("list") - lists, ae.journal.polls - polls


def queries(ae):
    return [set(entry.query_names) for entry in ae.journal.entries("list")]


RUNNING = JobState.RUNNING


# -- many; the benchmark has a thousand


async def test_hundreds_of_waiting_triggers_ask_twenty_times_an_interval(ae):
    handles = started(ae, 300)
    interval = 4.0

    async def fired(handle):
        trigger = AsyncJobTrigger(
            job=handle.to_dict(),
            conn_id="automic_default",
            policy={"poll_interval": interval, "max_poll_interval": interval},
            deadline=time.time() + 600,
            deferred_at=time.time(),
            settle=0.0,
        )
        async for event in trigger.run():
            return event.payload
        raise AssertionError("no event")

    begun = time.monotonic()
    waits = [asyncio.ensure_future(fired(handle)) for handle in handles]
    await asyncio.sleep(interval + 1)
    before = sum(counts(ae))
    # A busy machine makes it longer.
    assert before <= 16 * (time.monotonic() - begun) / interval, "with all first questions in it"
    for entry in ae.journal.entries("status"):
        assert entry.status == 200
    begun = time.monotonic()
    await asyncio.sleep(interval)
    spent = sum(counts(ae)) - before
    assert 1 <= spent <= 20 * (time.monotonic() - begun) / interval
    # every run's own end, whatever the others do
    ends = {1800: "failed", 1850: "cancelled", 1900: "succeeded", 1930: "not_run", 1560: "blocked"}
    for number, run in enumerate(ae.runs):
        run.set_status(list(ends)[number % 5])
        if number % 3 == 0:
            run.deactivated_by_hand = True
    polls = ae.journal.polls
    events = await asyncio.wait_for(asyncio.gather(*waits), 300)
    assert [event["state"] for event in events] == [list(ends.values())[n % 5] for n in range(300)]
    assert ae.journal.polls - polls == 300, "the end is read from the run's own record, once"


async def test_a_few_are_asked_for_singly(ae, hook, monkeypatch):
    monkeypatch.setattr(automic_batch, "PART_OF_PAUSE", 0.25)
    handles = started(ae, FIRST)
    async with pool():
        for _ in range(3):
            assert await round_of(ae, hook, handles) == ([RUNNING] * FIRST, 0, FIRST)


async def test_the_answer_is_the_same_as_that_of_the_single_poll(ae, hook, monkeypatch):
    handles = started(ae, 12)
    async with pool():
        listed = await ask(hook, handles)
        assert counts(ae) == (1, FIRST)
        monkeypatch.setattr(automic_batch, "PART_OF_PAUSE", 0.0)
        alone = await ask(hook, handles)
    assert counts(ae) == (1, FIRST + 12)
    assert [replace(status, request_id=None) for status in listed] == [
        replace(status, request_id=None) for status in alone
    ]
    assert [status.detail["run_id"] for status in listed] == [int(handle.job_id) for handle in handles]


async def test_how_old_an_answer_may_be(ae, hook, monkeypatch):
    handles = started(ae, 10)
    async with pool():
        await ask(hook, handles)
        assert counts(ae) == (1, FIRST)
        await ask(hook, handles)
        assert counts(ae) == (1, FIRST), "a part of the pause"
        monkeypatch.setattr(automic_batch, "PART_OF_PAUSE", 0.0)
        await ask(hook, handles)
        assert counts(ae) == (1, FIRST + 10), "and no more: these are in a hurry"
        monkeypatch.setattr(automic_batch, "PART_OF_PAUSE", 1e9)
        monkeypatch.setattr(automic_batch, "OLDEST", 0.0)
        await ask(hook, handles)
        assert counts(ae) == (1, FIRST + 20), "nothing is older than that"


async def test_what_is_too_old_for_everybody_is_freed(ae, hook, monkeypatch):
    monkeypatch.setattr(automic_batch, "OLDEST", 0.0)
    async with pool():
        await ask(hook, started(ae, 10))
        await asyncio.sleep(0.01)
        assert batch()._marked._snapshot is None


@pytest.mark.parametrize("automic_simulator", [{"longest_page": 7}], indirect=True)
async def test_pages_may_be_shorter_than_asked_for(ae, hook):
    async with pool():
        handles = started(ae, 30)
        assert await round_of(ae, hook, handles) == ([RUNNING] * 30, 5, FIRST)
        batch()._marked._asks.clear()
        assert (await round_of(ae, hook, handles[:24]))[1:] == (0, 24), "five pages for 24 questions: no"
        assert (await round_of(ae, hook, handles[24:25]))[1:] == (5, 0), "for 25: yes"


@pytest.mark.parametrize("automic_simulator", [{"longest_page": 2}], indirect=True)
async def test_a_walk_has_an_end(ae, hook, monkeypatch):
    monkeypatch.setattr(automic_batch, "MAX_PAGES", 3)
    async with pool():
        handles = started(ae, 12)
        states, lists, _ = await round_of(ae, hook, handles)
    assert (states, lists) == ([RUNNING] * 12, 3)


async def test_a_slow_walk_has_an_end(ae, monkeypatch):
    monkeypatch.setattr(automic_batch, "PAGE_SIZE", 1)
    connection = ae.airflow_connection(timeout=1.6)
    monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(connection))
    ae.faults.add("list", "silence", seconds=0.6, times=None)
    async with pool():
        states, lists, _ = await round_of(ae, AutomicHook(), started(ae, 12))
    assert states == [RUNNING] * 12
    assert lists <= 4


# -- what a list may say


async def test_ends_are_read_from_the_runs_own_record(ae, hook):
    handles = started(ae, 10)
    ended = started(ae, 1, "JOBS.FAIL", run_seconds=0.0) + started(ae, 1, "JOBS.OK", run_seconds=0.0)
    ended += started(ae, 1, "JOBS.DEACTIVATED", run_seconds=0.0)
    async with pool():
        states, lists, polls = await round_of(ae, hook, handles + ended)
    assert states == [RUNNING] * 10 + [JobState.FAILED, JobState.SUCCEEDED, JobState.SUCCEEDED]
    assert (lists, polls) == (1, FIRST + 3)


async def test_runs_that_nobody_knows_have_expired(ae, hook):
    handles = started(ae, 10)
    stranger = AutomicProtocol("100").handle(7, at=0.0)
    async with pool():
        states, _, _ = await round_of(ae, hook, [*handles, stranger])
    assert states == [RUNNING] * 10 + [JobState.EXPIRED]


async def test_blocked_runs(ae, hook):
    handles = started(ae, 10)
    for run in ae.runs[5:]:
        run.set_status(1560)
    patient = AutomicProtocol("100", fail_on_blocked=False).handle(ae.runs[6].run_id, at=0.0)
    async with pool():
        states, lists, polls = await round_of(ae, hook, [*handles[:6], patient])
    assert states == [RUNNING] * 5 + [JobState.BLOCKED, RUNNING]
    assert (lists, polls) == (1, FIRST + 1)


async def test_a_record_that_says_nothing_is_asked_for_singly(ae, hook):
    handles = started(ae, 12)
    ae.runs[8].plan = ae.runs[8].plan.changed({"status": 1111})
    ae.runs[8].set_status(1111)
    odd = [ae.runs[9].record() | {"status": {}}, ae.runs[10].record() | {"status": None}]
    good = [run.record() for run in ae.runs if run not in (ae.runs[9], ae.runs[10])]
    ae.faults.add("list", "alter", update={"data": [*odd, *good]})
    async with pool():
        statuses = await ask(hook, handles)
    assert [status.state for status in statuses] == [RUNNING] * 12
    assert [status.recognised for status in statuses].index(False) == 8
    assert counts(ae) == (1, FIRST + 3)


async def test_a_handle_of_another_make_is_asked_for_singly(ae, hook):
    from airflow_async_provider.errors import AsyncJobError

    async with pool():
        with pytest.raises(AsyncJobError, match="not a RunID"):
            await hook.astatus(JobHandle("automic", "abc", 0.0, options={"client": "100"}))


# -- what a list does not show


async def test_a_hidden_run_is_asked_for_singly_and_soon_not_looked_for(ae, hook, monkeypatch):
    handles = started(ae, 12)
    hidden = ae.run(int(handles[11].job_id))
    hidden.deactivated_by_hand = True
    async with pool():
        for _ in range(5):
            states, _, polls = await round_of(ae, hook, handles)
            assert states == [RUNNING] * 12
            assert polls >= 1
        run = batch()._waiting[hidden.run_id]
        assert run.looked_for_in is batch()._activated
        many = [handles[11]] * 12
        for _ in range(4):
            assert (await round_of(ae, hook, many))[0] == [RUNNING] * 12
        assert run.alone_until > time.monotonic()
        assert await round_of(ae, hook, many) == ([RUNNING] * 12, 0, 12), "no list is walked for it any more"
        monkeypatch.setattr(automic_batch, "LOOK_AGAIN", 0.0)
        run.alone_until = 0.0
        assert (await round_of(ae, hook, many))[1] == 1, "after a while it is"
        hidden.set_status(1900)
        assert (await round_of(ae, hook, handles[11:]))[0] == [JobState.SUCCEEDED]
        assert hidden.run_id not in batch()._waiting


async def found_by_time_frame(ae, hook, handles):
    """Rounds until one is answered by a list with a time frame."""
    async with pool():
        for _ in range(8):
            ae.journal.clear()
            states, lists, polls = await round_of(ae, hook, handles)
            assert states == [RUNNING] * len(handles)
            if lists == 1 and polls <= FIRST and "time_frame_from" in queries(ae)[0]:
                return queries(ae)[0]
    raise AssertionError("never")


@pytest.mark.parametrize("automic_simulator", [{"leading_wildcards": False}], indirect=True)
async def test_marked_runs_are_found_without_the_wildcard_too(ae, hook):
    query = await found_by_time_frame(ae, hook, started(ae, 40))
    assert query == {"max_results", "time_frame_option", "time_frame_from", "time_frame_to"}


@pytest.mark.parametrize("shift", [0, 86_400 * 3])
async def test_runs_of_others_are_found_by_their_own_times(ae, hook, shift):
    """Also when Automic's clock shows another day than ours."""
    ae.clock.advance(shift)
    await found_by_time_frame(ae, hook, started(ae, 40, marked=False))


async def test_runs_started_without_a_mark_are_not_looked_for_by_it(ae, hook):
    runs = started(ae, 40, marked=False)
    protocol = AutomicProtocol("100", correlate=False)
    handles = [protocol.handle(run.job_id, at=0.0) for run in runs]
    async with pool():
        assert (await round_of(ae, hook, handles))[0] == [RUNNING] * 40
        states, lists, polls = await round_of(ae, hook, handles)
        assert all("time_frame_from" in query for query in queries(ae))
        late = [protocol.handle(run.job_id, at=0.0) for run in started(ae, 1, marked=False)]
        assert (await round_of(ae, hook, handles + late))[0] == [RUNNING] * 41
    assert (states, lists, polls) == ([RUNNING] * 40, 1, 0)


async def test_a_run_that_is_younger_than_the_list_is_not_missed_in_it(ae, hook):
    handles = started(ae, 10)
    async with pool():
        await ask(hook, handles)
        (young,) = started(ae, 1)
        lists, polls = counts(ae)
        assert (await hook.astatus(young)).state is RUNNING
        assert counts(ae) == (lists, polls + 1)
        assert batch()._waiting[int(young.job_id)].misses == 0


# -- trouble


async def test_a_list_that_fails_is_a_failed_poll_once(ae, hook):
    handles = started(ae, 10)
    ae.faults.add("list", "http_status", status=503, times=None)
    async with pool():
        answers = await asyncio.gather(*map(hook.astatus, handles), return_exceptions=True)
        assert [isinstance(answer, TransientError) for answer in answers] == [False] * FIRST + [True] * 6
        assert len({id(answer) for answer in answers}) == 10, "to each an error of its own"
        assert counts(ae) == (1, FIRST), "and nobody rushes to ask singly"
        for _ in range(3):
            assert await round_of(ae, hook, handles) == ([RUNNING] * 10, 0, 10), "then the list rests"


async def test_a_list_that_works_again_is_used_again(ae, hook, monkeypatch):
    monkeypatch.setattr(automic_batch, "FIRST_REST", 0.0)
    handles = started(ae, 10)
    ae.faults.add("list", "http_status", status=500, times=2)
    async with pool():
        for _ in range(2):
            answers = await asyncio.gather(*map(hook.astatus, handles), return_exceptions=True)
            assert any(isinstance(answer, TransientError) for answer in answers)
        assert await round_of(ae, hook, handles) == ([RUNNING] * 10, 1, 0)


async def test_a_list_that_says_when_to_come_back_is_obeyed(ae, hook):
    handles = started(ae, 10)
    ae.faults.add("list", "http_status", status=429, retry_after=30)
    async with pool():
        await asyncio.gather(*map(hook.astatus, handles), return_exceptions=True)
        before = counts(ae)
        answers = await asyncio.gather(*map(hook.astatus, handles), return_exceptions=True)
        assert all(isinstance(answer, TransientError) for answer in answers)
        assert all(0 < answer.retry_after <= 30 for answer in answers)
        assert counts(ae) == before, "nobody asks before"


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("http_status", {"status": 403, "body": '{"code": 0, "error": "no right to list"}'}),
        ("http_status", {"status": 400}),
        ("garbage", {}),
    ],
)
async def test_a_list_that_cannot_be_used_is_reported_and_done_without(ae, hook, caplog, fault, parameters):
    handles = started(ae, 10)
    ae.faults.add("list", fault, times=None, **parameters)
    with caplog.at_level(logging.WARNING, automic_batch.__name__):
        async with pool():
            assert await round_of(ae, hook, handles) == ([RUNNING] * 10, 1, 10)
            assert await round_of(ae, hook, handles) == ([RUNNING] * 10, 0, 10)
    (line,) = [record.getMessage() for record in caplog.records if record.name == automic_batch.__name__]
    assert "batch_polls" in line
    assert "30 s" in line


async def test_who_is_cancelled_takes_nobodys_answer_away(ae, hook):
    handles = started(ae, 10)
    ae.faults.add("list", "silence", seconds=0.3)
    async with pool():
        asks = [asyncio.ensure_future(hook.astatus(handle)) for handle in handles]
        assert await asyncio.to_thread(ae.journal.wait, lambda journal: journal.count("list") == 1)
        for place in (FIRST, FIRST + 1):  # the one that began the walk, and another
            asks[place].cancel()
        done = await asyncio.gather(*asks, return_exceptions=True)
        assert [type(d).__name__ for d in done].count("CancelledError") == 2
        assert sum(getattr(d, "state", None) is RUNNING for d in done) == 8
        assert ae.journal.count("list") == 1


def test_a_walk_that_nobody_waits_for_leaves_nothing_behind(ae, hook):
    handles = started(ae, 10)
    ae.faults.add("list", "silence", seconds=30)

    async def killed():
        async with pool():
            asks = [asyncio.ensure_future(hook.astatus(handle)) for handle in handles]
            await asyncio.to_thread(ae.journal.wait, lambda journal: journal.count("list") == 1)
            for each in asks:
                each.cancel()
            await asyncio.gather(*asks, return_exceptions=True)
            return batch()

    begun = time.monotonic()
    left = asyncio.run(killed())
    assert time.monotonic() - begun < 20, "the walk ends with its loop"
    assert left._marked._walk is None


async def test_who_is_not_asked_for_any_more_is_forgotten(ae, hook, monkeypatch):
    handles = started(ae, 3)
    async with pool():
        await ask(hook, handles)
        assert len(batch()._waiting) == 3
        monkeypatch.setattr(automic_batch, "FORGET", 0.0)
        await hook.astatus(handles[0])
        assert list(batch()._waiting) == [int(handles[0].job_id)]


# -- connections


@pytest.mark.parametrize("off", [False, "false", " False "])
async def test_it_can_be_switched_off(ae, monkeypatch, off):
    connection = ae.airflow_connection(batch_polls=off)
    monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(connection))
    async with pool():
        assert await round_of(ae, AutomicHook(), started(ae, 20)) == ([RUNNING] * 20, 0, 20)


@pytest.mark.parametrize("on", [True, "true", "", None])
def test_it_is_on_by_default(ae, monkeypatch, on):
    connection = ae.airflow_connection(batch_polls=on)
    monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(connection))
    assert AutomicHook().endpoint.batch_polls


def test_a_switch_that_is_neither_on_nor_off(ae, monkeypatch):
    connection = ae.airflow_connection(batch_polls="perhaps")
    monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(connection))
    with pytest.raises(ConfigurationError, match="batch_polls"):
        AutomicHook().endpoint  # noqa: B018 - building it is the test


async def test_a_changed_connection_begins_anew(ae, hook, monkeypatch):
    monkeypatch.setattr(endpoint_cache, "CONNECTION_LIFE", 0.0)
    handles = started(ae, 10)
    async with pool():
        await ask(hook, handles)
        before = batch()
        await ask(hook, handles)
        assert batch() is before
        connection = ae.airflow_connection(timeout=7)
        monkeypatch.setenv("AIRFLOW_CONN_AUTOMIC_DEFAULT", json.dumps(connection))
        await ask(hook, handles)
        assert batch() is not before


async def test_a_foreign_handle_is_left_to_its_protocol(ae, hook):
    async with pool():
        with contextlib.suppress(Exception):
            await hook.astatus(JobHandle("http_location", "1", 0.0, status_url=f"{ae.url}/x"))
    assert counts(ae) == (0, 0)


async def test_cancelling_reads_the_runs_own_record(ae, hook):
    handles = started(ae, 12, "JOBP.FOREVER")
    async with pool():
        await ask(hook, handles)
        lists, polls = counts(ae)
        assert await hook.acancel(handles[0])
    assert counts(ae) == (lists, polls + 1)
    ae.clock.advance(1)
    assert [child.status for child in ae.run(int(handles[0].job_id)).children] == [1851, 1851]
