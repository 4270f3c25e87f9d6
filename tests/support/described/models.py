# SPDX-License-Identifier: Apache-2.0
"""Batches of language models by their descriptions: OpenAI, Anthropic."""

from __future__ import annotations

from tests.support.stand_ins import FAILED, Row

ROWS = [
    Row(
        profile="openai_batch",
        api="openai",
        many=True,
        json={"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"},
        result=[
            '{"custom_id": "1", "response": {"status_code": 200}}\n',
            '{"custom_id": "2", "error": "late"}\n',
        ],
        ends={"fail": (FAILED, "Line 1 is not JSON"), "expire": (FAILED, "expired")},
    ),
    Row(
        profile="anthropic_batch",
        api="anthropic",
        json={"requests": [{"custom_id": "1", "params": {}}]},
        result="".join(f'{{"custom_id": "{n}", "result": {{"type": "succeeded"}}}}\n' for n in (2, 1)),
        ends={"fail": (FAILED, "ended")},
    ),
]
