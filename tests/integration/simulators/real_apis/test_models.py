# SPDX-License-Identifier: Apache-2.0
"""Batches of language models by their descriptions: OpenAI, Anthropic."""

from __future__ import annotations

from airflow_async_provider.simulators.real_apis import RealApisSimulator
from tests.support.stand_ins import (
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

ROWS = [
    Row(
        profile="openai_batch",
        api="openai",
        json={"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"},
        result=[
            '{"custom_id": "1", "response": {"status_code": 200}}\n',
            '{"custom_id": "2", "error": "late"}\n',
        ],
        ends={"fail": (FAILED, "Line 1 is no JSON"), "expire": (FAILED, "expired")},
    ),
    Row(
        profile="anthropic_batch",
        api="anthropic",
        json={"requests": [{"custom_id": "1", "params": {}}]},
        result="".join(f'{{"custom_id": "{n}", "result": {{"type": "succeeded"}}}}\n' for n in (2, 1)),
        ends={"fail": (FAILED, "ended")},
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
