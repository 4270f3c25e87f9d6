# SPDX-License-Identifier: Apache-2.0
"""Sending in the triggerer, with aiohttp: one session per event loop, shared by all that wait in it."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

# Here at the top on purpose: only triggers import this module, and imports of this size inside the event
# loop would hold up everybody who waits in it. (``proxy_for`` reads the environment with ``requests.utils``.)
import aiohttp
import requests.utils  # noqa: F401
from yarl import URL

from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    ConfigurationError,
    OriginError,
    RemoteError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols.base import Headers, HttpRequest, HttpResponse
from airflow_async_provider.transport.auth import Auth, before_sending, masked
from airflow_async_provider.transport.environment import ca_file, check_ca_file, proxy_for
from airflow_async_provider.transport.remote import (
    LARGEST_ANSWER,
    Remote,
    WireRequest,
    place,
    prepare,
    redirect_target,
)
from airflow_async_provider.transport.worker import MOST_REDIRECTS

#: Sockets of one event loop, in all and to one host: ten thousand waits share these.
MOST_SOCKETS = 100
MOST_SOCKETS_PER_HOST = 32


@dataclass(slots=True)
class _Pool:
    session: aiohttp.ClientSession
    users: int = 0
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_SOCKETS))
    turns_at: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    fetches: weakref.WeakKeyDictionary[Auth, asyncio.Task[AsyncJobError | None]] = field(
        default_factory=weakref.WeakKeyDictionary
    )

    #: Reading the environment for each poll would cost more than the rest of it.
    proxies: dict[tuple[str, str | None], str | None] = field(default_factory=dict)

    def proxy_for(self, where: str, configured: str | None) -> str | None:
        """The proxy for a host, the same for as long as somebody waits."""
        key = (where, configured)
        if key not in self.proxies:
            self.proxies[key] = proxy_for(where, configured)
        return self.proxies[key]

    @asynccontextmanager
    async def turn(self, where: str) -> AsyncIterator[None]:
        """
        Wait for a socket to a host.

        Here and not in the session, whose time limit would count the wait: a thousand jobs at a slow remote
        would then fail of their own crowd.
        """
        async with self.turns_at.setdefault(where, asyncio.Semaphore(MOST_SOCKETS_PER_HOST)), self.turns:
            yield


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()


@asynccontextmanager
async def pool() -> AsyncIterator[None]:
    """
    Hold the event loop's session open; the last one out closes it.

    Every waiting trigger is inside one of these, so the session lives exactly as long as somebody waits.
    """
    loop = asyncio.get_running_loop()
    entry = _pools.get(loop)
    if entry is None:
        entry = _pools[loop] = _Pool(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=MOST_SOCKETS, limit_per_host=MOST_SOCKETS_PER_HOST, ttl_dns_cache=60
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type",),
                trust_env=False,
            )
        )
    entry.users += 1
    try:
        yield
    finally:
        entry.users -= 1
        if entry.users == 0:
            _pools.pop(loop, None)
            await entry.session.close()


async def send(remote: Remote, request: HttpRequest) -> HttpResponse:
    """
    Send one request and read the whole answer; a 401 is answered once with a fresh token.

    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    :raises OriginError: the URL must not get the credentials
    :raises AuthenticationError: no token could be had
    """
    async with pool():
        entry = _pools[asyncio.get_running_loop()]
        wire = prepare(remote, request)
        credentials = await _credentials(entry, remote)
        response = await _follow(entry, remote, wire, credentials)
        if response.status == 401 and remote.auth.reject(credentials):
            response = await _follow(entry, remote, wire, await _credentials(entry, remote))
        return response


async def _credentials(entry: _Pool, remote: Remote) -> dict[str, str]:
    headers = remote.auth.headers()
    if headers is None:
        # A thousand jobs whose token has just ended ask for one new token, and share a failure as well.
        fetch = entry.fetches.get(remote.auth)
        if fetch is None or fetch.done():
            fetch = entry.fetches[remote.auth] = asyncio.create_task(_fetch_token(remote))
        error = await asyncio.shield(fetch)  # whoever is cancelled takes nobody's token away
        if error is not None:
            raise copy(error)
        headers = remote.auth.headers()
        if headers is None:
            raise AuthenticationError("The token endpoint gave a token that has expired already.")
    return dict(headers)


async def _fetch_token(remote: Remote) -> AsyncJobError | None:
    """Fetch a token; an error is returned, as each of those who wait raises one of its own."""
    async with pool():
        entry = _pools[asyncio.get_running_loop()]
        request = remote.auth.token_request()
        wire = WireRequest(request.method, request.url, request.headers, request.body)
        try:
            remote.auth.accept_token(await _exchange(entry, remote, wire, {}))
        except RemoteError as e:
            return before_sending(e)
        except AsyncJobError as e:
            return e
        return None


async def _follow(
    entry: _Pool, remote: Remote, wire: WireRequest, credentials: dict[str, str]
) -> HttpResponse:
    for _ in range(MOST_REDIRECTS + 1):
        response = await _exchange(entry, remote, wire, credentials)
        target = redirect_target(
            remote, wire.method, wire.url, response.status, response.headers.get("Location")
        )
        if target is None:
            return response
        wire = replace(wire, url=target, body=None)
    raise OriginError(f"{place(wire.url)} redirected more than {MOST_REDIRECTS} times.")


async def _exchange(
    entry: _Pool, remote: Remote, wire: WireRequest, credentials: dict[str, str]
) -> HttpResponse:
    where = place(wire.url)
    headers = wire.headers_with(credentials)
    tls = await _tls(remote.verify) if where.startswith("https:") else True
    proxy = entry.proxy_for(where, remote.proxy)
    try:
        async with (
            entry.turn(where),
            entry.session.request(
                wire.method,
                URL(wire.url, encoded=True),  # an opaque URL goes out as it came in
                headers=headers,
                data=wire.body,
                allow_redirects=False,
                ssl=tls,
                proxy=proxy,
                timeout=aiohttp.ClientTimeout(total=remote.timeout, sock_connect=min(10.0, remote.timeout)),
            ) as answer,
        ):
            body, complete = await _read(answer, where, wire.most)
            if answer.status >= 300:
                body = masked(body, headers)
            return HttpResponse(
                answer.status, Headers(answer.headers.items()), body, time.time(), wire.url, complete
            )
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as e:  # includes TLS
        raise TransientError(f"No connection to {where}: {_reason(e)}", sent=False) from None
    except TimeoutError:
        raise TransientError(f"{where} did not answer within {remote.timeout:g} seconds.") from None
    except (aiohttp.ClientError, OSError, ValueError) as e:
        raise TransientError(f"The request to {where} failed: {_reason(e)}") from None


async def _read(answer: aiohttp.ClientResponse, where: str, most: int | None) -> tuple[bytes, bool]:
    """The body, and whether that is all of it."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if most is not None and size > most:
            return b"".join([*chunks, chunk])[:most], False
        if size > LARGEST_ANSWER:
            raise UnreadableAnswerError(
                f"The answer of {where} is larger than {LARGEST_ANSWER} bytes.",
                http_status=answer.status,
            )
        chunks.append(chunk)
    return b"".join(chunks), True


async def _tls(verify: bool | str) -> ssl.SSLContext:
    # Loading a CA bundle takes tens of milliseconds, too long for an event loop.
    path = ca_file(verify)
    if path not in _tls_contexts:
        _tls_contexts.setdefault(path, await asyncio.to_thread(_make_tls_context, path))
    return _tls_contexts[path]


_tls_contexts: dict[str | None, ssl.SSLContext] = {}


def _make_tls_context(path: str | None) -> ssl.SSLContext:
    if path is None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    check_ca_file(path)
    is_folder = Path(path).is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if is_folder else path, capath=path if is_folder else None
        )
    except OSError as e:
        raise ConfigurationError(f"The CA file {path!r} cannot be used: {_reason(e)}.") from None


def _reason(error: BaseException) -> str:
    """What went wrong, without the URL, which aiohttp puts into some of its messages."""
    number = getattr(error, "errno", None)
    doubted = getattr(getattr(error, "certificate_error", None), "verify_message", None)
    # aiohttp says "Connect call failed" where the system says why; gaierror's numbers are negative.
    known = os.strerror(number) if isinstance(number, int) and number in errno.errorcode else None
    words = doubted or known or getattr(error, "strerror", None)
    return f"{type(error).__name__} ({words})" if words else type(error).__name__
