# SPDX-License-Identifier: Apache-2.0
"""How far a job is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.places import Answer, Place
from airflow_async_provider.protocols._http.progress import percentage, progress_of


@pytest.mark.parametrize(
    ("places", "document", "share"),
    [
        (["p"], {"p": 37}, 0.37),
        (["p"], {"p": "37%"}, 0.37),
        (["p"], {"p": 0.5}, 0.5),
        (["p"], {"p": 250}, 1.0),
        (["p"], {"p": True}, None),
        (["p"], {}, None),
        (["done", "all"], {"done": 1, "all": 4}, 0.25),
        (["done", "all"], {"done": 1, "all": 0}, None),
        ([], {"p": 1}, None),
    ],
)
def test_a_progress(places: list[str], document: Any, share: float | None) -> None:
    answer = Answer(HttpResponse(200, Headers(), json.dumps(document).encode(), 0.0))
    assert progress_of([Place.parse(p, "progress") for p in places], answer) == share


@pytest.mark.parametrize(
    ("text", "share"), [("37%", 0.37), ("5", 0.05), ("soon", None), ("", None), ("300", None)]
)
def test_a_header_with_a_progress(text: str, share: float | None) -> None:
    assert percentage(text) == share
