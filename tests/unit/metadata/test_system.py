# SPDX-License-Identifier: Apache-2.0
"""Fields of connection forms."""

from __future__ import annotations

from airflow_async_provider._metadata.system import choice, network_fields, number, secret, text


def test_a_secret_is_never_shown() -> None:
    assert secret("Key", "Sent.")["schema"]["format"] == "password"
    assert "format" not in text("Name", "Shown.")["schema"]


def test_every_field_may_be_empty() -> None:
    for field in (text("a", "b"), secret("a", "b"), number("a", "b"), choice("a", "b", "x", "y")):
        assert "null" in field["schema"]["type"]
    assert choice("a", "b", "x", "y")["schema"]["enum"] == ["x", "y"]


def test_a_remote_without_results_has_no_field_for_them() -> None:
    assert set(network_fields()) - set(network_fields(results=False)) == {"result_verify", "result_hosts"}
