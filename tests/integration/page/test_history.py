# SPDX-License-Identifier: Apache-2.0
"""The last deliveries on the page: who sees them, and what is replayed with which right."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from airflow_async_provider._callbacks import pushing
from airflow_async_provider._callbacks.registration import BY_HAND_KEY, from_stored
from tests.support.callback_world import MUTE, Waiting
from tests.support.page_world import ONLY, PageWorld, facts, page_world_fixture  # noqa: F401 - fixtures
from tests.support.push_world import Pushed, make_asset, make_source

JOB = {"protocol": "automic", "job_id": "7", "submitted_at": 1.0, "options": {"client": "100"}}


def came(page: PageWorld, *, user: str | None = "admin", role: str = "ADMIN", **query: Any) -> Any:
    answer = page.request("GET", "deliveries", user=user, role=role, params=query)
    return answer.json()["deliveries"] if answer.status_code == 200 else answer.status_code


def replay(page: PageWorld, number: int, *, user: str = "admin", role: str = "ADMIN") -> Any:
    return page.request("POST", f"deliveries/{number}/replay", user=user, role=role)


def left_lying(page: PageWorld, **given: Any) -> Waiting:
    """A task whose delivery came within the settle time and that no triggerer has taken out since."""
    waiting = page.task(deferred_for=1.0)
    registration = waiting.expect(settle=10.0)
    page.trigger(waiting, job=JOB, callback=True, submission=registration.submission, settle=0.0, **given)
    assert waiting.post().status_code == 200
    assert waiting.state == "deferred"
    return waiting


def test_what_came_stands_beside_the_job(page: PageWorld) -> None:
    waiting = left_lying(page)
    page.report(facts(waiting, callback=True))
    (job,) = page.jobs(dag_id=waiting.key.dag_id)
    assert (job["last_delivery"]["outcome"], job["last_delivery"]["bytes"]) == ("accepted", 16)
    waiting.post(b'{"status": 1900} ')
    one = page.job(waiting).json()
    assert [d["outcome"] for d in one["deliveries"]] == ["duplicate", "accepted"]
    assert [d["replay"] for d in one["deliveries"]] == [True, False]  # the mailbox holds one
    assert waiting.address.secret not in str(one)
    quiet = page.task()
    page.trigger(quiet, job=JOB)
    page.report(facts(quiet, callback=False))
    assert page.jobs(dag_id=quiet.key.dag_id)[0]["last_delivery"] is None
    assert page.job(quiet).json()["deliveries"] == []


def test_each_task_of_a_list_has_its_own_last_one(page: PageWorld) -> None:
    made = [left_lying(page) for _ in range(3)]
    made[1].post(b'{"status": 1900, "note": "longer"}')
    page.report(*(facts(waiting, callback=True) for waiting in made))
    found = {job["dag_id"]: job["last_delivery"] for job in page.jobs(limit=200)}
    sizes = [found[waiting.key.dag_id]["bytes"] for waiting in made]
    assert sizes == [16, 34, 16]


def test_rights_are_those_of_the_audit_log(page: PageWorld) -> None:
    waiting, other = left_lying(page), left_lying(page)
    own = ONLY + waiting.key.dag_id
    assert {d["dag_id"] for d in came(page, user=own)} == {waiting.key.dag_id}
    assert came(page, user=own, dag_id=other.key.dag_id) == 403
    assert came(page, user=None) == 401
    (row,) = came(page, user="viewer", role="VIEWER", dag_id=waiting.key.dag_id)
    assert row["replay"] is False


def test_a_delivery_that_nobody_took_out_is_replayed_to_its_task(page: PageWorld) -> None:
    waiting = left_lying(page)
    number = waiting.row["trigger_id"]
    (row,) = came(page, dag_id=waiting.key.dag_id)
    assert replay(page, row["number"], user="viewer", role="VIEWER").status_code == 403
    assert replay(page, row["number"], user=ONLY + "another").status_code == 404
    assert waiting.state == "deferred"
    answer = replay(page, row["number"])
    assert answer.status_code == 200, answer.text
    assert waiting.state == "scheduled"
    assert waiting.event["via"] == "callback"
    # Its trigger is told that nobody has killed the wait.
    note = from_stored(page.xcom(waiting.key, BY_HAND_KEY))
    assert note == {"trigger": number, "by": "admin", "wish": "replay"}
    again = replay(page, row["number"])
    assert (again.status_code, "does not wait" in again.text) == (409, True)


@pytest.mark.parametrize(
    ("given", "why"),
    [({"last_delivery_at": 9e9}, "has dealt with"), ({"settle": 600.0}, "only just begun")],
)
def test_what_cannot_be_replayed_says_why(page: PageWorld, given: dict[str, Any], why: str) -> None:
    waiting = left_lying(page)
    page.trigger(waiting, **{"job": JOB, "callback": True, **given})
    (row,) = came(page, dag_id=waiting.key.dag_id)
    answer = replay(page, row["number"])
    assert (answer.status_code, why in answer.text) == (409, True), answer.text
    assert waiting.state == "deferred"


def test_a_sign_of_life_resumes_nobody(page: PageWorld) -> None:
    waiting = page.task(**{**MUTE, "protocol": "remote_job", "settle": 0.0})
    page.trigger(waiting, job={"protocol": "remote_job", "job_id": "7", "submitted_at": 1.0}, callback=True)
    assert waiting.post({"state": "running", "progress": 0.5}).status_code == 200
    (row,) = came(page, dag_id=waiting.key.dag_id)
    assert (row["outcome"], row["replay"]) == ("heartbeat", False)
    assert replay(page, row["number"]).status_code == 409
    assert waiting.state == "deferred"


def push(pushed: Pushed, body: bytes, **options: Any) -> None:
    assert asyncio.run(pushed.sender(body, **options).send()) == [200]


def test_the_events_of_a_sources_delivery_are_made_again(page: PageWorld) -> None:
    pushing._sources = pushing._Sources()
    asset = f"replayed_{uuid.uuid4().hex[:8]}"
    make_asset(page, asset)
    pushed = make_source(page, asset)
    push(pushed, b'{"order": 7}')
    (row,) = came(page, source=pushed.source.name)
    assert (row["outcome"], row["replay"], row["assets"]) == ("event", True, [asset])
    assert replay(page, row["number"], user="viewer", role="VIEWER").status_code == 403
    assert len(pushed.events()) == 1
    answer = replay(page, row["number"])
    assert answer.status_code == 200, answer.text
    first, second = pushed.events()
    assert second["payload"] == first["payload"] == {"order": 7}
    assert (second["replayed_by"], "replayed_by" in first) == ("admin", False)
    again, before = came(page, source=pushed.source.name)
    assert (again["outcome"], again["by"], again["replay_of"]) == ("replayed", "admin", row["number"])
    assert before["number"] == row["number"]
    assert {d["source"] for d in came(page, source="*", limit=200)} >= {pushed.source.name}


def test_a_delivery_that_made_no_event_has_nothing_to_replay(page: PageWorld) -> None:
    pushing._sources = pushing._Sources()
    pushed = make_source(page, f"unknown_{uuid.uuid4().hex[:8]}")
    push(pushed, b"{}")
    (row,) = came(page, source=pushed.source.name)
    assert (row["outcome"], row["replay"]) == ("no_asset", False)
    assert replay(page, row["number"]).status_code == 409
    assert replay(page, 10**9).status_code == 404


def address(page: PageWorld, *, user: str = "admin", role: str = "ADMIN", **query: Any) -> Any:
    return page.request("POST", "test-address", user=user, role=role, params=query)


def test_who_may_edit_the_run_gets_an_address_for_a_test(
    page: PageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_BASE_URL", page.url)
    waiting = page.task(**{**MUTE, "protocol": "remote_job"})
    key = waiting.key
    named = {"dag_id": key.dag_id, "run_id": key.run_id, "task_id": key.task_id}
    assert address(page, user="viewer", role="VIEWER", **named).status_code == 403
    assert address(page, user=ONLY + "another", **named).status_code == 404
    made = address(page, **named).json()
    answer = waiting.post({"state": "succeeded"}, url=made["url"], secret=made["authorization"][7:])
    assert answer.json()["test"]["would"] == "resume the task"
    assert waiting.state == "deferred"
    quiet = page.task()
    other = {"dag_id": quiet.key.dag_id, "run_id": quiet.key.run_id, "task_id": "no_such_task"}
    assert address(page, **other).status_code == 404


def test_who_may_make_events_gets_one_for_a_source(page: PageWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_BASE_URL", page.url)
    monkeypatch.setattr(pushing, "_sources", pushing._Sources())
    pushed = make_source(page, f"unknown_{uuid.uuid4().hex[:8]}")
    name = pushed.source.name
    assert address(page, user="viewer", role="VIEWER", source=name).status_code == 403
    assert address(page, source="no-such-source").status_code == 404
    made = address(page, source=name).json()
    told = page.task().post({"id": 1}, url=made["url"], secret=made["authorization"][7:]).json()["test"]
    assert "no DAG knows" in told["would"]
