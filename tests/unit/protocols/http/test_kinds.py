# SPDX-License-Identifier: Apache-2.0
"""Each kind of value of a description reads what it should, and says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http import kinds
from airflow_async_provider.protocols._http.words import Meaning


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (kinds.text, 5, "5"),
        (kinds.text, True, "true"),
        (kinds.flag, "True", True),
        (kinds.flag, "{{ x }}", False),
        (kinds.number, "2.5", 2.5),
        (kinds.words, [1, "a", True], ("1", "a", "true")),
        (kinds.codes, 201, (201,)),
        (
            kinds.meanings,
            {"422": "failed", "4xx": "running", 404: None},
            {"422": Meaning.FAILED, "4xx": Meaning.RUNNING},
        ),
        (kinds.text_by_name, {"a": 1, "b": None}, {"a": "1"}),
        (kinds.packing, "gzip", "gzip"),
        (kinds.place_or_none, False, None),
        (kinds.one_of("a", "{{"), "{{ x }}", "{{ x }}"),
    ],
)
def test_a_value_is_read(kind: kinds.Kind, value: Any, read: Any) -> None:
    assert kind(value, "where") == read


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.text, ""),
        (kinds.text, []),
        (kinds.flag, "yes"),
        (kinds.flag, 1),
        (kinds.number, -1),
        (kinds.number, True),
        (kinds.number, "soon"),
        (kinds.words, "a"),
        (kinds.words, [None]),
        (kinds.codes, [99]),
        (kinds.codes, ["x"]),
        (kinds.meanings, []),
        (kinds.meanings, {"6xx": "failed"}),
        (kinds.meanings, {"422": "broken"}),
        (kinds.text_by_name, "x"),
        (kinds.places_by_name, {"a-b": "x"}),
        (kinds.progress, "a / b / c"),
        (kinds.regex, "("),
        (kinds.json_place, "a..b"),
        (kinds.one_of("a", "b"), "c"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(kind: kinds.Kind, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="where"):
        kind(value, "where")
