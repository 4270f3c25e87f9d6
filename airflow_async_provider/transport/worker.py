# SPDX-License-Identifier: Apache-2.0
"""Sending in the worker, with requests."""

from __future__ import annotations

import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from airflow_async_provider.errors import (
    AuthenticationError,
    OriginError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols.base import Headers, HttpRequest, HttpResponse
from airflow_async_provider.transport.environment import ca_file, proxy_for
from airflow_async_provider.transport.remote import (
    LARGEST_ANSWER,
    Remote,
    WireRequest,
    place,
    prepare,
    redirect_target,
)

if TYPE_CHECKING:
    import requests

MOST_REDIRECTS = 5

_local = threading.local()


def send(remote: Remote, request: HttpRequest) -> HttpResponse:
    """
    Send one request and read the whole answer; a 401 is answered once with a fresh token.

    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    :raises OriginError: the URL must not get the credentials
    :raises AuthenticationError: no token could be had
    """
    wire = prepare(remote, request)
    credentials = credential_headers(remote)
    response = _follow(remote, wire, credentials)
    if response.status == 401 and remote.auth.reject(credentials):
        response = _follow(remote, wire, credential_headers(remote))
    return response


def credential_headers(remote: Remote) -> dict[str, str]:
    """
    The credential headers of a remote, with a fresh token when that is needed.

    Whoever uses them elsewhere asks ``remote.may_have_credentials`` first.

    :raises AuthenticationError: no token could be had
    """
    headers = remote.auth.headers()
    if headers is None:
        token_request = remote.auth.token_request()
        wire = WireRequest(token_request.method, token_request.url, token_request.headers, token_request.body)
        # Straight to the token URL that the connection names, and nowhere from there.
        remote.auth.accept_token(_exchange(remote, wire, {}))
        headers = remote.auth.headers()
        if headers is None:
            raise AuthenticationError("The token endpoint gave a token that has expired already.")
    return dict(headers)


def _follow(remote: Remote, wire: WireRequest, credentials: dict[str, str]) -> HttpResponse:
    for _ in range(MOST_REDIRECTS + 1):
        response = _exchange(remote, wire, credentials)
        target = redirect_target(
            remote, wire.method, wire.url, response.status, response.headers.get("Location")
        )
        if target is None:
            return response
        wire = WireRequest(wire.method, target, wire.headers, None)
    raise OriginError(f"{place(wire.url)} redirected more than {MOST_REDIRECTS} times.")


def _exchange(remote: Remote, wire: WireRequest, credentials: dict[str, str]) -> HttpResponse:
    import requests

    session = _session()
    prepared = session.prepare_request(
        requests.Request(wire.method, wire.url, headers={**wire.headers, **credentials}, data=wire.body)
    )
    prepared.url = wire.url  # requests would quote it anew; an opaque URL goes out as it came in
    proxy = proxy_for(wire.url, remote.proxy)
    deadline = time.monotonic() + remote.timeout
    try:
        with session.send(
            prepared,
            stream=True,
            allow_redirects=False,
            verify=ca_file(remote.verify) or False,
            proxies={"http": proxy, "https": proxy} if proxy else None,
            timeout=(min(10.0, remote.timeout), remote.timeout),
        ) as answer:
            body = _read(answer, deadline)
            return HttpResponse(
                answer.status_code, Headers(answer.headers.items()), body, time.time(), wire.url
            )
    except requests.exceptions.SSLError as e:
        raise TransientError(f"TLS with {place(wire.url)} failed: {_reason(e)}", sent=False) from None
    except (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError) as e:
        raise TransientError(f"No connection to {place(wire.url)}: {_reason(e)}", sent=False) from None
    except requests.exceptions.ConnectionError as e:
        raise TransientError(
            f"The connection to {place(wire.url)} failed: {_reason(e)}", sent=not _refused(e)
        ) from None
    except requests.exceptions.RequestException as e:
        raise TransientError(f"The request to {place(wire.url)} failed: {_reason(e)}") from None


def _read(answer: requests.Response, deadline: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    for chunk in answer.iter_content(65536):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise UnreadableAnswerError(
                f"The answer of {place(answer.url)} is larger than {LARGEST_ANSWER} bytes.",
                http_status=answer.status_code,
            )
        if time.monotonic() > deadline:
            raise TransientError(f"{place(answer.url)} took too long to send its answer.")
        chunks.append(chunk)
    return b"".join(chunks)


def _session() -> requests.Session:
    """One session a thread: requests does not promise that a session may be shared."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        import requests

        session = _local.session = requests.Session()
        session.trust_env = False
        session.headers.clear()
        session.headers["User-Agent"] = "airflow-async-provider"
        # Cookies of one remote's load balancer must not reach the next request of another connection.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _refused(error: BaseException) -> bool:
    """Whether the request surely did not reach the remote: no connection was ever made."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    reason = error.args[0] if error.args else None
    return isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)


def _reason(error: BaseException) -> str:
    """What went wrong, without the URL: requests and urllib3 put path and query into their messages."""
    cause: BaseException | None = error
    words = type(error).__name__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and not hasattr(cause, "request"):
            return f"{words} ({cause.strerror})"
        inner = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None
        inner = getattr(cause, "reason", None) if inner is None else inner
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return words
