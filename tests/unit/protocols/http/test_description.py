# SPDX-License-Identifier: Apache-2.0
"""The roles of a description."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http.description import (
    Cancel,
    Outcome,
    Pages,
    Poll,
    ResultPlace,
    as_mapping,
    build,
)
from airflow_async_provider.protocols._http.words import Meaning


@pytest.mark.parametrize(
    ("line", "mapping"),
    [
        ("jobs/{job_id}", {"path": "jobs/{job_id}"}),
        ("PUT  jobs/{job_id}", {"method": "PUT", "path": "jobs/{job_id}"}),
        ("POSTS/x", {"path": "POSTS/x"}),
        ({"path": "x"}, {"path": "x"}),
    ],
)
def test_a_request_may_be_one_line(line: Any, mapping: dict[str, Any]) -> None:
    assert as_mapping(line, "poll") == mapping


@pytest.mark.parametrize("role", [Poll, Outcome, ResultPlace, Cancel, Pages])
def test_every_role_may_be_empty_and_null_is_nothing(role: type) -> None:
    key = next(f.metadata["name"] or f.name for f in fields(role))
    assert build(role, {}, "x") == build(role, {key: None}, "x")
    with pytest.raises(ConfigurationError, match="x has no key 'nonsense'"):
        build(role, {"nonsense": 1}, "x")
    with pytest.raises(ConfigurationError, match="mapping"):
        build(role, [], "x")


def test_own_words_and_the_request_before_the_result() -> None:
    outcome = build(Outcome, {"succeeded": ["Ready"], "no_data": ["Nothing To Do"]}, "outcome")
    assert outcome.own_words() == {"ready": Meaning.SUCCEEDED, "nothingtodo": Meaning.NO_DATA}
    result = build(ResultPlace, {"from": "GET docs/{id}", "url": "url"}, "result")
    assert result.source is not None
    assert result.source.path is not None
    assert (result.source.method, result.source.path.text, result.named) == ("GET", "docs/{id}", True)
