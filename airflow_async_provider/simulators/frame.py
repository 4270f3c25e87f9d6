# SPDX-License-Identifier: Apache-2.0
"""
What every simulator shares: ports, routes, journal, faults, control routes, and how it is run.

A simulator is a subclass of :class:`Simulator` that lists its routes. In tests::

    with running(AsoSimulator(processing_seconds=0.3)) as simulator:
        requests.get(simulator.url + "/event/7/apiItems/async", headers=...)
        assert simulator.journal.jobs_started == 1

:func:`running` serves it from a thread with an event loop of its own, :func:`serving` from the loop that is
running already, ``python -m airflow_async_provider.simulators`` from a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from importlib import import_module
from typing import Any, ClassVar, Self, TypeVar

from aiohttp import web

from airflow_async_provider.simulators._clock import Clock
from airflow_async_provider.simulators._faults import Fault, FaultQueue, retry_after
from airflow_async_provider.simulators._journal import SHOWN_HEADERS, Entry, Journal
from airflow_async_provider.simulators.reply import Refused, Reply, send

Handler = Callable[[web.Request], Awaitable[Reply]]
AnySimulator = TypeVar("AnySimulator", bound="Simulator")

#: seconds that answers still being sent are given when a simulator stops
STOP_SECONDS = 0.2
#: seconds within which a simulator has to be up, or down
START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Route:
    """
    One route of a simulator.

    :param path: path in aiohttp's notation
    :param kind: what faults and journal call it ("submit", "status", "result", "cancel", "token", ...)
    """

    method: str
    path: str
    kind: str
    handler: Handler


#: Largest body of a request: a fault may say what to answer, and a large answer is a fault of its own.
MAX_BODY_BYTES = 64 * 1024 * 1024


class Simulator(ABC):
    """
    A remote system in a box.

    :param time_scale: simulated seconds per real second
    :param latency: real seconds before every answer
    """

    #: name on the command line and in the answer of ``GET /_sim``
    name: ClassVar[str]
    #: module beside this one with ``add_arguments(parser)`` and ``options(arguments)``; none by default
    command_line: ClassVar[str] = ""
    #: one port each; the first is the base URL and carries the control routes
    listeners: tuple[str, ...] = ("api",)

    def __init__(self, *, time_scale: float = 1.0, latency: float = 0.0) -> None:
        self.clock = Clock(time_scale)
        self.latency = latency
        self.journal = Journal()
        kinds = {route.kind for listener in self.listeners for route in self.routes(listener)}
        self.faults = FaultQueue(frozenset(kinds))
        self.urls: dict[str, str] = {}
        self.ports: dict[str, int] = {}

    # -- what a simulator says about itself

    @abstractmethod
    def routes(self, listener: str) -> Iterable[Route]:
        """The routes of one listener, the most special ones first."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Add the options of the command line that only this simulator has."""
        if cls.command_line:
            import_module(f"airflow_async_provider.simulators.{cls.command_line}").add_arguments(parser)

    @classmethod
    def from_arguments(cls, arguments: Namespace) -> Self:
        """Make a simulator of the command line's options."""
        if not cls.command_line:
            return cls(time_scale=arguments.time_scale, latency=arguments.latency)
        options = import_module(f"airflow_async_provider.simulators.{cls.command_line}").options
        return cls(**options(arguments))

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What ``POST /_sim/actions/{name}`` can call, each with the JSON body as keyword arguments."""
        return {"advance_clock": self.clock.advance, "shift_clock": self.clock.shift}

    def describe(self) -> dict[str, Any]:
        """What ``GET /_sim`` answers."""
        return {"simulator": self.name, "urls": self.urls, "now": self.clock.now()}

    def reset(self) -> None:
        """Forget all that happened: journal, faults, clock. Subclasses add their jobs."""
        self.journal.clear()
        self.faults.clear()
        self.clock.reset()

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Surround the time in which it is served; the place for a client session or background tasks."""
        yield

    # -- where it is reached, once it runs

    @property
    def url(self) -> str:
        """
        Base URL, without a slash at its end.

        :raises RuntimeError: while the simulator is not running
        """
        return self.url_of(self.listeners[0])

    def url_of(self, listener: str) -> str:
        """
        Base URL of one of its ports.

        :raises RuntimeError: while the simulator is not running
        """
        if listener not in self.urls:
            raise RuntimeError("the simulator is not running: use `with running(simulator):`")
        return self.urls[listener]

    # -- one request

    def app(self, listener: str) -> web.Application:
        """Build the web application of one listener."""
        from airflow_async_provider.simulators._control import control_routes

        app = web.Application(client_max_size=MAX_BODY_BYTES)
        if listener == self.listeners[0]:
            for method, path, handler in control_routes(self):
                app.router.add_route(method, path, handler)
        for route in (*self.routes(listener), Route("*", "/{path:.*}", "unknown", _no_such_path)):
            app.router.add_route(route.method, route.path, self._bound(listener, route))
        return app

    def _bound(self, listener: str, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            entry = _entry(request, listener, route.kind)
            self.journal.add(entry)
            try:
                fault = self.faults.take(route.kind)
                entry.fault = fault.name if fault else None
                reply = await self._reply(request, route, fault)
                # A remote whose clock is wrong is wrong in all that it says.
                reply.headers.setdefault("Date", formatdate(self.clock.now(), usegmt=True))
                if self.latency:
                    await asyncio.sleep(self.latency)
                return await send(request, reply, fault, entry)
            finally:
                self.journal.close(entry)

        return handle

    async def _reply(self, request: web.Request, route: Route, fault: Fault | None) -> Reply:
        reply = Reply()
        if fault is None or fault["processed"]:
            try:
                reply = await route.handler(request)
            except Refused as refusal:
                reply = refusal.reply
        return _spoiled(reply, fault, self.clock.now()) if fault else reply


def _entry(request: web.Request, listener: str, kind: str) -> Entry:
    authorization = request.headers.get("Authorization")
    return Entry(
        at=time.time(),
        listener=listener,
        kind=kind,
        method=request.method,
        path=request.raw_path.split("?", 1)[0],
        query_names=tuple(request.query),
        header_names=tuple(request.headers),
        shown={name: request.headers[name] for name in SHOWN_HEADERS if name in request.headers},
        auth_scheme=authorization.split(" ", 1)[0] if authorization is not None else None,
    )


async def _no_such_path(request: web.Request) -> Reply:
    return Reply.json({"message": "no such path in this simulator"}, 404)


def _spoiled(reply: Reply, fault: Fault, now: float) -> Reply:
    """The answer after a fault that concerns its content (those on the wire are done while sending)."""
    if fault.name == "http_status":
        headers = {"Content-Type": str(fault["content_type"])}
        if fault["retry_after"] is not None:
            headers["Retry-After"] = retry_after(fault["retry_after"], now=now, as_date=fault["as_date"])
        return Reply(int(fault["status"]), headers, str(fault["body"]).encode())
    if fault.name == "redirect":
        return Reply(int(fault["status"]), {"Location": str(fault["location"])})
    if fault.name == "garbage":
        content_type = fault["content_type"] or reply.headers.get("Content-Type", "application/json")
        return Reply(reply.status, {"Content-Type": content_type}, str(fault["body"]).encode())
    if fault.name == "alter":
        return _altered(reply, fault)
    return reply


def _altered(reply: Reply, fault: Fault) -> Reply:
    try:
        value = json.loads(reply.body)
    except ValueError:
        return reply  # nothing to alter in what is not JSON
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k not in fault["remove"]} | fault["update"]
    return Reply(reply.status, reply.headers, json.dumps(value).encode())


@contextlib.asynccontextmanager
async def serving(
    simulator: AnySimulator,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ports: Mapping[str, int] | None = None,
    public_host: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
) -> AsyncIterator[AnySimulator]:
    """
    Serve a simulator in the running event loop.

    :param host: address to listen on
    :param port: port of the first listener, 0 picks a free one
    :param ports: ports of the other listeners by name; a free one each where nothing is said
    :param public_host: name to use in URLs instead of ``host`` (in a container network)
    :param ssl_context: serve TLS with it
    :param certfile: serve TLS with this certificate chain (PEM), together with ``keyfile``
    :param keyfile: its private key (PEM), when it is not in ``certfile``
    """
    if ssl_context is None and certfile is not None:
        ssl_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ssl_context.load_cert_chain(certfile, keyfile)
    wanted = {simulator.listeners[0]: port, **(ports or {})}
    scheme = "https" if ssl_context else "http"
    shown = public_host or ("127.0.0.1" if host in ("0.0.0.0", "::", "") else host)  # noqa: S104 - compares only
    if ":" in shown:
        shown = f"[{shown}]"
    async with contextlib.AsyncExitStack() as stack:
        for listener in simulator.listeners:
            runner = web.AppRunner(
                simulator.app(listener),
                access_log=None,  # the paths and queries it would print are secrets to a client
                handle_signals=False,
                handler_cancellation=True,
                shutdown_timeout=STOP_SECONDS,
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, host, wanted.get(listener, 0), ssl_context=ssl_context)
            await site.start()
            simulator.ports[listener] = runner.addresses[0][1]
            simulator.urls[listener] = f"{scheme}://{shown}:{simulator.ports[listener]}"
        await stack.enter_async_context(simulator.lifespan())
        try:
            yield simulator
        finally:
            simulator.urls.clear()


@contextlib.contextmanager
def running(simulator: AnySimulator, **options: Any) -> Iterator[AnySimulator]:
    """
    Serve a simulator from a thread with an event loop of its own, until the block ends.

    Jobs and journal outlive the block, so it can be left and entered again (``port=simulator.ports["api"]``)
    to let a client meet a remote that is down for a while.

    :param options: as for :func:`serving`
    :raises OSError: when a port is taken
    """
    started = threading.Event()
    stop: list[Callable[[], object]] = []
    failure: list[BaseException] = []

    async def serve() -> None:
        end = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with serving(simulator, **options):
            stop.append(lambda: loop.call_soon_threadsafe(end.set))
            started.set()
            await end.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            failure.append(error)
            started.set()

    thread = threading.Thread(target=run, name=f"simulator-{simulator.name}", daemon=True)
    thread.start()
    if not started.wait(START_SECONDS):
        raise TimeoutError("the simulator did not start")
    if failure:
        raise failure[0]
    try:
        yield simulator
    finally:
        stop[0]()
        thread.join(START_SECONDS)
    if failure:  # while it was stopped; an error of the block itself goes first
        raise failure[0]
