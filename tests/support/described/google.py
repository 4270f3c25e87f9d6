# SPDX-License-Identifier: Apache-2.0
"""Google by its descriptions: long-running operations, BigQuery, Compute Engine."""

from __future__ import annotations

from tests.support.stand_ins import DOCUMENT, FAILED, Row

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
