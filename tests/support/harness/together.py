# SPDX-License-Identifier: Apache-2.0
"""
Tests that wait at the same time: each body runs in a thread of its own, all of them begun by the first.

A test on a real Airflow does next to nothing and waits for a scheduler, a worker, a triggerer. Marked
``together``, its body begins with those of all other marked tests of this run, and the test itself only waits
for its end. So it takes nothing but fixtures of the whole session, and what it does must leave the others
alone: runs, jobs and folders of its own, nothing killed but its own worker.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from typing import Any

import pytest

MARK = "together"


def marked(items: Iterable[pytest.Item]) -> list[pytest.Function]:
    """Those that run at the same time."""
    return [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.get_closest_marker(MARK)
        and not any(mark.args[0] for mark in item.iter_markers("skipif"))
    ]


def in_background(work: Callable[[], Any], name: str) -> Future[Any]:
    """Begin something in a thread; whoever wants to know what came of it asks for its result."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


class Begun:
    """
    The bodies of marked tests, running.

    :param items: the tests
    :param given: fixtures of the session that they take, by name
    """

    def __init__(self, items: Iterable[pytest.Function], given: Mapping[str, Any]) -> None:
        self._futures = {
            item.nodeid: in_background(lambda item=item: call(item, given), item.name) for item in items
        }

    def outcome(self, item: pytest.Item) -> None:
        """
        Wait for one's end.

        :raises BaseException: what its body has raised
        """
        self._futures[item.nodeid].result()

    def wait(self) -> None:
        """Wait for the end of all, whatever came of them."""
        wait(self._futures.values())


def call(item: pytest.Function, given: Mapping[str, Any]) -> None:
    """Run a test's body."""
    item.obj(**_parameters(item), **{name: given[name] for name in fixture_names(item)})


def fixture_names(item: pytest.Function) -> set[str]:
    """The fixtures that the test's function takes."""
    return set(inspect.signature(item.obj).parameters) - set(_parameters(item))


def _parameters(item: pytest.Function) -> dict[str, Any]:
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}
