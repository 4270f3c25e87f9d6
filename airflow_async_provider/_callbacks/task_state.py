# SPDX-License-Identifier: Apache-2.0
"""What Airflow says about a task, asked from the triggerer through its supervisor."""

from __future__ import annotations

from airflow_async_provider._callbacks.address import TaskKey


async def astill_waits(task: TaskKey) -> bool:
    """
    Whether a task is deferred at this moment.

    Airflow tells a trigger that "a user action" has ended it also when another triggerer has taken it over:
    the first one stood still for longer than ``[triggerer] triggerer_health_check_threshold``, and goes on.
    Then the task waits as before, in the other triggerer, and its job must not be cancelled.

    :raises Exception: Airflow did not answer
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from asgiref.sync import sync_to_async

    # Not asyncio.to_thread, see _callbacks/mailbox.py.
    states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
        dag_id=task.dag_id,
        task_ids=[task.task_id],
        run_ids=[task.run_id],
        map_index=task.map_index,
    )
    name = task.task_id if task.map_index < 0 else f"{task.task_id}_{task.map_index}"
    state = (states.get(task.run_id) or {}).get(name)
    return str(getattr(state, "value", state)) == "deferred"
