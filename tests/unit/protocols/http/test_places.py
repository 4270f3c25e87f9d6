# SPDX-License-Identifier: Apache-2.0
"""Places and conditions of a description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError, DescriptionError
from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.places import MISSING, Answer, Conditions, Place, Places

DOCUMENT = {
    "id": 7,
    "none": None,
    "files": [{"url": "a"}, {"url": "b"}, {}],
    "assets": {"x": {"href": "c"}, "y": {"href": "d"}},
    "tables": [{"parts": [1, 2]}, {"parts": [3]}],
    "error": {"code": 0, "text": ""},
    "state": "DONE",
}


def answer(body: Any = DOCUMENT, kind: str = "application/json", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return Answer(HttpResponse(202, Headers(named), content, 0.0, "https://api.example/jobs/7?x=1"))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("id", 7),
        ("/files/1/url", "b"),
        ("none", None),
        ("nothing", MISSING),
        ("files[*].url", ["a", "b"]),
        ("assets[*].href", ["c", "d"]),
        ("tables[*].parts[*]", [1, 2, 3]),
        ("nothing[*].url", MISSING),
        ("header:content-location", "/m/7"),
        ("header:X-None", MISSING),
        ("header:Content-Location ~ /m/([0-9]+)", "7"),
        ("header:Content-Location ~ [0-9]+", "7"),
        ("header:Content-Location ~ /jobs/(.*)", MISSING),
        ("files[*].url ~ [ab]", ["a", "b"]),
        ("http:status", "202"),
        ("http:url", "https://api.example/jobs/7?x=1"),
        ("$", DOCUMENT),
    ],
)
def test_a_place_is_read(place: str, value: Any) -> None:
    assert Place.parse(place, "x").read(answer(Content_Location="/m/7")) == value


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        (b"COMPLETED\n", "text/plain", "COMPLETED"),
        (b'"job-77"', "", "job-77"),
        (b"job-77", "", "job-77"),
        ('{"a": "Müller"}'.encode("latin-1"), "application/json; charset=iso-8859-1", {"a": "Müller"}),
        ('{"a": 1}'.encode("utf-16"), "application/json", {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', "application/json", {"a": 1}),
        (b"", "", MISSING),
        (b"null", "application/json", None),
    ],
)
def test_the_whole_body_is_json_or_text(body: bytes, kind: str, value: Any) -> None:
    assert Place.parse("$", "x").read(answer(body, kind)) == value


def test_the_first_place_that_says_anything_counts() -> None:
    assert Places.parse(["nothing", "none", "id", "state"], "x").read(answer()) == 7
    assert Places.parse(["nothing", "none"], "x").read(answer()) is None
    assert Places.parse(["nothing"], "x").read(answer()) is MISSING


@pytest.mark.parametrize(
    "text", ["", 5, None, "a..b", "header:", "header:a b", "http:body", "a ~ (", "a[*].b..c"]
)
def test_a_place_that_is_none_is_refused(text: Any) -> None:
    with pytest.raises(ConfigurationError, match="where"):
        Place.parse(text, "where")


@pytest.mark.parametrize(
    ("place", "count"),
    [("files[0].url", 3), ("files[*].url", 1), ("/files/0/url", 1), ("id", 1), ("$", 1), ("header:X", 1)],
)
def test_an_index_that_picks_one_of_several_is_seen(place: str, count: int) -> None:
    assert Place.parse(place, "x").picks_one_of(answer()) == count


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ([], None),
        (["id"], "id"),
        (["error"], None),
        (["none"], None),
        (["state==done"], "state==done"),
        (["state!=done"], None),
        (["state!=running"], "state!=running"),
        (["nothing!=x"], None),
        (["nothing", "id==7"], "id==7"),
        ([["id==7", "state==done"]], "id==7 and state==done"),
        ([["id==7", "state==failed"]], None),
        (["files[*].url==b"], "files[*].url==b"),
        (["files[*].url!=b"], None),
        (["files[*].url!=z"], "files[*].url!=z"),
        (["http:status==202"], "http:status==202"),
        ("state==done", "state==done"),
    ],
)
def test_conditions(conditions: Any, holds: str | None) -> None:
    assert Conditions.parse(conditions, "x").holds(answer()) == holds


@pytest.mark.parametrize("conditions", [5, [5], [[]], ["==x"], {"a": 1}])
def test_conditions_that_are_none_are_refused(conditions: Any) -> None:
    with pytest.raises(ConfigurationError):
        Conditions.parse(conditions, "x")


def test_a_part_of_too_many_values_is_not_taken_for_all() -> None:
    document = {"files": [{"url": "a"}] * 10_001}
    with pytest.raises(DescriptionError, match=r"more than 10000 values at 'files\[\*\]\.url'"):
        Place.parse("files[*].url", "result.url").read(answer(document))


def test_null_is_unequal_only_where_it_is_a_value() -> None:
    conditions = Conditions.parse(["none!=0"], "failed_if")
    assert conditions.holds(answer())
    assert conditions.holds(answer(), null=False) is None


@pytest.mark.parametrize(
    ("place", "parent"),
    [("a.b", "a"), ("tasks[*].status", "tasks[*]"), ("status", None), ("/a/b", None), ("header:X-A.b", None)],
)
def test_the_object_that_holds_a_place(place: str, parent: str | None) -> None:
    found = Place.parse(place, "state").parent
    assert (found.source if found else None) == parent


@pytest.mark.parametrize(
    ("place", "parent"),
    [
        ("a.b.c", "a.b"),
        ("a[0].b", "a[0]"),
        ("a", None),
        ("$.a", None),
        ('a["b.c"]', None),
        ("/a/b", None),
        ("$", None),
    ],
)
def test_what_holds_a_place(place: str, parent: str | None) -> None:
    found = Place.parse(place, "x").parent
    assert (found and found.source) == parent
