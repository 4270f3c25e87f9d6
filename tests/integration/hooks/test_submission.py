# SPDX-License-Identifier: Apache-2.0
"""A submission whose answer is lost: nothing is started twice, and nothing is forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._jobs.messages import surely_not_started
from airflow_async_provider.errors import (
    SubmitError,
    SubmitUnknownError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.hooks import _submission
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import HttpRequest, HttpResponse, JobHandle, Submitted
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from tests.support.byte_server import ByteServer, Exchange, hang_up, status
from tests.support.watched_aso import CONN_ID, accepted, server  # noqa: F401 - a fixture among them

Start = Callable[..., ByteServer]


def define(connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


class Findable(JaggaerAsoProtocol):
    """ASO, had it a way to find a job by our own name for it."""

    def find(self, correlation_id: str) -> HttpRequest | None:
        return HttpRequest("GET", f"find/{correlation_id}")

    def read_find(self, correlation_id: str, response: HttpResponse) -> JobHandle | None:
        found = response.json_object().get("found")
        if response.status >= 500:
            raise TransientError("503", http_status=503)
        return JobHandle("jaggaer_aso", str(found), 1.0) if found else None


POST = HttpRequest("POST", "x", json={}, repeatable=False)
GET = HttpRequest("GET", "x")
NONE = status(200, b"{}")
FOUND = status(200, b'{"found": "abc"}')


def start_with(request: HttpRequest, *, findable: bool = False) -> Submitted:
    protocol = Findable() if findable else JaggaerAsoProtocol()
    return JaggaerAsoHook().start(protocol, request, correlation_id="our-id")


@pytest.fixture(autouse=True)
def no_look_up_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_submission, "LOOK_UP_PAUSES", (0.0, 0.0))


def test_a_get_is_simply_sent_again(server: Start) -> None:
    found = server(hang_up(), status(503))
    found.steps.append(accepted(found.origin))
    assert start_with(GET).handle.status_url == found.origin + "/asyncStatus/x"
    assert len(found.requests) == 3


def test_a_get_that_never_succeeds_gives_up(server: Start) -> None:
    found = server(*[status(503)] * 10)
    with pytest.raises(TransientError):
        start_with(GET)
    assert len(found.requests) == 5


@pytest.mark.parametrize("step", [hang_up(), hang_up(reset=True), status(503), status(202, b"<html>")])
def test_a_post_without_an_answer_is_not_sent_again(server: Start, step: Any) -> None:
    found = server(step, step)
    with pytest.raises(SubmitUnknownError, match="may or may not"):
        start_with(POST)
    assert len(found.requests) == 1


def test_a_post_that_was_not_taken_is_sent_again(server: Start) -> None:
    found = server(status(429, headers={"Retry-After": "1"}))
    found.steps.append(accepted(found.origin))
    assert start_with(POST).handle.status_url
    assert len(found.requests) == 2


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3600"}])
def test_a_post_that_is_not_taken_for_long_is_no_lost_answer(server: Start, headers: dict[str, str]) -> None:
    server(*[status(429, headers=headers)] * 10)
    with pytest.raises(TransientError) as caught:
        start_with(POST)
    assert caught.value.http_status == 429


def test_a_post_that_never_left_may_be_tried_again_by_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    define({"conn_type": "jaggaer_aso", "host": "http://127.0.0.1:1", "password": "t"}, monkeypatch)
    with pytest.raises(TransientError) as caught:
        start_with(POST)
    assert not caught.value.sent


def test_a_lost_job_is_found(server: Start) -> None:
    found = server(hang_up(), NONE, FOUND)
    assert start_with(POST, findable=True).handle.job_id == "abc"
    assert [r.method for r in found.requests] == ["POST", "GET", "GET"]
    assert found.requests[1].target == "/find/our-id"


def test_a_500_is_not_answered_by_a_second_post(server: Start) -> None:
    found = server(status(500, b"cannot do that"), NONE, NONE)
    with pytest.raises(SubmitError, match="cannot do that") as caught:
        start_with(POST, findable=True)
    assert caught.value.http_status == 500
    assert [r.method for r in found.requests] == ["POST", "GET", "GET"]


def slow(exchange: Exchange) -> None:
    """Keeps the request for longer than anybody waits."""
    exchange.server.ended.wait(20)
    exchange.last = True


def slow_in_the_middle(exchange: Exchange) -> None:
    exchange.head(202, {"Content-Length": 100})
    exchange.connection.sendall(b"{")
    slow(exchange)


@pytest.mark.parametrize(
    "step",
    [
        slow,
        slow_in_the_middle,
        status(502),
        status(504),
        status(200, b"{}"),
        status(202, b"<html>"),
        hang_up(),
    ],
)
def test_a_remote_that_does_not_answer_may_start_the_job_later_so_nothing_is_sent_again(
    server: Start, monkeypatch: pytest.MonkeyPatch, step: Any
) -> None:
    found = server(step, NONE, NONE)
    connection = {
        "conn_type": "jaggaer_aso",
        "host": found.origin,
        "password": "t",
        "extra": {"timeout": 0.5},
    }
    define(connection, monkeypatch)
    with pytest.raises(SubmitUnknownError, match="may still start it") as caught:
        start_with(POST, findable=True)
    assert not surely_not_started(caught.value)
    assert [r.method for r in found.requests] == ["POST", "GET", "GET"]


def test_a_look_up_that_fails_leaves_it_open(server: Start) -> None:
    server(hang_up(), *[status(503, b"{}")] * 10)
    with pytest.raises(SubmitUnknownError, match="looked up"):
        start_with(POST, findable=True)


def test_looking_for_nothing_finds_nothing(server: Start) -> None:
    server(NONE)
    hook = JaggaerAsoHook()
    assert hook.look_up(JaggaerAsoProtocol(), "our-id") is None
    assert hook.look_up(Findable(), None) is None
    assert hook.look_up(Findable(), "our-id") is None


def test_an_answer_without_a_body_starts_nothing(server: Start) -> None:
    found = server()

    def odd(exchange: Exchange) -> None:
        exchange.head(202, {"Content-Length": 0})

    found.steps.append(odd)
    with pytest.raises(UnreadableAnswerError):
        start_with(GET)
