# SPDX-License-Identifier: Apache-2.0
"""Bad neighbours: remotes and strangers that would take the machine from everybody else."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator

import psutil

from tests.chaos.faults.registry import fault
from tests.chaos.kinds import KINDS
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
    # The same without strangers: as many jobs end at once, and the machine is as busy with all the rest.
    waiting = start_waiting(scene)
    alone = end_at_once(scene, waiting, Pace(scene, names))
    waiting = start_waiting(scene)
    before = memory(scene, names)
    with Strangers(STRANGERS, [airflow.url(name) for name in names]) as strangers:
        # Those who leave at once are never there.
        scene.wait("strangers to come", lambda: strangers.open > STRANGERS * 0.85)
        beside = end_at_once(scene, waiting, Pace(scene, names, strangers=strangers.pid))
    grown = {name: size - before[name] for name, size in memory(scene, names).items()}
    scene.remarks.append(
        f"{strangers.answers.total()} answers to strangers ({dict(sorted(strangers.answers.items()))}); "
        f"without strangers {alone}; beside them {beside}; "
        f"API servers grew by {max(grown.values())} MiB at most"
    )
    wrong = {status: n for status, n in strangers.answers.items() if status not in REFUSED}
    if wrong:
        scene.problems.append(f"strangers were answered {wrong}")
    if beside.failed:
        scene.problems.append(f"{beside.failed} requests of the kind that workers send failed")
    for what, calm, busy in (
        ("callbacks", alone.callbacks, beside.callbacks),
        ("workers", alone.took, beside.took),
    ):
        if share(busy, 0.5) > max(PROMPT, 3 * share(calm, 0.5)):
            scene.problems.append(f"{what} had to wait: {late_ones(busy)}")
    scene.problems += [f"{name} grew by {size} MiB" for name, size in grown.items() if size > GROWTH]


def start_waiting(scene: Scene) -> list[Run]:
    """Start jobs, and wait until their tasks are deferred."""
    scene.released = False
    runs = scene.start()
    scene.wait_waiting()
    return runs


def end_at_once(scene: Scene, waiting: list[Run], pace: Pace) -> Pace:
    """Let all jobs end together, those of a run that starts only now as well: workers have the same way."""
    with pace:
        runs = [*waiting, *scene.start(jobs=len(KINDS))]
        wanted = len(runs) * len(KINDS)
        scene.wait("workers to submit", lambda: scene.count("deferred", *TASK_ENDED, runs=runs) >= wanted)
        scene.release()
        scene.wait_ended(300)
    return pace


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
