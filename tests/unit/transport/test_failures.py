# SPDX-License-Identifier: Apache-2.0
"""What HTTP clients and sockets raise, in words that hold no part of a URL."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import Any

import aiohttp
import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from airflow_async_provider._transport.failures import MAX_CHAIN, chain_of, is_untrusted, reason_of

REFUSED = os.strerror(errno.ECONNREFUSED)


def untrusted() -> ssl.SSLCertVerificationError:
    """As OpenSSL makes it."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


def of_requests(inner: BaseException) -> requests.ConnectionError:
    """As requests and urllib3 nest it, with the URL in every text."""
    pool: Any = None
    outer = NewConnectionError(pool, "canary")
    outer.__cause__ = inner
    return requests.ConnectionError(MaxRetryError(pool, "/x?sig=canary", outer))


def of_aiohttp(inner: OSError) -> aiohttp.ClientConnectorError:
    key: Any = None
    return aiohttp.ClientConnectorError(key, inner)


# -- what is inside


def test_the_errors_within_an_error_are_found_the_outermost_first() -> None:
    inner = ConnectionRefusedError(errno.ECONNREFUSED, "x")
    kinds = [type(e).__name__ for e in chain_of(of_requests(inner))]
    assert kinds == ["ConnectionError", "MaxRetryError", "NewConnectionError", "ConnectionRefusedError"]
    assert chain_of(inner) == [inner]


def test_errors_in_a_circle_or_without_end_are_not_followed_for_ever() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert chain_of(one) == [one, other]
    deep = ValueError("0")
    for number in range(50):
        deep = ValueError(f"{number}", deep)
    assert len(chain_of(deep)) == MAX_CHAIN


# -- in words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), REFUSED),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        # Its number is no errno: 1 would be "Operation not permitted".
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version"),
            "[SSL: WRONG_VERSION_NUMBER] wrong version",
        ),
        (untrusted(), "self-signed certificate"),
    ],
)
def test_the_system_s_own_words_are_reported_however_deep_they_are(error: OSError, words: str) -> None:
    assert reason_of(error) == f"{type(error).__name__} ({words})"
    assert reason_of(of_requests(error)) == f"ConnectionError ({words})"


def test_so_are_those_within_an_error_of_aiohttp() -> None:
    inner = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
    assert reason_of(of_aiohttp(inner)) == f"ClientConnectorError ({REFUSED})"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("http://h/x?sig=canary"),
        OSError("http://h/x?sig=canary"),
        requests.ReadTimeout("http://h/x?sig=canary"),
        of_requests(ValueError("http://h/x?sig=canary")),
    ],
)
def test_an_error_s_own_text_is_never_told(error: Exception) -> None:
    assert reason_of(error) == type(error).__name__


# -- certificates


def test_a_certificate_that_is_not_trusted_is_seen_through_every_client() -> None:
    key: Any = None
    assert is_untrusted(untrusted())
    assert is_untrusted(of_requests(untrusted()))
    assert is_untrusted(aiohttp.ClientConnectorCertificateError(key, untrusted()))


@pytest.mark.parametrize("error", [ssl.SSLError(1, "x"), ConnectionRefusedError(111, "x"), ValueError("x")])
def test_other_failures_may_pass(error: Exception) -> None:
    assert not is_untrusted(of_requests(error))
