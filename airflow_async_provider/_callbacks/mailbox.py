# SPDX-License-Identifier: Apache-2.0
"""
What the task and its trigger ask of Airflow: the mailbox (XCom), and how it stands with the task itself.

The base class of XCom is used on purpose, past a configured XCom backend: the receiver reads and writes the
same rows in the database and knows no backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from airflow_async_provider._callbacks.address import TaskKey, attempt_of
from airflow_async_provider._callbacks.airflow_internals import HANDOVER_KILLS
from airflow_async_provider._callbacks.registration import (
    BY_HAND_KEY,
    EMPTY_MAILBOX,
    MAILBOX_KEY,
    REGISTRATION_KEY,
    Delivery,
    Registration,
    as_stored,
    from_stored,
)

#: Who stores the task's result in a triggerer, and how far that is.
STORING_KEY = "async_job_storing"

#: Pushes the values of tasks that end in the triggerer; not asyncio's own pool, which looks up host names.
_pushing = ThreadPoolExecutor(4, thread_name_prefix="async-provider-xcom")


def expect(task: TaskKey, registration: Registration, *, empty: bool = True) -> None:
    """
    Announce a callback, from the worker, before the job is submitted.

    :param empty: empty the mailbox as well; False where its callback may have come already
    """
    from airflow.sdk.bases.xcom import BaseXCom

    BaseXCom.set(key=REGISTRATION_KEY, value=registration.to_text(), **task.where)
    if empty:
        BaseXCom.set(key=MAILBOX_KEY, value=EMPTY_MAILBOX, **task.where)


def look(task: TaskKey, submission: str = "") -> Delivery | None:
    """
    The accepted callback, None when there is none.

    :param submission: only the callback of this submission, see
        :attr:`~airflow_async_provider._callbacks.registration.Registration.submission`
    """
    from airflow.sdk.bases.xcom import BaseXCom

    return delivery_for(submission, BaseXCom.get_one(key=MAILBOX_KEY, **task.where))


async def alook(task: TaskKey, submission: str = "") -> Delivery | None:
    """Async twin of :func:`look`, for the triggerer."""
    return delivery_for(submission, await _aget(MAILBOX_KEY, task))


async def alook_storing(task: TaskKey) -> Mapping[str, Any]:
    """
    What a triggerer has noted about storing the task's result, for the next one; empty: nothing.

    :raises Exception: Airflow did not answer
    """
    return _noted(await _aget(STORING_KEY, task))


def look_storing(task: TaskKey) -> Mapping[str, Any]:
    """The same, for the worker."""
    from airflow.sdk.bases.xcom import BaseXCom

    return _noted(BaseXCom.get_one(key=STORING_KEY, **task.where))


async def anote_storing(task: TaskKey, facts: Mapping[str, Any]) -> None:
    """
    Note something about storing the task's result; it is stored in clear.

    :raises Exception: Airflow did not answer
    """
    await _acall("set", key=STORING_KEY, value=as_stored(facts), **task.where)


def note_storing(task: TaskKey, facts: Mapping[str, Any]) -> None:
    """The same, for the worker."""
    from airflow.sdk.bases.xcom import BaseXCom

    BaseXCom.set(key=STORING_KEY, value=as_stored(facts), **task.where)


def _noted(stored: Any) -> Mapping[str, Any]:
    found = from_stored(stored)
    return found if isinstance(found, Mapping) else {}


async def was_resumed_by_hand(task: TaskKey, trigger_id: int | None) -> bool:
    """
    Whether a person has resumed the task from the page "Remote jobs", out of the wait in this very trigger.

    :raises Exception: Airflow did not answer
    """
    stored = from_stored(await _aget(BY_HAND_KEY, task))
    return isinstance(stored, Mapping) and trigger_id is not None and stored.get("trigger") == trigger_id


async def _aget(key: str, task: TaskKey) -> Any:
    return await _acall("get_one", key=key, **task.where)


async def _acall(name: str, **given: Any) -> Any:
    from airflow.sdk.bases.xcom import BaseXCom

    if (twin := getattr(BaseXCom, f"a{name}", None)) is not None:  # Airflow >= 3.3
        return await twin(**given)
    # Not asyncio.to_thread: the supervisor's connection lives on this event loop, and in Airflow 3.1 the
    # call finds its way back to it only from a thread that asgiref has made.
    from asgiref.sync import sync_to_async

    return await sync_to_async(getattr(BaseXCom, name))(**given)


def show_map_index(name: str) -> None:
    """
    Name a mapped task at once (Airflow >= 3.3), which else happens before it begins and when it ends.

    :raises Exception: this Airflow cannot, or did not answer
    """
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import SetRenderedMapIndex

    task_runner.SUPERVISOR_COMMS.send(msg=SetRenderedMapIndex(rendered_map_index=name))


async def apush_return_value(task_instance: Any, value: Any, *, mapped_over: bool) -> None:
    """
    Push the return value of a task that its trigger ends, as its worker would have done (Airflow >= 3.3).

    Not with the event that ends the task: Airflow encodes such values twice (seen in 3.3, read in 3.4). In a
    thread, as a large value takes its time to be encoded, and a backend may write it to a bucket.

    :param task_instance: the trigger's
    :param mapped_over: a task below is expanded over the value
    :raises Exception: Airflow did not answer, or cannot hold the value
    """
    from airflow.sdk.execution_time.xcom import XCom  # the configured backend: others read this value

    push = partial(XCom.set, XCom.XCOM_RETURN_KEY, value, **key_of(task_instance).where)
    if mapped_over and (with_length := getattr(XCom, "_push", None)) is not None:  # Airflow >= 3.4
        push = partial(with_length, task_instance, XCom.XCOM_RETURN_KEY, value, mapped_length=len(value))
    elif mapped_over:
        push = partial(push, _mapped_length=len(value))
    # With the context: from 3.4 on it tells Airflow which task a trigger is of.
    await asyncio.get_running_loop().run_in_executor(_pushing, copy_context().run, push)


async def apush_link(task: TaskKey, key: str, address: str) -> None:
    """
    Push the address behind one of a task's buttons, as its worker would have done (Airflow >= 3.3).

    :param key: the button's key
    :raises Exception: Airflow did not answer
    """
    from airflow.sdk.bases.xcom import BaseXCom

    await BaseXCom.aset(key=key, value=address, **task.where)


def has_own_xcoms() -> bool:
    """Whether values are stored by a custom XCom backend, and not in Airflow's own form."""
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time.xcom import XCom

    return XCom is not BaseXCom


def delivery_for(submission: str, stored: Any) -> Delivery | None:
    """A delivery as it was stored, unless it answers another submission."""
    delivery = Delivery.from_dict(stored)
    return delivery if delivery and (not submission or delivery.submission == submission) else None


def key_of(task_instance: Any) -> TaskKey:
    """The key of Airflow's task instance object, in the worker or in the triggerer."""
    return TaskKey(
        task_instance.dag_id,
        task_instance.run_id,
        task_instance.task_id,
        -1 if task_instance.map_index is None else task_instance.map_index,
        attempt_of(getattr(task_instance, "id", None)),
    )


async def is_still_deferred(task: TaskKey) -> bool:
    """
    Whether a task is deferred at this moment, although its trigger was cancelled.

    Below Airflow 3.4 a trigger is cancelled because of "a user action" also when another triggerer has
    taken it over: the first one stood still for longer than ``[triggerer] triggerer_health_check_threshold``,
    and goes on. Then the task waits as before, in the other triggerer, and its job must not be cancelled.
    Airflow 3.4 distinguishes the two, so nothing is asked there.

    :raises Exception: Airflow did not answer
    """
    if not HANDOVER_KILLS:
        return False
    from asgiref.sync import sync_to_async

    # Not asyncio.to_thread, see alook.
    return await sync_to_async(state_of_task)(task) == "deferred"


def state_of_task(task: TaskKey) -> str | None:
    """
    The state of a task instance at this moment, asked through the supervisor.

    :raises Exception: Airflow did not answer
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.run_id], map_index=task.map_index
    )
    name = task.task_id if task.map_index < 0 else f"{task.task_id}_{task.map_index}"
    state = (states.get(task.run_id) or {}).get(name)
    return None if state is None else str(getattr(state, "value", state))
