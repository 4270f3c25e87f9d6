# SPDX-License-Identifier: Apache-2.0
"""A request that is ended from outside, wherever it hangs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from airflow_async_provider._transport.time_limit import TimeLimit
from airflow_async_provider.errors import TransientError
from tests.support.harness.processes import wait_until


def test_a_reader_that_would_hang_is_woken_and_told() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, TimeLimit(0.05) as limit:
        limit.watch(SimpleNamespace(connected_socket=ours))
        assert ours.recv(1) == b""  # would wait for ever
        with pytest.raises(TransientError, match=r"api.example did not answer within 0.05 seconds"):
            limit.check("api.example")


def test_what_is_connected_after_the_limit_has_passed_is_ended_too() -> None:
    connection = SimpleNamespace()
    ours, theirs = socket.socketpair()
    with ours, theirs, TimeLimit(0.01) as limit:
        limit.watch(connection)
        wait_until(limit_has_passed(limit), "the limit", 20, 0.01)
        connection.connected_socket = ours
        ours.settimeout(20)
        assert ours.recv(1) == b""  # would wait for ever


def limit_has_passed(limit: TimeLimit) -> Callable[[], bool]:
    def passed() -> bool:
        try:
            limit.check("api.example")
        except TransientError:
            return True
        return False

    return passed


def test_within_the_limit_nothing_happens() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with TimeLimit(60) as limit:
            assert not limit.begun
            limit.watch(SimpleNamespace(connected_socket=ours))
            assert limit.begun
            limit.check("api.example")
        theirs.send(b"x")
        assert ours.recv(1) == b"x"
