# SPDX-License-Identifier: Apache-2.0
"""Bad neighbours: remotes and strangers that would take the machine from everybody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Self
from urllib.parse import urlsplit

import psutil

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene
from tests.support.harness.client import TASK_ENDED

TRIGGERERS = ("triggerer", "triggerer-2")
BLOCKED = re.compile(r"async thread was blocked for ([\d.]+) seconds")

#: How long one job may keep a triggerer's event loop from all others (seconds), on a machine that is busy
#: with all the rest of this.
LONGEST_BLOCK = 1.0

SILENT_HOSTS = 12
STRANGERS = 1000

#: How much an API server may grow under them (MiB).
GROWTH = 300


# -- large answers


@fault("a remote answers every poll with 16 MiB for 20 s")
def remote_answers_16_mib(scene: Scene) -> None:
    scene.start()
    scene.wait_waiting()
    scene.wait_triggers()
    logs = {name: len(scene.world.airflow.component_log(name)) for name in TRIGGERERS}
    entries = [{"status": "running", "n": n, "text": "x" * 40} for n in range(190_000)]
    body = json.dumps({"status": "running", "entries": entries})
    remote = scene.world.simulators["http"]
    remote.add_faults({"route": "status", "fault": "http_status", "status": 202, "body": body, "times": None})
    time.sleep(20)
    struck = scene.struck("http", "http_status")
    remote.clear_faults()
    scene.remarks.append(f"{struck} answers of {len(body) >> 20} MiB")
    scene.release()
    scene.wait_ended()
    longest = max(
        (
            float(seconds)
            for name, begin in logs.items()
            for seconds in BLOCKED.findall(scene.world.airflow.component_log(name)[begin:])
        ),
        default=0.0,
    )
    scene.remarks.append(f"triggerers blocked for {longest:.1f} s at most")
    if longest > LONGEST_BLOCK:
        scene.problems.append(f"a triggerer's event loop was blocked for {longest:.1f} s")


# -- silent remotes


@contextlib.contextmanager
def silent_hosts() -> Iterator[list[tuple[str, int]]]:
    """Hosts that accept connections and never say a word: the kernel does that for a socket that listens."""
    with contextlib.ExitStack() as stack:
        hosts = []
        for number in range(SILENT_HOSTS):
            listening = stack.enter_context(socket.socket())
            listening.bind((f"127.0.1.{number + 1}", 0))
            listening.listen(1024)
            hosts.append(listening.getsockname())
        yield hosts


@fault("twelve hosts that never answer, with jobs of their own, beside healthy ones", patience=400)
def silent_hosts_beside_healthy_ones(scene: Scene) -> None:
    client = scene.world.airflow.client
    with silent_hosts() as hosts:
        for number, (host, port) in enumerate(hosts):
            client.put_connection(f"chaos_silent_{number}", "http", host=f"http://{host}:{port}")
        each = -(-max(24, scene.jobs + 20) // SILENT_HOSTS)
        run_id = client.trigger("chaos_silent", {"each": each}, run_id=f"silent-{scene.world.new_number()}")
        sql = "select count(*) as n from task_instance where run_id = ? and state = 'deferred'"
        wanted = each * SILENT_HOSTS
        scene.wait(
            "jobs at silent hosts to wait",
            lambda: scene.world.airflow.db(sql, [run_id])[0]["n"] >= wanted,
            timeout=600,
        )
        scene.start()
        scene.wait_waiting()
        scene.wait_triggers()
        before = polls(scene)
        time.sleep(25)
        asked = polls(scene) - before
        waiting = sum(t["task_id"] == "http_poll" and t["state"] not in TASK_ENDED for t in scene.tasks())
        scene.remarks.append(
            f"{wanted} jobs at silent hosts; {asked} polls of {waiting} healthy jobs in 25 s"
        )
        if asked < 3 * waiting:  # they are asked every 2 to 5 s
            scene.problems.append(f"{waiting} healthy jobs were polled {asked} times in 25 s")
        scene.release()
        scene.wait_ended()
        client.set_run_state("chaos_silent", run_id, "failed")


def polls(scene: Scene) -> int:
    """How often the healthy generic jobs have been asked about."""
    entries = scene.world.simulators["http"].journal("status")["entries"]
    return sum("/location/" in entry["path"] for entry in entries)


# -- strangers


class Flood:
    """
    Strangers who keep connections busy, from a thread: callbacks that nobody expects, one after the other.

    :param urls: roots of the API servers
    """

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(STRANGERS)))

    async def _one(self, number: int) -> None:
        target = urlsplit(self._urls[number % len(self._urls)])
        body = b"x" * 10_000
        path = f"/callbacks/v1/{'A' * 40}{number}/{'s' * 43}"
        head = f"POST {path} HTTP/1.1\r\nHost: airflow\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        while not self._stop.is_set():
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                reader, writer = await asyncio.open_connection(target.hostname, target.port)
                try:
                    while not self._stop.is_set():
                        writer.write(head + body)
                        await writer.drain()
                        async with asyncio.timeout(30):
                            await self._answer(reader)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.2)

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if length:
            await reader.readexactly(int(length[1]))
        self.answers[head.split(b" ", 2)[1].decode()] += 1


@fault("strangers keep 1,000 connections to the receiver busy while jobs end and call back", patience=400)
def flood_of_strangers(scene: Scene) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    names = [name for name in scene.world.airflow.pids() if name.startswith("api-server")]
    scene.start()
    scene.wait_waiting()
    before = memory(scene, names)
    with Flood([scene.world.airflow.url(name) for name in names]) as flood:
        scene.wait("the flood to rise", lambda: flood.answers.total() > STRANGERS)
        scene.release()
        scene.wait_ended(300)
    grown = {name: size - before[name] for name, size in memory(scene, names).items()}
    scene.remarks.append(
        f"{flood.answers.total()} forged callbacks answered ({', '.join(sorted(flood.answers))}); "
        f"API servers grew by {max(grown.values())} MiB at most"
    )
    wrong = {status: n for status, n in flood.answers.items() if status not in ("401", "503")}
    if wrong:
        scene.problems.append(f"strangers were answered {wrong}")
    scene.problems += [f"{name} grew by {size} MiB" for name, size in grown.items() if size > GROWTH]


def memory(scene: Scene, names: list[str]) -> dict[str, int]:
    """Resident memory of components with their children (MiB)."""
    sizes = {}
    for name in names:
        total = 0
        for pid in scene.world.airflow.pids()[name]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += psutil.Process(pid).memory_info().rss
        sizes[name] = total >> 20
    return sizes
