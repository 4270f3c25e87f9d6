# SPDX-License-Identifier: Apache-2.0
"""
Whether a task whose job succeeds needs a worker once more, or its trigger, or the receiver, may end it.

What a worker does at the end of a task, and a trigger cannot (seen in Airflow 3.3): callbacks for success,
listeners such as OpenLineage's, ``post_execute``, events of the task's outlets. So the worker that defers
looks for them, and everything else than a plain success goes to a worker all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks.airflow_internals import ENDS_FROM_TRIGGER, has_listeners
from airflow_async_provider._callbacks.mailbox import has_own_xcoms
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._registry import protocol_of

if TYPE_CHECKING:
    from airflow_async_provider._jobs.task import WatchingTask

#: Methods of a task that a worker calls when its job has succeeded.
AT_THE_END = ("interpret", "continued_by", "before_end", "process_result", "execute_complete")


def end_arguments(
    task: WatchingTask, context: Mapping[str, Any], handle: JobHandle, end: TaskEnd | None
) -> dict[str, Any]:
    """
    The trigger's arguments: how it ends the task; none where a worker shall.

    :param task: the operator or sensor
    :param context: Airflow's task context
    :param handle: the job
    :param end: what the task's value would be; None: only a worker can make it
    """
    if task.end_from_trigger is False:
        return {}
    why = "its result is made on a worker" if end is None else _needs_worker(task, handle)
    if end is None or why:
        if task.end_from_trigger:
            task.log.warning("end_from_trigger=True: this task ends on a worker all the same, as %s.", why)
        return {}
    mapped = getattr(context.get("ti"), "map_index", None) not in (None, -1)
    is_mapped_over = not mapped and task.has_dag() and any(True for _ in task.iter_mapped_dependants())
    if not task.do_xcom_push and is_mapped_over:
        return {}  # the worker has the error for that
    end = replace(end, push=bool(task.do_xcom_push), mapped_over=is_mapped_over)
    if end.max_bytes is not None and not is_mapped_over and not has_own_xcoms():
        end = replace(end, by_receiver=True)
    return {"end": end.to_dict()}


def _needs_worker(task: WatchingTask, handle: JobHandle) -> str:
    """What a trigger could not do for this task; empty where there is nothing."""
    from airflow.sdk import BaseOperator

    post_execute = getattr(task.post_execute, "__func__", None)
    for is_there, what in (
        (not ENDS_FROM_TRIGGER, "this needs Airflow 3.3"),
        (task.outlets, "it has outlets"),
        (task.on_success_callback, "it has an on_success_callback"),
        (task.multiple_outputs, "it has multiple outputs"),
        (getattr(task, "returns_dag_result", False), "its result is the result of the DAG"),
        (post_execute is not BaseOperator.post_execute or task._post_execute_hook, "it has a post_execute"),
        (protocol_of(handle).delete(handle) is not None, "its job is deleted afterwards"),
        (has_listeners(), "a listener wants to know of its success"),
    ):
        if is_there:
            return what
    return ""


def uses(cls: type, base: type, *names: str) -> bool:
    """Whether a class has these methods from a base, and does not bring its own."""
    return all(getattr(cls, name) is getattr(base, name) for name in names)
