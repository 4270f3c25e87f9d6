# SPDX-License-Identifier: Apache-2.0
"""FHIR Bulk Data by its description."""

from __future__ import annotations

from tests.support.stand_ins import FAILED, SUCCEEDED, Row

EXPORT = {f"{name}.ndjson": f'{{"resourceType": "Patient", "id": "{name}"}}\n' for name in ("p1", "p2", "o1")}

ROWS = [
    Row(
        profile="fhir_bulk_export",
        api="fhir",
        many=True,
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
        many=True,
        arguments={"endpoint": "Group/1/$export", "params": {"_type": "Patient"}},
        options={"outcome": {"error": False}, "result": {"url": ["output[*].url", "error[*].url"]}},
        result=EXPORT,
        ends={"partial": (SUCCEEDED, "")},
        cancelled=FAILED,
    ),
]
