# SPDX-License-Identifier: Apache-2.0
"""Addresses of callbacks: any task has exactly one, no text breaks them, secrets show nowhere."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_async_provider._callbacks import address as module
from airflow_async_provider._callbacks.address import (
    MAX_SECRET,
    MAX_TOKEN,
    NO_HASH,
    CallbackAddress,
    TaskKey,
    attempt_of,
    hash_of,
    matches,
    new_address,
)
from airflow_async_provider.errors import ConfigurationError

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=250)
ATTEMPTS = st.just("") | st.uuids().map(lambda value: value.hex)
KEYS = st.builds(TaskKey, IDS, IDS, IDS, st.integers(-1, 2**31 - 1), ATTEMPTS)
KEY = TaskKey("dag", "manual__2026-11-22T03:04:05.123456+00:00", "group.task", 7)

ATTEMPT = UUID("019e1a2b-3c4d-7e5f-8a6b-7c8d9e0fabcd")


def token_of(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


@given(KEYS)
@example(KEY)
@example(TaskKey("d", "scheduled__2026-11-22T00:00:00+00:00", "t"))
def test_every_task_comes_back_from_its_address(key: TaskKey) -> None:
    token = key.encode()
    assert TaskKey.decode(token) == key
    # One path segment that every proxy leaves alone.
    assert quote(token, safe="") == token == unquote(token)


@given(KEYS, KEYS)
def test_two_tasks_never_share_an_address(one: TaskKey, other: TaskKey) -> None:
    assert (one.encode() == other.encode()) == (one == other)


@pytest.mark.parametrize("letter", ["x", "Ä", "漢", "🐘", '"', "\\", "\x01"])
def test_the_longest_ids_that_airflow_allows_fit(letter: str) -> None:
    key = TaskKey(letter * 250, letter * 250, letter * 250, 2**31 - 1)
    assert TaskKey.decode(key.encode()) == key


def test_an_address_of_an_earlier_version_names_no_try() -> None:
    # Made by version 0.1.0 for this very task; remotes may hold such addresses for days.
    token = token_of(["dag", "manual__2026-11-22T03:04:05.123456+00:00", "group.task", 7])
    assert TaskKey.decode(token) == KEY
    assert KEY.encode() == token


@pytest.mark.parametrize(
    "attempt",
    [
        "",
        "x",
        "0" * 31,
        "0" * 33,
        str(ATTEMPT),
        ATTEMPT.hex.upper(),
        f"urn:uuid:{ATTEMPT}",
        None,
        7,
        True,
        [],
    ],
)
def test_a_try_has_one_spelling(attempt: object) -> None:
    parts = [KEY.dag_id, KEY.run_id, KEY.task_id, KEY.map_index]
    assert TaskKey.decode(token_of([*parts, ATTEMPT.hex])) == replace(KEY, attempt=ATTEMPT.hex)
    assert TaskKey.decode(token_of([*parts, attempt])) is None
    assert TaskKey.decode(token_of([*parts, ATTEMPT.hex, ATTEMPT.hex])) is None


def test_what_airflow_gives_as_the_id_of_a_try() -> None:
    assert attempt_of(ATTEMPT) == attempt_of(str(ATTEMPT)) == ATTEMPT.hex
    assert attempt_of(None) == attempt_of("0193") == ""


def test_only_one_spelling_of_a_task_is_accepted() -> None:
    parts = [KEY.dag_id, KEY.run_id, KEY.task_id, KEY.map_index]
    token = KEY.encode()
    assert token == token_of(parts)
    others = [
        token + "=",
        token + "==",
        token_of(json.dumps(parts)),  # with blanks
        token_of(json.dumps(parts, separators=(",", ":")).replace("dag", "d\\u0061g")),
        token_of(json.dumps([*parts[:3], 7.0])),
        base64.b64encode(token_of(parts).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(parts).encode("utf-16")).decode().rstrip("="),
        token.upper(),
        " " + token,
        token + "\n",
    ]
    assert [o for o in others if TaskKey.decode(o) is not None] == []
    # Bits that base64 does not need.
    spare = next(t for t in (TaskKey("d" * n, "r", "t").encode() for n in range(1, 4)) if len(t) % 4 == 2)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = spare[:-1] + alphabet[alphabet.index(spare[-1]) ^ 1]
    assert base64.urlsafe_b64decode(twin + "==") == base64.urlsafe_b64decode(spare + "==")
    assert TaskKey.decode(spare) is not None
    assert TaskKey.decode(twin) is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        ["d", "r", "t"],
        ["d", "r", "t", -1, 0],
        ["d", "r", "t", True],
        ["d", "r", "t", None],
        ["d", "r", "t", "1"],
        ["d", "r", "t", -2],
        ["d", "r", "t", 2**31],
        ["d", "r", "t", 10**400],
        ["d", "r\0", "t", -1],
        ["d", "r", 5, -1],
        {"d": 1},
        "text",
        7,
        None,
        '["d","r","\ud800",-1]',
        '["d","r","t",' + "9" * 5000 + "]",
        '["d","r","t",NaN]',
        "[" * 3000,
        "",
    ],
)
def test_what_is_no_task_is_none(value: object) -> None:
    assert TaskKey.decode(token_of(value)) is None


@given(
    st.text()
    | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode())
    | st.text("abcAB01-_=+/%. \0é")
)
@example("A" * (MAX_TOKEN + 1))
@example("\ud800")
def test_no_text_breaks_decoding(token: str) -> None:
    key = TaskKey.decode(token)
    assert key is None or key.encode() == token


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://airflow.example", "https://airflow.example"),
        ("https://airflow.example/", "https://airflow.example"),
        (" https://airflow.example/team/a//\n", "https://airflow.example/team/a"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_lies_below_the_base(base: str, expected: str) -> None:
    address = new_address(base, KEY)
    assert address.url == f"{expected}/async-provider/callbacks/v1/{KEY.encode()}"
    assert address.url_with_secret == f"{address.url}/{address.secret}"
    assert address.authorization == f"Bearer {address.secret}"
    assert urlsplit(address.url_with_secret).path.rsplit("/", 2)[1] == KEY.encode()


@pytest.mark.parametrize(
    "base",
    [
        "",
        "airflow.example",
        "ftp://airflow.example",
        "https://",
        "https://airflow.example?a=b",
        "https://airflow.example/#x",
        "https://airflow.example:port",
        "https://airflow.example:99999",
        "https://airflow.example:0",
        "https://user:hunter2@airflow.example",
        "https://hunter2@airflow.example",
        "https://airflow.example/a b",
        "https://airflow.example/a\r\nX: y",
        "https:\\\\airflow.example",
        "https://[::1",
    ],
)
def test_a_base_that_no_remote_could_call_is_refused_without_quoting_it(base: str) -> None:
    with pytest.raises(ConfigurationError, match="callback base URL") as caught:
        new_address(base, KEY)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_fresh_long_and_hidden() -> None:
    addresses = [new_address("https://airflow.example", KEY) for _ in range(50)]
    assert len({a.secret for a in addresses}) == 50
    for address in addresses:
        assert len(base64.urlsafe_b64decode(address.secret + "=")) == 32  # 256 bits
        assert len(address.secret) <= MAX_SECRET
        assert address.secret not in repr(address)
        assert address.secret not in str(address)
        assert address.secret not in hash_of(address.secret)
        assert address.secret not in address.url


@given(st.text(max_size=600), st.text(max_size=80) | st.none() | st.integers() | st.just(NO_HASH))
def test_only_the_secret_itself_matches(secret: str, other: object) -> None:
    assert matches(secret, hash_of(secret)) is (0 < len(secret) <= MAX_SECRET)
    assert matches(secret, other) is False
    assert matches(secret + "x", hash_of(secret)) is False


def test_nothing_matches_where_nothing_is_known() -> None:
    assert not matches(None, None)
    assert not matches("", NO_HASH)
    assert not matches("", hash_of(""))
    assert not matches(None, hash_of(""))
    assert not matches("x" * (MAX_SECRET + 1), hash_of("x" * (MAX_SECRET + 1)))


def test_every_comparison_is_made_in_constant_time_and_over_the_same_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(module.hmac, "compare_digest", watched)
    for secret in (None, "", "short", "x" * 43, "x" * 10_000, "ü\ud800"):
        for known in (None, NO_HASH, hash_of("x" * 43), "cut", 7):
            matches(secret, known)
    assert set(compared) == {(64, 64)}
    assert len(compared) == 30


def test_an_address_is_plain_data() -> None:
    assert CallbackAddress("https://a", "s") == CallbackAddress("https://a", "s")
