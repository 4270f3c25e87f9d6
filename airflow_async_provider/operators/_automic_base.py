# SPDX-License-Identifier: Apache-2.0
"""What the end of an Automic run means for its task: the same for the operator and the sensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow_async_provider._jobs.memory import Durable
from airflow_async_provider._jobs.messages import describe
from airflow_async_provider._jobs.run import AsyncJobOperator
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.operators._automic_link import AutomicRunLink
from airflow_async_provider.operators._automic_report import log_report
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._automic.status_codes import state_of
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus

if TYPE_CHECKING:
    from airflow.sdk import Context

ON_NOT_RUN = ("skip", "success", "fail")
FETCH_REPORTS = ("on_failure", "always", "never")


class AutomicJobOperator(AsyncJobOperator):
    """
    Base of the Automic operator and sensor.

    :param on_not_run: what to do when Automic says that the run ended well without having run (inactive,
        skipped, empty, timed out: 1910 to 1944): ``skip`` the task, ``success``, or ``fail``
    :param fail_on_blocked: fail when the run is blocked or held (1560 to 1564), as neither an end nor a
        callback will come by itself; False waits until somebody resolves it, or the deadline passes
    :param follow_restarts: when the run ended abnormally and was restarted in Automic by the time we look,
        wait for the restart, which is a run of its own
    :param fetch_reports: put the run's report into the task log ``on_failure``, ``always`` or ``never``
    """

    operator_extra_links = (AutomicRunLink(),)

    def __init__(
        self,
        *,
        conn_id: str | None = AutomicHook.default_conn_name,
        on_not_run: Literal["skip", "success", "fail"] = "skip",
        fail_on_blocked: bool = True,
        follow_restarts: bool = False,
        fetch_reports: Literal["on_failure", "always", "never"] = "on_failure",
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        if on_not_run not in ON_NOT_RUN:
            raise ConfigurationError(f"on_not_run must be one of {', '.join(ON_NOT_RUN)}, not {on_not_run!r}")
        if fetch_reports not in FETCH_REPORTS:
            raise ConfigurationError(
                f"fetch_reports must be one of {', '.join(FETCH_REPORTS)}, not {fetch_reports!r}"
            )
        self.on_not_run = on_not_run
        self.fail_on_blocked = fail_on_blocked
        self.follow_restarts = follow_restarts
        self.fetch_reports = fetch_reports
        #: Address of the run in Automic's web interface, for the extra link.
        self.run_link = ""

    @cached_property
    def hook(self) -> AutomicHook:
        """The hook."""
        return AutomicHook(self.conn_id)

    def protocol(self) -> AutomicProtocol:
        """The protocol with this task's options."""
        return self.hook.protocol(fail_on_blocked=self.fail_on_blocked)

    # -- while it runs

    def truth(self, context: Context, handle: JobHandle, event: Mapping[str, Any]) -> JobStatus:
        """What Automic says now; whatever a callback said."""
        self.show(handle)
        return super().truth(context, handle, event)

    def show(self, handle: JobHandle) -> None:
        """Let the extra link lead to this run."""
        self.run_link = self.hook.run_url(handle)

    def _watch(self, context: Context, run: dict[str, Any]) -> Any:
        self.show(JobHandle.from_dict(run["job"]))
        return super()._watch(context, run)

    def _reattach(self, context: Context, durable: Durable) -> tuple[dict[str, Any], JobStatus | None] | None:
        found = super()._reattach(context, durable)
        saved = durable.load() if found is None and self.reattach else {}
        if "job" not in saved:
            return found
        # The run of the try before ended abnormally; a restart of it in Automic is better than a new start.
        run = self._restarted(context, durable, JobHandle.from_dict(saved["job"]))
        return None if run is None else (run, None)

    def _restarted(self, context: Context, durable: Durable, ended: JobHandle) -> dict[str, Any] | None:
        """The restart to wait for in a new try, None when there is none or it is not wanted."""
        restart = self.hook.last_restart(ended) if self.follow_restarts else None
        if restart is None:
            return None
        handle = self._followed(context, ended, restart)
        self.announce_again(context, durable)
        return {**self._run_of(handle), "followed": True}

    def trigger_arguments(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """A restart in Automic is not known to call back, so it is polled at the normal pace."""
        arguments = super().trigger_arguments(run)
        if run.get("followed"):
            arguments.pop("policy", None)
        return arguments

    # -- at its end

    def interpret(self, status: JobStatus) -> JobStatus:
        """``on_not_run``: unless it fails the task, such a run is a good end."""
        if status.state is JobState.NOT_RUN and self.on_not_run != "fail":
            return replace(status, state=JobState.SUCCEEDED)
        return status

    def may_resubmit(self, status: JobStatus) -> bool:
        """A run of which Automic says nothing any more may have done its work."""
        return status.state is not JobState.EXPIRED

    def finish(self, context: Context, run: Mapping[str, Any], status: JobStatus) -> Any:
        """
        The facts of the run.

        :raises AirflowSkipException: it did not run, and ``on_not_run`` is ``skip``
        """
        handle = JobHandle.from_dict(run["job"])
        if self.on_not_run == "skip" and state_of(int(status.remote_status)) is JobState.NOT_RUN:
            # A task that is cleared after this wants a new run, as after a success.
            self._active = None
            Durable(context, self.log).done()
            _skip(
                f"The {describe(handle)} ended without having run: {status.remote_status} "
                f"{status.message or ''}"
            )
        return facts_of(handle, status, via=run["via"])

    def _settle(self, context: Context, run: dict[str, Any], status: JobStatus) -> Any:
        handle = JobHandle.from_dict(run["job"])
        outcome = self.interpret(status)
        if self.follow_restarts and outcome.state in (JobState.FAILED, JobState.CANCELLED):
            restart = self.hook.last_restart(handle)
            if restart is not None:
                return self._follow(context, run, restart)
        if self._wants_report(outcome):
            log_report(self.hook, handle, self.log)
        return super()._settle(context, run, status)

    def _wants_report(self, outcome: JobStatus) -> bool:
        if self.fetch_reports == "never" or not outcome.state.ended or outcome.state is JobState.EXPIRED:
            return False
        return self.fetch_reports == "always" or outcome.state is not JobState.SUCCEEDED

    def _follow(self, context: Context, run: Mapping[str, Any], restart: JobHandle) -> Any:
        """Wait for the restart of a run that ended abnormally."""
        handle = self._followed(context, JobHandle.from_dict(run["job"]), restart)
        run = {**run, "job": handle.to_dict(), "followed": True}
        status = self.truth(context, handle, {})
        if status.state is JobState.RUNNING:
            return self._watch(context, run)
        return self._settle(context, run, status)

    def _followed(self, context: Context, ended: JobHandle, restart: JobHandle) -> JobHandle:
        """Remember that this task is about another run now."""
        handle = self._labelled(restart)
        durable = Durable(context, self.log)
        saved = durable.load()
        if "job" in saved:
            facts = ("max_tries", "restarts", "conn_id", "arguments")
            durable.save_job(handle.to_dict(), **{name: saved[name] for name in facts if name in saved})
        self.log.info("The %s was restarted in Automic: waiting for run %s.", describe(ended), handle.job_id)
        return handle


def facts_of(handle: JobHandle, status: JobStatus | None, *, via: str | None) -> dict[str, Any]:
    """
    The return value of the Automic operator and sensor.

    :param status: None when nobody waited for an end
    """
    detail = status.detail if status else {}
    names = ("status", "status_text", "start_time", "end_time", "runtime")
    return {"run_id": int(handle.job_id), **{name: detail.get(name) for name in names}, "via": via}


def _skip(message: str) -> NoReturn:
    try:
        from airflow.sdk.exceptions import AirflowSkipException
    except ImportError:  # pragma: no cover - Airflow 3.1 has it elsewhere
        from airflow.exceptions import AirflowSkipException  # type: ignore[no-redef] # the same class, at its old place

    raise AirflowSkipException(message)
