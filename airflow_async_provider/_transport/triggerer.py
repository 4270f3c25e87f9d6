# SPDX-License-Identifier: Apache-2.0
"""Sending in the triggerer, with aiohttp: one session per event loop, shared by all that wait in it."""

from __future__ import annotations

import asyncio
import ssl
import time
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

# Here at the top on purpose: only triggers import this module, and imports of this size inside the event
# loop would hold up everybody who waits in it. (``proxy_for`` reads the environment with ``requests.utils``.)
import aiohttp
import requests.utils  # noqa: F401 - imported for those who use it later
from multidict import CIMultiDict
from yarl import URL

from airflow_async_provider._transport.auth import Auth, before_sending
from airflow_async_provider._transport.decoding import BodyReader
from airflow_async_provider._transport.endpoint import (
    MAX_REDIRECTS,
    CachedRequest,
    Endpoint,
    WireRequest,
    prepare,
    redirected,
    wire_headers,
)
from airflow_async_provider._transport.environment import ca_file, check_ca_file, checked_cert, proxy_for
from airflow_async_provider._transport.failures import reason_of
from airflow_async_provider._transport.portions import PortionedResponse
from airflow_async_provider._transport.resolver import Resolver
from airflow_async_provider._transport.session import Session
from airflow_async_provider._transport.turns import HostTurns, OneAtATime, Turns
from airflow_async_provider._urls import origin
from airflow_async_provider.errors import (
    AnswerTooLargeError,
    AsyncJobError,
    AuthenticationError,
    ConfigurationError,
    OriginError,
    RemoteError,
    TransientError,
)
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._redaction import remember_sent, secrets_of, together, without

#: From this size on answers wait for a round of the event loop of their own (bytes).
LARGE = 16 * 1024

#: Different sets of headers kept for one remote: polls of one kind need one, and nothing needs many.
MAX_HEADS = 16


#: For so long an address is not asked for again (seconds).
DNS_LIFE = 300

#: For so long the files of a client certificate are not read again (seconds).
CERT_LIFE = 3600.0


@dataclass(slots=True)
class _Pool:
    session: aiohttp.ClientSession
    resolver: Resolver
    users: int = 0
    #: Taken before the session is asked, whose time limit would count the wait for a socket: a thousand jobs
    #: at a slow remote would then fail of their own crowd.
    turns: Turns = field(default_factory=Turns)
    turns_at: dict[str, HostTurns] = field(default_factory=dict)
    large: OneAtATime = field(default_factory=OneAtATime)
    fetches: weakref.WeakKeyDictionary[Auth, asyncio.Task[AsyncJobError | None]] = field(
        default_factory=weakref.WeakKeyDictionary
    )

    #: Reading the environment for each request would cost more than the rest of it.
    proxies: dict[tuple[str, str | None], str | None] = field(default_factory=dict)

    def proxy_for(self, where: str, configured: str | None) -> str | None:
        """The proxy for a host, the same for as long as a trigger waits."""
        key = (where, configured)
        if key not in self.proxies:
            self.proxies[key] = proxy_for(where, configured)
        return self.proxies[key]


class _Head:
    """Headers that many requests of one remote share, and what came out of them with the last credentials."""

    __slots__ = ("_credentials", "_known", "_sent", "secrets")

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._credentials: Mapping[str, str] | None = None
        self._sent: CIMultiDict[str] = CIMultiDict()
        #: what of these headers no message may show
        self.secrets: tuple[bytes, ...] = ()

    def with_credentials(self, credentials: Mapping[str, str]) -> CIMultiDict[str]:
        """
        The headers to send.

        :param credentials: what ``Auth.headers`` gave, the same object for as long as nothing has changed
        """
        if self._credentials is not credentials:
            headers = wire_headers(self._known, credentials)
            self._sent, self.secrets = CIMultiDict(headers), secrets_of(headers)
            self._credentials = credentials
        return self._sent


@dataclass(slots=True)
class _Ready:
    """
    A request worked out to the last detail but for its credentials.

    Polls send the same one time and again, and working it out costs more than everything else that we add
    to aiohttp; so a :class:`CachedRequest` keeps it. The origin rule has been asked for its URL.
    """

    entry: _Pool
    endpoint: Endpoint
    wire: WireRequest
    where: str
    url: URL
    head: _Head
    tls: ssl.SSLContext | bool
    proxy: str | None
    timeout: aiohttp.ClientTimeout
    turns: HostTurns
    #: what of its query and body no message may show
    secrets: tuple[bytes, ...] = ()


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()


def _enter() -> _Pool:
    loop = asyncio.get_running_loop()
    entry = _pools.get(loop)
    if entry is None:
        resolver = Resolver()
        entry = _pools[loop] = _Pool(
            aiohttp.ClientSession(
                # No limits of its own, which count the silent and make everybody wait: ours are in turns.
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=0, ttl_dns_cache=DNS_LIFE, resolver=resolver
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                response_class=PortionedResponse,
                auto_decompress=False,  # how much it unpacks at once depends on the version, see decoding
            ),
            resolver,
        )
    entry.users += 1
    return entry


async def _release(entry: _Pool) -> None:
    entry.users -= 1
    if entry.users == 0:
        _pools.pop(asyncio.get_running_loop(), None)
        await entry.session.close()
        await entry.resolver.close()


@asynccontextmanager
async def pool() -> AsyncIterator[None]:
    """
    Hold the event loop's session open; the last one out closes it.

    Every waiting trigger is inside one of these, so the session lives exactly as long as one of them waits.
    """
    entry = _enter()
    try:
        yield
    finally:
        await _release(entry)


async def send(endpoint: Endpoint, request: HttpRequest, session: Session | None = None) -> HttpResponse:
    """
    Send one request and read the whole answer; a 401 is answered once with a fresh token.

    :param session: cookies and CSRF token of the job
    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    :raises OriginError: the URL must not get the credentials
    :raises AuthenticationError: no token could be had
    """
    if session is not None and (first := session.csrf_request(request)) is not None:
        session.take_csrf(await _authorized(endpoint, first, session))
    response = await _authorized(endpoint, request, session)
    if session is not None and session.csrf_refused(response):
        # Once: if the remote refuses its own fresh token, its response is the error.
        session.take_csrf(await _authorized(endpoint, session.csrf_request(request) or request, session))
        response = await _authorized(endpoint, request, session)
    return response


async def _authorized(endpoint: Endpoint, request: HttpRequest, session: Session | None) -> HttpResponse:
    entry = _enter()
    try:
        ready = request.worked_out if isinstance(request, CachedRequest) else None
        if not isinstance(ready, _Ready) or ready.endpoint is not endpoint or ready.entry is not entry:
            ready = await _work_out(entry, endpoint, prepare(endpoint, request))
            if isinstance(request, CachedRequest):
                request.worked_out = ready
        credentials = endpoint.auth.headers()
        if credentials is None:
            credentials = await _credentials(entry, endpoint)
        response = await _exchange(ready, credentials, session)
        if response.status < 300:
            return response
        response = await _follow(ready, response, credentials, session)
        if response.status == 401 and endpoint.auth.reject(credentials):
            credentials = await _credentials(entry, endpoint)
            response = await _exchange(ready, credentials, session)
            response = await _follow(ready, response, credentials, session)
        return response
    finally:
        await _release(entry)


async def _work_out(entry: _Pool, endpoint: Endpoint, wire: WireRequest) -> _Ready:
    where = origin(wire.url)
    return _Ready(
        entry=entry,
        endpoint=endpoint,
        wire=wire,
        where=where,
        url=URL(wire.url, encoded=True),  # an opaque URL goes out as it came in
        head=_head(endpoint, wire),
        tls=await _tls(endpoint.verify, endpoint.cert) if where.startswith("https:") else True,
        proxy=entry.proxy_for(where, endpoint.proxy),
        timeout=_timeout(endpoint.timeout),
        turns=entry.turns_at.setdefault(where, HostTurns()),
        secrets=secrets_of({}, wire.url, wire.body),
    )


def _head(endpoint: Endpoint, wire: WireRequest) -> _Head:
    key = tuple(wire.headers.items())
    if key not in endpoint.cached and len(endpoint.cached) >= MAX_HEADS:
        return _Head(wire.headers)
    head: _Head = endpoint.cached.setdefault(key, _Head(wire.headers))
    return head


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(10.0, seconds))


async def _credentials(entry: _Pool, endpoint: Endpoint) -> Mapping[str, str]:
    headers = endpoint.auth.headers()
    if headers is None:
        # A thousand jobs whose token has just ended ask for one new token, and share a failure as well.
        fetch = entry.fetches.get(endpoint.auth)
        if fetch is None or fetch.done():
            fetch = entry.fetches[endpoint.auth] = asyncio.create_task(_fetch_token(endpoint))
        error = await asyncio.shield(fetch)  # a cancelled waiter does not cancel it for the others
        if error is not None:
            raise copy(error)
        headers = endpoint.auth.headers()
        if headers is None:
            raise AuthenticationError("The token endpoint gave a token that has expired already.")
    return headers


async def _fetch_token(endpoint: Endpoint) -> AsyncJobError | None:
    """Fetch a token; an error is returned, as each of those who wait raises one of its own."""
    entry = _enter()
    try:
        request = await asyncio.to_thread(endpoint.auth.token_request)  # it may have to sign
        wire = WireRequest(request.method, request.url, request.headers, request.body)
        endpoint.auth.accept_token(await _exchange(await _work_out(entry, endpoint, wire), {}))
    except RemoteError as e:
        return before_sending(e)
    except AsyncJobError as e:
        return e
    finally:
        await _release(entry)
    return None


async def _follow(
    ready: _Ready, response: HttpResponse, credentials: Mapping[str, str], session: Session | None
) -> HttpResponse:
    """The answer behind the redirects, as far as they may be followed."""
    for followed in range(MAX_REDIRECTS + 1):
        wire = ready.wire
        target = redirected(ready.endpoint, wire, response)
        if target is None:
            return response
        if followed < MAX_REDIRECTS:
            ready = await _work_out(ready.entry, ready.endpoint, target)
            response = await _exchange(ready, credentials, session)
    raise OriginError(f"{ready.where} redirected more than {MAX_REDIRECTS} times.")


async def _exchange(
    ready: _Ready, credentials: Mapping[str, str], session: Session | None = None
) -> HttpResponse:
    headers, secrets = ready.head.with_credentials(credentials), ready.head.secrets
    if session is not None:
        own = session.headers_for(ready.wire.method, ready.wire.url)
        headers = CIMultiDict(wire_headers(headers, own))
        secrets = together(secrets, secrets_of(own))
    if ready.secrets:
        secrets = together(secrets, ready.secrets)
    await ready.turns.take(ready.endpoint.max_requests_per_minute)
    try:
        turn = await ready.entry.turns.take()
        try:
            response = await _answer(ready, headers, secrets, session)
        finally:
            ready.entry.turns.give_back(turn)
    except TransientError:
        ready.turns.silent()
        raise
    finally:
        ready.turns.give_back()
    ready.turns.answered()
    if len(response.body) > LARGE:
        await ready.entry.large.take()
    return response


async def _answer(
    ready: _Ready, headers: CIMultiDict[str], secrets: tuple[bytes, ...], session: Session | None
) -> HttpResponse:
    wire, where = ready.wire, ready.where
    try:
        async with ready.entry.session.request(
            wire.method,
            ready.url,
            headers=headers,
            data=wire.body,
            # A GET without a body gets no content type anyway, and saying so would cost it time.
            skip_auto_headers=None if wire.method == "GET" and wire.body is None else ("Content-Type",),
            allow_redirects=False,
            ssl=ready.tls,
            proxy=ready.proxy,
            timeout=ready.timeout,
        ) as answer:
            remember_sent(secrets)
            if session is not None:
                session.take(wire.url, answer.headers.getall("Set-Cookie", ()))
            body, complete = await _read(answer, where, wire.max_body_bytes, ready.endpoint.max_status_bytes)
            if answer.status >= 300:
                body = without(body, secrets)
            return HttpResponse(
                answer.status, Headers(answer.headers.items()), body, time.time(), wire.url, complete
            )
    except (
        aiohttp.ClientConnectorError,  # includes TLS and a proxy that is not there
        aiohttp.ClientHttpProxyError,  # the proxy refused the tunnel
        aiohttp.ConnectionTimeoutError,
    ) as e:
        raise TransientError(f"No connection to {where}: {reason_of(e)}", sent=False) from None
    except TimeoutError:
        seconds = ready.endpoint.timeout
        raise TransientError(f"{where} did not answer within {seconds:g} seconds.") from None
    except (aiohttp.ClientError, OSError, ValueError) as e:
        raise TransientError(f"The request to {where} failed: {reason_of(e)}") from None


async def _read(
    answer: aiohttp.ClientResponse, where: str, max_body_bytes: int | None, most: int
) -> tuple[bytes, bool]:
    """The body, and whether that is all of it."""
    content = answer.content
    bound = most if max_body_bytes is None else min(max_body_bytes, most)
    if answer.status < 300 and max_body_bytes is None and (answer.content_length or 0) > most:
        raise _too_large(answer, where, most)
    coding = ", ".join(answer.headers.getall("Content-Encoding", ()))
    reader = BodyReader(coding, where=where, bound=bound)
    while not content.at_eof():
        # A short answer has arrived with its headers and is taken out as it lies there.
        if not reader.add(content.read_nowait() if content.is_eof() else await content.readany()):
            break
    # The beginning of a refusal says enough.
    if reader.overflown and max_body_bytes is None and answer.status < 300:
        raise _too_large(answer, where, most)
    return reader.body(), not reader.overflown


def _too_large(answer: aiohttp.ClientResponse, where: str, most: int) -> AnswerTooLargeError:
    return AnswerTooLargeError(
        f"The answer of {where} is larger than {most} bytes, which is too much for the triggerer; a worker "
        "reads it. If the remote's status documents are that large, raise max_status_bytes in the "
        "connection's extra.",
        http_status=answer.status,
    )


async def _tls(verify: bool | str, cert: tuple[str, str] | None) -> ssl.SSLContext:
    # Loading a CA bundle takes tens of milliseconds, too long for an event loop. A client certificate is
    # short- lived in many companies, so its files are read again now and then.
    age = int(time.monotonic() // CERT_LIFE) if cert else 0
    key = (ca_file(verify), cert, age)
    if key not in _tls_contexts:
        for old in [k for k in _tls_contexts if k[:2] == key[:2]]:
            del _tls_contexts[old]
        _tls_contexts.setdefault(key, await asyncio.to_thread(_make_tls_context, key[0], cert))
    return _tls_contexts[key]


_tls_contexts: dict[tuple[str | None, tuple[str, str] | None, int], ssl.SSLContext] = {}


def _make_tls_context(path: str | None, cert: tuple[str, str] | None) -> ssl.SSLContext:
    context = _trusting(path)
    if (usable := checked_cert(cert)) is not None:
        context.load_cert_chain(*usable)
    return context


def _trusting(path: str | None) -> ssl.SSLContext:
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
        raise ConfigurationError(f"The CA file {path!r} cannot be used: {reason_of(e)}.") from None
