# SPDX-License-Identifier: Apache-2.0
"""
Airflow's part in one process, for operators that are woken by callbacks.

The receiver is the real one, on a real socket; the operator, the trigger, the mailbox and the registration
are the real ones. Played are what lies around them: XCom and task state are dictionaries, and a deferral is
followed by hand. How all of it goes with a real Airflow is in the system tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.context import OutletEventAccessors

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import deliveries, signatures
from airflow_async_provider._callbacks.address import PREFIX, TaskKey
from airflow_async_provider._callbacks.registration import (
    DURABLE_DELIVERY_KEY,
    DURABLE_KEY,
    MAILBOX_KEY,
    REGISTRATION_KEY,
)

LONGEST = 20.0

#: In place of an event: the task has been ended without a worker.
ENDED: dict[str, Any] = {"ended": True}


class Store(dict[str, Any]):
    """Airflow's task_state_store as the worker sees it."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))  # it must be JSON

    def delete(self, key: str) -> None:
        self.pop(key, None)


class PlayedAirflow:
    """One task instance over its tries, and the receiver at :attr:`url`."""

    def __init__(self) -> None:
        self.key = TaskKey("d", "manual__2026-11-22T00:00:00+00:00", "t", -1)
        self.xcoms: dict[str, Any] = {}
        self.store = Store()
        self.state = "running"
        self.deferred_at: datetime | None = None
        self.woken: queue.Queue[dict[str, Any]] = queue.Queue()
        self.max_tries = 1
        self.clear_number = 0
        self.deferrals = 0
        self.triggers: list[Any] = []
        self.url = ""
        self.outlet_events = OutletEventAccessors()
        self.deliveries: list[str] = []

    @property
    def ti(self) -> Any:
        return SimpleNamespace(
            id="0193",
            dag_id=self.key.dag_id,
            run_id=self.key.run_id,
            task_id=self.key.task_id,
            map_index=-1,
            max_tries=self.max_tries,
        )

    @property
    def context(self) -> dict[str, Any]:
        return {
            "ti": self.ti,
            "dag_run": SimpleNamespace(clear_number=self.clear_number),
            "task_state_store": self.store,
            "outlet_events": self.outlet_events,
        }

    def new_try(self) -> None:
        """A new try begins by clearing the task's XComs."""
        self.xcoms.clear()
        self.state, self.deferred_at = "running", None

    def clear(self) -> None:
        """A person clears the task: Airflow raises max_tries and the run's clear_number, a retry does not."""
        self.max_tries += 1
        self.clear_number += 1
        self.new_try()

    def run(self, make: Any) -> Any:
        """
        One try, from its beginning to its end.

        :param make: makes the operator; called anew on every worker
        """
        self.state = "running"
        work = partial(make().execute, self.context)
        while True:
            try:
                result = work()
            except TaskDeferred as deferral:
                self.deferrals += 1
                event = asyncio.run(asyncio.wait_for(self._wait(deferral), LONGEST))
                if event == ENDED:
                    self.state = "success"
                    return self.xcoms.pop("return_value", None)
                kwargs = json.loads(json.dumps(deferral.kwargs))
                self.state, self.deferred_at = "running", None
                method = deferral.method_name
                work = partial(getattr(make(), method), self.context, event=event, **kwargs)
            except BaseException:
                self.state = "failed"
                raise
            else:
                self.state = "success"
                return result

    async def _wait(self, deferral: TaskDeferred) -> dict[str, Any]:
        _, arguments = deferral.trigger.serialize()
        trigger = type(deferral.trigger)(**json.loads(json.dumps(arguments)))
        trigger.task_instance = self.ti
        self.triggers.append(trigger)
        self.deferred_at = datetime.now(UTC)
        self.state = "deferred"
        fired = asyncio.ensure_future(anext(aiter(trigger.run())))
        try:
            while True:
                with contextlib.suppress(queue.Empty):
                    return self.woken.get_nowait()
                if fired.done():
                    self.state = "scheduled"
                    ended = fired.result().payload == "success"  # a TaskSuccessEvent
                    return ENDED if ended else dict(fired.result().payload)
                await asyncio.sleep(0.01)
        finally:
            fired.cancel()
            await asyncio.gather(fired, return_exceptions=True)

    # -- what the receiver asks Airflow

    def resume(self, session: Any, task_instance: Any, event: dict[str, Any]) -> None:
        self.state = "scheduled"
        self.woken.put(json.loads(json.dumps(event)))

    def end(self, session: Any, task_instance: Any, value: Any) -> bool:
        if value is not None:
            self.xcoms["return_value"] = json.loads(json.dumps(value))
        self.state = "success"
        self.woken.put(ENDED)
        return True

    def put_delivery(self, session: Any, task_instance: Any, stored: str) -> None:
        self.xcoms[MAILBOX_KEY] = stored

    def keep_delivery(self, session: Any, task: TaskKey, stored: str) -> None:
        self.store.set(DURABLE_DELIVERY_KEY, stored)

    def record_for_task(self, task: TaskKey, outcome: str, size: int, delivery_id: str) -> None:
        self.deliveries.append(outcome)

    def connection_of(self, conn_id: str, team: str | None = None) -> Any:
        from airflow.sdk import BaseHook

        return BaseHook.get_connection(conn_id)

    def until(self, condition: Any) -> None:
        end = time.monotonic() + LONGEST
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedAirflow]:
    """A played Airflow with a running receiver."""
    played = PlayedAirflow()
    mine = lambda task: replace(task, party=-1) == played.key  # noqa: E731 - one line
    lock = threading.RLock()

    @contextlib.contextmanager
    def transaction() -> Iterator[None]:
        with lock:
            yield

    replaced = {
        "transaction": transaction,
        "registration_of": lambda s, task: played.xcoms.get(REGISTRATION_KEY) if mine(task) else None,
        "delivery_of": lambda s, task: played.xcoms.get(MAILBOX_KEY),
        "durable_of": lambda s, task: played.store.get(DURABLE_KEY, {}) if mine(task) else {},
        "kept_delivery_of": lambda s, task: played.store.get(DURABLE_DELIVERY_KEY) if mine(task) else None,
        "lock_task": lambda s, task: played if mine(task) else None,
        "state_of": lambda ti: ti.state,
        "deferred_at": lambda ti: ti.deferred_at if ti.state == "deferred" else None,
        "put_delivery": played.put_delivery,
        "keep_delivery": played.keep_delivery,
        "resume": played.resume,
        "trigger_arguments_of": lambda ti: ti.triggers[-1].serialize()[1],
        "end": played.end,
        "connection_of": played.connection_of,
        "team_of": lambda dag_id: None,
    }
    for name, function in replaced.items():
        monkeypatch.setattr(internals, name, function)

    from airflow.sdk.bases.xcom import BaseXCom

    def set_xcom(key: str, value: Any, **where: Any) -> None:
        played.xcoms[key] = json.loads(json.dumps(value))

    async def aset(key: str, value: Any, **where: Any) -> None:
        set_xcom(key, value)

    async def aget_one(key: str, **where: Any) -> Any:
        return played.xcoms.get(key)

    monkeypatch.setattr(BaseXCom, "set", set_xcom)
    monkeypatch.setattr(BaseXCom, "get_one", lambda key, **where: played.xcoms.get(key))
    monkeypatch.setattr(BaseXCom, "aget_one", aget_one, raising=False)
    monkeypatch.setattr(BaseXCom, "aset", aset, raising=False)
    monkeypatch.setattr(signatures, "_keys", signatures._Keys())
    monkeypatch.setattr(deliveries, "record_for_task", played.record_for_task)
    # There is no database to look at; the dictionaries can be written.
    monkeypatch.setattr(internals, "unwritable", lambda session: [])
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    with receiver() as url:
        played.url = url
        yield played


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """The receiver, mounted as in Airflow's API server."""
    import uvicorn
    from fastapi import FastAPI

    from airflow_async_provider._callbacks.receiver import build_app

    app = FastAPI()
    app.mount(PREFIX, build_app())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + LONGEST
    while not server.started:
        assert thread.is_alive(), "the receiver did not start"
        assert time.monotonic() < end, "the receiver did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(LONGEST)
