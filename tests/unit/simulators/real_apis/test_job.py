# SPDX-License-Identifier: Apache-2.0
"""A job of the simulated real APIs: how far it is, how it ends, and the words for both."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.simulators._real_apis.job import Job

RUNNING = ["queued", "running"]
ENDED = {"fail": "failed"}


def job(
    outcome: str = "", *, seconds: float | None = 10.0, polls: int | None = None
) -> tuple[Job, list[float]]:
    clock = [100.0]
    made = Job("j-1", outcome, seconds=seconds, polls=polls, now=lambda: clock[0], about={})
    return made, clock


def word(made: Job, **more: Any) -> Any:
    return made.word(RUNNING, "done", ENDED, "stopped", **more)


def test_the_clock_takes_it_through_all_its_words() -> None:
    made, clock = job()
    seen = [word(made)]
    for clock[0] in (105.0, 109.9, 110.0):
        seen.append(word(made))
    assert seen == ["queued", "running", "running", "done"]
    assert (made.good, made.bad, made.percent) == (True, False, 100)


def test_so_many_polls_find_it_running() -> None:
    made, _ = job(polls=2)
    seen = []
    for _ in range(3):
        seen.append(word(made))
        made.asked()
    assert seen == ["queued", "running", "done"]


def test_without_seconds_and_polls_it_runs_until_it_is_finished() -> None:
    made, clock = job(seconds=None)
    clock[0] += 1e6
    assert word(made) == "queued"
    made.finish("fail")
    assert (word(made), made.bad) == ("failed", True)
    made.finish("")  # too late
    assert word(made) == "failed"


def test_another_outcome_has_another_word_and_an_unnamed_one_that_of_success() -> None:
    assert [word(job(outcome, seconds=0.0)[0]) for outcome in ("fail", "partial")] == ["failed", "done"]


def test_a_held_job_does_nothing_until_it_begins() -> None:
    made, clock = job()
    made.hold()
    clock[0] += 50.0
    assert (made.waits, made.share) == (True, 0.0)
    made.begin()
    assert (made.waits, made.over) == (False, False)
    clock[0] += 10.0
    assert made.good


@pytest.mark.parametrize("polls", [None, 3])
def test_a_cancelled_job_stops_at_once_or_says_first_that_it_will(polls: int | None) -> None:
    made, clock = job(polls=polls)
    assert made.cancel()
    assert word(made) == "stopped"
    assert word(made, stopping="stopping") == "stopping"
    made.asked()
    clock[0] += 4.0
    assert word(made, stopping="stopping") == "stopped"
    assert (made.ended, made.over, made.good) == (True, False, False)
    assert not made.cancel()


def test_a_job_that_has_ended_cannot_be_cancelled() -> None:
    made, _ = job(seconds=0.0)
    assert not made.cancel()
    assert made.to_dict() == {"id": "j-1", "outcome": "", "share": 1.0, "stopped": False}
