# SPDX-License-Identifier: Apache-2.0
"""SAP Open Connectors: asynchronous requests whose answer is a webhook, and bulk jobs."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_async_provider._callbacks.address import CallbackAddress
from airflow_async_provider._jobs.arguments import query_of
from airflow_async_provider._jobs.callback import CallbackJobOperator
from airflow_async_provider._jobs.messages import describe
from airflow_async_provider._jobs.results.store import StoresResult
from airflow_async_provider.errors import CallbackError, ConfigurationError, JobError, JobTimeoutError
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.operators._open_connectors_bulk import (
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
    lost_start,
)
from airflow_async_provider.protocols._callback_rules import Conditions
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._open_connectors.protocol import OpenConnectorsProtocol

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = [
    "OpenConnectorsAsyncRequestOperator",
    "OpenConnectorsBulkDownloadOperator",
    "OpenConnectorsBulkUploadOperator",
]


class OpenConnectorsAsyncRequestOperator(StoresResult, CallbackJobOperator):
    """
    Send an asynchronous API request and wait for its webhook without a worker.

    SAP documents no way to ask for the state of such a request, so its webhook is the only news: without an
    address for it nothing is sent. The address is ``callback_base_url``, else the one in the connection's
    extra, else ``[async_provider] callback_base_url``, else ``[api] base_url``. Where SAP cannot reach
    Airflow, ``pull_queued`` fetches undelivered webhooks instead.

    Returns the ``response`` of the webhook; with ``destination`` the response goes there as JSON, and
    ``{"uri", "bytes", "sha256", "content_type", "seconds", "via", …}`` is returned (``via``: ``callback``, or
    ``poll`` with ``pull_queued``).

    :param endpoint: path below the base path, such as ``/hubs/documents/folders/copy``
    :param method: HTTP method of the resource
    :param params: query parameters; those of the DAG are not sent (see ``_jobs.arguments.query_of``)
    :param json: JSON body
    :param data: any other body; its media type goes into ``headers``
    :param headers: further headers of the resource, never credentials
    :param failure_rule: what in a webhook means that the request failed, a list of conditions as in
        :mod:`~airflow_async_provider.protocols._callback_rules`. SAP does not document what the webhook of a
        failed request looks like; by default an ``error``, SAP's error body or a state that says so count.
    :param success_rule: what means that it succeeded; by default a ``response`` that is not null
    :param destination: where the response goes as JSON: ``s3://bucket/key``, an absolute path or ``file://``
        URL, or any URL that Airflow's ObjectStoragePath opens
    :param aws_conn_id: Airflow connection for ``s3://`` destinations
    :param if_exists: ``replace``, ``skip`` (then nothing is sent at all) or ``fail``
    :param pull_queued: fetch undelivered webhooks from SAP's queue, for accounts with the notification policy
        ``queue``, instead of being called. Needs ``organization_secret``. That the queue holds the webhooks
        of asynchronous requests is an assumption: try it on your account.
    :param conn_id: Airflow connection
    :param kwargs: ``callback_base_url`` and ``callback_max_bytes`` (largest webhook, it carries the whole
        response) of :class:`~airflow_async_provider._jobs.callback.CallbackJobOperator`; ``timeout``,
        ``linger``, ``reattach``, ``deferrable`` and others of
        :class:`~airflow_async_provider._jobs.run.AsyncJobOperator`
    """

    template_fields: Sequence[str] = (
        "method",
        "endpoint",
        "query",
        "json",
        "data",
        "headers",
        "callback_base_url",
        "destination",
        "aws_conn_id",
        "conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"json": "json", "query": "json", "headers": "json"}

    def __init__(
        self,
        *,
        endpoint: str,
        method: str = "POST",
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        failure_rule: Conditions | None = None,
        success_rule: Conditions | None = None,
        destination: str | None = None,
        aws_conn_id: str | None = "aws_default",
        if_exists: Literal["replace", "skip", "fail"] = "replace",
        pull_queued: bool = False,
        conn_id: str | None = OpenConnectorsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, params=params, **{**kwargs, "callback": not pull_queued})
        self.endpoint = endpoint
        self.method = method
        self.query = query_of(params, self.get_dag())
        self.json = json
        self.data = data
        self.headers = headers
        self.failure_rule = failure_rule
        self.success_rule = success_rule
        self.destination = destination
        self.aws_conn_id = aws_conn_id
        self.if_exists = if_exists
        self.pull_queued = pull_queued
        self.callback_protocol()  # a rule that cannot be understood fails the DAG, not the task at night

    @cached_property
    def hook(self) -> OpenConnectorsHook:
        """The hook."""
        return OpenConnectorsHook(self.conn_id)

    def callback_protocol(self) -> OpenConnectorsProtocol:
        """The protocol that reads the webhooks."""
        return OpenConnectorsProtocol(failure_rule=self.failure_rule, success_rule=self.success_rule)

    def job_label(self) -> str:
        """Method and endpoint."""
        return f"{self.method.upper()} {self.endpoint}"

    # -- starting -----------------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Look at the destination first: what is there already need not be asked for."""
        found = self.found(context)
        return super().execute(context) if found is None else found

    def lineage_path(self) -> str:
        """The endpoint."""
        return self.endpoint

    def submit(self, context: Context, correlation_id: str) -> Submitted:
        """Send the request; SAP has no place for a correlation id."""
        address = self.callback_address
        handle = self.hook.submit(
            self.method,
            self.endpoint,
            callback_url=None if address is None else address.url_with_secret,
            queue_url=None if address is not None else self._queue_url(correlation_id),
            params=self.query,
            json=self.json,
            data=self.data,
            headers=self.headers,
            failure_rule=self.failure_rule,
            success_rule=self.success_rule,
        )
        return Submitted(replace(handle, data={**handle.data, **self._remembered(address)}))

    def _remembered(self, address: CallbackAddress | None) -> dict[str, Any]:
        """What a later message must say; the address without its secret."""
        return {"method": self.method.upper()} | ({} if address is None else {"callback_url": address.url})

    def _queue_url(self, correlation_id: str) -> str:
        """An address for SAP that is nobody's: what is sent there ends in the queue, where we find it."""
        base = self.base_url()[0]
        if not base:
            raise ConfigurationError(
                "SAP wants a callback address even for webhooks that are fetched from its queue. Set "
                "callback_base_url on the operator, in the connection's extra or in [async_provider]; "
                "nobody needs to be reachable there."
            )
        return f"{base.rstrip('/')}/async-provider/nobody/{correlation_id}"

    def find_submitted(self, correlation_id: str) -> JobHandle | None:
        """
        Nothing can be found at SAP: a GET may be sent again, anything else must not.

        :raises SubmitUnknownError: an earlier try may have sent the request
        """
        return None if self.method.upper() == "GET" else lost_start(f"sent {self.job_label()}")

    def may_resubmit(self, status: JobStatus) -> bool:
        """After SAP said that the request failed, a retry sends it again."""
        return status.state is not JobState.EXPIRED

    # -- waiting ------------------------------------------------------------------------------------------

    def truth(self, context: Context, handle: JobHandle, event: Mapping[str, Any]) -> JobStatus:
        """
        What the accepted webhook says; there is nobody else to ask, but for the queue.

        :raises CallbackError: a webhook came that could not be taken, and there will be no other
        """
        try:
            return super().truth(context, handle, event)
        except CallbackError as e:
            raise CallbackError(
                f"{e} The request has been carried out: once you know that it may be sent again, clear the "
                "task with reattach=False.",
                job=e.job,
                state=e.state,
                remote_status=e.remote_status,
            ) from e

    def _timed_out(self, context: Context, handle: JobHandle, remote_status: str) -> JobError:
        if self.pull_queued:
            return super()._timed_out(context, handle, remote_status)
        return JobTimeoutError(
            f"No webhook came for the {describe(handle)} within its timeout of {self.timeout:g} s. SAP was "
            f"given the address {handle.data.get('callback_url')} (and a secret behind it). Check that SAP "
            "can reach it, that nothing in between changes the body, and that signature_secret of the "
            "connection is the instance's Callback Notification Signature Key. SAP repeats a refused webhook "
            "after 8, 64, 512, 4096 and 32768 s. The request itself can neither be asked for nor cancelled; "
            "a retry of this task goes on waiting for it. Give it more time with the argument timeout.",
            job=handle.job_id,
            state="timeout",
            remote_status=remote_status,
        )

    # -- the result ---------------------------------------------------------------------------------------

    def finish(self, context: Context, run: Mapping[str, Any], status: JobStatus) -> Any:
        """Return the response, or write it to its destination."""
        value = None if status.result is None else status.result.value
        if self.destination is None:
            return value
        from airflow_async_provider._download.fetch import write_bytes

        report = write_bytes(
            # Half surrogates, which no encoding has, become the escapes that they are in JSON.
            json_module.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"),
            self.destination,
            content_type="application/json",
            if_exists=self.if_exists,
            aws_conn_id=self.aws_conn_id,
            log=self.log,
        )
        return self.delivered(context, report, since=run["started_at"], via=run["via"])
