# SPDX-License-Identifier: Apache-2.0
"""What the end of an Automic run means for its task: a part of the operator and of the sensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow_async_provider._jobs.airflow_exceptions import AirflowSkipException
from airflow_async_provider._jobs.arguments import one_of
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.operators._automic_report import log_report
from airflow_async_provider.protocols._automic.status_codes import state_of
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

OnNotRun = Literal["skip", "success", "fail"]
FetchReports = Literal["on_failure", "always", "never"]

ON_NOT_RUN = ("skip", "success", "fail")
FETCH_REPORTS = ("on_failure", "always", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomicOutcome:
    """
    What to do at the end of a run.

    :param on_not_run: what to do when Automic says that the run ended well without having run (inactive,
        skipped, empty, timed out: 1910 to 1944) or was rolled back (1904, 1905): ``skip`` the task,
        ``success``, or ``fail``
    :param follow_restarts: when the run ended abnormally and was restarted in Automic by the time we look,
        wait for the restart, which is a run of its own
    :param fetch_reports: put the run's report into the task log ``on_failure``, ``always`` or ``never``
    :raises ConfigurationError: another word
    """

    on_not_run: OnNotRun
    follow_restarts: bool
    fetch_reports: FetchReports

    def __post_init__(self) -> None:
        one_of(self.on_not_run, "on_not_run", ON_NOT_RUN)
        one_of(self.fetch_reports, "fetch_reports", FETCH_REPORTS)

    def interpret(self, status: JobStatus) -> JobStatus:
        """Unless it fails the task, a run that did not run is a good end."""
        if status.state is JobState.NOT_RUN and self.on_not_run != "fail":
            return replace(status, state=JobState.SUCCEEDED)
        return status

    def continued_by(self, hook: AutomicHook, handle: JobHandle) -> JobHandle | None:
        """The last restart of a run that ended abnormally."""
        return hook.last_restart(handle) if self.follow_restarts else None

    def report(self, hook: AutomicHook, handle: JobHandle, status: JobStatus, log: Any) -> None:
        """Put the run's report into the task log, where that is wanted."""
        if self.fetch_reports == "never" or status.state is JobState.EXPIRED:
            return
        if self.fetch_reports == "always" or status.state is not JobState.SUCCEEDED:
            log_report(hook, handle, log)

    def result(self, handle: JobHandle, status: JobStatus, *, via: str) -> dict[str, Any]:
        """
        The facts of a run that ended well.

        :raises AirflowSkipException: it did not run, and ``on_not_run`` is ``skip``
        """
        if self.on_not_run == "skip" and state_of(int(status.remote_status)) is JobState.NOT_RUN:
            raise AirflowSkipException(
                f"The {handle.describe()} ended without having run: {status.remote_status} "
                f"{status.message or ''}"
            )
        return facts_of(handle, status, via=via)


def facts_of(handle: JobHandle, status: JobStatus | None, *, via: str | None) -> dict[str, Any]:
    """
    The return value of the Automic operator and sensor.

    :param status: None when nothing was waited for
    """
    detail: Mapping[str, Any] = status.detail if status else {}
    names = ("status", "status_text", "start_time", "end_time", "runtime")
    return {
        "run_id": int(handle.job_id),
        **{name: detail.get(name) for name in names},
        "via": via,
        # by which a sensor knows that its connection leads to the same system
        "conn_id": handle.conn_id,
        "origin": handle.origin,
    }
