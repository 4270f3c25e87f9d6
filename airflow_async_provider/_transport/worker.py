# SPDX-License-Identifier: Apache-2.0
"""Sending in the worker, with requests."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any, cast

from airflow_async_provider._transport.auth import before_sending
from airflow_async_provider._transport.decoding import BodyReader
from airflow_async_provider._transport.endpoint import (
    LARGEST_ANSWER,
    MAX_REDIRECTS,
    Endpoint,
    WireRequest,
    prepare,
    redirected,
)
from airflow_async_provider._transport.environment import ca_for, checked_cert, proxy_for
from airflow_async_provider._transport.failures import chain_of, reason_of
from airflow_async_provider._transport.multipart import MultipartFile
from airflow_async_provider._transport.sender import Sender
from airflow_async_provider._transport.session import Session
from airflow_async_provider._transport.time_limit import TimeLimit
from airflow_async_provider._urls import origin
from airflow_async_provider.errors import (
    AuthenticationError,
    OriginError,
    RemoteError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._redaction import remember_sent, secrets_of, without

#: Connections that a thread keeps: to so many hosts, so many to each.
POOL_HOSTS = 10
POOL_CONNECTIONS = 2

#: So much is read of an answer that is none of 2xx (bytes).
MAX_REFUSAL = 256 * 1024

_local = threading.local()


def send(endpoint: Endpoint, request: HttpRequest, session: Session | None = None) -> HttpResponse:
    """
    Send one request and read the whole answer; a 401 is answered once with a fresh token.

    :param session: cookies and CSRF token of the job
    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    :raises OriginError: the URL must not get the credentials
    :raises AuthenticationError: no token could be had
    """
    if session is not None and (first := session.csrf_request(request)) is not None:
        session.take_csrf(_authorized(endpoint, first, session))
    response = _authorized(endpoint, request, session)
    if session is not None and session.csrf_refused(response):
        # Once: if the remote refuses its own fresh token, its response is the error.
        session.take_csrf(_authorized(endpoint, session.csrf_request(request) or request, session))
        response = _authorized(endpoint, request, session)
    return response


def _authorized(endpoint: Endpoint, request: HttpRequest, session: Session | None) -> HttpResponse:
    wire = prepare(endpoint, request)
    credentials = credential_headers(endpoint)
    response = _follow(endpoint, wire, credentials, session)
    if response.status == 401 and endpoint.auth.reject(credentials):
        response = _follow(endpoint, wire, credential_headers(endpoint), session)
    return response


def send_stream(
    endpoint: Endpoint, request: HttpRequest, body: MultipartFile, *, timeout: float
) -> HttpResponse:
    """
    Send a form with a file, once, and read the whole answer.

    Nothing is sent a second time, not even after a 401: the file may have been read half by then.

    :param timeout: seconds for the whole request, in place of the connection's
    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    :raises OriginError: the URL must not get the credentials
    :raises SubmitError: the file could not be read to its end
    """
    wire = prepare(endpoint, request)
    wire = replace(
        wire,
        headers={**wire.headers, "Content-Type": body.content_type},
        body=cast("Any", body),  # the HTTP client takes anything with a length that it can go through
    )
    return exchange(replace(endpoint, timeout=timeout), wire, credential_headers(endpoint))


def credential_headers(endpoint: Endpoint) -> dict[str, str]:
    """
    The credential headers of an endpoint, with a fresh token when that is needed.

    Whoever uses them elsewhere asks ``endpoint.may_have_credentials`` first.

    :raises AuthenticationError: no token could be had
    """
    headers = endpoint.auth.headers()
    if headers is None:
        token_request = endpoint.auth.token_request()
        wire = WireRequest(token_request.method, token_request.url, token_request.headers, token_request.body)
        # Straight to the token URL that the connection names, and nowhere from there.
        try:
            endpoint.auth.accept_token(exchange(endpoint, wire, {}))
        except RemoteError as e:
            raise before_sending(e) from None
        headers = endpoint.auth.headers()
        if headers is None:
            raise AuthenticationError("The token endpoint gave a token that has expired already.")
    return dict(headers)


def _follow(
    endpoint: Endpoint, wire: WireRequest, credentials: dict[str, str], session: Session | None
) -> HttpResponse:
    for _ in range(MAX_REDIRECTS + 1):
        response = exchange(endpoint, wire, credentials, session)
        target = redirected(endpoint, wire, response)
        if target is None:
            return response
        wire = target
    raise OriginError(f"{origin(wire.url)} redirected more than {MAX_REDIRECTS} times.")


def exchange(
    endpoint: Endpoint, wire: WireRequest, credentials: dict[str, str], session: Session | None = None
) -> HttpResponse:
    """
    Send one request as it is and read its answer; redirects and refused credentials are the caller's affair.

    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    """
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    where = origin(wire.url)
    if session is not None:
        credentials = {**credentials, **session.headers_for(wire.method, wire.url)}
    headers = wire.headers_with(credentials)
    verify = ca_for(where, endpoint.verify)
    cert = checked_cert(endpoint.cert) if where.startswith("https:") else None
    limit = TimeLimit(endpoint.timeout)
    try:
        with (
            limit,
            _sender().send(
                wire.method,
                wire.url,
                headers=headers,
                body=wire.body,
                shown=f"{where}/",
                limit=limit,
                timeout=(min(10.0, endpoint.timeout), endpoint.timeout),
                verify=verify,
                proxy=proxy_for(wire.url, endpoint.proxy),
                cert=cert,
            ) as answer,
        ):
            if session is not None:
                session.take(wire.url, answer.raw.headers.getlist("Set-Cookie"))
            secrets = secrets_of(headers, wire.url, wire.body)
            remember_sent(secrets)
            body, complete = _read(answer, where, wire.max_body_bytes)
            limit.check(where)
            if answer.status_code >= 300:
                body = without(body, secrets)
            return HttpResponse(
                answer.status_code,
                Headers(answer.headers.items()),
                body,
                time.time(),
                wire.url,
                complete,
            )
    except (RequestException, HTTPError, OSError, ValueError) as e:
        if limit.begun:
            limit.check(where)
        raise _failure(e, where, begun=limit.begun) from None


def _read(answer: Any, where: str, max_body_bytes: int | None) -> tuple[bytes, bool]:
    """The body, and whether that is all of it."""
    refusal = answer.status_code >= 300  # its beginning says enough
    most = MAX_REFUSAL if refusal else LARGEST_ANSWER
    bound = most if max_body_bytes is None else min(max_body_bytes, most)
    reader = BodyReader(answer.headers.get("Content-Encoding", ""), where=where, bound=bound)
    # read1 gives what has come; the other ways wait for a whole block.
    while chunk := answer.raw.read1(65536, decode_content=False):
        if not reader.add(chunk):
            break
    if reader.overflown and max_body_bytes is None and not refusal:
        raise UnreadableAnswerError(
            f"The answer of {where} is larger than {LARGEST_ANSWER} bytes.", http_status=answer.status_code
        )
    return reader.body(), not reader.overflown


def _sender() -> Sender:
    """One a thread."""
    if not hasattr(_local, "sender"):
        _local.sender = Sender(connections=POOL_CONNECTIONS, hosts=POOL_HOSTS)
    sender: Sender = _local.sender
    return sender


def _failure(error: BaseException, where: str, *, begun: bool) -> TransientError:
    """
    What requests, urllib3 or a socket raised, as one of ours.

    :param begun: whether the request was written. Their ProxyError does not say: they also raise it for a
        connection through a proxy that breaks after the request.
    """
    from urllib3.exceptions import ConnectTimeoutError, ReadTimeoutError

    chain, reason = chain_of(error), reason_of(error)
    # Without TLS the request line is written, into memory, before the connection is made. NewConnectionError
    # is one of this kind.
    if not begun or any(isinstance(e, ConnectTimeoutError) for e in chain):
        return TransientError(f"No connection to {where}: {reason}", sent=False)
    if any(isinstance(e, ReadTimeoutError | TimeoutError) for e in chain):
        return TransientError(f"{where} did not answer in time: {reason}")
    return TransientError(f"The request to {where} failed: {reason}")
