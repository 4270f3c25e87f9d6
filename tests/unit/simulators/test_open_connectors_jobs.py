# SPDX-License-Identifier: Apache-2.0
"""Jobs of the simulated SAP Open Connectors."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from airflow_async_provider.simulators._open_connectors_jobs import AsyncRequest, Plan, Records


def request(now: list[float], **changes: Any) -> AsyncRequest:
    return AsyncRequest(
        event_id=1028,
        url="https://airflow/secret",
        response={"id": "1"},
        number=0,
        plan=Plan(**changes),
        now=lambda: now[0],
    )


def test_a_request_ends_by_the_clock_or_on_request() -> None:
    now = [0.0]
    ours, told = request(now, seconds=5), request(now, seconds=None)
    assert ours.outcome is told.outcome is None
    now[0] = 5.0
    assert ours.outcome == "completed"
    told.finish("failed")
    told.finish("completed")
    assert told.outcome == "failed"


def test_its_checksum_is_of_the_json_that_a_client_is_to_have() -> None:
    assert request([0.0]).sha256 == hashlib.sha256(json.dumps({"id": "1"}).encode()).hexdigest()
    assert "secret" not in str(request([0.0]).to_dict())


@pytest.mark.parametrize("media_type", ["application/json", "application/jsonl", "text/csv"])
def test_any_part_of_a_file_is_cut_from_the_whole(media_type: str) -> None:
    records = Records(media_type, 50, ["id", "name"])
    whole = records.read()
    assert len(whole) == records.size
    assert records.read(10, 200) == whole[10:200]
    if media_type == "application/json":
        assert len(json.loads(whole)) == 50


def test_a_plan_that_cannot_be() -> None:
    for changes in ({"outcome": "good"}, {"notifications": ("middle",)}):
        with pytest.raises(ValueError, match=r"outcome|notifications"):
            Plan(**changes)  # type: ignore[arg-type]
