# SPDX-License-Identifier: Apache-2.0
"""
The last deliveries that a user may see, of tasks and of push sources, and what can be replayed of them.

The record is a part of Airflow's audit log, so the right to read that is asked for. A replay of a task's
delivery needs the right to edit the DAG run; one of a source's makes events, and needs the right for that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks import airflow_internals as receiver_internals
from airflow_async_provider._callbacks import deliveries, handling, pushing, trials
from airflow_async_provider._callbacks.address import CallbackAddress, TaskKey
from airflow_async_provider._page import actions
from airflow_async_provider._page import airflow_internals as internals
from airflow_async_provider._page.actions import NotNowError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Rows at most, and of one task on its page.
MAX_ROWS = 200
ROWS = 50

#: Outcomes of a task's last delivery after which it may lie in the mailbox with no task to take it out.
_OF_TASKS = frozenset({"accepted", "duplicate"})
_OF_SOURCES = frozenset({pushing.EVENT, pushing.REPLAYED})


class NotAllowedError(Exception):
    """The user has not the right that is needed."""


class UnknownError(Exception):
    """There is no such delivery, or none that the user may know of."""


def of_user(user: Any, *, limit: int, source: str | None, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    The last deliveries, newest first.

    :param source: of this push source; an empty text: of all of them; None: of tasks
    :param task: of tasks with these ``dag_id``, ``task_id``, ``run_id``, ``map_index``, as far as given
    """
    if source is not None:
        if not internals.may_read_log(user):
            return []
        replays = internals.may_make_events(user)
        found = deliveries.last(limit, source=source)
        return [{**row, "replay": replays and row.get("outcome") in _OF_SOURCES} for row in found]
    dag_ids = internals.authorized_dag_ids(user)
    if dag_id := task.get("dag_id"):
        dag_ids = dag_ids & {dag_id}
    readable = {d for d in dag_ids if internals.may_read_log(user, d)}
    named = {name: value for name, value in task.items() if name != "dag_id"}
    found = deliveries.last(limit, task=named, dag_ids=readable)
    may = {d: internals.may_replay(user, d) for d in {row["dag_id"] for row in found}}
    newest = {_named(row): row["number"] for row in reversed(found)}
    return [
        {
            **row,
            "replay": may[row["dag_id"]]
            and row.get("outcome") in _OF_TASKS
            and newest[_named(row)] == row["number"],
        }
        for row in found
    ]


def last_of_each(session: Session, user: Any, jobs: Collection[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Jobs of the list, each that expects callbacks with the last delivery of its task."""
    readable = {d: internals.may_read_log(user, d) for d in {job["dag_id"] for job in jobs}}
    expecting = {_named(job) for job in jobs if job.get("callback") and readable[job["dag_id"]]}
    found = deliveries.last_of_each(session, expecting)
    return [{**job, "last_delivery": found.get(_named(job))} for job in jobs]


def _named(job: Mapping[str, Any]) -> deliveries.Task:
    return (job["dag_id"], job["run_id"], job["task_id"], job["map_index"])


def trial_address(
    user: Any, base_url: str, *, source: str, task: Mapping[str, Any], party: int
) -> CallbackAddress:
    """
    Where a test delivery goes for a waiting task or a push source.

    :param base_url: where the API server is reached from outside
    :param task: ``dag_id``, ``run_id``, ``task_id``, ``map_index``; not looked at where there is a source
    :param party: which of several parties is tried; -1: the first one
    :raises UnknownError: there is no such source, or no callback is expected
    :raises NotAllowedError: the user may not
    :raises ConfigurationError: there is no key, or the base URL is not a plain one
    """
    if source:
        if not internals.may_make_events(user):
            raise NotAllowedError("A test delivery needs the right to make events of assets.")
        if pushing.known(source) is None:
            raise UnknownError("There is no such push source.")
        return trials.new_address(base_url, source)
    key = TaskKey(task["dag_id"], task["run_id"], task["task_id"], task.get("map_index", -1))
    if key.dag_id not in internals.authorized_dag_ids(user):
        raise UnknownError("There is no such task.")
    if not internals.may_replay(user, key.dag_id):
        raise NotAllowedError("A test delivery needs the right to edit the DAG run.")
    one, of_several = key, replace(key, party=max(party, 0))
    for about in (one, of_several) if party < 0 else (of_several,):
        if handling.expected(about.encode()) is not None:
            return trials.new_address(base_url, about)
    raise UnknownError("This task expects no callback.")


def replay(number: int, user: Any) -> str:
    """
    Replay a recorded delivery.

    :param number: of the delivery in the record
    :return: what happens now, in words
    :raises UnknownError: there is none for this user
    :raises NotAllowedError: the user may see it and not replay it
    :raises NotNowError: it cannot be replayed
    """
    with receiver_internals.transaction() as session:
        row = deliveries.find(session, number)
    if row is None or (row.task and row.task.dag_id not in internals.authorized_dag_ids(user)):
        raise UnknownError("There is no such delivery.")
    by = str(user.get_name())
    if row.task is not None:
        if not internals.may_replay(user, row.task.dag_id):
            raise NotAllowedError("A replay needs the right to edit the DAG run.")
        return actions.replay(row.task, by)
    if not internals.may_make_events(user):
        raise NotAllowedError("A replay needs the right to make events of assets.")
    names = pushing.replay(number, by)
    if not names:
        raise NotNowError("This delivery made no event, or its events or assets are gone.")
    return f"Events were made again: {', '.join(names)}."
