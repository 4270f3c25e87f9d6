# SPDX-License-Identifier: Apache-2.0
"""Jobs of the simulated ASO."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from airflow_async_provider.simulators._aso_jobs import AsoJob, Plan


def job(number: int = 0, now: list[float] | None = None, **changes: Any) -> AsoJob:
    clock = now or [1_700_000_000.0]
    return AsoJob(
        number=number,
        service="ees",
        endpoint="bidRound/apiBids",
        parameters={"event_id": "7"},
        body=None,
        plan=Plan(**changes),
        now=lambda: clock[0],
    )


def test_the_state_follows_from_the_clock() -> None:
    now = [1_700_000_000.0]
    ours = job(now=now, processing_seconds=5, outcome="failed")
    assert ours.state == "processing"
    now[0] += 5
    assert ours.state == "failed"


def test_status_paths_have_what_a_client_might_encode_anew() -> None:
    paths = [job(number).status_path for number in (0, 1)]
    assert all(path.endswith("=") for path in paths)
    assert "+" in paths[1] or "/" in paths[1].removeprefix("/asyncStatus/")
    text = base64.b64decode(paths[0].removeprefix("/asyncStatus/")).decode()
    assert text.startswith("1700000000000:22850:15:")


def test_another_content_has_the_same_length() -> None:
    ours = job(result_bytes=1000)
    before = ours.content.read()
    ours.change_content()
    assert len(ours.content.read()) == len(before)
    assert ours.content.read() != before


@pytest.mark.parametrize(
    "changes",
    [{"outcome": "done"}, {"result_bytes": -1}, {"not_found_first": -1}, {"result_file": "/no/file"}],
)
def test_a_plan_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"outcome|negative|not exist"):
        Plan(**changes)


def test_no_address_in_what_the_control_route_tells() -> None:
    ours = job()
    assert ours.status_path not in str(ours.to_dict())
    assert ours.result_key not in str(ours.to_dict())
