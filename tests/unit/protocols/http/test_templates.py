# SPDX-License-Identifier: Apache-2.0
"""Texts with ``{name}`` in them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http.places import MISSING
from airflow_async_provider.protocols._http.templates import (
    PathTemplate,
    check_names,
    fill_body,
    fill_text,
    names_in,
)

VALUES: dict[str, Any] = {
    "job_id": "7",
    "number": 7,
    "odd": "a/b c+=",
    "name": "operations/7",
    "status_url": "https://a/m?api-version=1",
    "build": "https://a/job/1/",
    "content_url": "services/jobs/1/batches",
    "files": MISSING,
    "files[*]": ["a b.zip", "c.zip"],
    "null": None,
    "up": "../x",
}


def lookup(name: str) -> Any:
    return VALUES.get(name, MISSING)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("fixed", "fixed"),
        ("jobs/{job_id}", "jobs/7"),
        ("jobs/{number}/x", "jobs/7/x"),
        ("jobs/{odd}", "jobs/a%2Fb%20c%2B%3D"),
        ("v1/{+name}:cancel", "v1/operations/7:cancel"),
        ("{status_url}", "https://a/m?api-version=1"),
        ("{status_url}/cancel", "https://a/m/cancel?api-version=1"),
        ("{status_url}/results?format=csv", "https://a/m/results?format=csv&api-version=1"),
        ("{build}api/json", "https://a/job/1/api/json"),
        ("{content_url}", "services/jobs/1/batches"),
        ("queue/cancelItem?id={job_id}", "queue/cancelItem?id=7"),
        ("{job_id}/x/{odd}", "7/x/a%2Fb%20c%2B%3D"),
    ],
)
def test_a_path_is_filled(template: str, filled: str) -> None:
    assert PathTemplate.parse(template, "x").fill(lookup) == filled


@pytest.mark.parametrize(
    ("value", "words"),
    [("..", "part of a path"), (".", "part of a path"), ("", "part of a path"), (None, "no value")],
)
def test_an_id_cannot_lead_to_another_place(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PathTemplate.parse("jobs/{job_id}", "x").fill(lambda _: value)
    with pytest.raises(ValueError, match=words):
        PathTemplate.parse("v1/{+job_id}", "x").fill(lambda _: value)


def test_an_id_is_no_template_itself() -> None:
    assert (
        PathTemplate.parse("jobs/{job_id}", "x").fill(lambda _: "../x?y#{job_id}")
        == "jobs/..%2Fx%3Fy%23%7Bjob_id%7D"
    )
    with pytest.raises(ValueError, match="part of a path"):
        PathTemplate.parse("v1/{+job_id}", "x").fill(lambda _: "operations/../admin")
    with pytest.raises(ValueError, match="part of a path"):
        PathTemplate.parse("{up}/x", "x").fill(lookup)


def test_several_values_make_several_addresses() -> None:
    assert PathTemplate.parse("f/{files[*]}", "x").fill_all(lookup) == ["f/a%20b.zip", "f/c.zip"]
    assert PathTemplate.parse("f/{null}", "x").fill_all(lookup) == []
    assert PathTemplate.parse("f/{job_id}", "x").fill_all(lookup) == ["f/7"]
    with pytest.raises(ValueError, match="no value"):
        PathTemplate.parse("f/{none[*]}", "x").fill_all(lookup)


@pytest.mark.parametrize("text", ["", "a b", "{job_id", "a}", "a\\b", 5, None])
def test_a_path_template_that_is_none_is_refused(text: Any) -> None:
    with pytest.raises(ConfigurationError, match="path template"):
        PathTemplate.parse(text, "x")


def test_what_airflow_has_still_to_render_is_left_alone() -> None:
    assert PathTemplate.parse("jobs/{{ params.a }}/{job_id}", "x").names == ()
    assert names_in({"a": "{{ ds }}", "b": "{job_id}"}) == {"job_id"}


@pytest.mark.parametrize(
    ("body", "filled"),
    [
        ("{job_id}", "7"),
        ("{number}", 7),
        ({"a": ["{number}", "n {number}"], "b": 5}, {"a": [7, "n 7"], "b": 5}),
        (
            'query { node(id: "{job_id}") { ... on Job { id } } }',
            'query { node(id: "7") { ... on Job { id } } }',
        ),
        ("{unknown}", "{unknown}"),
    ],
)
def test_a_body_is_filled_and_keeps_other_braces(body: Any, filled: Any) -> None:
    assert fill_body(body, lookup) == filled


def test_a_query_value_must_have_its_value() -> None:
    assert fill_text("a{job_id}", lookup) == "a7"
    with pytest.raises(ValueError, match=r"no value for \{unknown\}"):
        fill_text("{unknown}", lookup)


def test_a_name_that_nothing_fills_is_reported_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'job_id'"):
        check_names(["jobid"], ["job_id", "status_url"], "poll", strict=True)
    with pytest.raises(ConfigurationError, match="Known are"):
        check_names(["colour"], ["job_id"], "poll", strict=True)
    with pytest.raises(ConfigurationError):
        check_names(["job_idd"], ["job_id"], "poll", strict=False)
    check_names(["colour"], ["job_id"], "poll", strict=False)
