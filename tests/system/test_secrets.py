# SPDX-License-Identifier: Apache-2.0
"""After all that other tests have done: no credential, no callback's secret, no signed URL lies anywhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from demo.runs import Outcome
from demo.world import World
from tests.support.harness.aso_jobs import MARK
from tests.support.harness.calling_remote import CallingRemote


def test_nothing_secret_is_written_down(
    request: pytest.FixtureRequest,
    world: World,
    demo: Callable[[], Outcome],
    remote: CallingRemote,
    canaries: set[str],
) -> None:
    request.getfixturevalue("restored")  # all that runs beside this has ended
    demo()
    client = world.airflow.client
    client.trigger("callback_one")
    job = remote.job(client.trigger("callback_one"))
    assert job.callback is not None
    secret = job.callback.rsplit("/", 1)[1]
    for method in ("GET", "POST"):  # also when it goes wrong
        with requests.Session() as session:
            session.trust_env = False
            session.request(method, f"{job.callback}/?a={secret}", timeout=60)

    addresses = [job.callback for job in list(remote.jobs.values()) if job.callback is not None]
    secrets = {address.rsplit("/", 1)[1] for address in addresses}
    assert len(secrets) == len(addresses) > 0
    secrets |= {*canaries, *world.secrets.values(), *world.others.secrets, "X-Amz-Signature=", MARK}
    assert world.airflow.places_of_all(secrets) == {}
    assert "/callbacks/v1/" in world.airflow.component_log("api-server")
    assert "/hidden" in world.airflow.component_log("api-server")
