# SPDX-License-Identifier: Apache-2.0
"""Filtering, sorting and paging of waiting jobs, by the database."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider._page.listing import SORTS
from tests.support.callback_world import Waiting
from tests.support.page_world import PageWorld, facts, page_world_fixture  # noqa: F401 - fixtures

RUN = "manual__2026-11-26T00:00:00+00:00"


@pytest.fixture(scope="module", name="jobs")
def jobs_fixture(page: PageWorld) -> dict[str, Waiting]:
    """Five jobs, each with something of its own; the last one nobody has told of."""
    made = {name: page.task() for name in ("late", "near", "failing", "called", "silent")}
    page.report(
        facts(made["late"], deadline=-60, label="100%_done", job_id="b", polls=9, progress=0.5, system="A"),
        facts(made["near"], deadline=600, label="Café", job_id="c", polls=2, system="B"),
        facts(made["failing"], deadline=9000, failures_in_row=2, failures=3, job_id="d", progress=None),
        facts(made["called"], deadline=8000, callback=True, job_id="a", remote_status="ENDED_OK_LATER"),
    )
    return made


def names(page: PageWorld, jobs: dict[str, Waiting], **query: Any) -> list[str]:
    by_dag = {waiting.key.dag_id: name for name, waiting in jobs.items()}
    found = page.jobs(**{"limit": 200, **query})
    return [by_dag[job["dag_id"]] for job in found if job["dag_id"] in by_dag]


def test_the_nearest_deadline_comes_first_and_what_is_not_known_last(page: PageWorld, jobs: Any) -> None:
    order = ["late", "near", "called", "failing"]
    assert names(page, jobs) == [*order, "silent"]
    assert names(page, jobs, sort="-deadline") == [*order[::-1], "silent"]
    assert names(page, jobs, sort="no such column") == [*order, "silent"]


def test_it_can_be_sorted_by_all_that_is_shown(page: PageWorld, jobs: Any) -> None:
    assert names(page, jobs, sort="job_id")[:4] == ["called", "late", "near", "failing"]
    assert names(page, jobs, sort="-polls")[0] == "late"
    for name in SORTS:
        assert set(names(page, jobs, sort=name)) == set(jobs), name


@pytest.mark.parametrize("only", ["late", "near", "failing"])
def test_what_stands_out_can_be_shown_alone(page: PageWorld, jobs: Any, only: str) -> None:
    assert names(page, jobs, only=only) == [only]


def test_how_many_need_attention_is_counted_whatever_is_shown(page: PageWorld, jobs: Any) -> None:
    for only in ("", "late", "failing"):
        answer = page.request("GET", "jobs", params={"only": only, "search": "wait"}).json()
        tally = answer["tally"]
        assert tally["all"] >= 5
        assert {tally[name] for name in ("late", "near", "failing", "callback")} == {1}
        assert answer["total"] == tally[only or "all"]
    key = jobs["near"].key
    answer = page.request("GET", "jobs", params={"dag_id": key.dag_id}).json()
    assert answer["tally"] == {"all": 1, "late": 0, "near": 1, "failing": 0, "callback": 0}


def test_others_are_filtered_too(page: PageWorld, jobs: Any) -> None:
    assert names(page, jobs, only="callback") == ["called"]
    assert names(page, jobs, system="B") == ["near"]
    key = jobs["failing"].key
    assert names(page, jobs, dag_id=key.dag_id, run_id=key.run_id, task_id="wait", map_index=-1) == [
        "failing"
    ]
    assert names(page, jobs, dag_id=key.dag_id, map_index=3) == []


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("100%_D", ["late"]),
        ("%", ["late"]),
        ("_", ["late", "near", "called", "failing", "silent"]),  # each has one in its DAG's id
        ("ENDED-OK", []),
        ("ENDED_OK", ["called"]),
        ("café", ["near"]),
        ("\\", []),
        ("' or 1=1 --", []),
    ],
)
def test_a_search_takes_every_character_for_itself(
    page: PageWorld, jobs: Any, search: str, found: list[str]
) -> None:
    assert names(page, jobs, search=search) == found


def test_several_words_must_all_be_there(page: PageWorld, jobs: Any) -> None:
    dag_id = jobs["called"].key.dag_id
    assert names(page, jobs, search=f"{dag_id} wait ENDED") == ["called"]
    assert names(page, jobs, search=f"{dag_id} café") == []


def test_pages_hold_each_job_once(page: PageWorld, jobs: Any) -> None:
    seen: list[str] = []
    for offset in range(0, 1000, 2):
        answer = page.request("GET", "jobs", params={"limit": 2, "offset": offset, "sort": "system"}).json()
        seen += [job["ti_id"] for job in answer["jobs"]]
        if offset >= answer["total"]:
            break
    assert len(seen) == len(set(seen)) == answer["total"]


@pytest.mark.parametrize("bounds", [{"limit": 0}, {"limit": 1000}, {"offset": -1}])
def test_a_page_has_bounds(page: PageWorld, bounds: dict[str, int]) -> None:
    assert page.request("GET", "jobs", params=bounds).status_code == 422
