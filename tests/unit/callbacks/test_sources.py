# SPDX-License-Identifier: Apache-2.0
"""What a push source is, and what a delivery says, without network and database."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider._callbacks.sources import MAX_PAYLOAD, Source, body_of
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import Headers
from airflow_async_provider.protocols._signature_forms import SCHEMES

JSON = {"Content-Type": "application/json"}


def source(**facts: Any) -> Source:
    return Source(**{"name": "s", "assets": ("a",), **facts})


def stored(made: Source) -> Source:
    fields = made.to_connection()
    return Source.from_connection(SimpleNamespace(**fields))


def test_a_source_is_the_same_after_its_connection() -> None:
    made = source(
        assets=("a/{body.x}", "b"),
        signature={"kind": "stripe", "tolerance": 60},
        keys=("k1", "k2"),
        when=("body.a", ["body.b==1", "header.c"]),
        payload={"id": "body.id"},
        delivery_id="body.id",
        team="blue",
        max_bytes=7,
        per_minute=9,
    ).with_address("0" * 64, 5.0, 0)
    again = stored(made)
    assert again == replace(made, when=("body.a", ["body.b==1", "header.c"]))
    assert "k1" not in repr(made)
    fields = made.to_connection()
    assert "k1" not in fields["extra"]
    assert json.loads(fields["password"]) == ["k1", "k2"]
    assert stored(source()) == source()


@pytest.mark.parametrize(
    "facts",
    [
        {"name": ""},
        {"name": "A"},
        {"name": "a/b"},
        {"name": "-a"},
        {"name": "a" * 41},
        {"assets": ()},
        {"assets": ("a",) * 11},
        {"assets": ("{id}",)},
        {"assets": ("{body.[}",)},
        {"payload": {"a": "id"}},
        {"payload": {str(n): "body" for n in range(51)}},
        {"delivery_id": "id"},
        {"signature": "github"},
        {"keys": ("k",)},
        {"signature": {"kind": "rsa"}, "keys": ("k",)},
        {"when": "body.a"},
        {"when": ("",)},
        {"max_bytes": 0},
        {"per_minute": 0},
    ],
)
def test_what_cannot_be_understood_is_refused_when_it_is_made(facts: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        source(**facts)


@pytest.mark.parametrize(
    "extra",
    ["", "[]", "{", '{"assets": 5}', '{"assets": ["a"], "addresses": [{"x": 1}]}', '{"assets": [""]}'],
)
def test_a_connection_that_describes_none_is_refused_without_showing_it(extra: str) -> None:
    conn = SimpleNamespace(conn_id="async_push_s", extra=extra, password="geheim")
    with pytest.raises(ConfigurationError) as refused:
        Source.from_connection(conn)
    assert "geheim" not in str(refused.value)


# -- addresses


def test_an_address_that_was_replaced_ends_after_its_grace() -> None:
    first = source().with_address("1" * 64, 100.0, 50)
    second = first.with_address("2" * 64, 200.0, 50)
    assert first.hashes(10**12) == ["1" * 64]
    assert second.hashes(249.0) == ["2" * 64, "1" * 64]
    assert second.hashes(251.0) == ["2" * 64]
    third = second.with_address("3" * 64, 210.0, 1000)  # which does not make the first one live longer
    assert third.hashes(251.0) == ["3" * 64, "2" * 64]
    assert first.with_address("2" * 64, 200.0, 0).hashes(200.0) == ["2" * 64]


# -- deliveries


def test_what_is_read_holds_no_credentials() -> None:
    made = source(signature="gitlab", keys=("k",))
    headers = {
        "X-Gitlab-Token": "k",
        "Authorization": "Bearer s",
        "Cookie": "c",
        "X-Gitlab-Event": "Push Hook",
    }
    assert made.document(Headers(headers), b"{}") == {"body": {}, "header": {"x-gitlab-event": "Push Hook"}}


@pytest.mark.parametrize("form", SCHEMES)
def test_each_form_has_an_id_where_its_sender_puts_it(form: str) -> None:
    from airflow_async_provider.simulators._signing import FORMS, Message

    made = source(signature=form, keys=("k",))
    headers = Headers(FORMS[form]("whsec_AAAA", Message("the-id", 1, b"")))
    found = made.id_of(made.document(headers, b'{"id": "the-id", "event_id": "the-id"}'))
    assert found == "the-id"
    assert made.signs_its_id() is (form in ("standard-webhooks", "svix", "stripe", "slack"))


def test_an_own_scheme_has_the_id_that_it_names() -> None:
    signed = {"header": "X-S", "signed": "{id}|{body}", "id": "X-Id"}
    made = source(signature=signed, keys=("k",))
    document = made.document(Headers({"X-Id": "7"}), b"")
    assert (made.id_of(document), made.signs_its_id()) == ("7", True)
    other = source(signature=signed, keys=("k",), delivery_id="header.x-other")
    assert (other.id_of(document), other.signs_its_id()) == ("", False)
    assert source().id_of(document) == ""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("x", "a/x"),
        (7, "a/7"),
        (" x ", "a/x"),
        (True, None),
        (None, None),
        ("", None),
        ("ü", None),
        ("a\nb", None),
        ({"x": 1}, None),
        ("x" * 1500, None),
    ],
)
def test_a_part_that_makes_no_name_leaves_the_asset_out(value: Any, name: str | None) -> None:
    made = source(assets=("a/{body.v}", "always"))
    document = made.document(Headers(JSON), json.dumps({"v": value}).encode())
    assert made.assets_of(document) == ([name] if name else []) + ["always"]


def test_a_part_is_not_filled_in_again() -> None:
    made = source(assets=("a/{body.v}",))
    assert made.assets_of({"body": {"v": "{body.v}"}, "header": {}}) == ["a/{body.v}"]


def test_the_bound_of_a_payload_is_its_size_as_it_is_stored() -> None:
    fits = "x" * (MAX_PAYLOAD - 2)
    assert source().payload_of({"body": fits}) == (fits, False)
    assert source().payload_of({"body": fits + "x"}) == (None, True)
    mapped = source(payload={"n": "body.n", "no": "body.x"})
    assert mapped.payload_of({"body": {"n": 1, "long": fits + "x"}}) == ({"n": 1}, False)


@given(st.binary(), st.sampled_from([JSON, {"Content-Type": "application/x-www-form-urlencoded"}, {}]))
def test_any_body_is_read_to_something_that_can_be_stored(body: bytes, headers: dict[str, str]) -> None:
    found = body_of(Headers(headers), body)
    text = json.dumps(found, allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters()) | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    )
)
def test_so_is_any_json(value: Any) -> None:
    found = body_of(Headers(JSON), json.dumps(value).encode())
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


def test_what_is_nested_too_deeply_is_nothing() -> None:
    for depth, there in ((59, True), (61, False), (100_000, False)):
        assert (body_of(Headers(JSON), b"[" * depth + b"]" * depth) is not None) is there
