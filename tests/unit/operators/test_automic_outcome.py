# SPDX-License-Identifier: Apache-2.0
"""What the end of an Automic run means for its task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_async_provider._jobs.airflow_exceptions import AirflowSkipException
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators._automic_outcome import AutomicOutcome, facts_of
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus

RUN = JobHandle("automic", "1000001", 0.0)
RESTART = JobHandle("automic", "1000002", 0.0)
NOT_RUN = JobStatus(JobState.NOT_RUN, "1930", "ENDED_SKIPPED")


class Hook:
    """As much of a hook as is asked for."""

    def last_restart(self, handle: JobHandle) -> JobHandle:
        assert handle is RUN
        return RESTART

    def list_reports(self, handle: JobHandle) -> list[dict[str, Any]]:
        return [{"type": "REP", "is_db": True}]

    def iter_reports(self, handle: JobHandle, kind: str) -> Iterator[str]:
        yield "the report"


class Lines(list[str]):
    """A log."""

    def info(self, event: str, /, *args: Any) -> None:
        self.append(event % args)

    warning = info


HOOK: Any = Hook()


def outcome(**given: Any) -> AutomicOutcome:
    arguments = {"on_not_run": "skip", "follow_restarts": False, "fetch_reports": "on_failure", **given}
    return AutomicOutcome(**arguments)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"on_not_run": "skipp"}, r"on_not_run must be one of .*Did you mean 'skip'\?"),
        ({"fetch_reports": "allways"}, r"fetch_reports must be one of .*Did you mean 'always'\?"),
    ],
)
def test_another_word_is_reported_with_the_nearest_one(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        outcome(**given)


@pytest.mark.parametrize(
    ("on_not_run", "state"),
    [("skip", JobState.SUCCEEDED), ("success", JobState.SUCCEEDED), ("fail", JobState.NOT_RUN)],
)
def test_a_run_that_did_not_run_is_a_good_end_unless_it_shall_fail(on_not_run: str, state: JobState) -> None:
    found = outcome(on_not_run=on_not_run).interpret(NOT_RUN)
    assert (found.state, found.remote_status) == (state, "1930")


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.RUNNING, JobState.SUCCEEDED])
def test_any_other_state_stays_what_it_is(state: JobState) -> None:
    status = JobStatus(state)
    assert outcome().interpret(status) is status


def test_restarts_are_followed_where_that_is_wanted() -> None:
    assert outcome(follow_restarts=True).continued_by(HOOK, RUN) is RESTART
    assert outcome().continued_by(HOOK, RUN) is None


@pytest.mark.parametrize(
    ("state", "when", "shown"),
    [
        (JobState.FAILED, "on_failure", True),
        (JobState.NOT_RUN, "on_failure", True),  # it fails the task, else it would be a success by now
        (JobState.FAILED, "never", False),
        (JobState.SUCCEEDED, "on_failure", False),
        (JobState.SUCCEEDED, "always", True),
        (JobState.EXPIRED, "always", False),  # Automic knows the run no more
    ],
)
def test_when_reports_are_shown(state: JobState, when: str, shown: bool) -> None:
    log = Lines()
    outcome(fetch_reports=when).report(HOOK, RUN, JobStatus(state), log)
    assert ("the report" in log) is shown
    assert bool(log) is shown


def test_a_run_that_did_not_run_skips_its_task_with_automic_s_words() -> None:
    status = outcome().interpret(NOT_RUN)
    with pytest.raises(AirflowSkipException, match=r"job 1000001 ended without having run: 1930 ENDED_SKIP"):
        outcome().result(RUN, status, via="poll")
    assert outcome(on_not_run="success").result(RUN, status, via="poll")["run_id"] == 1000001


def test_the_facts_of_a_run_are_automic_s_own() -> None:
    detail = {"status": 1900, "status_text": "ENDED_OK", "runtime": 3, "secret": "x"}
    status = JobStatus(JobState.SUCCEEDED, "1900", detail=detail)
    facts = {"run_id": 1000001, "status": 1900, "status_text": "ENDED_OK", "runtime": 3}
    assert outcome().result(RUN, status, via="callback") == {
        **facts,
        "start_time": None,
        "end_time": None,
        "via": "callback",
        "conn_id": RUN.conn_id,
        "origin": RUN.origin,
    }


def test_where_nothing_was_waited_for_the_run_s_number_is_all_that_is_known() -> None:
    facts = facts_of(RUN, None, via=None)
    assert facts.pop("run_id") == 1000001
    names = {"status", "status_text", "start_time", "end_time", "runtime", "via", "conn_id", "origin"}
    assert set(facts) == names
    assert set(facts.values()) == {None}
