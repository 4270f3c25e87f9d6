# SPDX-License-Identifier: Apache-2.0
"""Wait for an Automic run that another task, a schedule or a person has started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from airflow_async_provider._jobs.person import OnBlocked, check_on_blocked
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.operators._automic_outcome import AutomicOutcome, FetchReports, OnNotRun
from airflow_async_provider.protocols._job import JobHandle, JobStatus
from airflow_async_provider.sensors._base import JobSensor


class AutomicExecutionSensor(JobSensor):
    """
    Wait until an Automic run has ended well; returns what ``AutomicExecuteOperator`` returns.

    Fails with the error that the run's end stands for. It polls, as a callback can only be asked for at the
    start.

    :param run_id: RunID, or what an ``AutomicExecuteOperator`` returned (``run_id=start.output``), or a job
        handle as a dictionary; the latter two are looked for in their own system only
    :param conn_id: Airflow connection
    :param on_not_run: what to do when Automic says that the run ended well without having run (inactive,
        skipped, empty, timed out: 1910 to 1944) or was rolled back (1904, 1905): ``skip`` the task,
        ``success``, or ``fail``
    :param on_blocked: when the run is blocked or held (1560 to 1564), so that neither an end nor a callback
        will come by itself: ``fail``; ``wait`` until it is resolved, or the deadline passes; or ``ask``
        a person in Airflow's UI (Airflow 3.3 and later)
    :param follow_restarts: when the run ended abnormally and was restarted in Automic by the time we look,
        wait for the restart, which is a run of its own
    :param fetch_reports: put the run's report into the task log ``on_failure``, ``always`` or ``never``
    :param kwargs: ``deferrable`` and ``cancel_on_kill`` of
        :class:`~airflow_async_provider.sensors._base.JobSensor`, and what all sensors of Airflow take
    """

    template_fields: Sequence[str] = ("run_id", "conn_id")

    def __init__(
        self,
        *,
        run_id: str | int | Mapping[str, Any],
        conn_id: str | None = AutomicHook.default_conn_name,
        on_not_run: OnNotRun = "skip",
        on_blocked: OnBlocked = "fail",
        follow_restarts: bool = False,
        fetch_reports: FetchReports = "on_failure",
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        self.run_id = run_id
        check_on_blocked(on_blocked)
        self.on_blocked = on_blocked
        self.outcome = AutomicOutcome(
            on_not_run=on_not_run, follow_restarts=follow_restarts, fetch_reports=fetch_reports
        )

    @cached_property
    def hook(self) -> AutomicHook:
        """The hook."""
        return AutomicHook(self.conn_id)

    def handle_to_watch(self) -> JobHandle:
        """The run."""
        protocol = self.hook.protocol(fail_on_blocked=self.on_blocked != "wait")
        given = self.run_id
        if not isinstance(given, Mapping):
            return protocol.handle(given, at=0.0)
        handle = protocol.handle(given.get("run_id") or given.get("job_id") or "", at=0.0)
        # Run numbers are unique in one system only.
        return replace(handle, conn_id=given.get("conn_id"), origin=given.get("origin"))

    def interpret(self, status: JobStatus) -> JobStatus:
        """A run that did not run is a good end, unless it fails the task."""
        return self.outcome.interpret(status)

    def continued_by(self, handle: JobHandle) -> JobHandle | None:
        """A restart of the run in Automic, with ``follow_restarts``."""
        return self.outcome.continued_by(self.hook, handle)

    def asks_when_blocked(self) -> bool:
        """Whether a person is asked, with ``on_blocked="ask"``."""
        return self.on_blocked == "ask"

    def before_end(self, run: JobRun, status: JobStatus) -> None:
        """The run's report goes into the task log, where that is wanted."""
        self.outcome.report(self.hook, run.handle, status, self.log)

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """
        The facts of the run.

        :raises AirflowSkipException: it did not run, and ``on_not_run`` is ``skip``
        """
        return self.outcome.result(run.handle, status, via=run.record.via)
