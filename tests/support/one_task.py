# SPDX-License-Identifier: Apache-2.0
"""
One task instance over its tries, in one process: what Airflow does around an operator, done by hand.

The operator, the trigger and the hook are the real ones. A deferral is followed as Airflow does it: the
trigger is made anew from its serialized form, the operator from its class, and everything that would go
through the database goes through JSON.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # before Airflow 3.2
    from airflow.exceptions import TaskDeferred

LONGEST = 240.0


class Store(dict[str, Any]):
    """Airflow's task_state_store as the worker sees it, with all that was ever written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def set(self, key: str, value: Any) -> None:
        text = json.dumps(value, allow_nan=False)
        assert len(text) <= 65_535, "Airflow holds no more"
        self.written.append(text)
        self[key] = json.loads(text)

    def delete(self, key: str) -> None:
        self.pop(key, None)


class OneTask:
    """
    One task instance.

    :param store: False for an Airflow before 3.3, which has no task_state_store
    """

    def __init__(self, *, store: bool = True) -> None:
        self.store: Store | None = Store() if store else None
        self.max_tries = 1
        self.clear_number = 0
        self.try_number = 0
        self.events: list[dict[str, Any]] = []
        self.deferrals: list[dict[str, Any]] = []
        self.triggers: list[Any] = []
        self.xcoms: dict[str, Any] = {}

    @property
    def context(self) -> Any:
        ti = SimpleNamespace(
            id="0192",
            dag_id="d",
            run_id="r",
            task_id="t",
            map_index=-1,
            max_tries=self.max_tries,
            try_number=self.try_number,
            xcom_push=self._push,
        )
        store = {} if self.store is None else {"task_state_store": self.store}
        return {"ti": ti, "dag_run": SimpleNamespace(clear_number=self.clear_number), **store}

    def _push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value, allow_nan=False))

    def _new_try(self) -> None:
        self.try_number += 1
        self.xcoms.clear()  # as Airflow does

    def clear(self) -> None:
        """A person clears the task: Airflow raises max_tries and the run's clear_number, a retry does not."""
        self.max_tries += 1
        self.clear_number += 1

    def begin(self, make: Callable[[], Any]) -> TaskDeferred:
        """A try up to its deferral; after that its worker is gone."""
        self._new_try()
        try:
            result = make().execute(self.context)
        except TaskDeferred as deferral:
            self.deferrals.append(json.loads(json.dumps(deferral.kwargs, allow_nan=False)))
            return deferral
        raise AssertionError(f"it did not defer, but returned {result!r}")

    def wait(self, deferral: TaskDeferred) -> dict[str, Any]:
        """The trigger's event."""
        trigger = self.trigger(deferral)
        event = asyncio.run(asyncio.wait_for(fired(trigger), LONGEST))
        self.events.append(event)
        return event

    def trigger(self, deferral: TaskDeferred) -> Any:
        """The trigger as the triggerer makes it."""
        assert deferral.timeout is None, "a timeout there kills the trigger without a word"
        path, arguments = deferral.trigger.serialize()
        assert path == f"{type(deferral.trigger).__module__}.{type(deferral.trigger).__qualname__}"
        trigger = type(deferral.trigger)(**json.loads(json.dumps(arguments, allow_nan=False)))
        self.triggers.append(trigger)
        return trigger

    def run(self, make: Callable[[], Any]) -> Any:
        """
        One try, from its beginning to its end.

        :param make: makes the operator; called anew on every worker
        """
        self._new_try()
        try:
            return make().execute(self.context)
        except TaskDeferred as deferral:
            return self.follow(make, deferral)

    def follow(self, make: Callable[[], Any], deferral: TaskDeferred) -> Any:
        """The rest of a try that has deferred."""
        while True:
            self.deferrals.append(json.loads(json.dumps(deferral.kwargs, allow_nan=False)))
            event = self.wait(deferral)
            try:
                return getattr(make(), deferral.method_name)(self.context, event=event, **self.deferrals[-1])
            except TaskDeferred as another:
                deferral = another


async def fired(trigger: Any) -> dict[str, Any]:
    """The one event of a trigger, after a way through JSON."""
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    event: dict[str, Any] = json.loads(json.dumps(events[0], allow_nan=False))
    return event
