# SPDX-License-Identifier: Apache-2.0
"""Warehouses by their descriptions: Snowflake, Databricks SQL, Databricks jobs."""

from __future__ import annotations

from tests.support.stand_ins import DOCUMENT, FAILED, Row

STATEMENT = {"statement": "SELECT 1", "warehouse_id": "w", "disposition": "EXTERNAL_LINKS", "format": "CSV"}
ENDS = {
    "fail": (FAILED, "FAILED"),
    "internal": (FAILED, "INTERNAL_ERROR"),
    "skip": (FAILED, "SKIPPED"),
    "timeout": (FAILED, "TIMEDOUT"),
}

ROWS = [
    Row(
        profile="snowflake_sql",
        api="snowflake",
        json={"statement": "SELECT 1", "warehouse": "w"},
        result=[["0"], ["1"], ["2"]],
        ends={"fail": (FAILED, "invalid identifier"), "timeout": (FAILED, "timeout")},
    ),
    Row(
        profile="databricks_sql",
        api="databricks_sql",
        many=True,
        json=STATEMENT,
        result=[f"id,name\n{2 * n + 1},row {2 * n + 1}\n{2 * n + 2},row {2 * n + 2}\n" for n in range(3)],
        ends={"fail": (FAILED, "TABLE_OR_VIEW_NOT_FOUND"), "close": (FAILED, "CLOSED")},
    ),
    Row(
        profile="databricks_run",
        api="databricks_jobs",
        json={"job_id": 11},
        result=DOCUMENT,
        ends=ENDS,
    ),
    Row(
        profile="databricks_run",
        label="databricks_run-output",
        api="databricks_jobs",
        json={"job_id": 11},
        options={
            "result": {
                "from": {"path": "api/2.2/jobs/runs/get-output", "query": {"run_id": "{job_id}"}},
                "value": "notebook_output.result",
            }
        },
        result="3 rows",
        ends=ENDS,
    ),
]
