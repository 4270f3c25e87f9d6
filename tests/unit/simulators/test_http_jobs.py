# SPDX-License-Identifier: Apache-2.0
"""Jobs of the generic simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.simulators._http_jobs import HttpJob, Plan


def job(**changes: Any) -> HttpJob:
    return HttpJob(number=0, convention="location", body={"n": 1}, plan=Plan(**changes), now=lambda: 0.0)


def test_results_are_values_texts_or_generated() -> None:
    assert json.loads(job().content.read()) == {"rows": 3}
    assert job(result="a;b", result_content_type="text/csv").content.read() == b"a;b"
    assert job(result="a").content.read() == b'"a"'
    assert job(result_bytes=10).content.size == 10


def test_words_replace_the_convention_s_own() -> None:
    ours = job(processing_seconds=None, words={"running": "PENDING"})
    own = {"running": "running", "succeeded": "done", "failed": "bad", "cancelled": "gone"}
    assert ours.word(**own) == "PENDING"
    ours.finish("failed")
    assert ours.word(**own) == "bad"


@pytest.mark.parametrize(
    "changes",
    [{"outcome": "done"}, {"place": "moon"}, {"processing_seconds": -1}, {"words": {"completed": "x"}}],
)
def test_a_plan_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"outcome|place|negative|word"):
        Plan(**changes)


def test_no_address_in_what_the_control_route_tells() -> None:
    ours = HttpJob(
        number=0, convention="x", body=None, plan=Plan(), now=lambda: 0.0, callback_url="https://a/secret"
    )
    assert ours.to_dict()["wants_callback"] is True
    assert "secret" not in str(ours.to_dict())
