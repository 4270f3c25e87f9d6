# SPDX-License-Identifier: Apache-2.0
"""Rules that say which callbacks mean failure or success."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._callback_rules import MAX_CONDITIONS, CallbackRule


def rule(*conditions: Any) -> CallbackRule:
    return CallbackRule(list(conditions), name="failure_rule")


@pytest.mark.parametrize(
    ("conditions", "document", "held"),
    [
        (["error"], {"error": "x"}, "error"),
        (["error"], {"error": ""}, None),
        (["error"], {}, None),
        (["status==FAILED"], {"status": "failed"}, "status==FAILED"),
        (["ok==false"], {"ok": False}, "ok==false"),
        (["a.b==1"], {"a": {"b": 1}}, "a.b==1"),
        ([["a", "b==2"]], {"a": 1, "b": 2}, "a and b==2"),
        ([["a", "b==2"]], {"a": 1, "b": 3}, None),
        ([], {"error": "x"}, None),
    ],
)
def test_the_first_condition_that_holds(conditions: list[Any], document: Any, held: str | None) -> None:
    assert rule(*conditions).holds(document) == held


def test_all_tests_of_a_condition_look_at_the_same_document() -> None:
    assert rule(["a", "b"]).holds({"a": 1}, {"b": 1}) is None
    assert rule("b").holds({"a": 1}, {"b": 1}) == "b"


@pytest.mark.parametrize("conditions", ["error", [""], [[]], [7], ["==x"], ["a"] * (MAX_CONDITIONS + 1)])
def test_what_is_no_rule(conditions: Any) -> None:
    with pytest.raises(ConfigurationError, match="failure_rule"):
        CallbackRule(conditions, name="failure_rule")


def test_it_can_be_stored_with_the_job() -> None:
    assert rule("a", ("b", "c")).conditions == ["a", ["b", "c"]]
