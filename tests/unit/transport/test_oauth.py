# SPDX-License-Identifier: Apache-2.0
"""OAuth 2.0 client credentials: how a token is asked for, when it is replaced, and that nothing shows it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import pytest

from airflow_async_provider._transport import oauth as module
from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    OriginError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
from tests.support.token_client import answer, client


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


def test_the_token_request_is_that_of_rfc_6749() -> None:
    request = client(scope="a b", token_extra={"X-API-Key": "k"}).token_request()
    assert (request.method, request.url) == ("POST", "https://auth.example/oauth2/token?tenant=canary")
    assert parse_qs((request.body or b"").decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["a b"],
    }
    encoded = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded) == b"aso%20client:s%3Ae%2Fc%2Br%26t"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["X-API-Key"] == "k"
    assert b"scope" not in (client().token_request().body or b"")


def test_a_token_is_fetched_when_there_is_none(clock: Clock) -> None:
    auth = client(extra={"X-API-Key": "k"})
    assert auth.headers() is None
    auth.accept_token(answer(access_token="t-1", expires_in=3600))
    assert auth.headers() == {"Authorization": "Bearer t-1", "X-API-Key": "k"}


@pytest.mark.parametrize(
    ("life", "good_for"),
    [(3600, 3540), ("3600", 3540), (600, 540), (100, 90), (10, 9), (None, 1e9), ("soon", 1e9), ([], 1e9)],
)
def test_a_token_is_replaced_before_its_end(clock: Clock, life: Any, good_for: float) -> None:
    auth = client()
    auth.accept_token(answer(access_token="t", expires_in=life))
    clock.now += good_for - 1
    assert auth.headers() is not None
    clock.now += 2
    assert (auth.headers() is None) == (good_for < 1e9)


@pytest.mark.parametrize("raw", [b"NaN", b"1e999", b"1" * 400])
def test_a_life_beyond_numbers_is_for_ever(clock: Clock, raw: bytes) -> None:
    auth = client()
    auth.accept_token(answer(body=b'{"access_token": "t", "expires_in": ' + raw + b"}"))
    clock.now += 1e9
    assert auth.headers() is not None


@pytest.mark.parametrize("life", [0, -5])
def test_a_token_that_has_expired_already_is_none(clock: Clock, life: int) -> None:
    auth = client()
    auth.accept_token(answer(access_token="t", expires_in=life))
    assert auth.headers() is None


def test_a_refused_token_is_forgotten_unless_it_was_replaced_meanwhile() -> None:
    auth = client()
    auth.accept_token(answer(access_token="t-1"))
    refused = dict(auth.headers() or {})
    assert auth.reject(refused)
    assert auth.headers() is None
    auth.accept_token(answer(access_token="t-2"))
    assert auth.reject(refused)  # another job was refused with the old token; the new one is good
    assert auth.headers() == {"Authorization": "Bearer t-2"}


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_client_credentials(status: int) -> None:
    with pytest.raises(AuthenticationError) as caught:
        client().accept_token(
            answer(status, error="invalid_client", error_description="no such client, canary s:e/c+r&t")
        )
    assert caught.value.http_status == status
    assert "invalid_client: no such client, canary ***" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, RequestRefusedError), (302, OriginError), (429, TransientError), (503, TransientError)],
)
def test_other_answers_of_the_token_endpoint(status: int, error: type[AsyncJobError]) -> None:
    with pytest.raises(error):
        client().accept_token(answer(status))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>canary",
        b'"canary"',
        b'{"token": "canary"}',
        b'{"access_token": null}',
        b'{"access_token": ""}',
        b'{"access_token": "canary\\nX: y"}',
        b'{"access_token": "can ary"}',
        '{"access_token": "canary-ü"}'.encode(),
        b'{"access_token": {"canary": 1}}',
    ],
)
def test_an_answer_without_a_usable_token_is_unreadable_and_never_shown(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        client().accept_token(answer(body=body))
    assert "canary" not in str(caught.value)
    assert "canary" not in caught.value.excerpt


def test_its_repr_shows_no_more_than_the_host() -> None:
    auth = client(client_secret="canary", extra={"X-API-Key": "canary"})
    auth.accept_token(answer(access_token="canary"))
    assert repr(auth) == "ClientCredentialsAuth(https://auth.example)"
