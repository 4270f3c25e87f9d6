# SPDX-License-Identifier: Apache-2.0
"""Broadcom Automic: start an object and wait for its run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_async_provider._jobs.arguments import one_of, seconds
from airflow_async_provider._jobs.person import OnBlocked, check_on_blocked
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.task import CallbackSettings
from airflow_async_provider.errors import ConfigurationError, SubmitUnknownError
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.operators._automic_outcome import (
    AutomicOutcome,
    FetchReports,
    OnNotRun,
    facts_of,
)
from airflow_async_provider.operators._base import AsyncJobOperator, ended_for_sure
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._automic.requests import check_execution_option, timestamp
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted

if TYPE_CHECKING:
    from airflow.sdk import Context


#: Runs of so many earlier tries are looked for where Airflow does not remember them.
MAX_TRIES = 5

#: What a later try takes up where Airflow does not remember; a run that Automic does not know any more may
#: have done its work.
TAKEN_UP = (JobState.RUNNING, JobState.BLOCKED, JobState.SUCCEEDED, JobState.EXPIRED)

EXECUTION_OPTIONS = ("execute", "once", "recurring")


class AutomicExecuteOperator(AsyncJobOperator):
    """
    Start an executable object in Automic and wait for its run without a worker.

    The run is watched by polling, and, where Automic (21 and later) can reach Airflow, by a callback; the
    polls are then a slow safety net, as Automic by default gives a callback up after about a minute.

    One start: Automic has no idempotency key, so the alias of the run carries a mark (``OBJECT#AF-…``). After
    a lost answer or a killed worker the run is looked for by it, deactivated runs included, before anything
    is started again. This works before Airflow 3.3, too.

    Returns ``{"run_id", "status", "status_text", "start_time", "end_time", "runtime", "via", "conn_id",
    "origin"}``; times as Automic says them, ``runtime`` in seconds, ``via`` is ``callback`` or ``poll`` (None
    without waiting), ``origin`` the system and client of the run.

    :param object_name: name of the object
    :param inputs: PromptSet variables, names with their trailing ``#``; values are text, numbers, or lists of
        them. They are stored with the task's rendered templates, so they are no place for secrets.
    :param alias: shown in Automic instead of the object's name (it gets the mark as well)
    :param automic_queue: Automic's queue object. It is not called ``queue``, which is Airflow's own word for
        the queue of its workers, in ``default_args`` and in ``partial()`` too.
    :param timezone: Automic's timezone object
    :param execution_option: ``execute``, ``once`` or ``recurring``
    :param once: with ``once``: ``execution_date_time``, ``use_logical_time``, ``wait_for_manual_release``
    :param recurring: with ``recurring``: ``execute_after``, ``execute_at``, ``start_date`` …; the task then
        is about the period task (C_PERIOD), which Automic never calls back for
    :param callback_headers: sent by Automic with its callback, for a gateway in front of Airflow; not
        templated, so that no secret gets into the rendered templates
    :param correlate: False leaves the alias alone, for sites whose ALIAS_SPECIAL_CHARACTERS do not allow
        ``-`` and ``#``; a lost answer then fails the task with an error that says so
    :param wait: False returns as soon as the run is started. By default ``recurring`` and ``once`` at a later
        date do not wait, everything else does.
    :param callback: True asks for a callback, False never does; None (default) does when an address is set:
        ``callback_base_url``, the one in the connection's extra or ``[async_provider] callback_base_url``
    :param callback_base_url: where Automic reaches Airflow's API server
    :param safety_poll_interval: first pause between polls while a callback is expected (seconds or
        timedelta); it grows to five times that
    :param on_not_run: what to do when Automic says that the run ended well without having run (inactive,
        skipped, empty, timed out: 1910 to 1944) or was rolled back (1904, 1905): ``skip`` the task,
        ``success``, or ``fail``
    :param on_blocked: when the run is blocked or held (1560 to 1564), so that neither an end nor a callback
        will come by itself: ``fail``; ``wait`` until it is resolved, or the deadline passes; or ``ask``
        a person in Airflow's UI (Airflow 3.3 and later)
    :param follow_restarts: when the run ended abnormally and was restarted in Automic by the time we look,
        wait for the restart, which is a run of its own
    :param fetch_reports: put the run's report into the task log ``on_failure``, ``always`` or ``never``
    :param kwargs: ``conn_id``, ``timeout``, ``poll_interval``, ``linger``, ``cancel_on_kill``, ``reattach``,
        ``deferrable`` and others of :class:`~airflow_async_provider.operators._base.AsyncJobOperator`
    """

    template_fields: Sequence[str] = (
        "object_name",
        "inputs",
        "alias",
        "automic_queue",
        "timezone",
        "execution_option",
        "once",
        "recurring",
        "callback_base_url",
        "conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "inputs": "json",
        "once": "json",
        "recurring": "json",
    }

    def __init__(
        self,
        *,
        object_name: str,
        inputs: Mapping[str, Any] | None = None,
        alias: str | None = None,
        automic_queue: str | None = None,
        timezone: str | None = None,
        execution_option: Literal["execute", "once", "recurring"] = "execute",
        once: Mapping[str, Any] | None = None,
        recurring: Mapping[str, Any] | None = None,
        callback: bool | None = None,
        callback_base_url: str | None = None,
        callback_headers: Mapping[str, str] | None = None,
        safety_poll_interval: float | timedelta = 120.0,
        correlate: bool = True,
        wait: bool | None = None,
        on_not_run: OnNotRun = "skip",
        on_blocked: OnBlocked = "fail",
        follow_restarts: bool = False,
        fetch_reports: FetchReports = "on_failure",
        conn_id: str | None = AutomicHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        self.object_name = object_name
        self.inputs = inputs
        self.alias = alias
        self.automic_queue = automic_queue
        self.timezone = timezone
        self.execution_option = execution_option
        self.once = once
        self.recurring = recurring
        self.callback = callback
        self.callback_base_url = callback_base_url
        self.callback_headers = callback_headers
        self.safety_poll_interval = seconds(safety_poll_interval, "safety_poll_interval", zero=False)
        self.correlate = correlate
        self.wait = wait
        check_on_blocked(on_blocked)
        self.on_blocked = on_blocked
        self.outcome = AutomicOutcome(
            on_not_run=on_not_run, follow_restarts=follow_restarts, fetch_reports=fetch_reports
        )
        if "{{" not in str(execution_option):
            one_of(execution_option, "execution_option", EXECUTION_OPTIONS)
            check_execution_option(execution_option, once=once, recurring=recurring, callback=bool(callback))
        if callback and wait is False:
            raise ConfigurationError(
                "callback=True and wait=False contradict each other: the callback would resume no task."
            )

    @cached_property
    def hook(self) -> AutomicHook:
        """The hook."""
        return AutomicHook(self.conn_id)

    def protocol(self) -> AutomicProtocol:
        """The protocol with this task's options."""
        return self.hook.protocol(fail_on_blocked=self.on_blocked != "wait", correlate=self.correlate)

    def callback_settings(self) -> CallbackSettings | None:
        """A callback, unless none would come or nothing would wait for it."""
        if not self.waits() or self.execution_option == "recurring":
            return None
        return self.asks_for_callback(
            self.protocol(),
            wanted=self.callback,
            base_url=self.callback_base_url,
            safety_poll_interval=self.safety_poll_interval,
        )

    def job_label(self) -> str:
        """The object's name."""
        return self.object_name

    def execute(self, context: Context) -> Any:
        """Start the object, or go on with the run of an earlier try; then wait, unless told otherwise."""
        run = JobRun(self, context)
        return run.begin() if self.waits() else facts_of(run.begin_without_waiting(), None, via=None)

    def waits(self) -> bool:
        """Whether this task waits for its run."""
        if self.wait is not None:
            return self.wait
        if self.execution_option == "recurring":
            return False
        moment = (self.once or {}).get("execution_date_time")
        if self.execution_option != "once" or not moment:
            return True
        return datetime.fromisoformat(timestamp(moment)).timestamp() <= time.time()

    # -- starting -----------------------------------------------------------------------------------------

    def start(self, run: JobRun) -> Submitted:
        """Start the object; a lost answer is looked for by the mark in the alias."""
        correlation_id = run.correlation_id
        if not run.memory.works:
            correlation_id = _name_of_try(run, run.context["ti"].try_number)
        protocol = self.protocol()
        mark = self._mark(protocol, correlation_id)
        url, headers = self._callback_target(run)
        request = protocol.submit(
            self.object_name,
            inputs=self.inputs,
            alias=mark or self.alias,
            queue=self.automic_queue,
            timezone=self.timezone,
            execution_option=self.execution_option,
            once=self.once,
            recurring=self.recurring,
            callback_url=url,
            callback_headers=headers,
        )
        return self.hook.start(protocol, request, correlation_id=mark)

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        """
        Look for the run by the mark in its alias.

        :raises SubmitUnknownError: there is no mark
        """
        protocol = self.protocol()
        mark = self._mark(protocol, correlation_id)
        if mark is None:
            raise SubmitUnknownError(
                f"An earlier try died while it started {self.object_name}. With correlate=False nothing "
                "tells whether the start arrived. Look into Process Monitoring; if there is no run, clear "
                "this task."
            )
        return self.hook.look_up(protocol, mark)

    def find_without_memory(self, run: JobRun) -> JobHandle | None:
        """Before Airflow 3.3 a task has no memory across its tries; Automic has one: the aliases."""
        if not self.correlate:
            return None
        protocol, last = self.protocol(), run.context["ti"].try_number - 1
        for number in range(last, max(0, last - MAX_TRIES), -1):
            found = self.hook.look_up(protocol, self._mark(protocol, _name_of_try(run, number)))
            if found is None:
                continue
            handle = found.labelled(self.job_label())
            status = self.interpret(self.hook.status(handle))
            if status.state in TAKEN_UP:
                self.log.info(
                    "Found the %s that try %d started; status %r.",
                    handle.describe(),
                    number,
                    status.remote_status,
                )
                return handle
            self.log.info("The %s of try %d ended with %r.", handle.describe(), number, status.remote_status)
            return self.continued_by(handle)
        return None

    def _mark(self, protocol: AutomicProtocol, correlation_id: str) -> str | None:
        return protocol.alias(self.alias or self.object_name, correlation_id)

    def _callback_target(self, run: JobRun) -> tuple[str | None, dict[str, str] | None]:
        """Address and headers of the callback, the secret in one of them."""
        address, headers = run.callback_address, dict(self.callback_headers or {})
        if address is None:
            return None, None
        if any(name.lower() == "authorization" for name in headers):
            return address.url_with_secret, headers  # that header is a gateway's
        return address.url, {**headers, "Authorization": address.authorization}

    # -- its end ------------------------------------------------------------------------------------------

    def interpret(self, status: JobStatus) -> JobStatus:
        """As for every run; a lost one gets a word about what to do."""
        if status.state is JobState.EXPIRED:
            hint = "Once you know that the object may run again, clear the task with reattach=False."
            return replace(status, message=f"{status.message or ''} {hint}".strip())
        return self.outcome.interpret(status)

    def may_start_again(self, status: JobStatus) -> bool:
        """A run of which Automic says nothing any more may have done its work."""
        return ended_for_sure(status)

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


def _name_of_try(run: JobRun, number: int) -> str:
    """
    A correlation id that a later try can work out.

    ``max_tries`` grows when a person clears the task, so what ran before that is not found: a new run is
    wanted then. When the DAG run started tells it from the run of that name in another Airflow, a test system
    perhaps, that works in the same client.
    """
    ti, started = run.context["ti"], getattr(run.context["dag_run"], "start_date", None)
    since = "" if started is None else f"/{started.timestamp()}"
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}/{ti.max_tries}/{number}{since}"
