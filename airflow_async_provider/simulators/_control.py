# SPDX-License-Identifier: Apache-2.0
"""
The control routes: how a demo or a test drives a simulator that runs in another process.

They live under ``/_sim`` on the simulator's first port, ask for no credentials, get no faults and do not show
up in the journal. A simulator therefore listens on the loopback address unless it is told otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from airflow_async_provider.simulators.frame import Simulator

Control = Callable[[web.Request], Awaitable[web.Response]]


def control_routes(simulator: Simulator) -> Iterator[tuple[str, str, Control]]:
    """Method, path and handler of each control route of one simulator."""

    async def describe(request: web.Request) -> web.Response:
        return web.json_response(simulator.describe())

    async def journal(request: web.Request) -> web.Response:
        entries = simulator.journal.entries(request.query.get("kind"))
        return web.json_response(
            {"counts": simulator.journal.counts(), "entries": [entry.to_dict() for entry in entries]}
        )

    async def list_faults(request: web.Request) -> web.Response:
        return web.json_response(simulator.faults.to_list())

    async def add_faults(request: web.Request) -> web.Response:
        try:
            added = simulator.faults.add_json(await _json(request))
        except (ValueError, TypeError) as error:
            return _refuse(error)
        return web.json_response([fault.to_dict() for fault in added], status=201)

    async def clear_faults(request: web.Request) -> web.Response:
        simulator.faults.clear()
        return web.json_response([])

    async def reset(request: web.Request) -> web.Response:
        simulator.reset()
        return web.json_response(simulator.describe())

    async def act(request: web.Request) -> web.Response:
        action = simulator.actions().get(request.match_info["name"])
        if action is None:
            known = ", ".join(sorted(simulator.actions()))
            return web.json_response({"message": f"no such action; known are {known}"}, status=404)
        try:
            arguments = await _json(request) if request.can_read_body else {}
            # In a thread: an action may be slow (a checksum of a large result).
            result = await asyncio.to_thread(action, **arguments)
        except (ValueError, TypeError, LookupError) as error:
            return _refuse(error)
        return web.json_response({"result": result})

    yield "GET", "/_sim", describe
    yield "GET", "/_sim/journal", journal
    yield "GET", "/_sim/faults", list_faults
    yield "POST", "/_sim/faults", add_faults
    yield "DELETE", "/_sim/faults", clear_faults
    yield "POST", "/_sim/reset", reset
    yield "POST", "/_sim/actions/{name}", act


async def _json(request: web.Request) -> Any:
    return json.loads(await request.text())


def _refuse(error: Exception) -> web.Response:
    return web.json_response({"message": str(error)}, status=400)
