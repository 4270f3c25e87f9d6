# SPDX-License-Identifier: Apache-2.0
"""What is stored about callbacks: samples of earlier versions stay readable, nothing hostile gets in."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider._callbacks import registration
from airflow_async_provider._callbacks.mailbox import delivery_for
from airflow_async_provider._callbacks.registration import (
    DEEPEST_VALUE,
    EMPTY_MAILBOX,
    MAX_REMOTE_STATUS,
    MAX_UNPACKED_TEXT,
    Delivery,
    Registration,
    as_stored,
    from_stored,
    plain,
    too_deep,
)
from airflow_async_provider.errors import CallbackError
from airflow_async_provider.protocols import JobState

#: As version 1 has stored them. Change nothing here: they lie in databases.
STORED_REGISTRATION = (
    'json:{"version":1,"secret_hash":"'
    + "ab" * 32
    + '","deadline":1793322000.5,"protocol":"automic","options":{"client":"100","fail_on_blocked":true},'
    '"conn_id":"automic_default","hook":"airflow_async_provider.hooks.automic.AutomicHook","signature":null,'
    '"max_bytes":1048576,"settle":10.0,"pollable":true,"keep_body":false}'
)
STORED_DELIVERY = (
    'json:{"version":1,"state":"succeeded","remote_status":"1900","received_at":1793321000.25,"message":null,'
    '"value":{"rows":[1,2]},"detail":{"job_id":"7"},"delivery_id":"d-1","error":null,'
    '"submission":"abababababababab"}'
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def changed(stored: str, **changes: Any) -> str:
    return "json:" + json.dumps({**json.loads(stored.removeprefix("json:")), **changes})


def test_a_stored_registration_is_read() -> None:
    found = Registration.from_dict(STORED_REGISTRATION)
    assert found == Registration(
        secret_hash="ab" * 32,
        deadline=1793322000.5,
        protocol="automic",
        options={"client": "100", "fail_on_blocked": True},
        conn_id="automic_default",
        hook="airflow_async_provider.hooks.automic.AutomicHook",
    )
    assert found.to_text() == STORED_REGISTRATION
    assert Registration.from_dict(found.to_dict()) == found
    assert found.submission == "abababababababab"


def test_a_stored_delivery_is_read() -> None:
    found = Delivery.from_dict(STORED_DELIVERY)
    assert found == Delivery(
        state="succeeded",
        remote_status="1900",
        received_at=1793321000.25,
        value={"rows": [1, 2]},
        detail={"job_id": "7"},
        delivery_id="d-1",
        submission="ab" * 8,
    )
    assert found.to_text() == STORED_DELIVERY
    assert Delivery.from_dict(found.to_dict()) == found


def test_fields_of_later_versions_are_ignored_and_missing_ones_have_defaults() -> None:
    assert Registration.from_dict(changed(STORED_REGISTRATION, novelty=[1])) is not None
    assert Delivery.from_dict(changed(STORED_DELIVERY, novelty=[1])) == Delivery.from_dict(STORED_DELIVERY)
    short = Registration.from_dict('json:{"version":1,"secret_hash":"x","deadline":1,"protocol":"p"}')
    assert (short.max_bytes, short.settle, short.pollable, short.keep_body) == (1048576, 10.0, True, False)
    assert Delivery.from_dict('json:{"version":1,"state":"failed"}') == Delivery(state="failed")


@pytest.mark.parametrize("stored", [STORED_REGISTRATION, STORED_DELIVERY])
@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_layout_is_not_guessed_at(stored: str, version: Any) -> None:
    assert Registration.from_dict(changed(stored, version=version)) is None
    assert Delivery.from_dict(changed(stored, version=version)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"deadline": "soon"},
        {"settle": None},
        {"max_bytes": "1"},
        {"secret_hash": 5},
        {"secret_hash": None},
        {"protocol": ["automic"]},
    ],
)
def test_an_edited_registration_is_none(changes: dict[str, Any]) -> None:
    assert Registration.from_dict(changed(STORED_REGISTRATION, **changes)) is None


@pytest.mark.parametrize("changes", [{"received_at": "x"}, {"received_at": None}, {"detail": 3}])
def test_an_edited_delivery_is_none(changes: dict[str, Any]) -> None:
    assert Delivery.from_dict(changed(STORED_DELIVERY, **changes)) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        EMPTY_MAILBOX,
        "json:",
        "json:[1]",
        "json:{",
        '{"version":1,"state":"x"}',
        7,
        [],
        {},
        "json:" + "[" * 99999,
    ],
)
def test_anything_else_is_none(value: Any) -> None:
    assert Registration.from_dict(value) is None
    assert Delivery.from_dict(value) is None


def test_a_registration_holds_no_secret() -> None:
    assert "secret" not in set(Registration.from_dict(STORED_REGISTRATION).to_dict()) - {"secret_hash"}


@given(JSON)
def test_any_result_comes_back(value: Any) -> None:
    delivery = Delivery(state="succeeded", value=value, detail={"x": value})
    assert Delivery.from_dict(delivery.to_text()) == delivery


@given(JSON)
def test_a_long_result_comes_back_as_well(value: Any) -> None:
    delivery = Delivery(state="succeeded", value=["x" * MAX_UNPACKED_TEXT, value])
    assert delivery.to_text().startswith("zlib:")
    assert Delivery.from_dict(delivery.to_text()) == delivery


def test_a_long_text_is_packed_and_hostile_ones_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = as_stored({"x": "\0 \ud800 é" * MAX_UNPACKED_TEXT})
    assert stored.isascii()
    assert len(stored) < 500
    assert from_stored(stored) == {"x": "\0 \ud800 é" * MAX_UNPACKED_TEXT}
    packed = stored.removeprefix("zlib:")
    for broken in ("", "é", packed[:-8], "AAAA" + packed, packed.replace("A", "B"), packed + "!"):
        assert from_stored("zlib:" + broken) is None
    monkeypatch.setattr(registration, "MAX_UNPACKED", 1000)
    assert from_stored(stored) is None


def test_a_result_that_lies_elsewhere_is_no_empty_result() -> None:
    with pytest.raises(CallbackError, match="no longer in the task's memory"):
        Delivery(state="succeeded", kept=True).to_status()


def test_a_result_is_not_shown() -> None:
    assert "the result" not in repr(Delivery(state="succeeded", value="the result"))


def test_what_is_stored_is_text_that_neither_the_database_nor_airflow_takes_apart() -> None:
    stored = as_stored({"__classname__": "os.system", "x": "\0 \ud800 é"})
    assert stored.isascii()
    assert "\0" not in stored
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(stored)
    assert from_stored(stored) == {"__classname__": "os.system", "x": "\0 \ud800 é"}


def test_a_result_that_is_no_json_is_stored_as_its_text() -> None:
    delivery = Delivery.from_dict(Delivery(state="succeeded", value={"at": b"\x00"}).to_text())
    assert delivery.value == {"at": "b'\\x00'"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"delivery_id": "1"}, {"delivery_id": "1", "remote_status": "x"}, True),
        ({"delivery_id": "1"}, {"delivery_id": "2"}, False),
        ({"delivery_id": "1"}, {}, True),
        ({}, {"received_at": 5.0, "message": "again"}, True),
        ({}, {"remote_status": "1800"}, False),
        ({}, {"state": "failed"}, False),
        ({}, {"error": "CallbackError"}, False),
    ],
)
def test_which_letters_are_the_same_delivery(one: Any, other: Any, same: bool) -> None:
    first = Delivery(**{"state": "succeeded", "remote_status": "1900", **one})
    second = Delivery(**{"state": "succeeded", "remote_status": "1900", **other})
    assert first.same_as(second) is same
    assert second.same_as(first) is same


def test_a_delivery_is_for_one_submission() -> None:
    assert delivery_for("ab" * 8, STORED_DELIVERY) is not None
    assert delivery_for("", STORED_DELIVERY) is not None
    assert delivery_for("cd" * 8, STORED_DELIVERY) is None
    assert delivery_for("ab" * 8, EMPTY_MAILBOX) is None


def test_an_event_carries_states_and_counters_only() -> None:
    delivery = Delivery(
        state="error", remote_status="n", message="m", value="v", detail={"d": 1}, error="CallbackError"
    )
    assert delivery.to_event() == {
        "version": 1,
        "state": "error",
        "remote_status": "n",
        "via": "callback",
        "polls": 0,
        "errors": 0,
        "received_at": 0.0,
        "error": "CallbackError",
    }
    assert "error" not in Delivery(state="succeeded").to_event()


@pytest.mark.parametrize("state", list(JobState))
def test_a_delivery_becomes_a_status(state: JobState) -> None:
    status = Delivery(
        state=state.value, remote_status="n", message="m", value=[1], detail={"d": 1}
    ).to_status()
    assert (status.state, status.remote_status, status.message, status.detail) == (state, "n", "m", {"d": 1})
    assert (status.result is not None) is (state is JobState.SUCCEEDED)


def test_a_state_of_a_later_version_counts_as_running() -> None:
    assert Delivery(state="levitating").to_status().state is JobState.RUNNING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1900", "1900"),
        ("a\0b\nc\ud800", "a?b?c?"),
        ("x" * 999, "x" * MAX_REMOTE_STATUS),
        (7, "7"),
        ("é✓", "é✓"),
    ],
)
def test_words_of_the_remote_are_bounded_and_printable(text: Any, expected: str) -> None:
    assert plain(text) == expected


def nested(depth: int, shape: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if shape == "list" else {"k": value}
    return value


@pytest.mark.parametrize("shape", ["list", "dict"])
def test_what_is_nested_too_deeply(shape: str) -> None:
    assert not too_deep(nested(DEEPEST_VALUE - 1, shape))
    assert too_deep(nested(DEEPEST_VALUE + 1, shape))
    assert too_deep(nested(50_000, shape))
    assert not too_deep("text")
    assert not too_deep(None)


def test_job_ids_of_letters_are_text() -> None:
    assert Delivery(state="failed", detail={"job_id": 7}).job_id == "7"
    assert Delivery(state="failed").job_id is None


def test_a_long_text_of_any_script_takes_no_more_room_than_its_bytes() -> None:
    chance = random.Random(7)
    text = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    stored = as_stored({"text": text})
    assert from_stored(stored) == {"text": text}
    assert len(stored) < len(text.encode())
