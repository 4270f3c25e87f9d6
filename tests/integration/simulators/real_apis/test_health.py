# SPDX-License-Identifier: Apache-2.0
"""FHIR Bulk Data by its description."""

from __future__ import annotations

from airflow_async_provider.simulators.real_apis import RealApisSimulator
from tests.support.stand_ins import (
    FAILED,
    SUCCEEDED,
    Row,
    connected,  # noqa: F401 - a fixture
    each,
    each_end,
    ends_otherwise,
    is_cancelled,
    simulator,  # noqa: F401 - a fixture
    succeeds,
)

EXPORT = {f"{name}.ndjson": f'{{"resourceType": "Patient", "id": "{name}"}}\n' for name in ("p1", "p2", "o1")}

ROWS = [
    Row(
        profile="fhir_bulk_export",
        api="fhir",
        result=EXPORT,
        ends={
            "fail": (FAILED, "An internal timeout has occurred"),
            "partial": (FAILED, "error"),
            "transient": (SUCCEEDED, ""),
        },
        cancelled=FAILED,
    ),
    Row(
        profile="fhir_bulk_export",
        label="fhir_bulk_export-of_a_group_with_files_of_errors",
        api="fhir",
        arguments={"endpoint": "Group/1/$export", "params": {"_type": "Patient"}},
        options={"outcome": {"error": False}, "result": {"url": ["output[*].url", "error[*].url"]}},
        result=EXPORT,
        ends={"partial": (SUCCEEDED, "")},
        cancelled=FAILED,
    ),
]


@each(ROWS)
def test_a_good_job_hands_out_its_result(row: Row, connected: RealApisSimulator) -> None:
    succeeds(row, connected)


@each_end(ROWS)
def test_no_other_end_is_taken_for_success(row: Row, outcome: str, connected: RealApisSimulator) -> None:
    ends_otherwise(row, outcome, connected)


@each(ROWS)
def test_a_job_is_cancelled_where_the_api_can(row: Row, connected: RealApisSimulator) -> None:
    is_cancelled(row, connected)
