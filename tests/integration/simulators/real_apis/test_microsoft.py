# SPDX-License-Identifier: Apache-2.0
"""Fabric, Azure Resource Manager and Azure DevOps by their descriptions."""

from __future__ import annotations

from airflow_async_provider.simulators.real_apis import RealApisSimulator
from tests.support.described.microsoft import ROWS
from tests.support.stand_ins import (
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
