# SPDX-License-Identifier: Apache-2.0
"""What a triggerer does with a job that has succeeded: store its result, end its task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_async_provider._callbacks.mailbox import apush_link, apush_return_value, key_of
from airflow_async_provider._metrics import count
from airflow_async_provider._polling.loop import STORED
from airflow_async_provider._polling.task_end import NeedsWorkerError, TaskEnd
from airflow_async_provider._polling.wait_log import Log, describe_error
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.protocols._job import JobHandle, JobStatus
from airflow_async_provider.protocols._registry import protocol_of
from airflow_async_provider.triggers._storing import StoreRequest, is_short_lived, stored_result, why_not


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """
    A job that has succeeded, as the answer to a poll reports, and its task.

    Whatever cannot be done here is left to a worker, which would have done it anyway.

    :param handle: the job
    :param answer: what the poll has brought; None where the job is known to have ended without one
    :param conn_id: connection of the task, None for the hook's default
    :param task_instance: the task, None in a trigger that Airflow has not started
    :param log: of the trigger
    """

    handle: JobHandle
    answer: JobStatus | None
    conn_id: str | None
    task_instance: Any
    log: Log

    async def stored(self, store: Mapping[str, Any]) -> dict[str, Any]:
        """
        Store the result, if the triggerer shall.

        :param store: the :class:`~airflow_async_provider.triggers._storing.StoreRequest`
        :return: what the trigger's event gets of it, nothing where a worker stores the result
        """
        request, answer = StoreRequest.from_dict(store), self.answer
        if answer is None or not is_short_lived(request, answer):
            return {}
        try:
            if why := why_not(request, self.handle, answer):
                self.log.info("Job %s: a worker stores the result: %s.", self.handle.shown_id, why)
                return {}
            task = None if self.task_instance is None else key_of(self.task_instance)
            facts = await stored_result(
                request, self.handle, answer, conn_id=self.conn_id, task=task, log=self.log
            )
        except Exception as e:  # noqa: BLE001 - whatever it is: a worker tries as it would have done anyway
            self.log.warning(
                "Job %s: a worker stores the result, as it could not be stored here: %s",
                self.handle.shown_id,
                describe_error(e),
            )
            return {}
        return {STORED: facts}

    async def ended(self, end: TaskEnd, event: Mapping[str, Any], *, now: float) -> bool:
        """
        Push the task's return value, so that its trigger may end it.

        :param event: the trigger's event, with what was stored
        :param now: epoch seconds of the worker's clock
        :return: False where a worker shall end it
        """
        if self.task_instance is None:
            return False
        try:
            await self._push(end, event.get(STORED), now=now)
        except (NeedsWorkerError, AsyncJobError) as e:
            self.log.info("Job %s: a worker ends the task: %s", self.handle.shown_id, e)
            return False
        except Exception as e:  # noqa: BLE001 - whatever Airflow raises: then a worker ends the task
            self.log.warning(
                "Job %s: a worker ends the task, as it could not be ended here: %s",
                self.handle.shown_id,
                describe_error(e),
            )
            return False
        self.log.info(
            "Job %s: succeeded after %d polls; the task ends here, without a worker.",
            self.handle.shown_id,
            event["polls"],
        )
        return True

    async def _push(self, end: TaskEnd, report: Mapping[str, Any] | None, *, now: float) -> None:
        handle, answer = self.handle, self.answer
        if end.max_bytes is None or answer is None:
            value = end.value(handle, answer, stored=report, now=now)
        else:
            answer = replace(answer, result_request=protocol_of(handle).result_request(handle, answer))
            value = await asyncio.to_thread(end.value, handle, answer)
        if report and end.stored:
            await apush_link(key_of(self.task_instance), end.stored["link"], report["link"])
            tags = {"system": handle.protocol, "connection": self.conn_id or handle.conn_id or ""}
            count("bytes_stored", report["bytes"], **tags)
        if value is not None:
            await apush_return_value(self.task_instance, value, mapped_over=end.mapped_over)
