# SPDX-License-Identifier: Apache-2.0
"""Broadcom Automic: start an object and wait for its run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_async_provider._jobs.callback import CallbackJobOperator
from airflow_async_provider._jobs.memory import Durable
from airflow_async_provider._jobs.messages import describe
from airflow_async_provider.errors import ConfigurationError, SubmitUnknownError
from airflow_async_provider.operators._automic_base import AutomicJobOperator, facts_of
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._automic.requests import check_execution_option, timestamp
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted

if TYPE_CHECKING:
    from airflow.sdk import Context


#: Runs of so many earlier tries are looked for where Airflow does not remember them.
MAX_TRIES = 5


class AutomicExecuteOperator(AutomicJobOperator, CallbackJobOperator):
    """
    Start an executable object in Automic and wait for its run without a worker.

    The run is watched by polling, and, where Automic (21 and later) can reach Airflow, by a callback; the
    polls are then a slow safety net, as Automic by default gives a callback up after about a minute.

    One start: Automic has no idempotency key, so the alias of the run carries a mark (``OBJECT#AF-…``). After
    a lost answer or a killed worker the run is looked for by it, deactivated runs included, before anything
    is started again. This works before Airflow 3.3, too.

    Returns ``{"run_id", "status", "status_text", "start_time", "end_time", "runtime", "via"}``; times as
    Automic says them, ``runtime`` in seconds, ``via`` is ``callback`` or ``poll`` (None without waiting).

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
    :param callback: see :class:`~airflow_async_provider._jobs.callback.CallbackJobOperator`, as for
        ``callback_base_url`` and ``safety_poll_interval``
    :param kwargs: ``on_not_run``, ``fail_on_blocked``, ``follow_restarts`` and ``fetch_reports`` of
        :class:`~airflow_async_provider.operators._automic_base.AutomicJobOperator`; ``timeout``,
        ``poll_interval``, ``linger``, ``cancel_on_kill``, ``reattach``, ``deferrable`` and others of
        :class:`~airflow_async_provider._jobs.run.AsyncJobOperator`
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
        callback_headers: Mapping[str, str] | None = None,
        correlate: bool = True,
        wait: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(callback=callback, **kwargs)
        self.object_name = object_name
        self.inputs = inputs
        self.alias = alias
        self.automic_queue = automic_queue
        self.timezone = timezone
        self.execution_option = execution_option
        self.once = once
        self.recurring = recurring
        self.callback_headers = callback_headers
        self.correlate = correlate
        self.wait = wait
        if "{{" not in str(execution_option):
            check_execution_option(execution_option, once=once, recurring=recurring, callback=bool(callback))
        if callback and wait is False:
            raise ConfigurationError(
                "callback=True and wait=False contradict each other: nobody would be there for the callback."
            )

    def protocol(self) -> AutomicProtocol:
        """The protocol with this task's options."""
        return self.hook.protocol(fail_on_blocked=self.fail_on_blocked, correlate=self.correlate)

    def callback_protocol(self) -> AutomicProtocol:
        """The protocol that reads the callback."""
        return self.protocol()

    def job_label(self) -> str:
        """The object's name."""
        return self.object_name

    def execute(self, context: Context) -> Any:
        """Start the object, or go on with the run of an earlier try; then wait, unless told otherwise."""
        if self.waits():
            return super().execute(context)
        handle = JobHandle.from_dict(self.submit_only(context))
        self.show(handle)
        return facts_of(handle, None, via=None)

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

    def announce(self, context: Context, durable: Durable) -> None:
        """Ask for a callback, unless none would come or nobody would wait for it."""
        if self.waits() and self.execution_option != "recurring":
            super().announce(context, durable)

    def submit(self, context: Context, correlation_id: str) -> Submitted:
        """Start the object; a lost answer is looked for by the mark in the alias."""
        if not _remembers(context):
            correlation_id = _name_of_try(context, context["ti"].try_number)
        protocol = self.protocol()
        mark = self._mark(protocol, correlation_id)
        url, headers = self._callback_target()
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

    def interpret(self, status: JobStatus) -> JobStatus:
        """As for every run; a lost one gets a word about what to do."""
        if status.state is JobState.EXPIRED:
            hint = "Once you know that the object may run again, clear the task with reattach=False."
            return replace(status, message=f"{status.message or ''} {hint}".strip())
        return super().interpret(status)

    def find_submitted(self, correlation_id: str) -> JobHandle | None:
        """
        Look for the run by the mark in its alias.

        :raises SubmitUnknownError: there is no mark
        """
        protocol = self.protocol()
        mark = self._mark(protocol, correlation_id)
        if mark is None:
            raise SubmitUnknownError(
                f"An earlier try died while it started {self.object_name}. With correlate=False nobody can "
                "tell whether the start arrived. Look into Process Monitoring; if there is no run, clear "
                "this task."
            )
        return self.hook.look_up(protocol, mark)

    def _reattach(self, context: Context, durable: Durable) -> tuple[dict[str, Any], JobStatus | None] | None:
        if not _remembers(context) and self.reattach and self.correlate:
            return self._found_by_alias(context, durable)
        return super()._reattach(context, durable)

    def _found_by_alias(
        self, context: Context, durable: Durable
    ) -> tuple[dict[str, Any], JobStatus | None] | None:
        """Before Airflow 3.3 a task has no memory across its tries; Automic has one: the aliases."""
        protocol, last = self.protocol(), context["ti"].try_number - 1
        for number in range(last, max(0, last - MAX_TRIES), -1):
            mark = self._mark(protocol, _name_of_try(context, number))
            found = self.hook.look_up(protocol, mark)
            if found is None:
                continue
            handle = self._labelled(found)
            status = self.interpret(self.truth(context, handle, {}))
            if status.state in (JobState.RUNNING, JobState.BLOCKED, JobState.SUCCEEDED):
                self.log.info(
                    "Found the %s that try %d started; state %r.",
                    describe(handle),
                    number,
                    status.remote_status,
                )
                return self._run_of(handle), status
            run = self._restarted(context, durable, handle)
            self.log.info("The %s of try %d ended as %r.", describe(handle), number, status.remote_status)
            return None if run is None else (run, None)
        return None

    def _mark(self, protocol: AutomicProtocol, correlation_id: str) -> str | None:
        return protocol.alias(self.alias or self.object_name, correlation_id)

    def _callback_target(self) -> tuple[str | None, dict[str, str] | None]:
        """Address and headers of the callback, the secret in one of them."""
        address, headers = self.callback_address, dict(self.callback_headers or {})
        if address is None:
            return None, None
        if any(name.lower() == "authorization" for name in headers):
            return address.url_with_secret, headers  # that header is a gateway's
        return address.url, {**headers, "Authorization": address.authorization}


def _remembers(context: Context) -> bool:
    return context.get("task_state_store") is not None


def _name_of_try(context: Context, number: int) -> str:
    """
    A correlation id that a later try can work out.

    ``max_tries`` grows when a person clears the task, so what ran before that is not found: a new run is
    wanted then.
    """
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}/{ti.max_tries}/{number}"
