# SPDX-License-Identifier: Apache-2.0
"""What the simulated Automic refuses, and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.simulators._automic_checks import (
    check_start,
    no_such_run,
    not_active,
)
from airflow_async_provider.simulators.reply import Refused


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"object_name": ""},
        {"object_name": 7},
        {"object_name": "A", "nonsense": 1},
        {"object_name": "A", "alias": "no blanks"},
        {"object_name": "A", "alias": "A" * 201},
        {"object_name": "A", "inputs": {"X#": 7}},
        {"object_name": "A", "execution_option": "later"},
        {"object_name": "A", "execution_option": "once"},
        {"object_name": "A", "once": {}},
    ],
)
def test_a_start_that_automic_would_not_take(body: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        check_start(body, unknown_fields=False)
    assert refusal.value.reply.status == 400


def test_a_start_that_it_would_take() -> None:
    check_start({"object_name": "A", "inputs": {"X#": ["a", "b"]}, "alias": "A.1"}, unknown_fields=False)
    check_start({"object_name": "A", "nonsense": 1}, unknown_fields=True)


def test_refusals_have_automic_s_own_numbers() -> None:
    unknown, ended = no_such_run("7").reply, not_active(7).reply
    assert (unknown.status, json.loads(unknown.body)["code"]) == (404, 11049)
    assert (ended.status, json.loads(ended.body)["code"]) == (403, 11191)
