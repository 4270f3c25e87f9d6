# SPDX-License-Identifier: Apache-2.0
"""Webhooks of SAP Open Connectors on a real Airflow: forged ones and those of other requests do not count."""

from __future__ import annotations

import pytest

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.servers import SimulatorProcess

DAG = "sap_cases"
TAMPERED = ("forged", "unsigned", "sha1", "truncated", "reencoded")

pytestmark = pytest.mark.together


def test_a_forged_webhook_ends_nothing(real_airflow: RealAirflow, sap: SimulatorProcess) -> None:
    client = real_airflow.client
    run_id = client.trigger(DAG)

    def all_wait() -> bool:
        waiting = [task for task in client.tasks(DAG, run_id) if task["state"] == "deferred"]
        return len(waiting) == 3

    wait_until(all_wait, "the tasks to defer", 300, interval=2)

    for number in (1, 2):
        for tamper in TAMPERED:
            sap.act("send_webhook", number=number, tamper=tamper)
        # Genuine, signed, and for another request.
        sap.act("send_webhook", number=0, to=number)
    count = 2 * (len(TAMPERED) + 1)
    wait_until(lambda: _answered(sap, count), "the forged webhooks to be answered", 300, interval=0.5)
    answers = [delivery["answers"][0] for delivery in sap.describe()["webhooks"][-count:]]
    assert sorted(answers) == [200] * 2 + [401] * 10
    # A genuine one makes its task look, which then waits on.
    assert not {task["state"] for task in client.tasks(DAG, run_id)} & {"success", "failed"}
    wait_until(all_wait, "the tasks to wait on", 300, interval=2)

    # The genuine ones do count.
    for number in range(3):
        sap.act("send_webhook", number=number)
    assert client.wait_run(DAG, run_id) == "success"


def _answered(sap: SimulatorProcess, count: int) -> bool:
    webhooks = sap.describe()["webhooks"]
    return len(webhooks) >= count and all(delivery["answers"] for delivery in webhooks[-count:])
