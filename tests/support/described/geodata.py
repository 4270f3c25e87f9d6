# SPDX-License-Identifier: Apache-2.0
"""Geodata by their descriptions: OGC API - Processes, openEO."""

from __future__ import annotations

from tests.support.stand_ins import FAILED, Row

ROWS = [
    Row(
        profile="ogc_processes",
        api="ogc",
        options={"process": "hello"},
        json={"inputs": {"name": "x"}},
        result='{"id": "echo", "value": 3}',
        ends={"fail": (FAILED, "InvalidParameterValue")},
    ),
    Row(
        profile="openeo_job",
        api="openeo",
        many=True,
        json={"process": {"process_graph": {}}},
        result={"a.tif": "a.tif" * 9, "b.tif": "b.tif" * 9},
        ends={"fail": (FAILED, "error")},
    ),
]
