# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: TID251 - Airflow's audit log is looked at
"""What a person does about a waiting job: with which rights, when, and what the task is told."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import select

from airflow_async_provider._callbacks.registration import BY_HAND_KEY, MAILBOX_KEY, Delivery, from_stored
from tests.support.callback_world import MUTE, Waiting
from tests.support.page_world import ONLY, PageWorld, page_world_fixture  # noqa: F401 - fixtures

JOB = {"protocol": "automic", "job_id": "7", "submitted_at": 1.0, "options": {"client": "100"}}
SILENT = {"protocol": "open_connectors", "job_id": "7", "submitted_at": 1.0}


def waits(
    page: PageWorld, *, job: Any = JOB, deferred_for: float = 60.0, facts: Any = None, **given: Any
) -> Waiting:
    waiting = page.task(deferred_for=deferred_for, **(facts or {}))
    page.trigger(waiting, job=job, **given)
    return waiting


def act(
    page: PageWorld, waiting: Waiting, action: str, *, user: str = "admin", role: str = "ADMIN", **more: Any
) -> Any:
    key = waiting.key
    named = {"dag_id": key.dag_id, "run_id": key.run_id, "task_id": key.task_id, "map_index": key.map_index}
    return page.request(
        "POST",
        "act",
        user=user,
        role=role,
        params={**named, "ti_id": more.pop("ti_id", str(uuid.UUID(key.attempt)))},
        json={"action": action, "value": more.pop("value", None)},
        **more,
    )


@pytest.mark.parametrize("action", ["poll", "cancel"])
def test_the_task_is_resumed_and_told_who_wants_what(page: PageWorld, action: str) -> None:
    waiting = waits(page)
    number = waiting.row["trigger_id"]
    assert page.job(waiting).json()["actions"] == ["poll", "cancel"]
    answer = act(page, waiting, action)
    assert answer.status_code == 200, answer.text
    assert waiting.state == "scheduled"
    told = {"state": "running", "via": "person", "wish": action, "by": "admin", "polls": 0}
    assert told.items() <= waiting.event.items()
    note = from_stored(page.xcom(waiting.key, BY_HAND_KEY))
    assert note == {"trigger": number, "by": "admin", "wish": action}
    assert waiting.delivery is None  # the mailbox is the receiver's
    assert audit(page, waiting) == [(f"remote_job.{action}", "admin")]
    again = act(page, waiting, action)
    assert (again.status_code, "does not wait" in again.text) == (409, True)


def audit(page: PageWorld, waiting: Waiting) -> list[tuple[str, str]]:
    from airflow.models.log import Log

    with page.session() as session:
        rows = session.execute(select(Log.event, Log.owner).where(Log.dag_id == waiting.key.dag_id))
        return [(row.event, row.owner) for row in rows if row.event.startswith("remote_job")]


def test_the_right_to_change_the_task_is_needed(page: PageWorld) -> None:
    waiting = waits(page)
    other = ONLY + waits(page).key.dag_id
    assert act(page, waiting, "cancel", user="viewer", role="VIEWER").status_code == 403
    assert act(page, waiting, "cancel", user=other).status_code == 403
    assert act(page, waiting, "cancel", user=None).status_code == 401  # type: ignore[arg-type] # nobody
    assert act(page, waiting, "cancel", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert waiting.state == "deferred"
    assert act(page, waiting, "cancel", user=ONLY + waiting.key.dag_id).status_code == 200


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"settle": 600.0}, "only just begun to wait"),
        ({"cancel_on_kill": False}, "cancel_on_kill"),
        ({"job": SILENT}, "no request for that"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(page: PageWorld, given: Any, why: str) -> None:
    waiting = waits(page, **given)
    answer = act(page, waiting, "cancel")
    assert (answer.status_code, why in answer.json()["detail"]) == (409, True), answer.text
    assert waiting.state == "deferred"
    assert page.xcom(waiting.key, BY_HAND_KEY) is None


def test_a_page_of_an_earlier_try_does_nothing_to_this_one(page: PageWorld) -> None:
    waiting = waits(page)
    answer = act(page, waiting, "cancel", ti_id=str(uuid.uuid4()))
    assert (answer.status_code, "another try" in answer.text) == (409, True)
    assert waiting.state == "deferred"


def test_a_task_of_another_trigger_is_none_of_ours(page: PageWorld) -> None:
    other = page.task(trigger="airflow.providers.standard.triggers.temporal.DateTimeTrigger")
    assert act(page, other, "poll").status_code == 409
    assert other.state == "deferred"


def test_an_action_that_does_not_exist(page: PageWorld) -> None:
    assert act(page, waits(page), "destroy").status_code == 409


def test_what_only_a_callback_completes_is_completed_by_hand(page: PageWorld) -> None:
    waiting = waits(page, job=SILENT, callback=True, facts=MUTE)
    assert page.job(waiting).json()["actions"] == ["complete"]
    answer = act(page, waiting, "complete", value={"rows": 3})
    assert answer.status_code == 200, answer.text
    assert waiting.state == "scheduled"
    delivery = Delivery.from_dict(page.xcom(waiting.key, MAILBOX_KEY))
    assert delivery is not None
    assert (delivery.state, delivery.value) == ("succeeded", {"rows": 3})
    assert delivery.remote_status == "completed by hand (admin)"
    assert act(page, waiting, "complete").status_code == 409


def test_a_job_that_can_be_asked_is_not_completed_by_hand(page: PageWorld) -> None:
    waiting = waits(page, callback=True)
    answer = act(page, waiting, "complete")
    assert (answer.status_code, "can be polled" in answer.text) == (409, True)
    assert waiting.state == "deferred"
