# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider.protocols._json_path import MISSING, parse, read, write

DOCUMENT = {"a": {"b": [{"c": 1}, {"c": None}], "x.y": 2, "": 3, "m~n": 4, "o/p": 5, "0": 6}}


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("", ()),
        ("a", ("a",)),
        ("$.a", ("a",)),
        ("a.b", ("a", "b")),
        ("a.b[1].c", ("a", "b", 1, "c")),
        ('a["x.y"]', ("a", "x.y")),
        ('$["x.y"].z', ("x.y", "z")),
        ('["q\\"uote"]', ('q"uote',)),
        ("[0]", (0,)),
        ("$id", ("$id",)),
        ("@odata.context", ("@odata", "context")),
        ("/a/b/1", ("a", "b", "1")),
        ("/", ("",)),
        ("/m~0n/o~1p", ("m~n", "o/p")),
        ("/~01", ("~1",)),
    ],
)
def test_a_path_is_taken_apart_in_either_spelling(path: str, steps: tuple[object, ...]) -> None:
    assert parse(path) == steps


@pytest.mark.parametrize(
    "path",
    [".", "a.", "a..b", "a[", "a[x]", "a[-]", "a]b", "$a]", "$.", "a[0]b", '["\\x"]', "/a~2", " a", "[*]"],
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        parse(path)


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="string"):
        parse(7)  # type: ignore[arg-type] # what a DAG's author may hand over
    with pytest.raises(ValueError, match="64 steps"):
        parse("/x" * 65)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b[0].c", 1),
        ("a.b[1].c", None),
        ("a.b[2].c", MISSING),
        ("a.b.c", MISSING),
        ("a.b.0.c", 1),
        ("a[0]", 6),
        ("a.nothing.more", MISSING),
        ("a.b[0].c.d", MISSING),
        ("/a/", 3),
        ("/a/m~0n", 4),
        ("/a/o~1p", 5),
        ("/a/b/0/c", 1),
        ("/a/b/00/c", MISSING),
        ("/a/b/-/c", MISSING),
        ('a["x.y"]', 2),
        ("$", DOCUMENT),
    ],
)
def test_reading_finds_the_place_or_says_that_there_is_none(path: str, found: object) -> None:
    assert read(DOCUMENT, path) == found


@pytest.mark.parametrize("document", [None, 1, "text", [], {}])
def test_reading_from_something_else_finds_nothing(document: object) -> None:
    assert read(document, "a.b") is MISSING
    assert not MISSING
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize(
    ("document", "path", "written"),
    [
        ({}, "a.b", {"a": {"b": "new"}}),
        (None, "a", {"a": "new"}),
        ({"a": None}, "a.b", {"a": {"b": "new"}}),
        ({"a": 1, "z": 2}, "a", {"a": "new", "z": 2}),
        ({"a": [1, 2]}, "a[0]", {"a": ["new", 2]}),
        ({"a": [1]}, "a[1]", {"a": [1, "new"]}),
        ({"a": [1]}, "/a/-", {"a": [1, "new"]}),
        ({"a": [{}]}, "/a/0/b", {"a": [{"b": "new"}]}),
        ({"old": 1}, "$", "new"),
    ],
)
def test_writing_gives_a_copy_with_the_value_and_leaves_the_document(
    document: object, path: str, written: object
) -> None:
    before = copy.deepcopy(document)
    assert write(document, path, "new") == written
    assert document == before


@pytest.mark.parametrize(
    ("document", "path"), [({"a": [1]}, "a[3]"), ({"a": 1}, "a.b"), ({"a": [1]}, "a.b"), ("text", "a")]
)
def test_writing_where_something_else_stands_is_refused(document: object, path: str) -> None:
    with pytest.raises(ValueError, match="JSON path"):
        write(document, path, "new")


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_is_refused(path: str) -> None:
    try:
        steps = parse(path)
    except ValueError:
        return
    assert all(isinstance(s, str | int) for s in steps)
    assert read(write({}, path, "here"), path) == "here"


@given(st.lists(st.text(max_size=8), max_size=6))
def test_a_pointer_made_of_any_keys_leads_to_them(keys: list[str]) -> None:
    path = "".join("/" + k.replace("~", "~0").replace("/", "~1") for k in keys)
    assert parse(path) == tuple(keys)
