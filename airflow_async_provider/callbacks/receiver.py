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
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from airflow_async_provider.callbacks import airflow_internals as internals
from airflow_async_provider.callbacks import handling
from airflow_async_provider.callbacks.address import ROUTE
from airflow_async_provider.callbacks.handling import Claim, Verdict
from airflow_async_provider.protocols.base import Headers
from airflow_async_provider.settings import callback_max_bytes

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: What the sender is asked to wait when the database cannot be reached (seconds).
RETRY_AFTER = 15

#: A body must be there within so many seconds; a stranger may not hold a connection for longer.
LONGEST_READ = 30.0

#: Refusals are logged once in so many seconds, with their number: a flood must not fill the disk.
REFUSAL_LOG_PAUSE = 60.0

_Token = Annotated[str, Path(max_length=8192, description="the task, encoded")]
_Secret = Annotated[str, Path(max_length=512, description="the one-time secret")]


def build_app() -> FastAPI:
    """The FastAPI app; Airflow's authentication does not cover it, so it brings its own."""
    app = FastAPI(
        title="airflow-async-provider callback receiver",
        description="Takes the callbacks of remote jobs. Every address is made for one submission.",
        docs_url=None,
        redoc_url=None,
    )
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "taken, or harmless (a duplicate, a late one)"},
        401: {"description": "not authentic, whatever the reason"},
        413: {"description": "too large; the task is told"},
        503: {"description": "the database is out of reach; send it again after Retry-After seconds"},
    }

    @app.post(f"{ROUTE}/{{token}}", responses=answers)
    @app.put(f"{ROUTE}/{{token}}", responses=answers)
    async def with_header(request: Request, token: _Token) -> Response:
        """For senders that set headers: ``Authorization: Bearer <secret>``."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        return await _receive(request, token, secret.strip() if scheme.lower() == "bearer" else None)

    @app.post(f"{ROUTE}/{{token}}/{{secret}}", responses=answers)
    @app.put(f"{ROUTE}/{{token}}/{{secret}}", responses=answers)
    async def with_path(request: Request, token: _Token, secret: _Secret) -> Response:
        """For senders that cannot set headers."""
        return await _receive(request, token, secret)

    return app


async def _receive(request: Request, token: str, secret: str | None) -> Response:
    begun = time.monotonic()
    _hide_secret(request.scope)
    try:
        return await _handle(request, token, secret, begun)
    except TimeoutError:
        return _refused()  # a sender that drips its body is nobody's remote
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    except Exception as e:
        if not internals.is_store_down(e):
            raise
        internals.count("callback", result="store_down")
        log.warning(
            "A callback could not be stored (%s); its sender was asked to repeat it.", type(e).__name__
        )
        return JSONResponse({}, status_code=503, headers={"Retry-After": str(RETRY_AFTER)})


async def _handle(request: Request, token: str, secret: str | None, begun: float) -> Response:
    limit = callback_max_bytes()
    async with asyncio.timeout(LONGEST_READ):
        body = await _read(request, bytearray(), limit)
    claim = await run_in_threadpool(handling.authenticate, token, secret)
    if claim is None:
        return _refused()
    if body is None or len(body) > claim.registration.max_bytes:
        async with asyncio.timeout(LONGEST_READ):
            body = await _read_on(request, claim, body, limit)
    if body is None:
        verdict = await run_in_threadpool(handling.refuse_size, claim)
        _tell(claim, verdict, begun, "too_large")
        return JSONResponse({}, status_code=413)
    headers = Headers(request.headers.items())
    if not await run_in_threadpool(handling.signature_fits, claim, headers, bytes(body)):
        return _refused()
    verdict = await run_in_threadpool(handling.take, claim, headers, bytes(body))
    _tell(claim, verdict, begun, verdict.value)
    return JSONResponse({})


async def _read(request: Request, body: bytearray, limit: int) -> bytearray | None:
    """The body up to the limit; None when it is longer, with what was read kept in ``request.state``."""
    stream = getattr(request.state, "stream", None)
    if stream is None:
        stream = request.state.stream = request.stream()
    async for chunk in stream:
        body += chunk
        if len(body) > limit:
            request.state.begun = body
            return None
    return body


async def _read_on(request: Request, claim: Claim, body: bytearray | None, limit: int) -> bytearray | None:
    """An authentic sender may send more than a stranger, up to what its task has asked for."""
    allowed = claim.registration.max_bytes
    if body is not None:
        return None  # read whole, but larger than this task allows
    if allowed <= limit:
        return None
    begun: bytearray = request.state.begun
    return None if len(begun) > allowed else await _read(request, begun, allowed)


def _tell(claim: Claim, verdict: Verdict, begun: float, result: str) -> None:
    internals.count("callback", result=result, protocol=claim.registration.protocol)
    internals.timing("callback.handling", time.monotonic() - begun, result=result)
    log.info(
        "Callback for %s.%s (run %s, index %d): %s",
        claim.task.dag_id,
        claim.task.task_id,
        claim.task.run_id,
        claim.task.map_index,
        verdict.value,
    )


def _refused() -> Response:
    internals.count("callback", result=Verdict.REFUSED.value)
    _refusals.note()
    return JSONResponse({"detail": "Unauthorized"}, status_code=401)


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


_refusals = _Refusals()


def _hide_secret(scope: Scope) -> None:
    """
    Take the secret out of what the server's access log will print.

    Airflow's access log middleware and uvicorn's own read path and query from this same dictionary when the
    answer goes out.
    """
    marker = f"{ROUTE}/"
    head, found, tail = scope["path"].partition(marker)
    if found and "/" in tail:
        scope["path"] = f"{head}{marker}{tail.split('/', 1)[0]}/***"
        scope["raw_path"] = scope["path"].encode("ascii", "replace")
    scope["query_string"] = b""
