# SPDX-License-Identifier: Apache-2.0
"""Sending in the worker, with requests."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from airflow_async_provider._transport.auth import before_sending, masked
from airflow_async_provider._transport.endpoint import (
    LARGEST_ANSWER,
    Endpoint,
    WireRequest,
    origin,
    prepare,
    redirect_target,
)
from airflow_async_provider._transport.environment import ca_for, proxy_for
from airflow_async_provider._transport.exact_url_adapter import exact_adapter, request_target
from airflow_async_provider._transport.time_limit import TimeLimit
from airflow_async_provider.errors import (
    AuthenticationError,
    OriginError,
    RemoteError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse

MAX_REDIRECTS = 5

#: Connections that a thread keeps: to so many hosts, so many to each.
POOL_HOSTS = 10
POOL_CONNECTIONS = 2

_local = threading.local()


def send(endpoint: Endpoint, request: HttpRequest) -> HttpResponse:
    """
    Send one request and read the whole answer; a 401 is answered once with a fresh token.

    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    :raises OriginError: the URL must not get the credentials
    :raises AuthenticationError: no token could be had
    """
    wire = prepare(endpoint, request)
    credentials = credential_headers(endpoint)
    response = _follow(endpoint, wire, credentials)
    if response.status == 401 and endpoint.auth.reject(credentials):
        response = _follow(endpoint, wire, credential_headers(endpoint))
    return response


def credential_headers(endpoint: Endpoint) -> dict[str, str]:
    """
    The credential headers of a remote, with a fresh token when that is needed.

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


def _follow(endpoint: Endpoint, wire: WireRequest, credentials: dict[str, str]) -> HttpResponse:
    for _ in range(MAX_REDIRECTS + 1):
        response = exchange(endpoint, wire, credentials)
        target = redirect_target(
            endpoint, wire.method, wire.url, response.status, response.headers.get("Location")
        )
        if target is None:
            return response
        wire = replace(wire, url=target, body=None)
    raise OriginError(f"{origin(wire.url)} redirected more than {MAX_REDIRECTS} times.")


def exchange(endpoint: Endpoint, wire: WireRequest, credentials: dict[str, str]) -> HttpResponse:
    """
    Send one request as it is and read its answer; redirects and refused credentials are the caller's affair.

    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    """
    from requests import PreparedRequest
    from requests.exceptions import RequestException
    from requests.structures import CaseInsensitiveDict
    from urllib3.exceptions import HTTPError

    where = origin(wire.url)
    request = PreparedRequest()
    request.method = wire.method
    request.url = f"{where}/"  # the adapter writes the true target, see exact.py
    headers = wire.headers_with(credentials)
    request.headers = CaseInsensitiveDict(headers)
    request.body = wire.body
    if wire.body is not None:
        request.headers["Content-Length"] = str(len(wire.body))
    verify = ca_for(where, endpoint.verify)
    proxy = proxy_for(wire.url, endpoint.proxy)
    _local.target = request_target(wire.url)
    _local.limit = limit = TimeLimit(endpoint.timeout)
    try:
        with (
            limit,
            _adapter().send(
                request,
                stream=True,
                verify=verify,
                proxies={"http": proxy, "https": proxy} if proxy else None,
                timeout=(min(10.0, endpoint.timeout), endpoint.timeout),
            ) as answer,
        ):
            body, complete = _read(answer, where, wire.max_body_bytes)
            limit.check(where)
            if answer.status_code >= 300:
                body = masked(body, headers)
            return HttpResponse(
                answer.status_code, Headers(answer.headers.items()), body, time.time(), wire.url, complete
            )
    except (RequestException, HTTPError, OSError, ValueError) as e:
        if limit.begun:
            limit.check(where)
        raise _failure(e, where, begun=limit.begun) from None


def _read(answer: Any, where: str, max_body_bytes: int | None) -> tuple[bytes, bool]:
    """The body, and whether that is all of it."""
    chunks: list[bytes] = []
    size = 0
    # read1 gives what has come; the other ways wait for a whole block.
    while chunk := answer.raw.read1(65536, decode_content=True):
        size += len(chunk)
        if max_body_bytes is not None and size > max_body_bytes:
            return b"".join([*chunks, chunk])[:max_body_bytes], False
        if size > LARGEST_ANSWER:
            raise UnreadableAnswerError(
                f"The answer of {where} is larger than {LARGEST_ANSWER} bytes.",
                http_status=answer.status_code,
            )
        chunks.append(chunk)
    return b"".join(chunks), True


def _adapter() -> Any:
    """One adapter a thread, so that the target it writes is that of the request being sent."""
    if not hasattr(_local, "adapter"):
        _local.adapter = exact_adapter(_target, connections=POOL_CONNECTIONS, hosts=POOL_HOSTS)
    return _local.adapter


def _target(connection: Any) -> str:
    """Asked for when the request line is written, so from then on the request may have arrived."""
    _local.limit.watch(connection)
    return str(_local.target)


def _failure(error: BaseException, where: str, *, begun: bool) -> TransientError:
    """
    What requests, urllib3 or a socket raised, as one of ours; their texts hold URLs, so only the kind.

    :param begun: whether the request was written. Their ProxyError does not tell: they also raise it for a
        connection through a proxy that breaks after the request.
    """
    from urllib3.exceptions import ConnectTimeoutError, ReadTimeoutError

    chain = [error]
    while len(chain) < 10 and (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    said = next((e.strerror for e in chain if isinstance(e, OSError) and isinstance(e.strerror, str)), None)
    reason = f"{type(error).__name__} ({said})" if said else type(error).__name__
    # Without TLS the request line is written, into memory, before the connection is made. NewConnectionError
    # is one of this kind.
    if not begun or any(isinstance(e, ConnectTimeoutError) for e in chain):
        return TransientError(f"No connection to {where}: {reason}", sent=False)
    if any(isinstance(e, ReadTimeoutError | TimeoutError) for e in chain):
        return TransientError(f"{where} did not answer in time: {reason}")
    return TransientError(f"The request to {where} failed: {reason}")


def _inner(error: BaseException) -> BaseException | None:
    """The error inside of an error, as requests and urllib3 nest them."""
    for found in (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__):
        if isinstance(found, BaseException):
            return found
    return None
