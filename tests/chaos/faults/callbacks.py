# SPDX-License-Identifier: Apache-2.0
"""Callbacks in every order and at every moment."""

from __future__ import annotations

import signal
import time

import psutil

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene


@fault("callbacks come doubled, in the wrong order, too early (also as a lie), and late", short=True)
def callbacks_in_disorder(scene: Scene) -> None:
    automic, sap = scene.world.simulators["automic"], scene.world.simulators["open-connectors"]
    moments = ("start", "submit", "end")  # the first two say "ended" while the run goes on
    for place in range(-(-scene.jobs // 8)):
        number = scene.world.next_number + place
        automic.act("script", object_name=f"JOBS.CALLS.{number}", callbacks=2, callback_at=moments[place % 3])
        changes = {"before_answer": True} if place % 2 else {"copies": 2}
        sap.act("script", kind="request", notifications=["done", "started"], **changes)
    scene.start()
    scene.wait_waiting()
    scene.release()
    scene.wait_ended()
    requests = len(sap.describe()["requests"])
    for number in range(requests):  # much too late, and for tasks that have ended
        for notification in ("started", "done"):
            sap.act("send_webhook", number=number, notification=notification)
    for run in automic.describe()["runs"]:
        if run["name"].startswith("JOBS.CALLS") and run["type"] != "CBCK":
            automic.act("send_callback", run_id=run["run_id"])
    time.sleep(3)


@fault("jobs end, and call back, at once, while the scheduler only gets a second out of six")
def callbacks_at_once_while_scheduler_is_busy(scene: Scene) -> None:
    scheduler = psutil.Process(scene.world.airflow.main_pid("scheduler"))
    scene.start()
    until = time.monotonic() + 45
    try:
        while time.monotonic() < until:
            scheduler.send_signal(signal.SIGSTOP)
            for _ in range(10):
                scene.release()
                time.sleep(0.5)
            scheduler.send_signal(signal.SIGCONT)
            time.sleep(1.2)
    finally:
        scheduler.send_signal(signal.SIGCONT)
