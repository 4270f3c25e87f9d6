# SPDX-License-Identifier: Apache-2.0
"""
The receiver: a small FastAPI app in Airflow's API server that takes callbacks and nothing else.

Order, for every request: what cannot be ours is refused
(:mod:`~airflow_async_provider._callbacks.admission`), the secret is checked, and only then is the body read,
up to the limit; then comes the signature where one is configured, then the callback is read, stored and its
task woken in one transaction; only then the 200. Whatever is not authentic gets the same 401.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import confirm, handling, support, trials
from airflow_async_provider._callbacks.address import (
    CONFIRM,
    HEALTH,
    MAX_TOKEN,
    ROUTE,
    is_proven,
    proof_keys,
)
from airflow_async_provider._callbacks.admission import (
    AUTHENTICATED_WORKERS,
    MAX_DROPPED,
    MAX_PROVEN,
    MAX_UNPROVEN,
    UNAUTHENTICATED_WORKERS,
    Buffered,
    BusyError,
    Lane,
    Receive,
    Refusals,
)
from airflow_async_provider._callbacks.doors import DOORS, TASKS, Door, Recipient, WaitingTask, split
from airflow_async_provider._callbacks.signatures import KeyMissingError
from airflow_async_provider._metrics import count, timing
from airflow_async_provider._settings import callback_max_bytes
from airflow_async_provider.protocols._http_messages import Headers

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: What the sender is asked to wait when the database cannot be reached (seconds).
RETRY_AFTER = 15

#: And where this Airflow is not supported, which ends with an upgrade of the one or the other (seconds).
UNSUPPORTED_RETRY_AFTER = 600

#: A body must be there within so many seconds; an anonymous client may not hold a connection for longer.
MAX_READ = 30.0

#: Refusals are logged once in so many seconds, with their number: a flood must not fill the disk.
REFUSAL_LOG_PAUSE = 60.0

#: What strangers get, apart from 503: nobody who is refused so has more to say on this connection.
_REFUSALS = frozenset({400, 401, 404, 405})

#: Key of the request's scope that says whether its secret carries a proof.
_PROVEN = "async_provider.proven"


def build_app() -> FastAPI:
    """The FastAPI app; Airflow's authentication does not cover it, so it has its own."""
    app = FastAPI(
        title="airflow-async-provider callback receiver",
        description="Takes the callbacks of remote jobs. Every address is made for one submission.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the secret
    )
    receiver = _Receiver()
    app.add_middleware(_Gate, receiver=receiver)
    app.add_middleware(HideSecrets)
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "taken, or harmless (a duplicate, a late one)"},
        401: {"description": "not authentic, whatever the reason"},
        408: {"description": "authentic, but its body did not come in time"},
        413: {"description": "too large; a task is notified"},
        429: {"description": "too many of one push source; send it again after Retry-After seconds"},
        503: {"description": "cannot be stored now; send it again after Retry-After seconds"},
    }

    @app.get(HEALTH, include_in_schema=False)  # what remote systems are given holds callbacks only
    async def health() -> Response:
        """Whether callbacks can be taken: what this package needs of Airflow, compared with what is there."""
        return await receiver.health()

    for door in DOORS:
        _add_routes(app, door, receiver, answers)
    _add_pages(app, receiver)
    return app


def _add_routes(
    app: FastAPI, door: Door, receiver: _Receiver, answers: dict[int | str, dict[str, Any]]
) -> None:
    @app.post(f"{door.route}/{{token}}", responses=answers)
    @app.put(f"{door.route}/{{token}}", responses=answers)
    async def with_header(request: Request, token: str) -> Response:
        """For senders that set headers: ``Authorization: Bearer <secret>``."""
        return await receiver.receive(door, request, token, _bearer(request.scope))

    @app.post(f"{door.route}/{{token}}/{{secret}}", responses=answers)
    @app.put(f"{door.route}/{{token}}/{{secret}}", responses=answers)
    async def with_path(request: Request, token: str, secret: str) -> Response:
        """For senders that cannot set headers."""
        return await receiver.receive(door, request, token, secret)


def _add_pages(app: FastAPI, receiver: _Receiver) -> None:
    @app.get(f"{ROUTE}/{{token}}/{{secret}}{CONFIRM}", include_in_schema=False)
    async def page(request: Request, token: str, secret: str) -> Response:
        """What a person is asked; scanners of links that follow it change nothing."""
        return await receiver.page(request, token, secret)

    @app.post(f"{ROUTE}/{{token}}/{{secret}}{CONFIRM}", include_in_schema=False)
    async def answered(request: Request, token: str, secret: str) -> Response:
        """The button that a person has pressed."""
        answer = await receiver.receive(TASKS, request, token, secret, on_page=True)
        return answer if answer.status_code == 200 else confirm.refused(answer)


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
            _, door, tail = split(scope["path"])
            if door:
                inner |= {"path": f"{door.route}/{tail}", "root_path": ""}
            hide_secret(scope)
        await self._app(inner, receive, send)


def hide_secret(scope: Scope) -> None:
    """Replace what follows the task or source in the path, and the query."""
    head, door, tail = split(scope["path"])
    if door and "/" in tail:
        token = tail.split("/", 1)[0]
        shown = token if len(token) <= MAX_TOKEN else "unknown"
        scope["path"] = f"{head}{door.route}/{shown}/hidden"
        scope["raw_path"] = scope["path"].encode("ascii", "replace")
    scope["query_string"] = b""


def _bearer(scope: Scope) -> str | None:
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, secret = given.decode("latin-1").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


class _Gate:
    """Refuses what cannot be ours, before anything else is done for it."""

    def __init__(self, app: App, receiver: _Receiver) -> None:
        self._app = app
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        send = _closing(scope, send)
        if scope["type"] == "http" and not scope["path"].endswith(HEALTH):
            _, door, tail = split(scope["path"])
            on_page = door is TASKS and tail.endswith(CONFIRM)
            methods = ("POST", "PUT", "GET") if on_page else ("POST", "PUT")
            token, slash, secret = (tail.removesuffix(CONFIRM) if on_page else tail).partition("/")
            named = door and token and bool(slash) == bool(secret) and "/" not in secret
            if door and named and scope["method"] in methods:
                proven = self._receiver.look_at(door, token, secret or _bearer(scope))
                if proven is None:
                    await (await self._receiver.refuse(receive))(scope, receive, send)
                    return
                if not proven and self._receiver.has_refused_too_many():
                    await (await self._receiver.turn_away(receive, proven=False))(scope, receive, send)
                    return
                scope[_PROVEN] = proven
            else:  # no address: 404 or 405, from the router, but no sooner than any other refusal
                await self._receiver.wait_for_turn(receive)
        await self._app(scope, receive, send)


def _closing(scope: Scope, send: Send) -> Send:
    """
    Ends the connection of whoever is refused.

    The server has read what else was sent on it by then, thousands of requests perhaps, and forgets them.
    Somebody who still sends a large body would lose the answer by that, and keeps the connection.
    """

    async def sends(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            refused = status in _REFUSALS or (status == 503 and not scope.get(_PROVEN))
            if refused and _says_little(scope):
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return sends


def _says_little(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" not in headers and length.isdigit() and int(length[:9]) <= MAX_DROPPED


class _Receiver:
    """Takes requests apart and puts answers together."""

    def __init__(self) -> None:
        self._unproven = Lane("unproven", UNAUTHENTICATED_WORKERS, MAX_UNPROVEN)
        self._proven = Lane("callbacks", AUTHENTICATED_WORKERS, MAX_PROVEN)
        self._keys = proof_keys()
        self._refusals = Refusals()
        self._refused = _MinuteLog("Refused %d callback(s) that were not authentic since the last such line.")
        self._busy = _MinuteLog(
            "Asked %d callback(s) to come again, as too many came at once, since the last such line."
        )
        self._buffered = Buffered()
        self._support = _Support()

    def look_at(self, door: Door, token: str, secret: str | None) -> bool | None:
        """Whether a secret carries a proof; None for what this package has not made."""
        over = None if secret is None else door.proof_of(token, secret)
        return None if secret is None or over is None else is_proven(self._keys, over, secret)

    def has_refused_too_many(self) -> bool:
        """Whether the slow lane is closed at the moment."""
        return self._refusals.too_many()

    async def wait_for_turn(self, receive: Receive) -> None:
        """Wait until what is no callback may be answered."""
        await self._refusals.wait_for_turn(receive)

    async def health(self) -> Response:
        """The answer of the health address."""
        try:
            reason = await self._unproven.run(self._support.reason)
        except Exception as e:  # noqa: BLE001 - whatever it is, the outcome is unknown
            log.warning("Whether callbacks can be taken is unknown: %s", type(e).__name__)
            return JSONResponse({"callbacks": support.UNKNOWN}, status_code=503)
        if reason:
            return JSONResponse({"callbacks": support.UNSUPPORTED, "reason": reason}, status_code=503)
        return JSONResponse({"callbacks": support.SUPPORTED})

    async def receive(
        self, door: Door, request: Request, token: str, secret: str | None, *, on_page: bool = False
    ) -> Response:
        """
        Answer one request, whatever happens.

        :param on_page: it is a person's answer on the confirm page, whose form is ours and carries no
            signature
        """
        begun = time.monotonic()
        try:
            return await self._handle(door, request, token, secret, begun, on_page=on_page)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except BusyError:
            return await self.turn_away(request.receive, proven=request.scope.get(_PROVEN, False))
        except Exception as e:  # noqa: BLE001 - nothing was stored, so the sender shall repeat it
            known_trouble = internals.is_store_down(e) or isinstance(e, KeyMissingError)
            what = type(e).__name__ if known_trouble else handling.where(e)
            log.warning("A callback could not be stored; its sender was asked to repeat it: %s", what)
            return _come_again()

    async def page(self, request: Request, token: str, secret: str) -> Response:
        """The confirm page of an address; 404 where its task asks nothing."""
        try:
            whose = await self._authenticated(TASKS, request, token, secret)
        except BusyError:
            return await self.turn_away(request.receive, proven=request.scope.get(_PROVEN, False))
        except Exception as e:  # noqa: BLE001 - the database is away: the person may load it again
            log.warning("A confirm page could not be shown: %s", type(e).__name__)
            return _come_again()
        if whose is None:
            return await self.refuse(request.receive)
        if whose.page is None:
            return Response(status_code=404)
        return confirm.page(whose.page, whose.party)

    async def _authenticated(
        self, door: Door, request: Request, token: str, secret: str | None
    ) -> Recipient | None:
        proven = request.scope.get(_PROVEN, False)
        lane = self._proven if proven else self._unproven
        with lane.place(token):
            whose: Recipient | None = await lane.run(door.authenticate, token, secret, proven)
            if whose is None and proven:
                whose = await lane.run(trials.authenticate, door, token, secret)
        if whose is None and not proven:
            self._refusals.count()
        return whose

    async def _handle(
        self, door: Door, request: Request, token: str, secret: str | None, begun: float, *, on_page: bool
    ) -> Response:
        if not self._support.checked:
            await self._unproven.run(self._support.reason)
        if self._support.unsupported:
            # It has been logged once, and no sender can do anything about it.
            return _come_again(UNSUPPORTED_RETRY_AFTER)
        whose = await self._authenticated(door, request, token, secret)
        if whose is None:
            return await self.refuse(request.receive)
        if on_page and whose.page is None:
            return Response(status_code=404)
        body = _Body(request, self._buffered)
        try:
            with self._proven.place(token):
                return await self._take(_Accepted(whose, begun), request, body, on_page=on_page)
        finally:
            body.release()

    async def _take(self, accepted: _Accepted, request: Request, body: _Body, *, on_page: bool) -> Response:
        whose, run = accepted.whose, self._proven.run
        whole = await body.read(min(whose.max_bytes, callback_max_bytes()))
        headers, content = Headers(request.headers.items()), bytes(body.content)
        if body.late:
            await run(accepted.ended, "too_slow", headers, content)
            return JSONResponse({}, status_code=408)
        if not whole:
            await run(whose.refuse_size)
            await run(accepted.ended, "too_large", headers, content)
            return JSONResponse({}, status_code=413)
        if on_page and isinstance(whose, WaitingTask):
            answer = confirm.read(whose.page or {}, content)
            if answer is None:
                return Response(status_code=400)
            verdict = await run(handling.take_answer, whose.callback, *answer)
            await run(accepted.ended, verdict.value, headers, content)
            return confirm.answered(late=verdict is handling.Verdict.LATE)
        if not await run(whose.signature_fits, headers, content):
            await run(accepted.record, "bad_signature", headers, content)
            return await self.refuse(request.receive)
        outcome = await run(whose.take, headers, content)
        await run(accepted.ended, outcome.value, headers, content)
        if outcome.retry_after:
            return _come_again(outcome.retry_after, status_code=429)
        return JSONResponse(dict(outcome.answer))

    async def turn_away(self, receive: Receive, *, proven: bool) -> Response:
        """The answer to what there is no room for."""
        self._busy.count()
        if not proven:
            await self._refusals.wait_for_turn(receive)
        return _come_again()

    async def refuse(self, receive: Receive) -> Response:
        """The answer to whatever is not authentic; when there are very many of them, after a while."""
        count("callback.refused")
        self._refused.count()
        await self._refusals.wait_for_turn(receive)
        return JSONResponse(
            {"detail": "Unauthorized"}, status_code=401, headers={"WWW-Authenticate": "Bearer"}
        )


def _come_again(seconds: int = RETRY_AFTER, status_code: int = 503) -> Response:
    count("callback.unavailable")
    return JSONResponse({}, status_code=status_code, headers={"Retry-After": str(seconds)})


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

    def __init__(self, request: Request, buffered: Buffered) -> None:
        self.content = bytearray()
        #: whether it did not come in time
        self.late = False
        self._stream = request.stream()
        self._buffered = buffered

    async def read(self, limit: int) -> bool:
        """
        Read up to a limit; True when the body is whole and no larger.

        :raises BusyError: there is too much of others in memory
        """
        ended = False
        try:
            async with asyncio.timeout(MAX_READ):
                while not ended and len(self.content) <= limit:
                    chunk = await anext(self._stream, None)
                    ended = chunk is None
                    self._buffered.take(len(chunk or b""))
                    self.content += chunk or b""
        except TimeoutError:
            self.late = True
        return ended and len(self.content) <= limit

    def release(self) -> None:
        """The body is no longer needed."""
        self._buffered.release(len(self.content))
        self.content.clear()


@dataclass(frozen=True, slots=True)
class _Accepted:
    """
    A delivery whose secret was right.

    :param whose: what its door has made of the secret
    :param begun: when it came, by this process's own clock
    """

    whose: Recipient
    begun: float

    def ended(self, outcome: str, headers: Headers, body: bytes) -> None:
        """Say in log, metrics and record what came of it; never raises."""
        count(f"callback.{outcome}", **self.whose.tags)
        timing("callback.handling", time.monotonic() - self.begun)
        log.info("Callback for %s: %s", self.whose.name, outcome)
        self.record(outcome, headers, body)

    def record(self, outcome: str, headers: Headers, body: bytes) -> None:
        """Write it down; never raises: what was done is done, whatever becomes of the record."""
        try:
            delivery_id = self.whose.delivery_id(headers, body)
        except Exception:  # noqa: BLE001 - what cannot be read has no id
            delivery_id = ""
        try:
            self.whose.record(outcome, len(body), delivery_id)
        except Exception as e:  # noqa: BLE001 - as above
            log.warning("A delivery was not written down: %s", type(e).__name__)


class _MinuteLog:
    """One line a minute with a number: a flood must not fill the disk."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._count = 0
        self._next = 0.0

    def count(self) -> None:
        """Once more; on the event loop only."""
        self._count += 1
        now = time.monotonic()
        if now < self._next:
            return
        count, self._count, self._next = self._count, 0, now + REFUSAL_LOG_PAUSE
        log.warning(self._text, count)
