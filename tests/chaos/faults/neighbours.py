# SPDX-License-Identifier: Apache-2.0
"""Bad neighbours: remotes and strangers that would take the machine from everybody else."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import time
from collections.abc import Iterator

import psutil

from tests.chaos.faults.registry import fault
from tests.chaos.kinds import KINDS, finish, unfinished
from tests.chaos.pace import Pace, late_ones, share
from tests.chaos.scene import Run, Scene
from tests.chaos.strangers import Strangers
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

#: So soon most callbacks must be taken under them, and workers be answered, if they are without strangers
#: (seconds). What is promised is measured on a quiet machine: benchmarks/forged_callbacks.py.
PROMPT = 1.0

#: If they are not, they must not take more than so many times as long as without strangers.
SLOWER = 1.5

#: Between the ends of two jobs (seconds): what two cores need for the tasks that go on then.
BETWEEN = 1.5

#: What strangers may get: nothing there, or not now.
REFUSED = ("401", "404", "405", "503")


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


@fault("twelve hosts that never answer, with jobs of their own, beside healthy ones")
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


@fault("1,000 connections of strangers keep the receiver busy while jobs end and call back")
def flood_of_strangers(scene: Scene) -> None:
    airflow = scene.world.airflow
    names = [name for name in airflow.pids() if name.startswith("api-server")]
    # The same without strangers: as many jobs end, and the machine is as busy with all the rest.
    waiting = start_waiting(scene)
    alone = Ends(scene, names)
    alone.play(waiting)
    waiting = start_waiting(scene)
    before = memory(scene, names)
    with Strangers(STRANGERS, [airflow.url(name) for name in names]) as strangers:
        # Those who leave at once are never there.
        scene.wait("strangers to come", lambda: strangers.open > STRANGERS * 0.85)
        beside = Ends(scene, names, strangers=strangers.pid)
        beside.play(waiting)
    grown = {name: size - before[name] for name, size in memory(scene, names).items()}
    scene.remarks.append(
        f"{strangers.answers.total()} answers to strangers ({dict(sorted(strangers.answers.items()))}); "
        f"without strangers: {alone}; beside them: {beside}; "
        f"API servers grew by {max(grown.values())} MiB at most"
    )
    wrong = {status: n for status, n in strangers.answers.items() if status not in REFUSED}
    if wrong:
        scene.problems.append(f"strangers were answered {wrong}")
    for what, calm, busy in (
        ("jobs that ended one by one", alone.one_by_one, beside.one_by_one),
        ("jobs that ended at once", alone.at_once, beside.at_once),
    ):
        if busy.failed:
            scene.problems.append(f"{what}: {busy.failed} requests of the kind that workers send failed")
        if share(busy.callbacks, 0.99) > max(PROMPT, SLOWER * share(calm.callbacks, 0.99)):
            scene.problems.append(f"{what}: callbacks had to wait: {late_ones(busy.callbacks)}")
        if share(busy.took, 0.5) > max(PROMPT, SLOWER * share(calm.took, 0.5)):
            scene.problems.append(f"{what}: workers had to wait: {late_ones(busy.took)}")
    scene.problems += [f"{name} grew by {size} MiB" for name, size in grown.items() if size > GROWTH]


def start_waiting(scene: Scene) -> list[Run]:
    """Start jobs, and wait until their tasks are deferred."""
    scene.released = False
    runs = scene.start()
    scene.wait_waiting()
    return runs


class Ends:
    """
    Jobs that end, half of them one by one and the rest at once, and the pace of the API servers meanwhile.

    A callback takes some 30 ms of CPU in an API server, and the task that it resumes a second or two on a
    worker: of those that come at once, the last one has to wait for all the others, whoever else is there.

    :param names: the API servers
    :param others: processes that use the cores besides
    """

    def __init__(self, scene: Scene, names: list[str], **others: int) -> None:
        self._scene = scene
        self.one_by_one = Pace(scene, names, **others)
        self.at_once = Pace(scene, names, **others)

    def __str__(self) -> str:
        return f"one by one {self.one_by_one}, at once {self.at_once}"

    def play(self, waiting: list[Run]) -> None:
        """Let them end, and with them those of a run that starts only then: workers have the same way."""
        scene = self._scene
        with self.one_by_one:
            jobs = unfinished_jobs(scene)
            for name, key in jobs[: len(jobs) // 2]:
                finish(name, scene.world.simulators[name], key)
                time.sleep(BETWEEN)
        with self.at_once:
            runs = [*waiting, *scene.start(jobs=len(KINDS))]
            wanted = len(runs) * len(KINDS)
            scene.wait("workers to submit", lambda: scene.count("deferred", *TASK_ENDED, runs=runs) >= wanted)
            scene.release()
            scene.wait_ended(300)


def unfinished_jobs(scene: Scene) -> list[tuple[str, int]]:
    """The jobs that run, by simulator and key, in an order that is the same for as many jobs."""
    found = [
        (name, key)
        for name, simulator in scene.world.simulators.items()
        for key in unfinished(name, simulator.describe())
    ]
    random.Random(7).shuffle(found)
    return found


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
