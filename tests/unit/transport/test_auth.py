# SPDX-License-Identifier: Apache-2.0
"""Credential headers: where they come from, when they are replaced, and that nothing repeats them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider._transport.auth import (
    Auth,
    StaticAuth,
    basic,
    before_sending,
)
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider.errors import (
    AuthenticationError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._redaction import secrets_of, without
from tests.support.token_client import answer, client


def test_no_credentials_at_all() -> None:
    auth = Endpoint(base_url="https://remote.example").auth
    assert auth.headers() == {}
    assert auth.headers() is auth.headers()
    assert not auth.reject({})


def test_headers_that_never_change() -> None:
    auth = StaticAuth({"Authorization": "Bearer canary"})
    assert auth.headers() == {"Authorization": "Bearer canary"}
    assert not auth.reject(auth.headers())  # another try would bring the same
    assert "canary" not in repr(auth)


def test_an_auth_without_tokens_has_no_token_request() -> None:
    class Fixed(Auth):
        def headers(self) -> dict[str, str]:
            return {}

    with pytest.raises(NotImplementedError):
        Fixed().token_request()
    with pytest.raises(NotImplementedError):
        Fixed().accept_token(answer())


def test_basic_in_both_encodings() -> None:
    assert base64.b64decode(basic("u", "ü").removeprefix("Basic ")) == "u:ü".encode()
    assert base64.b64decode(basic("u", "ü", "latin-1").removeprefix("Basic ")) == b"u:\xfc"
    with pytest.raises(UnicodeEncodeError):
        basic("u", "€", "latin-1")


# -- a token that cannot be had


def test_without_a_token_the_request_itself_was_not_sent() -> None:
    failure = before_sending(TransientError("503", retry_after=7, http_status=503, request_id="r"))
    assert isinstance(failure, TransientError)
    assert (failure.sent, failure.retry_after, failure.http_status, failure.request_id) == (
        False,
        7,
        503,
        "r",
    )
    garbage = before_sending(UnreadableAnswerError("no token"))
    assert isinstance(garbage, TransientError)
    assert (garbage.sent, garbage.retry_after) == (False, None)
    refused = AuthenticationError("no")
    assert before_sending(refused) is refused


# -- answers that repeat what was sent

TOKEN = "tok-canary5e7"


@pytest.mark.parametrize(
    ("sent", "secret"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, TOKEN),
        ({"X-API-Key": TOKEN}, TOKEN),
        ({"Authorization": f"User {TOKEN}, Element other-secret"}, "other-secret"),
        ({"Authorization": basic("login", "pass word!")}, "pass word!"),
        ({"Authorization": basic("login", "pass word!")}, basic("login", "pass word!").split()[1]),
        ({"Authorization": basic("login", "grüße-x", "latin-1")}, "grüße-x"),
        (dict(client().token_request().headers), "s:e/c+r&t"),
        (dict(client().token_request().headers), "s%3Ae%2Fc%2Br%26t"),
    ],
)
def test_an_answer_s_echo_of_credentials_is_masked(sent: dict[str, str], secret: str) -> None:
    body = f'{{"message": "not accepted: {secret}"}}'.encode("latin-1")
    assert (
        without(body, secrets_of({"Accept": "application/json", **sent}))
        == b'{"message": "not accepted: ***"}'
    )


def test_masking_leaves_short_words_and_harmless_headers() -> None:
    body = b"Bearer application/json Basic no-cookie airflow-async-provider"
    sent = {"Accept": "application/json", "User-Agent": "airflow-async-provider", "Authorization": "Bearer x"}
    assert without(body, secrets_of(sent)) == body
    assert without(b"Basic %%%", secrets_of({"Authorization": "Basic %%%"})) == b"***"


@settings(deadline=None)
@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=3))
def test_masking_never_fails(body: bytes, sent: dict[str, str]) -> None:
    assert isinstance(without(body, secrets_of(sent)), bytes)
