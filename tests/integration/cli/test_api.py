# SPDX-License-Identifier: Apache-2.0
"""Requests of the commands: a token goes to the address that was given, and nowhere else."""

from __future__ import annotations

from argparse import Namespace

import pytest

from airflow_async_provider._cli import api
from airflow_async_provider._cli.api import Api, ApiError
from tests.support.byte_server import running, status


def test_a_redirect_does_not_get_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(api.TOKEN, "a-token-of-somebody")
    with running(steps=[status(200, b"{}")]) as other:
        with running(steps=[status(302, headers={"Location": other.origin + "/"})]) as found:
            with pytest.raises(ApiError, match="HTTP 302"):
                Api(Namespace(url=found.origin, user=None)).get("jobs")
            assert found.requests
        assert not other.requests


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": [1]}'])
def test_an_answer_of_something_else_is_reported_in_words(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setenv(api.TOKEN, "t")
    with (
        running(steps=[status(404, body)]) as found,
        pytest.raises(ApiError, match="is the package installed"),
    ):
        Api(Namespace(url=found.origin, user=None)).get("jobs")
