# SPDX-License-Identifier: Apache-2.0
"""SAP Open Connectors: asynchronous requests whose answer is a webhook, and bulk jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from airflow_async_provider._callbacks.address import CallbackAddress
from airflow_async_provider._callbacks.registration import DEFAULT_MAX_BYTES
from airflow_async_provider._download.limits import (
    MAX_RESULT_BYTES,
    MAX_RESULT_SECONDS,
    MIN_BYTES_PER_SECOND,
)
from airflow_async_provider._download.options import STORE_TEMPLATE_FIELDS
from airflow_async_provider._jobs.arguments import method_of, query_of, store_options_of
from airflow_async_provider._jobs.callback import base_url_for
from airflow_async_provider._jobs.ending import AT_THE_END, uses
from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider._jobs.results.store import lineage_of
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.task import CallbackSettings
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.operators._base import AsyncJobOperator, ended_for_sure
from airflow_async_provider.operators._open_connectors_bulk import (
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
    lost_start,
)
from airflow_async_provider.protocols._callback_rules import Conditions
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Submitted
from airflow_async_provider.protocols._open_connectors.protocol import OpenConnectorsProtocol

__all__ = [
    "OpenConnectorsAsyncRequestOperator",
    "OpenConnectorsBulkDownloadOperator",
    "OpenConnectorsBulkUploadOperator",
]


class OpenConnectorsAsyncRequestOperator(AsyncJobOperator):
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
    :param s3_extra_args: for ``s3://`` further arguments of the upload as boto3 names them:
        ``{"ServerSideEncryption": "aws:kms", "Tagging": {"team": "data"}}``
    :param object_storage_options: for other storages options of the file system
    :param max_result_bytes: largest size of the result (bytes, default 100 GiB); None for any
    :param min_bytes_per_second: slowest pace over five minutes (default 1024); None for any
    :param max_result_seconds: longest time of the download (default 24 hours); None for any
    :param unpack: ``gzip`` or ``zip``: store what is packed in the result
    :param charset: decode text from this charset and store it as UTF-8; ``declared`` takes the one that the
        answer names
    :param pull_queued: fetch undelivered webhooks from SAP's queue, for accounts with the notification policy
        ``queue``, instead of being called. Needs ``organization_secret``. That the queue holds the webhooks
        of asynchronous requests is an assumption: try it on your account.
    :param callback_base_url: where SAP reaches Airflow's API server
    :param callback_max_bytes: largest webhook (bytes), it carries the whole response
    :param conn_id: Airflow connection
    :param kwargs: ``timeout``, ``linger``, ``reattach``, ``deferrable`` and others of
        :class:`~airflow_async_provider.operators._base.AsyncJobOperator`
    """

    template_fields: Sequence[str] = (
        "method",
        "endpoint",
        "query",
        "json",
        "data",
        "headers",
        "callback_base_url",
        *STORE_TEMPLATE_FIELDS,
        "conn_id",
    )
    operator_extra_links = (RemoteJobLink(), ResultLink())
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
        s3_extra_args: Mapping[str, Any] | None = None,
        object_storage_options: Mapping[str, Any] | None = None,
        max_result_bytes: int | None = MAX_RESULT_BYTES,
        min_bytes_per_second: float | None = MIN_BYTES_PER_SECOND,
        max_result_seconds: float | None = MAX_RESULT_SECONDS,
        unpack: Literal["gzip", "zip"] | None = None,
        charset: str | None = None,
        pull_queued: bool = False,
        callback_base_url: str | None = None,
        callback_max_bytes: int = DEFAULT_MAX_BYTES,
        conn_id: str | None = OpenConnectorsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, params=params, **kwargs)
        self.endpoint = endpoint
        self.method = method_of(method)
        self.query = query_of(params, self.get_dag())
        self.json = json
        self.data = data
        self.headers = headers
        self.failure_rule = failure_rule
        self.success_rule = success_rule
        self.destination = destination
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args
        self.object_storage_options = object_storage_options
        self.store_options = store_options_of(locals())
        self.pull_queued = pull_queued
        self.callback_base_url = callback_base_url
        self.callback_max_bytes = callback_max_bytes
        self.protocol()  # a rule that cannot be understood fails the DAG, not the task at night

    @cached_property
    def hook(self) -> OpenConnectorsHook:
        """The hook."""
        return OpenConnectorsHook(self.conn_id)

    def protocol(self) -> OpenConnectorsProtocol:
        """The protocol that reads the webhooks."""
        return OpenConnectorsProtocol(failure_rule=self.failure_rule, success_rule=self.success_rule)

    def callback_settings(self) -> CallbackSettings | None:
        """Its webhook is the only news of a request, but for SAP's queue."""
        return self.asks_for_callback(
            self.protocol(),
            wanted=not self.pull_queued,
            base_url=self.callback_base_url,
            safety_poll_interval=self.poll_interval,
            max_bytes=self.callback_max_bytes,
        )

    def store_settings(self) -> StoreSettings | None:
        """Where the result goes, where there is a destination."""
        return None if self.destination is None else StoreSettings.of(self)

    def job_label(self) -> str:
        """Method and endpoint."""
        return f"{self.method.upper()} {self.endpoint}"

    # -- starting -----------------------------------------------------------------------------------------

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage for Airflow's OpenLineage provider: the remote endpoint in, the destination out."""
        return lineage_of(self, self.endpoint)

    def start(self, run: JobRun) -> Submitted:
        """Send the request; SAP has no place for a correlation id."""
        address = run.callback_address
        handle = self.hook.submit(
            self.method,
            self.endpoint,
            callback_url=None if address is None else address.url_with_secret,
            queue_url=None if address is not None else self._queue_url(run),
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

    def _queue_url(self, run: JobRun) -> str:
        """An address for SAP that is not answered: what is sent there ends in the queue, where we find it."""
        base, _ = base_url_for(self.hook, self.callback_base_url)
        if not base:
            raise ConfigurationError(
                "SAP wants a callback address even for webhooks that are fetched from its queue. Set "
                "callback_base_url on the operator, in the connection's extra or in [async_provider]; "
                "nothing needs to be reachable there."
            )
        return f"{base.rstrip('/')}/async-provider/nobody/{run.correlation_id}"

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        """
        Nothing can be found at SAP: a GET may be sent again, anything else must not.

        :raises SubmitUnknownError: an earlier try may have sent the request
        """
        return None if self.method.upper() == "GET" else lost_start(f"sent {self.job_label()}")

    def may_start_again(self, status: JobStatus) -> bool:
        """After SAP said that the request failed, a retry sends it again."""
        return ended_for_sure(status)

    def timeout_hint(self, run: JobRun) -> str:
        """What to check when no webhook came."""
        if self.pull_queued:
            return ""
        return (
            f"No webhook came. SAP was given the address {run.handle.data.get('callback_url')} (and a secret "
            "behind it). Check that SAP can reach it, that nothing in between changes the body, and that "
            "signature_secret of the connection is the instance's Callback Notification Signature Key. SAP "
            "repeats a refused webhook after 8, 64, 512, 4096 and 32768 s. The request itself can neither be "
            "polled nor cancelled; a retry of this task goes on waiting for it."
        )

    def value_at_end(self) -> TaskEnd | None:
        """The response in the callback; what goes to a destination needs a worker."""
        own = (*AT_THE_END, "hook")
        if self.destination is not None or not uses(type(self), OpenConnectorsAsyncRequestOperator, *own):
            return None
        return TaskEnd(max_bytes=self.callback_max_bytes, may_be_nothing=True)

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """Return the response, or write it to its destination."""
        if self.destination is None:
            return None if status.result is None else status.result.value
        return run.results.store(run.handle, status, since=run.record.started_at, via=run.record.via)
