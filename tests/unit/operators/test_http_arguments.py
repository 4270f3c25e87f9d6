# SPDX-License-Identifier: Apache-2.0
"""From the arguments of the generic operator and sensor to a profile and a request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators._http_arguments import (
    body_of,
    cancel_option,
    check_profile,
    is_generic,
    is_repeatable,
    key_for,
    profile_name,
)

OWN_CLASS = "airflow_async_provider.protocols._jaggaer_aso.JaggaerAsoProtocol"

# -- profiles


@pytest.mark.parametrize(
    ("profile", "options", "words"),
    [
        ("soap", None, "'soap' is not a profile"),
        ("no/such/file.yaml", None, "cannot be read"),
        ("nosuchfile.yml", None, "cannot be read"),
        ("location", {"colour": 1}, "no option 'colour'"),
        ({"start": 5}, None, "start"),
    ],
)
def test_a_profile_that_cannot_be_is_reported_when_the_dag_is_parsed(
    profile: Any, options: Any, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        check_profile(profile, options)


@pytest.mark.parametrize(
    ("profile", "options"),
    [
        ("location", None),
        ("location", {"result_field": "$"}),
        ("{{ params.profile }}", {"colour": 1}),
        ("package.that.only.workers.have.Protocol", None),
        ("location", "{{ params.options }}"),
        (SimpleNamespace(), None),  # an XComArg, which has a value only when the task runs
    ],
)
def test_what_has_still_to_be_rendered_or_imported_is_left_for_the_task(profile: Any, options: Any) -> None:
    check_profile(profile, options)


@pytest.mark.parametrize(
    ("profile", "name", "generic"),
    [
        ("location", "http_location", True),
        ("openai_batch", "http_api", True),
        ({"extends": "odata"}, "http_odata", True),
        (OWN_CLASS, OWN_CLASS, False),
    ],
)
def test_how_handles_and_callbacks_call_a_profile(profile: Any, name: str, generic: bool) -> None:
    assert profile_name(profile) == name
    assert is_generic(profile) is generic


# -- what is sent


def test_a_dictionary_is_a_form_unless_the_author_says_otherwise() -> None:
    body, headers = body_of({"a": ["1", "2"], "b": "ü &"}, {"X": "1"})
    assert parse_qs((body or b"").decode("ascii")) == {"a": ["1", "2"], "b": ["ü &"]}
    assert headers == {"X": "1", "Content-Type": "application/x-www-form-urlencoded"}
    _, headers = body_of({"a": 1}, {"content-TYPE": "application/x-acme"})
    assert headers == {"content-TYPE": "application/x-acme"}


@pytest.mark.parametrize(
    ("data", "body"), [(None, None), ("ü", "ü".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")]
)
def test_anything_else_goes_as_it_is_with_the_headers_as_they_are(data: Any, body: bytes | None) -> None:
    given = {"X": "1"}
    sent, headers = body_of(data, given)
    assert (sent, headers) == (body, given)
    assert headers is not given  # whoever adds one to it changes nothing of the task's


@pytest.mark.parametrize("data", [5, ["a"], object()])
def test_what_is_no_body_is_named(data: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"text, bytes or a dictionary, not {type(data).__name__}"):
        body_of(data, {})


@pytest.mark.parametrize(
    ("cancel", "option"),
    [
        (None, {}),
        (False, {"cancel_by": None}),
        ("delete", {"cancel_by": "delete"}),
    ],
)
def test_leaving_the_cancelling_to_the_profile_is_not_forbidding_it(cancel: Any, option: Any) -> None:
    assert cancel_option(cancel) == option


@pytest.mark.parametrize(
    ("method", "key", "said", "repeatable"),
    [
        ("POST", None, None, False),
        ("POST", "k", None, True),
        ("put", None, None, True),
        ("PATCH", None, None, False),
        ("GET", "k", False, False),
        ("POST", None, True, True),
    ],
)
def test_whether_starting_twice_does_no_harm(method: str, key: Any, said: Any, repeatable: bool) -> None:
    assert is_repeatable(method, idempotency_key=key, repeatable=said) is repeatable


# -- the key of a job


def context(*, max_tries: int = 1, store: bool = False, **names: Any) -> dict[str, Any]:
    given = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, **names}
    ti = SimpleNamespace(max_tries=max_tries, **given)
    return {"ti": ti, "task_state_store": {}} if store else {"ti": ti}


def test_without_a_memory_the_key_is_the_task_instance_s() -> None:
    key = key_for(context(), "of this try")
    assert key_for(context(), "of the next one") == key
    others: list[dict[str, Any]] = [
        {"dag_id": "e"},
        {"run_id": "s"},
        {"task_id": "u"},
        {"map_index": 0},
        {"max_tries": 2},
    ]
    assert len({key, *(key_for(context(**other), "x") for other in others)}) == 1 + len(others)


def test_with_a_memory_the_key_is_that_of_the_job() -> None:
    key = key_for(context(store=True), "a")
    assert key_for(context(store=True), "a") == key
    assert key_for(context(store=True), "b") != key
    assert key_for(context(store=True, max_tries=2), "a") != key  # a person has cleared the task
