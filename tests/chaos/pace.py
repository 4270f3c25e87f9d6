# SPDX-License-Identifier: Apache-2.0
"""How long the API servers take for callbacks and workers, and which processes have the cores meanwhile."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import Counter
from typing import Self

import psutil
import requests

from tests.chaos.scene import Scene

#: How long a callback that was taken took, in the API server's own access log.
TAKEN = re.compile(r"request finished[^\n]*?duration_us=(\d+)[^\n]*?/callbacks/v1/[^\n]*?status_code=200")


class Pace:
    """
    How long callbacks and what workers ask take (seconds), and who uses the cores, while this is open.

    :param names: the API servers
    :param others: more processes that use the cores, by name
    """

    def __init__(self, scene: Scene, names: list[str], **others: int) -> None:
        self._scene = scene
        self._airflow = scene.world.airflow
        self._others = others
        self._url = f"{scene.world.balancer.url}/execution/health"
        self._begin = dict.fromkeys(names, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.callbacks: list[float] = []
        self.took: list[float] = []
        self.failed = 0
        #: seconds of CPU by kind of process
        self.cpu: Counter[str] = Counter()
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._begin = {name: len(self._airflow.component_log(name)) for name in self._begin}
        self._cpu_before = self._cpu()
        self._at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._at
        self.cpu = self._cpu()
        self.cpu.subtract(self._cpu_before)
        self._stop.set()
        self._thread.join(timeout=60)
        self.callbacks = [
            int(microseconds) / 1e6
            for name, begin in self._begin.items()
            for microseconds in TAKEN.findall(self._airflow.component_log(name)[begin:])
        ]

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {spent:.0f}" for name, spent in self.cpu.most_common() if spent >= 1)
        cpu = f"seconds of CPU in {self.seconds:.0f} s: {shares}"
        return f"callbacks {late_ones(self.callbacks)}, what workers ask {late_ones(self.took)} ({cpu})"

    def _ask(self) -> None:
        while not self._stop.wait(0.25):
            begin = time.monotonic()
            try:
                with requests.Session() as session:  # a connection of its own, as every task has
                    session.trust_env = False
                    session.get(self._url, timeout=30).raise_for_status()
            except requests.RequestException:
                self.failed += 1
            else:
                self.took.append(time.monotonic() - begin)

    def _cpu(self) -> Counter[str]:
        """Seconds of CPU that each kind of process has used so far, with the children that it has had."""
        world, spent = self._scene.world, Counter[str]()
        for name, pids in self._airflow.pids().items():
            kind = "scheduler and tasks" if name == world.worker else name.removesuffix("-2") + "s"
            spent[kind] += sum(map(cpu_of, pids))
        spent["PostgreSQL"] = cpu_of_all(world.postgres.pid)
        for name, pid in {"load balancer and script": psutil.Process().pid, **self._others}.items():
            spent[name] = cpu_of(pid)
        return spent


def cpu_of(pid: int) -> float:
    """Seconds of CPU of a process and of its children that have ended; zero where there is none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        own = times.user + times.system
        # The script's own children are no part of its work.
        return own if pid == psutil.Process().pid else own + times.children_user + times.children_system
    return 0.0


def cpu_of_all(pid: int) -> float:
    """The same with the children that live."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0.0
    return cpu_of(pid) + sum(cpu_of(child.pid) for child in children)


def share(times: list[float], quantile: float) -> float:
    """The time below which this share of them lies; infinity where there are none."""
    return sorted(times)[int(len(times) * quantile)] if times else float("inf")


def late_ones(times: list[float]) -> str:
    """Median and 99th percentile, in words."""
    if not times:
        return "none"
    shown = [f"{share(times, quantile) * 1000:.0f}" for quantile in (0.5, 0.99)]
    return f"{len(times)} in {shown[0]} ms (median), {shown[1]} ms (99 %)"
