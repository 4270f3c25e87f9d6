# SPDX-License-Identifier: Apache-2.0
"""Wait for an Automic run that another task, a schedule or a person has started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_async_provider.operators._automic_base import AutomicJobOperator
from airflow_async_provider.protocols._job import JobState, JobStatus, Submitted

if TYPE_CHECKING:
    from airflow.sdk import Context


class AutomicExecutionSensor(AutomicJobOperator):
    """
    Wait until an Automic run has ended well; returns what ``AutomicExecuteOperator`` returns.

    Fails with the error that the run's end stands for. It polls, as a callback can only be asked for at the
    start, and it never cancels the run unless ``cancel_on_kill=True``: it has not started it.

    :param run_id: RunID, or what an ``AutomicExecuteOperator`` returned (``run_id=start.output``)
    :param kwargs: as for ``AutomicExecuteOperator``, without those of the start and of callbacks
    """

    template_fields: Sequence[str] = ("run_id", "conn_id")

    def __init__(
        self, *, run_id: str | int | Mapping[str, Any], cancel_on_kill: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(cancel_on_kill=cancel_on_kill, reattach=False, **kwargs)
        self.run_id = run_id

    def execute(self, context: Context) -> Any:
        """Look once, for a run that has ended already, then wait."""
        run_id = self.run_id.get("run_id", "") if isinstance(self.run_id, Mapping) else self.run_id
        handle = self.protocol().handle(run_id, at=0.0)
        status = self.truth(context, handle, {})
        run = self._run_of(handle)
        if status.state is JobState.RUNNING:
            self.tell("Waiting for", run)
            return self._watch(context, run)
        return self._settle(context, run, status)

    def advice(self, status: JobStatus) -> str:
        """What the reader can do; a task that has not started the run cannot start another."""
        return "This task only waits: what started the run can start another one."

    def submit(self, context: Context, correlation_id: str) -> Submitted:
        """Never: a sensor starts nothing."""
        raise NotImplementedError
