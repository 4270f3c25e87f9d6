# SPDX-License-Identifier: Apache-2.0
"""Google by its descriptions: long-running operations, BigQuery, Compute Engine."""

from __future__ import annotations

from airflow_async_provider.simulators.real_apis import RealApisSimulator
from tests.support.stand_ins import (
    DOCUMENT,
    FAILED,
    Row,
    connected,  # noqa: F401 - a fixture
    each,
    each_end,
    ends_otherwise,
    is_cancelled,
    simulator,  # noqa: F401 - a fixture
    succeeds,
)

QUERY = {"configuration": {"query": {"query": "SELECT 1", "useLegacySql": False}}}

ROWS = [
    Row(
        profile="google_operation",
        api="google_lro",
        arguments={"endpoint": "v1/projects/p/documents:export"},
        json={"outputUri": "gs://b/o"},
        result={"@type": "type.googleapis.com/y", "rows": 3},
        ends={"fail": (FAILED, "The quota is used up")},
    ),
    Row(
        profile="bigquery_query",
        api="bigquery",
        options={"project": "p"},
        json=QUERY,
        result=[{"f": [{"v": str(n)}]} for n in range(3)],
        ends={"fail": (FAILED, "Syntax error")},
    ),
    Row(
        profile="bigquery_job",
        api="bigquery",
        options={"project": "p"},
        json={"configuration": {"load": {}}},
        result=DOCUMENT,
        ends={"fail": (FAILED, "Syntax error")},
    ),
    Row(
        profile="compute_engine",
        api="compute",
        arguments={"endpoint": "compute/v1/projects/p/zones/z/instances"},
        json={"name": "vm-1"},
        result=DOCUMENT,
        ends={"fail": (FAILED, "The quota is used up")},
        cancelled=None,
    ),
    Row(
        profile="compute_engine",
        label="compute_engine-resource",
        api="compute",
        arguments={"endpoint": "compute/v1/projects/p/zones/z/instances"},
        options={"result": {"value": None, "path": "{targetLink}"}},
        json={"name": "vm-1"},
        result='{"kind": "compute#instance", "name": "vm-1", "status": "RUNNING"}',
        ends={"fail": (FAILED, "The quota is used up")},
        cancelled=None,
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
