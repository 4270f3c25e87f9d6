# SPDX-License-Identifier: Apache-2.0
"""What every hook does: connection in, requests out; sync for the worker, async for the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import quote

from airflow.sdk import BaseHook

from airflow_async_provider._transport.connections import connection_must_exist
from airflow_async_provider._transport.endpoint import CachedRequest, Endpoint
from airflow_async_provider._transport.retries import MAX_TRIES, with_retries
from airflow_async_provider._transport.session import Session
from airflow_async_provider._transport.veil import revealed, veiled
from airflow_async_provider._urls import id_in, origin, split_url
from airflow_async_provider.errors import (
    DescriptionError,
    RequestRefusedError,
)
from airflow_async_provider.hooks._binding import check_bound, place_of
from airflow_async_provider.hooks._endpoint_cache import endpoints_of_loop
from airflow_async_provider.hooks._submission import look_up, submit
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import Cancellation, JobHandle, JobStatus, Result, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._registry import protocol_of
from airflow_async_provider.protocols._responses import NotReadyError, raise_for_answer
from airflow_async_provider.protocols._signatures import SignatureScheme

if TYPE_CHECKING:
    from airflow.sdk import Connection

T = TypeVar("T")

#: No API needs more documents to say where one result is.
MAX_RESULT_DOCUMENTS = 10_000

#: How long a document of the result that is not ready is waited for, on the worker (seconds).
RESULT_PATIENCE = 600.0


class AsyncApiHook(BaseHook):
    """
    Base of the hooks: builds an :class:`~airflow_async_provider._transport.endpoint.Endpoint` from a
    connection.

    :param conn_id: Airflow connection
    """

    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str]
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]

    def __init__(self, conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id or self.default_conn_name
        self._points_to: tuple[Endpoint, str] | None = None
        self._session: tuple[Endpoint, Session | None] | None = None
        self._asked: tuple[JobHandle, JobProtocol, CachedRequest] | None = None

    @classmethod
    @abstractmethod
    def endpoint_from(cls, conn: Connection) -> Endpoint:
        """
        The remote that a connection describes. Pure: no network, no look-up.

        :raises ConfigurationError: something is missing or contradicts itself
        """

    @classmethod
    def signature_scheme(cls, conn: Connection) -> SignatureScheme | None:
        """How the remote signs its callbacks, None when the connection has no key for it."""
        return None

    @classmethod
    def signature_keys(cls, conn: Connection) -> list[str]:
        """The keys of :meth:`signature_scheme`, newest first; asked for in the API server only."""
        return []

    @cached_property
    def connection(self) -> Connection:
        """
        The Airflow connection.

        :raises ConnectionNotFoundError: there is none of that name
        """
        with connection_must_exist(self.conn_id):
            return self.get_connection(self.conn_id)

    @cached_property
    def endpoint(self) -> Endpoint:
        """The remote, for the worker."""
        return self.endpoint_from(self.connection)

    @classmethod
    def origin_of(cls, endpoint: Endpoint) -> str:
        """Which system a connection points to; a job belongs to it and is asked for nowhere else."""
        return place_of(endpoint, account=endpoint.account)

    @property
    def origin(self) -> str:
        """Which system the connection points to now, for the worker."""
        return self.origin_of(self.endpoint)

    def bound(self, handle: JobHandle) -> JobHandle:
        """A handle that knows its connection (where there is one) and where that points."""
        known = handle.origin is not None or not self.conn_id
        return handle if known else self._bound_to(handle, self.endpoint)

    async def abound(self, handle: JobHandle) -> JobHandle:
        """Async twin of :meth:`bound`."""
        return self._bound_to(handle, await self.aendpoint())

    def _bound_to(self, handle: JobHandle, endpoint: Endpoint) -> JobHandle:
        if handle.origin is not None or not self.conn_id:
            return handle
        return replace(handle, conn_id=self.conn_id, origin=self.origin_of(endpoint))

    def _check_bound(self, handle: JobHandle, endpoint: Endpoint) -> None:
        """
        Refuse to ask about a job where it is not: a job of the same id may belong to another user there.

        :raises JobElsewhereError: the connection points elsewhere
        """
        if self._points_to is None or self._points_to[0] is not endpoint:
            self._points_to = endpoint, self.origin_of(endpoint)
        check_bound(handle, conn_id=self.conn_id, here=self._points_to[1])

    async def aendpoint(self) -> Endpoint:
        """
        The remote, for the triggerer: shared by all jobs of this event loop for a minute.

        :raises TransientError: the connection could not be looked up, now or before
        """
        endpoints = endpoints_of_loop()
        return endpoints.known(type(self), self.conn_id) or await endpoints.get(type(self), self.conn_id)

    @property
    def min_poll_interval(self) -> float:
        """Seconds below which no Retry-After reduces the pause between two polls, on the worker."""
        return self.endpoint.min_poll_interval

    def can_ask(self, handle: JobHandle) -> bool:
        """Whether a worker can ask for a job."""
        return protocol_of(handle).pollable

    def can_cancel(self, handle: JobHandle) -> bool:
        """Whether a worker can cancel a job."""
        return protocol_of(handle).cancel(handle) is not None

    # -- requests -----------------------------------------------------------------------------------------

    def call(self, request: HttpRequest) -> HttpResponse:
        """
        Send one request from the worker; any HTTP status is returned.

        :raises TransientError: no answer came
        :raises OriginError: the URL must not get the credentials
        """
        from airflow_async_provider._transport.worker import send

        endpoint = self.endpoint
        return send(endpoint.for_request(request), request, self._session_at(endpoint))

    def _ask(
        self,
        request: HttpRequest,
        read: Callable[[HttpResponse], T],
        *,
        tries: int = MAX_TRIES,
        unreadable: bool = False,
    ) -> T:
        """
        Send a request from the worker and read its answer, again where that does no harm.

        :param unreadable: an answer that cannot be read is worth another try, too
        """
        return with_retries(request, lambda: read(self.call(request)), tries=tries, unreadable=unreadable)

    async def acall(self, request: HttpRequest) -> HttpResponse:
        """Async twin of :meth:`call`."""
        return await self._acall_at(await self.aendpoint(), request)

    async def _acall_at(self, endpoint: Endpoint, request: HttpRequest) -> HttpResponse:
        """
        Send to a remote that is known already.

        What belongs together goes to one remote: between two look-ups the connection may have been changed.
        """
        from airflow_async_provider._transport.triggerer import send

        return await send(endpoint.for_request(request), request, self._session_at(endpoint))

    def _session_at(self, endpoint: Endpoint) -> Session | None:
        """Cookies and CSRF token of this hook's job, as long as the connection stays what it is."""
        if self._session is None or self._session[0] is not endpoint:
            self._session = (endpoint, endpoint.new_session())
        return self._session[1]

    def credentials_for(self, url: str, refused: Mapping[str, str] | None = None) -> dict[str, str]:
        """
        Credential headers for a download from the remote itself.

        :param url: nothing is returned for a URL that the origin rule excludes
        :param refused: headers that were answered with 401, so that a stale token is replaced
        """
        from airflow_async_provider._transport.worker import credential_headers

        if not self.endpoint.may_have_credentials(url):
            return {}
        if refused is not None and not self.endpoint.auth.reject(refused):
            return {}
        return credential_headers(self.endpoint)

    # -- for a person -------------------------------------------------------------------------------------

    def job_url(self, job: JobHandle | Mapping[str, Any]) -> str:
        """
        Where a person looks at a job in a browser.

        :return: ``job_url`` of the connection's extra with the job's id, else the address that is polled;
            empty where there is none, or where it is too long a secret to be shown
        :raises JobElsewhereError: the connection points elsewhere now
        """
        address = self._location(as_handle(job), self.endpoint)
        return "" if "…" in address or "~~" in address else address

    def job_address(self, job: JobHandle | Mapping[str, Any]) -> str:
        """
        Host and path that a job is polled at, without what may be a secret; empty where it is not polled.

        :raises JobElsewhereError: the connection points elsewhere now
        """
        handle = as_handle(job)
        self._check_bound(handle, self.endpoint)
        return _polled_at(handle, self.endpoint)

    async def ajob_location(self, handle: JobHandle) -> str:
        """
        Where a job is at the remote system, for the triggerer: its page, else host and path that are polled.

        :return: without what may be a secret; empty where neither is known
        :raises JobElsewhereError: the connection points elsewhere now
        """
        return self._location(handle, await self.aendpoint())

    def _location(self, handle: JobHandle, endpoint: Endpoint) -> str:
        self._check_bound(handle, endpoint)
        page = endpoint.job_url.replace("{job_id}", quote(handle.shown_id.lstrip("/")))
        if page:
            split_url(page)
        return page or _polled_at(handle, endpoint)

    # -- jobs ---------------------------------------------------------------------------------------------

    def start(
        self, protocol: JobProtocol, request: HttpRequest, *, correlation_id: str | None = None
    ) -> Submitted:
        """
        Submit a job, once.

        :param correlation_id: our own name for the job, where the protocol can find jobs by it
        :raises SubmitError: the remote refused
        :raises SubmitUnknownError: a job may or may not exist and the remote does not know (yet)
        """
        submitted = submit(self, protocol, request, correlation_id=correlation_id)
        url = submitted.handle.status_url
        if url is None or (stored := veiled(url, self.endpoint)) == url:
            return submitted
        return replace(submitted, handle=replace(submitted.handle, status_url=stored))

    def look_up(self, protocol: JobProtocol, correlation_id: str | None) -> JobHandle | None:
        """
        Look for a job by our correlation id.

        :return: the job, or None when the remote surely has none
        :raises SubmitUnknownError: the remote does not know, or does not answer
        """
        return look_up(self, protocol, correlation_id)

    def status(self, job: JobHandle | Mapping[str, Any], *, tries: int = 5) -> JobStatus:
        """
        What the remote says about a job, from the worker.

        :param tries: how often it is asked when no answer comes, or none that can be understood
        :raises RemoteError: no answer, or one that says nothing about the job
        """
        handle = as_handle(job)
        self._check_bound(handle, self.endpoint)
        protocol = protocol_of(handle)
        read = partial(protocol.read_status, _whole(handle, self.endpoint))
        status = self._ask(protocol.status(handle), read, tries=tries, unreadable=True)
        return _storable(status, self.endpoint)

    async def astatus(self, job: JobHandle | Mapping[str, Any]) -> JobStatus:
        """
        Async twin of :meth:`status`, one try: the wait around it decides about the next.

        Asked with the same handle again, nothing is worked out a second time.
        """
        handle = as_handle(job)
        if self._asked is None or self._asked[0] is not handle:
            protocol = protocol_of(handle)
            self._asked = handle, protocol, CachedRequest.of(protocol.status(handle))
        _, protocol, request = self._asked
        endpoint = await self.aendpoint()
        self._check_bound(handle, endpoint)
        response = await self._acall_at(endpoint, request)
        return _storable(protocol.read_status(_whole(handle, endpoint), response), endpoint)

    def result(self, job: JobHandle | Mapping[str, Any], status: JobStatus) -> Result | None:
        """
        Where the result of a succeeded job is, from the worker: asks for further documents where they say so.

        :param status: the status that reported the success
        :raises RemoteError: no answer, or one that does not say where the result is
        """
        handle = as_handle(job)
        protocol = protocol_of(handle)
        self._check_bound(handle, self.endpoint)
        handle = _whole(handle, self.endpoint)
        request, found = protocol.result_request(handle, status), status.result
        files: list[Result] = []
        waited = 0.0
        for _ in range(MAX_RESULT_DOCUMENTS):
            if request is None:
                return replace(found, files=tuple(files), more=None) if found and files else found
            answered = self._ask(request, partial(_result_document, protocol, handle), unreadable=True)
            if isinstance(answered, NotReadyError):
                waited += _sit_out(answered, waited)
                continue
            found = answered
            files += found.files
            request = found.more
        raise DescriptionError(
            f"The result of job {handle.shown_id} is spread over more than {MAX_RESULT_DOCUMENTS} documents.",
            job=handle.shown_id,
        )

    def cancel(self, job: JobHandle | Mapping[str, Any]) -> Cancellation:
        """
        Cancel a job from the worker.

        :return: true when the remote accepted it; else it says why not: ``f"{cancellation}"``
        """
        handle = as_handle(job)
        protocol = protocol_of(handle)
        request = protocol.cancel(handle)
        if request is None:
            return Cancellation(False)
        self._check_bound(handle, self.endpoint)
        found = self._ask(request, partial(_cancelled, protocol, handle))
        if isinstance(found, Cancellation):
            return found
        return _all_of([self._ask(more, partial(_cancellation, protocol, handle)) for more in found])

    async def acancel(self, job: JobHandle | Mapping[str, Any]) -> Cancellation:
        """Async twin of :meth:`cancel`, one try."""
        handle = as_handle(job)
        protocol = protocol_of(handle)
        request = protocol.cancel(handle)
        if request is None:
            return Cancellation(False)
        endpoint = await self.aendpoint()
        self._check_bound(handle, endpoint)
        found = _cancelled(protocol, handle, await self._acall_at(endpoint, request))
        if isinstance(found, Cancellation):
            return found
        return _all_of(
            [_cancellation(protocol, handle, await self._acall_at(endpoint, more)) for more in found]
        )

    def delete(self, job: JobHandle | Mapping[str, Any]) -> Cancellation:
        """
        Remove an ended job at the remote, from the worker, once its result is safe.

        :return: true when the remote accepted it, or no longer knows the job
        """
        handle = as_handle(job)
        request = protocol_of(handle).delete(handle)
        if request is None:
            return Cancellation(False)
        self._check_bound(handle, self.endpoint)

        def read(response: HttpResponse) -> Cancellation:
            if response.status in (404, 410):
                return Cancellation(True, response.status)
            try:
                raise_for_answer(response, job=f"job {handle.shown_id}", doing="deleting")
            except RequestRefusedError:
                return Cancellation(False, response.status, excerpt(response.body))
            return Cancellation(True, response.status)

        return self._ask(request, read)


def _whole(handle: JobHandle, endpoint: Endpoint) -> JobHandle:
    """The handle with its status URL as the remote has handed it out; not to be stored."""
    url = handle.status_url
    whole = url and revealed(url, endpoint)
    return handle if whole == url else replace(handle, status_url=whole)


def _storable(status: JobStatus, endpoint: Endpoint) -> JobStatus:
    """The status, whose new status URL is stored with the job, without the connection's credentials in it."""
    url = status.status_url
    return replace(status, status_url=veiled(url, endpoint)) if url else status


def _result_document(
    protocol: JobProtocol, handle: JobHandle, response: HttpResponse
) -> Result | NotReadyError:
    try:
        return protocol.read_result(handle, response)
    except NotReadyError as e:
        return e


def _polled_at(handle: JobHandle, endpoint: Endpoint) -> str:
    protocol = protocol_of(handle)
    if not protocol.pollable or (handle.status_url is None and not handle.named):
        return ""
    url = endpoint.resolve(protocol.status(handle).url)
    return origin(url) + id_in(url)


def _cancelled(
    protocol: JobProtocol, handle: JobHandle, response: HttpResponse
) -> Cancellation | tuple[HttpRequest, ...]:
    """What the answer to a cancellation says, or the requests that it leads to."""
    more = protocol.cancel_more(handle, response)
    return _cancellation(protocol, handle, response) if more is None else more


def _all_of(cancellations: list[Cancellation]) -> Cancellation:
    """Several cancellations as one: accepted when one was, as the others may have ended already."""
    if not cancellations:
        return Cancellation(False, message="there was nothing to cancel")
    return next((c for c in cancellations if c), cancellations[0])


def _cancellation(protocol: JobProtocol, handle: JobHandle, response: HttpResponse) -> Cancellation:
    """Whether a cancellation was accepted, and the remote's response."""
    accepted = protocol.read_cancel(handle, response)
    return Cancellation(accepted, response.status, "" if accepted else excerpt(response.body))


def as_handle(job: JobHandle | Mapping[str, Any]) -> JobHandle:
    """
    A handle from a handle or from its dictionary (an XCom).

    :raises ValueError: it is neither
    """
    return job if isinstance(job, JobHandle) else JobHandle.from_dict(job)


def _sit_out(error: NotReadyError, waited: float) -> float:
    """
    Wait for a result that is not ready yet.

    :param waited: seconds so far
    :return: seconds that were waited now
    :raises NotReadyError: for long enough
    """
    wait = max(error.retry_after or 0.0, min(0.5 + waited / 2, 30.0))
    if waited + wait > RESULT_PATIENCE:
        error.args = (f"{error} It was asked for again for {waited:.0f} s.",)
        raise error
    time.sleep(wait)
    return wait
