# SPDX-License-Identifier: Apache-2.0
"""SAP Open Connectors on a real Airflow: webhooks that come, forged ones that do not count; bulk jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.support.harness import RealAirflow, wait_until
from tests.support.harness.servers import S3Server, SimulatorProcess

EXAMPLE = "example_open_connectors"
WAITING = ("copy_folder", "copy_reports", "contacts")
SECRETS = {
    "user_secret": "user+4c1f/secret=",
    "organization_secret": "org+4c1f/secret=",
    "element_token": "element+4c1f/token=",
    "signature_key": "signature-4c1f-key",
}


@pytest.fixture(scope="module")
def sap(real_airflow: RealAirflow) -> Iterator[SimulatorProcess]:
    """A platform that can reach Airflow, and its connection; its jobs run until they are told to end."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SECRETS.items()]
    with SimulatorProcess("open-connectors", *options, "--seconds", "none") as simulator:
        real_airflow.client.put_connection(
            "sap_open_connectors_default",
            "sap_open_connectors",
            host=simulator.url,
            extra={**SECRETS, "callback_base_url": real_airflow.url()},
        )
        yield simulator


def finished(real_airflow: RealAirflow, sap: SimulatorProcess, run_id: str) -> str:
    """End all jobs, again and again: the upload begins only after the download."""
    client = real_airflow.client
    wait_until(lambda: client.all_deferred(EXAMPLE, run_id, WAITING), "the tasks to defer", 120, interval=0.5)

    def ended() -> bool:
        sap.finish_all()
        return bool(
            client.task(EXAMPLE, run_id, "accounts")["state"] in ("success", "failed", "upstream_failed")
        )

    wait_until(ended, "the run to end", 180, interval=1)
    return str(client.wait_run(EXAMPLE, run_id, timeout=60))


def test_the_example(real_airflow: RealAirflow, sap: SimulatorProcess, s3_server: S3Server) -> None:
    client = real_airflow.client
    run_id = client.trigger(EXAMPLE, {"folder": f"s3://{s3_server.bucket}/sap"})

    assert finished(real_airflow, sap, run_id) == "success"
    response = client.xcom(EXAMPLE, run_id, "copy_folder")
    assert response["events"][1]["metadata"]["path"] == "/TestFolderCopy/testUploadFile.txt"
    copied, contacts = (client.xcom(EXAMPLE, run_id, task) for task in ("copy_reports", "contacts"))
    assert (copied["via"], contacts["via"]) == ("callback", "callback")
    for report in (copied, contacts):
        stored = s3_server.read(report["uri"].removeprefix(f"s3://{s3_server.bucket}/"))
        assert hashlib.sha256(stored).hexdigest() == report["sha256"]
        assert report["sha256"] in sap.served()
    uploaded = client.xcom(EXAMPLE, run_id, "accounts")
    assert (uploaded["errors"], uploaded["bytes"]) == (0, contacts["bytes"])
    for task_id in WAITING:
        states = [state for state, _ in client.states(EXAMPLE, run_id, task_id)]
        assert states == ["running", "deferred", "running", "success"], task_id
    # Two requests, a download and an upload: nothing was sent twice.
    assert sap.journal()["counts"]["job_started"] == 4


def test_a_forged_webhook_ends_nothing_and_nothing_secret_is_written_down(
    real_airflow: RealAirflow, sap: SimulatorProcess
) -> None:
    client = real_airflow.client
    before = len(sap.describe()["requests"])
    run_id = client.trigger(EXAMPLE, {"folder": "/tmp/never"})
    wait_until(lambda: client.all_deferred(EXAMPLE, run_id, WAITING), "the tasks to defer", 120, interval=0.5)

    for number in (before, before + 1):
        for tamper in ("forged", "unsigned", "sha1", "truncated", "reencoded"):
            sap.act("send_webhook", number=number, tamper=tamper)
        # Genuine, signed, and for another request.
        sap.act("send_webhook", number=0, to=number)
    wait_until(lambda: _answered(sap, 12), "the forged webhooks to be answered", 60, interval=0.2)
    answers = [delivery["answers"][0] for delivery in sap.describe()["webhooks"][-12:]]
    assert sorted(answers) == [200] * 2 + [401] * 10
    for task_id in ("copy_folder", "copy_reports"):
        assert client.task(EXAMPLE, run_id, task_id)["state"] != "success"

    client.set_run_state(EXAMPLE, run_id, "failed")
    for secret in SECRETS.values():
        assert real_airflow.places_of(secret) == [], "a secret was written down"
    assert "4c1f" not in json.dumps(client.import_errors())


def _answered(sap: SimulatorProcess, count: int) -> bool:
    return all(delivery["answers"] for delivery in sap.describe()["webhooks"][-count:])
