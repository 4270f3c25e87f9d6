# SPDX-License-Identifier: Apache-2.0
"""Tokens that a simulator takes."""

from __future__ import annotations

from airflow_async_provider.simulators._tokens import Tokens


def tokens(static: str | None = "good") -> Tokens:
    return Tokens(lambda: 0.0, static=static, client_id="me", client_secret="s")


def test_the_static_token_is_good_until_it_is_revoked() -> None:
    ours = tokens()
    assert ours.accepts("Bearer good")
    assert ours.accepts("bearer good")
    for header in ("Basic good", "Bearer bad", "Bearer", "", None):
        assert not ours.accepts(header)
    ours.revoke()
    assert not ours.accepts("Bearer good")
    ours.reset()
    assert ours.accepts("Bearer good")


def test_one_token_can_be_revoked_alone() -> None:
    ours = tokens()
    ours.revoke("another")
    assert ours.accepts("Bearer good")
    ours.revoke("good")
    assert not ours.accepts("Bearer good")
