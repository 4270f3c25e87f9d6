# SPDX-License-Identifier: Apache-2.0
"""A task whose result the triggerer stores, step by step: deferral, trigger, and a worker much later."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.played_airflow import PlayedAirflow, TaskDeferred

ITEMS = "event/7/apiItems/async"
EVENT = "chost/1/user/2/template/3/apiEvent/async"
GET: dict[str, Any] = {"endpoint": ITEMS}
POST: dict[str, Any] = {
    "endpoint": EVENT,
    "method": "POST",
    "json": {"eventName": "Steel"},
    "conn_id": "jaggaer_aso_ches",
}

Make = Callable[[], Any]


def download(destination: str, **given: Any) -> Make:
    """Makes an ASO download, for each worker anew."""
    common = {"task_id": "t", "poll_interval": 0.05, "timeout": 60, "end_from_trigger": False}
    arguments = {**common, **GET, **given}
    return partial(JaggaerAsoDownloadOperator, destination=destination, **arguments)


def connect(monkeypatch: pytest.MonkeyPatch, simulator: AsoSimulator) -> None:
    """Enter the connections to both services of a simulator."""
    for conn_id, service in (("jaggaer_aso_default", "ees"), ("jaggaer_aso_ches", "ches")):
        connection = json.dumps(simulator.airflow_connection(service))
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)


class Steps:
    """One task whose steps are taken one by one."""

    def __init__(self, played: PlayedAirflow, make: Make) -> None:
        self.played, self.make = played, make
        self.event: dict[str, Any] = {}
        played.new_try()
        with pytest.raises(TaskDeferred) as caught:
            make().execute(played.context)
        self.deferral = caught.value
        self.arguments: dict[str, Any] = json.loads(json.dumps(self.deferral.trigger.serialize()[1]))

    def trigger(self) -> AsyncJobTrigger:
        """The trigger, as a triggerer makes it."""
        trigger = AsyncJobTrigger(**json.loads(json.dumps(self.arguments)))
        trigger.task_instance = self.played.ti
        return trigger

    async def fired(self) -> dict[str, Any]:
        """What the trigger says."""
        events = [event.payload async for event in self.trigger().run()]
        assert len(events) == 1
        self.event = json.loads(json.dumps(events[0], allow_nan=False))
        return self.event

    def wait(self) -> dict[str, Any]:
        """The same, in an event loop of its own."""
        return asyncio.run(asyncio.wait_for(self.fired(), 30))

    def resume(self) -> Any:
        """What the worker makes of it."""
        kwargs = json.loads(json.dumps(self.deferral.kwargs))
        return getattr(self.make(), self.deferral.method_name)(
            self.played.context, event=self.event, **kwargs
        )
