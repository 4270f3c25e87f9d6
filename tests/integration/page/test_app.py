# SPDX-License-Identifier: Apache-2.0
"""The page's app in Airflow's API server: who gets what, and what a triggerer's report becomes."""

from __future__ import annotations

import pytest

from tests.support.page_world import ONLY, PageWorld, facts, page_world_fixture  # noqa: F401 - fixtures


def test_an_anonymous_one_gets_401_and_the_empty_page(page: PageWorld) -> None:
    waiting = page.task()
    assert page.request("GET", "jobs", user=None).status_code == 401
    assert page.job(waiting, user=None).status_code == 401
    for path in ("", "static/page.js", "static/common.js", "static/deliveries.js", "static/page.css"):
        answer = page.request("GET", path, user=None)
        assert answer.status_code == 200
        assert waiting.key.dag_id not in answer.text
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert page.request("GET", "static/../app.py", user=None).status_code == 404


def test_a_job_is_shown_before_any_triggerer_has_told_of_it(page: PageWorld) -> None:
    waiting = page.task()
    job = {
        "protocol": "automic",
        "job_id": "4711",
        "submitted_at": 5.0,
        "origin": "https://automic.example.com",
    }
    page.trigger(
        waiting, job={**job, "data": {"label": "JOBS.NIGHTLY"}}, conn_id="automic_prod", deadline=99.0
    )
    (found,) = page.jobs(dag_id=waiting.key.dag_id)
    wanted = {
        "system": "Broadcom Automic",
        "job_id": "4711",
        "label": "JOBS.NIGHTLY",
        "conn_id": "automic_prod",
    }
    assert wanted.items() <= found.items()
    assert (found["deadline"], found["last_poll_at"], found["run_id"]) == (99.0, None, waiting.key.run_id)


def test_what_a_triggerer_tells_is_shown(page: PageWorld) -> None:
    waiting = page.task()
    began = {"at": -100, "kind": "waiting", "text": "the triggerer waits for the job"}
    assert page.report(facts(waiting, events=[began])).status_code == 204
    failed = {"at": -1, "kind": "failure", "text": "poll 5 failed: no answer"}
    told = facts(waiting, polls=5, failures=1, failures_in_row=1, last_error="no answer", events=[failed])
    assert page.report(told).status_code == 204

    (found,) = page.jobs(dag_id=waiting.key.dag_id)
    assert (found["polls"], found["failures"], found["last_error"]) == (5, 1, "no answer")
    assert found["progress"] == 0.25
    assert found["remote_link"]
    one = page.job(waiting).json()
    assert [event["text"] for event in one["timeline"]] == [began["text"], failed["text"]]
    assert one["waits"]
    assert -8 < one["last_poll_at"] - one["now"] <= -5
    assert one["may_act"]


def test_a_job_that_has_ended_is_in_no_list_and_keeps_its_timeline(page: PageWorld) -> None:
    waiting = page.task()
    ended = {"at": 0, "kind": "end", "text": "succeeded, reported by poll"}
    page.report(facts(waiting, state="succeeded", events=[ended]))
    waiting.set("success")
    assert page.jobs(dag_id=waiting.key.dag_id) == []
    one = page.job(waiting).json()
    assert (one["waits"], one["timeline"][-1]["text"]) == (False, ended["text"])


def test_a_task_without_a_remote_job_has_none(page: PageWorld) -> None:
    other = page.task(trigger="airflow.providers.standard.triggers.temporal.DateTimeTrigger")
    assert page.jobs(dag_id=other.key.dag_id) == []
    assert page.job(other).status_code == 404


def test_a_user_without_the_dag_sees_nothing_of_it(page: PageWorld) -> None:
    mine, other = page.task(), page.task()
    page.report(facts(mine, system="Mine"), facts(other, system="Other"))
    user = ONLY + mine.key.dag_id
    assert {job["dag_id"] for job in page.jobs(user=user, limit=200)} == {mine.key.dag_id}
    answer = page.request("GET", "jobs", user=user, params={"limit": 200})
    assert (answer.json()["total"], answer.json()["systems"]) == (1, ["Mine"])
    assert other.key.dag_id not in answer.text
    named = page.request("GET", "jobs", user=user, params={"dag_id": other.key.dag_id})
    assert named.status_code == 403
    assert page.job(other, user=user).status_code == 403
    assert page.job(mine, user=user).status_code == 200


def test_a_viewer_sees_and_may_not_act(page: PageWorld) -> None:
    waiting = page.task()
    assert page.job(waiting, user="viewer", role="VIEWER").json()["may_act"] is False


@pytest.mark.parametrize("key", [b"another key", b""])
def test_a_report_that_no_triggerer_has_signed_changes_nothing(page: PageWorld, key: bytes) -> None:
    waiting = page.task()
    assert page.report(facts(waiting), key=key or b"x").status_code == 401
    (found,) = page.jobs(dag_id=waiting.key.dag_id)
    assert found["reported_at"] is None


def test_a_report_that_makes_no_sense_is_refused(page: PageWorld) -> None:
    assert page.report({"no": "id"}).status_code == 422
    assert page.report(*[{}] * 201).status_code == 422
    waiting = page.task()
    strange = facts(waiting, polls="many", label="a\nb" * 500, remote_url="javascript:x()")
    assert page.report({**strange, "progress": "x"}).status_code == 204
    (found,) = page.jobs(dag_id=waiting.key.dag_id)
    assert (found["polls"], found["progress"], found["remote_link"]) == (0, None, False)
    assert len(found["label"]) == 250
