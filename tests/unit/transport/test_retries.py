# SPDX-License-Identifier: Apache-2.0
"""Another try for one request: only where it does no harm, after a pause, and not for ever."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_async_provider._transport.retries import MAX_PAUSE, MAX_TRIES, may_repeat, with_retries
from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import HttpRequest

GET = HttpRequest("GET", "x")
POST = HttpRequest("POST", "x", repeatable=False)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    return slept


class Exchange:
    """Raises the given errors, one a call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize(
    ("request_", "error", "repeat"),
    [
        (GET, TransientError("503"), True),
        (GET, TransientError("refused", sent=False), True),
        (GET, TransientError("429", retry_after=MAX_PAUSE), True),
        (GET, TransientError("429", retry_after=MAX_PAUSE + 1), False),
        (GET, AuthenticationError("401"), False),
        (GET, AuthorizationError("403"), False),
        (GET, RequestRefusedError("404"), False),
        (GET, UnreadableAnswerError("garbage"), False),
        (GET, ValueError("a defect"), False),
        (POST, TransientError("503", http_status=503), False),
        (POST, TransientError("lost"), False),
        (POST, TransientError("refused", sent=False), True),
        (POST, TransientError("429", http_status=429), True),
        (POST, TransientError("429", http_status=429, retry_after=3600), False),
    ],
)
def test_what_may_be_repeated(request_: HttpRequest, error: Exception, repeat: bool) -> None:
    assert may_repeat(request_, error) == repeat


def test_pauses_grow(pauses: list[float]) -> None:
    exchange = Exchange(*[TransientError("503")] * (MAX_TRIES - 1))
    assert with_retries(GET, exchange) == "answer"
    assert exchange.calls == MAX_TRIES
    assert len(pauses) == MAX_TRIES - 1
    for i, pause in enumerate(pauses):
        assert 0.5 * 2**i <= pause <= 0.5 * 2**i + 0.5


def test_retry_after_goes_first(pauses: list[float]) -> None:
    with_retries(
        GET, Exchange(TransientError("429", retry_after=17), TransientError("503", retry_after=0.25))
    )
    assert pauses == [17, 0.25]


def test_a_retry_after_of_nothing_still_pauses(pauses: list[float]) -> None:
    with_retries(GET, Exchange(TransientError("429", retry_after=0)))
    assert pauses[0] >= 0.5


def test_the_last_error_comes_out(pauses: list[float]) -> None:
    errors = [TransientError(str(i)) for i in range(10)]
    with pytest.raises(TransientError, match="2"):
        with_retries(GET, Exchange(*errors), tries=3)
    assert len(pauses) == 2


def test_one_try_is_one_try(pauses: list[float]) -> None:
    with pytest.raises(TransientError):
        with_retries(GET, Exchange(TransientError("503")), tries=1)
    assert not pauses


def test_an_unreadable_answer_is_tried_again_where_asked_for(pauses: list[float]) -> None:
    assert with_retries(GET, Exchange(UnreadableAnswerError("garbage")), unreadable=True) == "answer"
    with pytest.raises(UnreadableAnswerError):
        with_retries(POST, Exchange(UnreadableAnswerError("garbage")), unreadable=True)
    with pytest.raises(UnreadableAnswerError):
        with_retries(GET, Exchange(UnreadableAnswerError("garbage")))
    assert len(pauses) == 1


def test_a_post_is_sent_once(pauses: list[float]) -> None:
    exchange = Exchange(TransientError("503", http_status=503))
    with pytest.raises(TransientError):
        with_retries(POST, exchange)
    assert (exchange.calls, pauses) == (1, [])
