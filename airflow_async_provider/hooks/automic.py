# SPDX-License-Identifier: Apache-2.0
"""Broadcom Automic: a connection becomes credentials and a client; executions, lists, reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from airflow_async_provider._metadata.automic import AUTOMIC
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider.errors import (
    AsyncJobError,
    ConfigurationError,
    SubmitUnknownError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.hooks._automic_batch import BatchedPolls
from airflow_async_provider.hooks._automic_connection import AutomicEndpoint, endpoint_of
from airflow_async_provider.hooks._base import AsyncApiHook, as_handle
from airflow_async_provider.hooks._binding import place_of
from airflow_async_provider.hooks._form import with_form
from airflow_async_provider.hooks._test_connection import checked
from airflow_async_provider.protocols._automic.pagination import ExecutionWalk, ReportWalk
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol
from airflow_async_provider.protocols._job import Cancellation, JobHandle
from airflow_async_provider.protocols._registry import protocol_of

#: How long a chain of restarts is followed at once.
MAX_RESTARTS = 50

#: What names a run: its number, its job handle, or the handle as an XCom holds it.
Run = str | int | JobHandle | Mapping[str, Any]


@with_form(AUTOMIC)
class AutomicHook(BatchedPolls):
    """
    Talks to the AE REST API of one client.

    The connection (type ``automic``):

    * ``host``, ``port``, ``schema``: where the REST process (21 and later) or the JCP (12.x) listens; the
      vendor's examples use port 8088. ``schema`` is ``https`` by default; say ``http`` for a system without
      TLS, whose credentials then travel in the clear. ``host`` may be a whole URL with a path in front of
      ``/ae/api/v1``, for a load balancer.
    * ``login``: ``USER/DEPARTMENT`` or ``CLIENT/USER/DEPARTMENT``; ``password``: sent in ISO-8859-1, as
      Automic wants it (Broadcom knowledge article 253429). With extra ``auth`` = ``bearer`` the password is
      an OAuth 2.0 token for a system that has UC_OAUTH_SETTINGS, and there is no login.
    * extra ``client`` (required unless it is in the login), ``auth`` (``basic``, ``bearer``), ``run_url``,
      ``callback_base_url``, ``batch_polls``, ``verify``, ``cert``, ``cert_key``, ``proxy``, ``timeout``.

    ``aexecute``, ``astatus`` and ``acancel`` do the same in an event loop.

    :param conn_id: Airflow connection
    """

    default_conn_name: ClassVar[str] = "automic_default"
    conn_type: ClassVar[str] = "automic"
    hook_name: ClassVar[str] = "Broadcom Automic"

    endpoint_from = staticmethod(endpoint_of)

    @classmethod
    def origin_of(cls, endpoint: Endpoint) -> str:
        """Which Automic system, and which client in it: run numbers are unique in one system only."""
        # All users of a client see the same runs, so the login does not count.
        return f"{place_of(endpoint)} client {int(_client_of(endpoint))}"  # 0100 and 100 are one client

    # -- start

    def protocol(self, **options: Any) -> AutomicProtocol:
        """The protocol for this connection's client; ``options`` as its constructor takes them."""
        return AutomicProtocol(_client_of(self.endpoint), **options)

    def execute(self, object_name: str, *, correlation_id: str | None = None, **arguments: Any) -> JobHandle:
        """
        Start an object, once.

        :param object_name: its name
        :param correlation_id: text that stands for this one start; marks the alias, by which the run is found
            again when the answer is lost
        :param arguments: as :meth:`~..protocols._automic.protocol.AutomicProtocol.submit` takes them
        :raises SubmitError: Automic refused
        :raises SubmitUnknownError: the answer was lost, and without a correlation id it cannot be found out
        """
        protocol = self.protocol()
        mark, arguments = _marked(protocol, object_name, correlation_id, arguments)
        return self.start(protocol, protocol.submit(object_name, **arguments), correlation_id=mark).handle

    async def aexecute(
        self, object_name: str, *, correlation_id: str | None = None, **arguments: Any
    ) -> JobHandle:
        """
        Async twin of :meth:`execute`; a lost answer is looked for once and never answered by a second start.

        :raises SubmitUnknownError: the answer was lost and no run was found (yet)
        """
        endpoint = await self.aendpoint()
        protocol = AutomicProtocol(_client_of(endpoint))
        mark, arguments = _marked(protocol, object_name, correlation_id, arguments)
        request = protocol.submit(object_name, **arguments)
        try:
            submitted = protocol.read_submit(await self._acall_at(endpoint, request))
            return self._bound_to(submitted.handle, endpoint)
        except (TransientError, UnreadableAnswerError) as lost:
            if isinstance(lost, TransientError) and not lost.sent:
                raise
            look_up = protocol.find(mark) if mark else None
            found = (
                protocol.read_find(mark, await self._acall_at(endpoint, look_up))
                if mark and look_up
                else None
            )
            if found is None:
                raise SubmitUnknownError(
                    f"The answer to the start of {object_name} was lost: {lost} No run of ours was found. "
                    "Look into Process Monitoring before starting it again.",
                    http_status=lost.http_status,
                    request_id=lost.request_id,
                ) from lost
            return self._bound_to(found, endpoint)

    # -- one run

    def run_url(self, run: Run) -> str:
        """Address of a run in Automic's web interface; empty without ``run_url`` in the connection."""
        return self.endpoint.job_url.replace("{job_id}", str(self._run_id(run)))

    def get_execution(self, run: Run, *, fields: str | None = None) -> dict[str, Any]:
        """
        The record of a run, as Automic sends it.

        :param fields: further members, separated by commas: comments, variables, reports, restarts,
            predecessors, recurring
        :raises RequestRefusedError: Automic does not know the run in this client
        """
        api, run_id = self.protocol(), self._run_id(run)
        return self._ask(api.execution(run_id, fields=fields), lambda r: api.read_execution(run_id, r))

    def cancel(self, job: Run) -> Cancellation:
        """
        Cancel a run; workflows, schedules and groups with their children.

        :return: True when Automic accepted it; False when the run is not active any more
        """
        return super().cancel(self._typed(self._handle(job)))

    async def acancel(self, job: Run) -> Cancellation:
        """Async twin of :meth:`cancel`."""
        handle = job if isinstance(job, JobHandle) else _handle(job, await self.aendpoint())
        if "type" not in handle.data:
            try:
                # Its own record, and now: not the state of a list from a while ago.
                handle = _protocol(handle).typed(handle, await AsyncApiHook.astatus(self, handle))
            except AsyncJobError as e:
                self._type_unknown(handle, e)
        return await super().acancel(handle)

    def _run_id(self, run: Run) -> str | int:
        """
        A run's number; that of a handle counts in its own client only.

        :raises JobElsewhereError: the connection points elsewhere now
        """
        if not isinstance(run, JobHandle | Mapping):
            return run
        handle = as_handle(run)
        self._check_bound(handle, self.endpoint)
        return handle.job_id

    def _handle(self, job: Run) -> JobHandle:
        return job if isinstance(job, JobHandle) else _handle(job, self.endpoint)

    def _typed(self, handle: JobHandle) -> JobHandle:
        """Only a run's record shows whether it has children."""
        if "type" in handle.data:
            return handle
        try:
            return _protocol(handle).typed(handle, self.status(handle))
        except AsyncJobError as e:
            self._type_unknown(handle, e)
            return handle

    def _type_unknown(self, handle: JobHandle, error: AsyncJobError) -> None:
        self.log.warning(
            "The type of Automic run %s could not be read, so its children, if it has any, are not cancelled "
            "with it: %s",
            handle.job_id,
            error,
        )

    def restart(self, run: Run, **arguments: Any) -> JobHandle:
        """
        Restart an ended run.

        :param arguments: ``queue``, ``restart_point``, ``keep_start_type``, ``wait_for_manual_release``,
            ``inputs``
        :return: the restart, a run of its own
        :raises RequestRefusedError: the run has not ended
        :raises SubmitUnknownError: the answer was lost; the run may have been restarted, which
            :meth:`last_restart` shows
        """
        protocol, run_id = self.protocol(), self._run_id(run)
        try:
            response = self.call(protocol.restart(run_id, **arguments))
            restarted = protocol.read_restart(run_id, response)
        except (TransientError, UnreadableAnswerError) as lost:
            if isinstance(lost, TransientError) and not lost.sent:
                raise
            raise SubmitUnknownError(
                f"The answer to the restart of Automic run {run_id} was lost: {lost} A restart may have been "
                "started: look for it (last_restart) before restarting the run again.",
                http_status=lost.http_status,
                request_id=lost.request_id,
            ) from lost
        handle = protocol.handle(restarted, at=response.received_at)
        return self.bound(handle)

    def last_restart(self, job: JobHandle) -> JobHandle | None:
        """The last of the runs that are restarts of this one, or restarts of those; None without any."""
        last = None
        for _ in range(MAX_RESTARTS):
            found = self._restart_of(last or job)
            if found is None:
                break
            last = found
        return last

    def _restart_of(self, handle: JobHandle) -> JobHandle | None:
        protocol = _protocol(handle)
        self._check_bound(handle, self.endpoint)
        found = self._ask(protocol.restarts(handle), lambda r: protocol.read_restarts(handle, r))
        return None if found is None else self.bound(found)

    def get_variables(self, run: Run) -> dict[str, Any]:
        """A run's variables, with the ``#`` at the end of their names."""
        api = self.protocol()
        return self._ask(api.variables(self._run_id(run)), api.read_variables)

    def add_comment(self, run: Run, comment: str) -> None:
        """Add a comment to a run."""
        api = self.protocol()
        api.read_add_comment(self.call(api.add_comment(self._run_id(run), comment)))

    # -- lists

    def iter_executions(self, *, page_size: int = 50, **filters: Any) -> Iterator[dict[str, Any]]:
        """
        Records of runs, newest first, page by page.

        Automic leaves deactivated runs out unless ``include_deactivated=True``.

        :param page_size: runs in one request
        :param filters: see ``protocols._automic.requests.FILTERS``
        :raises ConfigurationError: a filter that Automic does not know
        """
        walk = ExecutionWalk(self.protocol(), page_size=page_size, **filters)
        while walk.next is not None:
            yield from self._ask(walk.next, walk.take)

    def list_reports(self, run: Run) -> list[dict[str, Any]]:
        """``type``, ``end_timestamp`` and ``is_db`` of each report; only those with ``is_db`` can be read."""
        api = self.protocol()
        return self._ask(api.reports(self._run_id(run)), api.read_reports)

    def iter_reports(self, run: Run, report_type: str = "REP", *, pages_at_once: int = 10) -> Iterator[str]:
        """
        The pages of a report, some at a time.

        :param report_type: REP (the job's output), ACT (activation), POST, LOG …
        :param pages_at_once: pages in one request
        :raises RequestRefusedError: no such report in Automic's database
        """
        walk = ReportWalk(self.protocol(), self._run_id(run), report_type, at_once=pages_at_once)
        while walk.next is not None:
            yield from self._ask(walk.next, walk.take)

    # -- is it there?

    def ping(self) -> bool:
        """Whether the REST process answers; says nothing about credentials."""
        return 200 <= self.call(self.protocol().ping()).status < 300

    def test_connection(self) -> tuple[bool, str]:
        """Ping, then health, then a cheap call that needs the credentials: the first failure is reported."""
        return checked(self._probe, conn_id=self.conn_id)

    def _probe(self) -> str:
        api = self.protocol()
        if not self.ping():
            raise UnreadableAnswerError(
                f"{self.endpoint.host} answers, but not as Automic's REST process (ping). Check host, port "
                "and path."
            )
        if not api.read_health(self.call(api.health())):
            raise UnreadableAnswerError(
                "The REST process answers, but the Automation Engine is not healthy (503)."
            )
        api.read_executions(self.call(api.executions(max_results=1)), asked=1)
        return f"Connected to client {api.client} at {self.endpoint.host}."


def _client_of(endpoint: Endpoint) -> str:
    assert isinstance(endpoint, AutomicEndpoint)  # noqa: S101 - endpoint_from makes no other
    return endpoint.client


def _handle(job: str | int | Mapping[str, Any], endpoint: Endpoint) -> JobHandle:
    if isinstance(job, Mapping):
        return JobHandle.from_dict(job)
    return AutomicProtocol(_client_of(endpoint)).handle(job, at=0.0)


def _protocol(handle: JobHandle) -> AutomicProtocol:
    protocol = protocol_of(handle)
    if not isinstance(protocol, AutomicProtocol):
        raise ConfigurationError(f"Job {handle.job_id} is no Automic run but one of {handle.protocol}.")
    return protocol


def _marked(
    protocol: AutomicProtocol, name: str, correlation_id: str | None, arguments: dict[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """The alias by which the run can be found, None when there is none, and the arguments with it."""
    if correlation_id is None:
        return None, arguments
    alias = protocol.alias(arguments.get("alias") or name, correlation_id)
    return (alias, {**arguments, "alias": alias}) if alias else (None, arguments)
