# SPDX-License-Identifier: Apache-2.0
"""The list of executions of the simulated Automic: filters and pages."""

from __future__ import annotations

import pytest

from airflow_async_provider.simulators._automic_list import Query, page
from airflow_async_provider.simulators._automic_runs import Plan, Run
from airflow_async_provider.simulators.reply import Refused

RUNS = [
    Run(
        run_id=number,
        name=f"JOBS.{'A' if number % 2 else 'B'}",
        plan=Plan(),
        body={"alias": f"ALIAS.{number}"},
        now=lambda: 1_700_000_000.0,
        user="U/D",
        on_change=lambda run: None,
    )
    for number in range(1, 6)
]


def ids(answer: dict[str, list[dict[str, int]]]) -> list[int]:
    return [entry["run_id"] for entry in answer["data"]]


def test_pages_are_newest_first_and_say_whether_there_is_more() -> None:
    first = page(RUNS, Query([("max_results", "2")]))
    assert (ids(first), first["hasmore"], first["total"]) == ([5, 4], True, 5)
    last = page(RUNS, Query([("max_results", "2"), ("start_at_run_id", "2")]))
    assert (ids(last), last["hasmore"]) == ([1], False)
    assert "hasmore" not in page(RUNS, Query([]))


def test_filters_narrow_the_list() -> None:
    assert ids(page(RUNS, Query([("name", "jobs.a")]))) == [5, 3, 1]
    assert ids(page(RUNS, Query([("name", "*.A"), ("name_exclude", "true")]))) == [4, 2]
    assert ids(page(RUNS, Query([("run_id", "3")]))) == [3]
    assert ids(page(RUNS, Query([("run_id", "3")]), filtered=False)) == [5, 4, 3, 2, 1]


def test_a_wildcard_in_front_may_be_a_mere_star() -> None:
    assert ids(page(RUNS, Query([("name", "*.A")], leading_wildcards=False))) == []


@pytest.mark.parametrize(
    "pairs",
    [
        [("run_id", "x")],
        [("run_id", "1"), ("run_id", "2")],
        [("max_results", "0")],
        [("include_deactivated", "yes")],
        [("time_frame_from", "yesterday")],
        [("time_frame_option", "later")],
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(Refused) as refusal:
        page(RUNS, Query(pairs))
    assert refusal.value.reply.status == 400
