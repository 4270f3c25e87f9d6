# SPDX-License-Identifier: Apache-2.0
"""FHIR Bulk Data by its description."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_async_provider.simulators.real_apis import RealApisSimulator
from tests.support.described.health import ROWS
from tests.support.stand_ins import (
    CONN_ID,
    Journey,
    Row,
    connected,  # noqa: F401 - a fixture
    each,
    each_end,
    ends_otherwise,
    is_cancelled,
    simulator,  # noqa: F401 - a fixture
    succeeds,
)


@each(ROWS)
def test_a_good_job_hands_out_its_result(row: Row, connected: RealApisSimulator) -> None:
    succeeds(row, connected)


@each_end(ROWS)
def test_no_other_end_is_taken_for_success(row: Row, outcome: str, connected: RealApisSimulator) -> None:
    ends_otherwise(row, outcome, connected)


@each(ROWS)
def test_a_job_is_cancelled_where_the_api_can(row: Row, connected: RealApisSimulator) -> None:
    is_cancelled(row, connected)


@pytest.fixture(scope="module")
def key() -> str:
    """A private key as SMART Backend Services want it."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def test_a_signed_assertion_gets_a_token_and_another_one_when_it_ends_during_the_wait(
    key: str,
    simulator: RealApisSimulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (row, *_) = ROWS
    simulator.reset()
    connection = {
        "conn_type": "http",
        "host": simulator.base_url("fhir"),
        "login": "client-1",
        "extra": {
            "token_url": f"{simulator.base_url('fhir')}/auth/token",
            "private_key": key,
            "key_id": "key-1",
            "key_algorithm": "RS384",
            "scope": "system/*.read",
        },
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    journey = Journey(row, simulator)
    journey.poll()
    simulator.clock.advance(simulator.token_seconds + 1)
    assert journey.result(journey.end()) == row.result
    assert simulator.journal.count("token") == 2
    assert simulator.journal.jobs_started == 1
