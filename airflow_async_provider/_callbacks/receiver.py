# SPDX-License-Identifier: Apache-2.0
"""
The receiver: a small FastAPI app in Airflow's API server that takes callbacks and nothing else.

Order, for every request: the body is read up to the limit, the secret is checked, then the signature where
one is configured, then the callback is read, stored and its task woken in one transaction; only then comes
the 200. Whatever is not authentic gets the same 401.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import handling, support
from airflow_async_provider._callbacks.address import HEALTH, MAX_TOKEN, ROUTE
from airflow_async_provider._callbacks.handling import AuthenticatedCallback, KeyMissingError
from airflow_async_provider._settings import callback_max_bytes
from airflow_async_provider.protocols._http_messages import Headers

log = logging.getLogger(__name__)

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_MARKER = f"{ROUTE}/"

#: What the sender is asked to wait when the database cannot be reached (seconds).
RETRY_AFTER = 15

#: And where this Airflow is not supported, which ends with an upgrade of the one or the other (seconds).
UNSUPPORTED_RETRY_AFTER = 600

#: A body must be there within so many seconds; a stranger may not hold a connection for longer.
MAX_READ = 30.0

#: Refusals are logged once in so many seconds, with their number: a flood must not fill the disk.
REFUSAL_LOG_PAUSE = 60.0

#: Threads, and with them connections of the API server's pool (15 by default), for those who have yet to
#: prove who they are, and for those who have: a flood of the former holds up neither the latter nor Airflow.
UNAUTHENTICATED_WORKERS = 4
AUTHENTICATED_WORKERS = 6


def build_app() -> FastAPI:
    """The FastAPI app; Airflow's authentication does not cover it, so it brings its own."""
    app = FastAPI(
        title="airflow-async-provider callback receiver",
        description="Takes the callbacks of remote jobs. Every address is made for one submission.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the secret
    )
    app.add_middleware(HideSecrets)
    receiver = _Receiver()
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "taken, or harmless (a duplicate, a late one)"},
        401: {"description": "not authentic, whatever the reason"},
        408: {"description": "authentic, but its body did not come in time"},
        413: {"description": "too large; the task is told"},
        503: {"description": "cannot be stored now; send it again after Retry-After seconds"},
    }

    @app.get(HEALTH, include_in_schema=False)  # what remote systems are given holds callbacks only
    async def health() -> Response:
        """Whether callbacks can be taken: what this package needs of Airflow, compared with what is there."""
        return await receiver.health()

    @app.post(f"{ROUTE}/{{token}}", responses=answers)
    @app.put(f"{ROUTE}/{{token}}", responses=answers)
    async def with_header(request: Request, token: str) -> Response:
        """For senders that set headers: ``Authorization: Bearer <secret>``."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        return await receiver.receive(request, token, secret.strip() if scheme.lower() == "bearer" else None)

    @app.post(f"{ROUTE}/{{token}}/{{secret}}", responses=answers)
    @app.put(f"{ROUTE}/{{token}}/{{secret}}", responses=answers)
    async def with_path(request: Request, token: str, secret: str) -> Response:
        """For senders that cannot set headers."""
        return await receiver.receive(request, token, secret)

    return app


class HideSecrets:
    """
    Takes the secret out of what access logs will print, whatever comes of the request.

    Airflow's access log middleware and uvicorn's own read path and query from the scope that they handed in,
    when the answer goes out. So that one is changed, and the app gets a copy. In the copy the path begins
    where our routes begin: a proxy may take a prefix of ``[api] base_url`` away or leave it in place.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        inner = dict(scope)
        if scope["type"] == "http":
            _, found, tail = scope["path"].partition(_MARKER)
            if found:
                inner |= {"path": _MARKER + tail, "root_path": ""}
            hide_secret(scope)
        await self._app(inner, receive, send)


def hide_secret(scope: Scope) -> None:
    """Replace what follows the task in the path, and the query."""
    head, found, tail = scope["path"].partition(_MARKER)
    if found and "/" in tail:
        token = tail.split("/", 1)[0]
        shown = token if len(token) <= MAX_TOKEN else "unknown"
        scope["path"] = f"{head}{_MARKER}{shown}/hidden"
        scope["raw_path"] = scope["path"].encode("ascii", "replace")
    scope["query_string"] = b""


class _Receiver:
    """Takes requests apart and puts answers together."""

    def __init__(self) -> None:
        self._unauthenticated = ThreadPoolExecutor(UNAUTHENTICATED_WORKERS, "async-provider-unauthenticated")
        self._authenticated = ThreadPoolExecutor(AUTHENTICATED_WORKERS, "async-provider-callbacks")
        self._refusals = _Refusals()
        self._support = _Support()

    async def health(self) -> Response:
        """The answer of the health address."""
        try:
            reason = await _in_thread(self._unauthenticated, self._support.reason)
        except Exception as e:  # noqa: BLE001 - whatever it is, nobody knows now
            log.warning("Whether callbacks can be taken is unknown: %s", type(e).__name__)
            return JSONResponse({"callbacks": support.UNKNOWN}, status_code=503)
        if reason:
            return JSONResponse({"callbacks": support.UNSUPPORTED, "reason": reason}, status_code=503)
        return JSONResponse({"callbacks": support.SUPPORTED})

    async def receive(self, request: Request, token: str, secret: str | None) -> Response:
        """Answer one request, whatever happens."""
        begun = time.monotonic()
        try:
            return await self._handle(request, token, secret, begun)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as e:  # noqa: BLE001 - nothing was stored, so the sender shall repeat it
            known_trouble = internals.is_store_down(e) or isinstance(e, KeyMissingError)
            what = type(e).__name__ if known_trouble else handling.where(e)
            log.warning("A callback could not be stored; its sender was asked to repeat it: %s", what)
            internals.count("callback.unavailable")
            return JSONResponse({}, status_code=503, headers={"Retry-After": str(RETRY_AFTER)})

    async def _handle(self, request: Request, token: str, secret: str | None, begun: float) -> Response:
        if not self._support.checked:
            await _in_thread(self._unauthenticated, self._support.reason)
        if self._support.unsupported:
            # It has been logged once, and no sender can do anything about it.
            internals.count("callback.unavailable")
            return JSONResponse({}, status_code=503, headers={"Retry-After": str(UNSUPPORTED_RETRY_AFTER)})
        body = _Body(request)
        await body.read(callback_max_bytes())
        callback = await _in_thread(self._unauthenticated, handling.authenticate, token, secret)
        if callback is None:
            return self._refused()
        # An authentic sender may send more than a stranger, or less: what its task has asked for.
        whole = not body.late and await body.read(int(callback.registration.max_bytes))
        if body.late:
            _log_outcome(callback, begun, "too_slow")
            return JSONResponse({}, status_code=408)
        if not whole:
            await _in_thread(self._authenticated, handling.refuse_size, callback)
            _log_outcome(callback, begun, "too_large")
            return JSONResponse({}, status_code=413)
        headers = Headers(request.headers.items())
        if not await _in_thread(
            self._authenticated, handling.signature_fits, callback, headers, bytes(body.content)
        ):
            return self._refused()
        verdict = await _in_thread(self._authenticated, handling.take, callback, headers, bytes(body.content))
        _log_outcome(callback, begun, verdict.value)
        return JSONResponse({})

    def _refused(self) -> Response:
        internals.count("callback.refused")
        self._refusals.note()
        return JSONResponse(
            {"detail": "Unauthorized"}, status_code=401, headers={"WWW-Authenticate": "Bearer"}
        )


class _Support:
    """What :func:`~airflow_async_provider._callbacks.support.receiver_reason` found, looked at once."""

    def __init__(self) -> None:
        self.checked = False
        self.unsupported: str | None = None
        self._lock = threading.Lock()

    def reason(self) -> str | None:
        """
        Why callbacks cannot be taken; logged when it has been found.

        :raises Exception: the database cannot be asked now
        """
        with self._lock:
            if not self.checked:
                self.unsupported = support.receiver_reason()
                self.checked = True
                if self.unsupported:
                    log.error(
                        "Callbacks cannot be taken: %s. Operators poll instead. Install versions of this "
                        "package and of Airflow that fit each other, and restart the API server.",
                        self.unsupported,
                    )
            return self.unsupported


class _Body:
    """A request's body, read piece by piece so that nobody fills the memory."""

    def __init__(self, request: Request) -> None:
        self.content = bytearray()
        #: whether it did not come in time
        self.late = False
        self._stream = request.stream()
        self._ended = False
        self._seconds_left = MAX_READ

    async def read(self, limit: int) -> bool:
        """Read on, up to a limit; True when the body is whole and no larger."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds_left):
                while not self._ended and len(self.content) <= limit:
                    chunk = await anext(self._stream, None)
                    self._ended = chunk is None
                    self.content += chunk or b""
        except TimeoutError:
            self.late = True
        # One limit for the whole body, not one for what strangers may send and another for the rest.
        self._seconds_left -= time.monotonic() - begun
        return self._ended and len(self.content) <= limit


async def _in_thread(pool: Executor, function: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)


def _log_outcome(callback: AuthenticatedCallback, begun: float, result: str) -> None:
    internals.count(f"callback.{result}", protocol=callback.registration.protocol)
    internals.timing("callback.handling", time.monotonic() - begun)
    log.info(
        "Callback for %s.%s (run %s, index %d): %s",
        callback.task.dag_id,
        callback.task.task_id,
        callback.task.run_id,
        callback.task.map_index,
        result,
    )


class _Refusals:
    """One line a minute about what was refused, never what it said."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._next = 0.0

    def note(self) -> None:
        with self._lock:
            self._count += 1
            now = time.monotonic()
            if now < self._next:
                return
            count, self._count, self._next = self._count, 0, now + REFUSAL_LOG_PAUSE
        log.warning("Refused %d callback(s) that were not authentic since the last such line.", count)
