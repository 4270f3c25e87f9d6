# SPDX-License-Identifier: Apache-2.0
"""What a person who reads a task's log at night can do about its job: the page's actions, in one line."""

from __future__ import annotations

import shlex

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._callbacks.airflow_internals import AIRFLOW
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._registry import protocol_of

#: Airflow's own command line takes commands of providers from 3.2 on.
COMMAND = "airflow remote-jobs" if AIRFLOW >= (3, 2) else "python -m airflow_async_provider"

_WORDS = {"poll": "polled now", "cancel": "cancelled", "complete": "completed by hand"}


def actions_of(handle: JobHandle, *, callback: bool, cancel_on_kill: bool, known: bool = True) -> list[str]:
    """
    What can be done about a waiting job.

    :param callback: a callback is expected
    :param cancel_on_kill: its task cancels it; otherwise it is somebody else's
    :param known: False where the protocol's code must not run: it counts as one that can do everything
    """
    protocol = protocol_of(handle) if known else None
    if protocol is not None and not protocol.pollable:
        return ["complete"] if callback else []
    cancellable = cancel_on_kill and (protocol is None or protocol.cancel(handle) is not None)
    return ["poll", "cancel"] if cancellable else ["poll"]


def hint_for(handle: JobHandle, task: TaskKey, *, callback: bool, cancel_on_kill: bool) -> str:
    """
    Where somebody looks at a waiting job, and what they can do there.

    :param task: the task that waits
    :param callback: a callback is expected
    :param cancel_on_kill: the task cancels the job when it is killed
    """
    try:
        found = actions_of(handle, callback=callback, cancel_on_kill=cancel_on_kill)
    except Exception:  # noqa: BLE001 - a protocol that others have written; a hint must not end a wait
        found = []
    can = f", where it can be {' or '.join(_WORDS[name] for name in found)}" if found else ""
    index = f" --map-index {task.map_index}" if task.map_index >= 0 else ""
    words = "|".join(["show", *found])
    names = " ".join(map(shlex.quote, (task.dag_id, task.run_id, task.task_id)))
    return f"see the tab Remote jobs of this task{can}, or: {COMMAND} {words} {names}{index}"
