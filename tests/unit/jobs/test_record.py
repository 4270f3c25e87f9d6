# SPDX-License-Identifier: Apache-2.0
"""What a deferral carries along, and digests of arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider._jobs.record import VERSION, JobRecord
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import JobHandle

RECORD = JobRecord(handle=JobHandle("x", "7", 1.0), started_at=1.0, deadline=9.0, polls=3, via="callback")


def test_it_survives_json() -> None:
    assert JobRecord.from_dict(json.loads(json.dumps(RECORD.to_dict()))) == RECORD


def test_what_a_later_version_added_is_ignored_and_a_later_layout_is_not_read() -> None:
    assert JobRecord.from_dict({**RECORD.to_dict(), "news": 1}) == RECORD
    with pytest.raises(ConfigurationError, match=r"^A later version .* upgrade the package"):
        JobRecord.from_dict({**RECORD.to_dict(), "version": VERSION + 1})


@pytest.mark.parametrize(
    "value", [None, [], {}, {"version": 1}, {"version": 1, "handle": {}}, {"version": "x"}]
)
def test_what_is_no_record(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="describes no job"):
        JobRecord.from_dict(value)
