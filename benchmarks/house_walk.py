# SPDX-License-Identifier: Apache-2.0
"""
The way of one job through the package, function by function: a child of ``house.py``.

The real operator and its trigger run in this process, every call of a Python function is noted, and the
remote is a simulator in another process. What goes through Airflow's database goes through JSON here, as in
the tests. It needs only the standard library and the package, so that it runs on older commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace
from typing import Any

PACKAGE = "airflow_async_provider"

#: What drives a job, as against what talks to a remote or moves bytes.
ENGINE = ("operators", "sensors", "jobs", "_jobs")

#: Of the whole wait (seconds).
PATIENCE = 60.0

#: The remote: serves until its standard input is closed, and says first how Airflow is connected to it.
REMOTE = """
import importlib, json, sys
from airflow_async_provider.simulators.frame import running
module, cls, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
simulator = getattr(importlib.import_module(module), cls)(**options)
with running(simulator):
    print(json.dumps(simulator.airflow_connection()), flush=True)
    sys.stdin.read()
"""

JOBS: dict[str, dict[str, Any]] = {
    "aso": {
        "simulator": ("aso", "AsoSimulator", {"processing_seconds": 0.5, "result_bytes": 5000}),
        "connection": "jaggaer_aso_default",
        "operator": ("jaggaer_aso", "JaggaerAsoDownloadOperator"),
        "arguments": {"endpoint": "event/7/apiItems/async", "destination": "{folder}/items.dat"},
    },
    "automic": {
        "simulator": ("automic", "AutomicSimulator", {"run_seconds": 0.5}),
        "connection": "automic_default",
        "operator": ("automic", "AutomicExecuteOperator"),
        "arguments": {"object_name": "JOBS.WALK"},
    },
}


class Store(dict[str, Any]):
    """Airflow's ``task_state_store`` as a worker sees it."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Walk:
    """
    Notes the calls of the package's own functions.

    :param root: folder of the package
    """

    def __init__(self, root: Path) -> None:
        self._root = f"{root}{os.sep}"
        self._known: dict[CodeType, str | None] = {}
        self.functions: set[tuple[str, int]] = set()
        self.files: list[str] = []
        self.turns = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """As ``sys.setprofile`` wants it."""
        if event != "call" or (here := self._file_of(frame.f_code)) is None:
            return
        self.functions.add((here, frame.f_code.co_firstlineno))
        self.files.append(here)
        caller = frame.f_back
        while caller is not None and self._file_of(caller.f_code) is None:
            caller = caller.f_back
        there = None if caller is None else self._file_of(caller.f_code)
        if there is not None and there != here and is_engine(here) and is_engine(there):
            self.turns += 1

    def _file_of(self, code: CodeType) -> str | None:
        """
        The file of what has a name, within the package.

        The bodies of classes count with the functions: they are what importing a module on the way costs.
        """
        if code not in self._known:
            path = code.co_filename.removeprefix(self._root)
            ours = path != code.co_filename and not path.startswith("simulators")
            self._known[code] = path if ours and not code.co_name.startswith("<") else None
        return self._known[code]


def is_engine(path: str) -> bool:
    """Whether a file belongs to what drives jobs."""
    return Path(path).parts[0] in ENGINE


@contextlib.contextmanager
def remote(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The Airflow connection to a simulator that lives as long as the block."""
    module, cls, options = job["simulator"]
    command = [sys.executable, "-c", REMOTE, f"{PACKAGE}.simulators.{module}", cls, json.dumps(options)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()


async def first_event(trigger: Any) -> Any:
    """What the trigger says, after a way through JSON."""
    async with asyncio.timeout(PATIENCE):
        async for event in trigger.run():
            return json.loads(json.dumps(event.payload))
    raise AssertionError("the trigger ended without an event")


def perform(make: Callable[[], Any], deferred: type[BaseException]) -> tuple[Any, set[str], int]:
    """One try on as many workers as it takes: its result, what it left on operators, and the deferrals."""
    ti = SimpleNamespace(
        id="0192", dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=1, try_number=1
    )
    context = {"ti": ti, "task_state_store": Store()}
    left: set[str] = set()
    times = 0
    operator = make()
    before = set(vars(operator))
    step: Callable[[], Any] = lambda: operator.execute(context)  # noqa: E731 - replaced after each deferral
    while True:
        try:
            return step(), left | (set(vars(operator)) - before), times
        except deferred as deferral:
            times += 1
            left |= set(vars(operator)) - before
            said: Any = deferral
            _, arguments = said.trigger.serialize()
            trigger = type(said.trigger)(**json.loads(json.dumps(arguments)))
            event = asyncio.run(first_event(trigger))
            given = json.loads(json.dumps(said.kwargs or {}))
            operator = make()
            before = set(vars(operator))
            step = lambda: getattr(operator, said.method_name)(context, event=event, **given)  # noqa: B023, E731


def walk(name: str) -> dict[str, Any]:
    """The figures of one job."""
    package = importlib.import_module(PACKAGE)
    seen = Walk(Path(str(package.__file__)).parent)
    job = JOBS[name]
    module, cls = job["operator"]
    operator = getattr(importlib.import_module(f"{PACKAGE}.operators.{module}"), cls)
    try:
        deferred = importlib.import_module("airflow.sdk.exceptions").TaskDeferred
    except (ImportError, AttributeError):  # before Airflow 3.2
        deferred = importlib.import_module("airflow.exceptions").TaskDeferred
    with tempfile.TemporaryDirectory() as folder, remote(job) as connection:
        os.environ[f"AIRFLOW_CONN_{job['connection'].upper()}"] = json.dumps(connection)
        arguments = {k: v.format(folder=folder) for k, v in job["arguments"].items()}
        quick = {"poll_interval": 0.2, "max_poll_interval": 0.2}
        threading.setprofile(seen)
        sys.setprofile(seen)
        try:
            result, left, times = perform(lambda: operator(task_id="t", **quick, **arguments), deferred)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    assert times, "it did not defer"
    assert result, "it has no result"
    engine = [path for path in seen.files if is_engine(path)]
    return {
        "functions": len(seen.functions),
        "files": len(set(seen.files)),
        "calls_between_engine_files": seen.turns,
        "engine_files": len(set(engine)),
        "engine_changes": sum(a != b for a, b in pairwise(engine)),
        "most_changes": Counter(f"{a} > {b}" for a, b in pairwise(engine) if a != b).most_common(20),
        "functions_by_file": Counter(path for path, _ in seen.functions).most_common(),
        "left_on_operator": sorted(left),
        "deferrals": times,
    }


if __name__ == "__main__":
    home = tempfile.TemporaryDirectory(prefix="airflow-house-")
    os.environ |= {
        "AIRFLOW_HOME": home.name,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS": "0",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    print(json.dumps(walk(sys.argv[1])))
