# SPDX-License-Identifier: Apache-2.0
"""Fields of connection forms."""

from __future__ import annotations

import pytest

from airflow_async_provider._metadata import SYSTEMS
from airflow_async_provider._metadata.system import System, choice, network_fields, number, secret, text


def test_a_secret_is_never_shown() -> None:
    assert secret("Key", "Sent.")["schema"]["format"] == "password"
    assert "format" not in text("Name", "Shown.")["schema"]


def test_every_field_may_be_empty() -> None:
    for field in (text("a", "b"), secret("a", "b"), number("a", "b"), choice("a", "b", "x", "y")):
        assert "null" in field["schema"]["type"]
    assert choice("a", "b", "x", "y")["schema"]["enum"] == ["x", "y"]


def test_a_remote_without_results_has_no_field_for_them() -> None:
    assert set(network_fields()) - set(network_fields(results=False)) == {"result_verify", "result_hosts"}


@pytest.mark.parametrize("system", [s for s in SYSTEMS if s.connection is not None], ids=lambda s: s.name)
def test_a_field_is_called_the_same_in_form_documentation_and_errors(system: System) -> None:
    connection = system.connection or {}
    for name, field in connection["conn-fields"].items():
        assert field["label"].endswith(f" ({name})")
    for name, label in connection["ui-field-behaviour"]["relabeling"].items():
        assert label.lower().startswith(name)
