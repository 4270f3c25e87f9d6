# SPDX-License-Identifier: Apache-2.0
"""SAP Open Connectors: a connection becomes two kinds of credentials; asynchronous requests and bulk jobs."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_async_provider._metadata.open_connectors import OPEN_CONNECTORS
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.retries import with_retries
from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.hooks._base import AsyncApiHook, as_handle
from airflow_async_provider.hooks._connection import extra_of
from airflow_async_provider.hooks._form import with_form
from airflow_async_provider.hooks._open_connectors_connection import (
    BASE_PATH,
    MissingAuth,
    OpenConnectorsEndpoint,
    endpoint_of,
)
from airflow_async_provider.hooks._submission import unknown
from airflow_async_provider.hooks._test_connection import checked
from airflow_async_provider.protocols._callback_rules import Conditions
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._open_connectors.bulk import OpenConnectorsBulkProtocol
from airflow_async_provider.protocols._open_connectors.protocol import SIGNATURE, OpenConnectorsProtocol
from airflow_async_provider.protocols._open_connectors.queue import DELIVERIES, OpenConnectorsQueueProtocol
from airflow_async_provider.protocols._registry import protocol_of
from airflow_async_provider.protocols._signatures import SignatureScheme, keys_of

if TYPE_CHECKING:
    from airflow.sdk import Connection

#: SAP ends a transfer of a file after this time ("Technical Restrictions", seconds).
MAX_TRANSFER = 3600.0


@with_form(OPEN_CONNECTORS)
class OpenConnectorsHook(AsyncApiHook):
    """
    Talks to SAP Open Connectors as one connector instance.

    The connection (type ``sap_open_connectors``):

    * ``host``: of the landscape, for example ``api.openconnectors.us2.ext.hana.ondemand.com``; the base path
      ``/elements/api-v2`` is added when the host has none. https is the default.
    * extra ``user_secret``: always needed; ``element_token``: the connector instance, for requests and bulk
      jobs; ``organization_secret``: for calls to the platform (queued webhooks). Secrets are sent as they
      are, ``+``, ``/`` and ``=`` included (SAP Open Connectors, "Authentication").
    * extra ``signature_secret``: the instance's Callback Notification Signature Key; with it, webhooks
      without a valid signature are refused. The name ``signature_key`` is understood too, but Airflow, which
      knows secrets by their names, would show that one in its REST API and in the connection form.
    * extra ``callback_base_url``, ``allowed_hosts``, ``verify``, ``result_verify``, ``result_hosts``,
      ``cert``, ``cert_key``, ``proxy``, ``timeout``, ``job_url``.

    :param conn_id: Airflow connection
    """

    default_conn_name: ClassVar[str] = "sap_open_connectors_default"
    conn_type: ClassVar[str] = "sap_open_connectors"
    hook_name: ClassVar[str] = "SAP Open Connectors"

    endpoint_from = staticmethod(endpoint_of)

    @classmethod
    def signature_scheme(cls, conn: Connection) -> SignatureScheme | None:
        """SAP's signature, when the connection has the key for it."""
        return SIGNATURE if cls.signature_keys(conn) else None

    @classmethod
    def signature_keys(cls, conn: Connection) -> list[str]:
        """The instance's Callback Notification Signature Key, as it is; a list while it is replaced."""
        extra = extra_of(conn)
        return keys_of(extra.get("signature_secret") or extra.get("signature_key"))

    # -- requests -----------------------------------------------------------------------------------------

    def platform_call(self, request: HttpRequest) -> HttpResponse:
        """
        Send one request to the platform itself (``User …, Organization …``); any HTTP status is returned.

        :raises ConfigurationError: the connection has no organization_secret
        """
        from airflow_async_provider._transport.worker import send

        return send(_typed(self.endpoint).platform, request)

    # -- jobs ---------------------------------------------------------------------------------------------

    def submit(
        self,
        method: str,
        endpoint: str,
        *,
        callback_url: str | None = None,
        queue_url: str | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        failure_rule: Conditions | None = None,
        success_rule: Conditions | None = None,
    ) -> JobHandle:
        """
        Send an asynchronous request.

        :param method: HTTP method of the resource
        :param endpoint: path below the base path
        :param callback_url: where SAP sends the webhooks
        :param queue_url: instead, an address that SAP cannot reach and whose webhooks are fetched from the
            queue, see :class:`~..protocols._open_connectors.queue.OpenConnectorsQueueProtocol`
        :param params: query parameters
        :param json: JSON body
        :param data: any other body
        :param headers: further headers
        :param failure_rule: see :class:`~..protocols._open_connectors.protocol.OpenConnectorsProtocol`
        :param success_rule: likewise
        :raises ConfigurationError: neither or both addresses, or no credentials for the queue
        :raises SubmitError: SAP refused
        :raises SubmitUnknownError: the answer was lost; the request may be under way
        """
        if (callback_url is None) == (queue_url is None):
            raise ConfigurationError("An asynchronous request needs a callback_url or a queue_url.")
        protocol: OpenConnectorsProtocol
        if queue_url is not None:
            # Without these the job could be started and never be asked for.
            _typed(self.endpoint).platform_auth.headers()
            protocol = OpenConnectorsQueueProtocol(
                queue_url=queue_url, failure_rule=failure_rule, success_rule=success_rule
            )
        else:
            protocol = OpenConnectorsProtocol(failure_rule=failure_rule, success_rule=success_rule)
        request = protocol.submit(
            method,
            endpoint,
            callback_url=str(callback_url or queue_url),
            params=params,
            json=json,
            data=data,
            headers=headers,
        )
        return self.start(protocol, request).handle

    def download(
        self,
        object_name: str,
        *,
        where: str | None = None,
        select_fields: str | Sequence[str] | None = None,
        format: str = "json",  # noqa: A002 - the vendor's word
        callback_url: str | None = None,
        criteria: Mapping[str, Any] | None = None,
    ) -> JobHandle:
        """
        Start a bulk download; arguments as for :meth:`OpenConnectorsBulkProtocol.download`.

        :raises SubmitError: SAP refused
        """
        protocol = OpenConnectorsBulkProtocol(object_name=object_name, format=format)
        request = protocol.download(
            where=where, select_fields=select_fields, callback_url=callback_url, criteria=criteria
        )
        return self.start(protocol, request).handle

    def upload(
        self,
        object_name: str,
        source: str,
        *,
        format: str = "csv",  # noqa: A002 - the vendor's word
        metadata: Mapping[str, Any] | None = None,
        callback_url: str | None = None,
        correlation_id: str | None = None,
        aws_conn_id: str | None = "aws_default",
        timeout: float = MAX_TRANSFER,
    ) -> JobHandle:
        """
        Start a bulk upload with a file that is streamed, never held in memory.

        :param source: absolute path, ``file://`` URL, ``s3://bucket/key``, or any URL that Airflow's
            ObjectStoragePath opens
        :param format: ``csv``, or ``json`` or ``jsonl`` with one record on each line
        :param metadata: see :meth:`OpenConnectorsBulkProtocol.upload`
        :param aws_conn_id: Airflow connection for ``s3://`` sources
        :param timeout: seconds that sending may take
        :raises ConfigurationError: the source is not there
        :raises SubmitError: SAP refused, or the source could not be read to its end
        :raises SubmitUnknownError: the answer was lost; a job may have been started
        """
        from airflow_async_provider._download.source.upload import open_outgoing
        from airflow_async_provider._transport.multipart import MultipartFile
        from airflow_async_provider._transport.worker import send_stream

        protocol = OpenConnectorsBulkProtocol(object_name=object_name, format=format, direction="upload")
        request, further = protocol.upload(
            metadata=metadata, callback_url=callback_url, correlation_id=correlation_id
        )
        outgoing = open_outgoing(source, aws_conn_id=aws_conn_id)
        body = MultipartFile(
            {"metaData": ("application/json", json_module.dumps(further).encode())} if further else {},
            name="file",
            filename=outgoing.filename,
            content_type="text/csv" if protocol.format.endswith("csv") else "application/json",
            chunks=outgoing.chunks,
            size=outgoing.size(),
        )
        self.log.info("Sending %s (%d bytes) to %s.", outgoing.uri, body.size, self.endpoint.host)
        try:
            submitted = with_retries(
                request,
                lambda: protocol.read_submit(send_stream(self.endpoint, request, body, timeout=timeout)),
            )
        except (TransientError, UnreadableAnswerError) as lost:
            if isinstance(lost, TransientError) and not lost.sent:
                raise
            raise unknown(lost) from lost
        handle = self.bound(submitted.handle)
        return replace(handle, data={**handle.data, "bytes": body.size})

    def bulk_errors(self, job: JobHandle | Mapping[str, Any], *, limit: int = 200) -> list[str]:
        """
        What went wrong with single records of a bulk job, page by page.

        :param limit: at most so many entries
        """
        handle = as_handle(job)
        protocol = protocol_of(handle)
        if not isinstance(protocol, OpenConnectorsBulkProtocol):
            raise ConfigurationError(f"The job {handle.job_id} is not a bulk job.")
        self._check_bound(handle, self.endpoint)
        entries: list[str] = []
        token: str | None = None
        while len(entries) < limit:
            request = protocol.errors(handle, page_size=min(limit - len(entries), 200), next_page=token)
            page = self._ask(request, partial(protocol.read_errors, handle))
            entries += page.entries
            token = page.next_page
            if token is None or not page.entries:
                break
        return entries[:limit]

    def test_connection(self) -> tuple[bool, str]:
        """
        Reach the connector instance (``GET /ping``), and the platform when there are credentials for it.

        Connectors need not have ``/ping``: there any answer but 401, 403 and 5xx says that the secrets were
        accepted.
        """
        return checked(self._probe, conn_id=self.conn_id)

    def _probe(self) -> str:
        parts = []
        endpoint = _typed(self.endpoint)
        if not isinstance(endpoint.auth, MissingAuth):
            status = _good("connector instance", self.call(HttpRequest("GET", "ping")))
            hint = " for ping, which not every connector has" if status >= 400 else ""
            parts.append(f"connector instance: HTTP {status}{hint}")
        if not isinstance(endpoint.platform_auth, MissingAuth):
            where = "channel='webhook' and status='queued'"
            probe = HttpRequest("GET", DELIVERIES, params={"where": where, "pageSize": 1})
            status = _good("platform", self.call(probe))
            if status >= 400:
                raise RequestRefusedError(
                    f"The platform answers with HTTP {status} when asked for queued webhooks. Is the base "
                    f"path right? The usual one is {BASE_PATH}.",
                    http_status=status,
                )
            parts.append(f"platform: HTTP {status}")
        if not parts:
            raise ConfigurationError("The extra has neither element_token nor organization_secret.")
        return f"Connected to {self.endpoint.host} ({', '.join(parts)})."


def _good(what: str, response: HttpResponse) -> int:
    """The status of an answer that shows that the secrets are good."""
    status = response.status
    if status == 401:
        raise AuthenticationError(f"The {what} refuses the secrets (401).", http_status=status)
    if status == 403:
        raise AuthorizationError(f"The {what} forbids the call (403).", http_status=status)
    if status >= 500:
        raise TransientError(f"The {what} answers with HTTP {status}.", http_status=status)
    return status


def _typed(endpoint: Endpoint) -> OpenConnectorsEndpoint:
    if not isinstance(endpoint, OpenConnectorsEndpoint):
        raise TypeError("a hook of this class makes remotes of its own class")
    return endpoint
