# SPDX-License-Identifier: Apache-2.0
"""The simulator of real APIs: connections, and what is forgotten."""

from __future__ import annotations

import pytest

from airflow_async_provider.simulators.frame import running
from airflow_async_provider.simulators.real_apis import RealApisSimulator


def test_a_connection_has_what_its_api_wants() -> None:
    with running(RealApisSimulator()) as simulator:
        jenkins, openeo, slurm, ads = (
            simulator.airflow_connection(api) for api in ("jenkins", "openeo", "slurm", "amazon_ads")
        )
        assert openeo["host"] == f"{simulator.url}/openeo/openeo/1.2"
    assert (jenkins["login"], jenkins["password"]) == ("user", "secret-token")
    assert slurm["extra"] == {"X-SLURM-USER-TOKEN": "secret-token"}
    assert ads["extra"]["Authorization"] == "Bearer secret-token"
    assert "Amazon-Advertising-API-Scope" in ads["extra"]
    with pytest.raises(LookupError, match="known are"):
        simulator.airflow_connection("amazon")


def test_a_reset_forgets_jobs_files_and_scripts() -> None:
    simulator = RealApisSimulator(polls=0)
    simulator.script("auth0", "fail")
    simulator.apis["auth0"].jobs["j"] = simulator.new_job(simulator.apis["auth0"], "j", "", {})
    assert simulator.job("auth0").bad
    simulator.script("auth0", "fail")
    simulator.reset()
    with pytest.raises(LookupError):
        simulator.job("auth0")
    assert simulator.new_job(simulator.apis["auth0"], "k", "", {}).good
    assert simulator.journal.jobs_started == 1
